"""A client asks a person who is not at its own screen: the back-channel request and its grant (OpenID Connect CIBA Core 1.0), poll and ping.

In order: who the client is and whether it may (section 7.2), its signed request, the scopes, how it wants to hear, the message, how long, and last
whom it asks; then how often it may ask them.
"""

import json
import re
from datetime import timedelta
from typing import Any

from authlib.oauth2 import OAuth2Error
from authlib.oauth2.rfc6749 import InvalidRequestError, InvalidScopeError, UnauthorizedClientError

from idp.oauth import prompts, scopes
from idp.oauth.apart import asking, flood, hints, signed_requests, waiting
from idp.oauth.apart.redeeming import ApartGrant
from idp.oauth.apart.waiting import TABLE, Kind, Wanted
from idp.oauth.clients import AUTH_METHODS, CIBA, NONE, Client
from idp.oauth.server import OAuthRequest
from idp.signin.assurance import read_acr
from keys import sealing, suites
from runtime import jobs
from runtime.ids import new_id
from runtime.settings import Settings

POLL, PING = "poll", "ping"
MODES = (POLL, PING)
USUAL, SHORTEST, LONGEST = timedelta(minutes=10), timedelta(seconds=30), timedelta(hours=1)
LONGEST_MESSAGE = 128
TOKEN = re.compile(r"[A-Za-z0-9._~+/-]+=*")
LONGEST_TOKEN = 1024


class InvalidBindingMessage(OAuth2Error):
    """The message is too long, or is not text that can be shown (section 13)."""

    error = "invalid_binding_message"
    description = f"binding_message is printable text of at most {LONGEST_MESSAGE} characters."


class BackchannelAuthentication:
    """The endpoint that takes a request (section 7), in the manner of Authlib's device endpoint."""

    ENDPOINT_NAME = "backchannel_authentication"

    def __init__(self, server: Any) -> None:
        self.server = server

    def create_endpoint_request(self, request: OAuthRequest) -> OAuthRequest:
        """Return the request as the view made it."""
        return request

    def __call__(self, request: OAuthRequest) -> tuple[int, dict[str, Any], Any]:
        """Return the acknowledgement (section 7.3); raises OAuth2Error."""
        client = self._client(request)
        request.payload.data.update(_only(signed_requests.parameters_of(request, client), client))
        asked = asking.people_scopes(request, client)
        if scopes.OPENID not in asked:
            raise InvalidScopeError("scope must contain openid.")
        parameters = request.form
        acr_values = _acr_values(parameters, client)
        token, message = _notification_token(parameters, client), _message(parameters)
        asking.settle_terms(request, client)
        wanted = Wanted(client.client_id, asked, request.terms, _lifetime(parameters), acr_values)
        meant = hints.read(request.session, parameters, client, settings=request.settings)
        flood.count(request.session, person=meant.key, client_id=client.client_id, now=request.now)
        secret, row_id = waiting.new_secret(), new_id()
        more: dict[str, Any] = {"meant_for": meant.holder_id, "message_sealed": _seal(message, "message", row_id)}
        if token is not None:
            more["ping_sealed"] = _seal(json.dumps({"token": token, "auth_req_id": secret}), "ping", row_id)
        waiting.add(request.session, wanted, kind=Kind.BACKCHANNEL, secret=secret, now=request.now, row_id=row_id, **more)
        jobs.defer(request.session, "tell_of_request", request_id=str(row_id))  # whoever is meant, and whether anybody is
        return asking.found(
            {"auth_req_id": secret, "expires_in": int(wanted.lifetime.total_seconds()), "interval": int(waiting.INTERVAL.total_seconds())}
        )

    def _client(self, request: OAuthRequest) -> Client:
        client: Client = self.server.authenticate_client(request, AUTH_METHODS, self.ENDPOINT_NAME)
        request.client = client
        if client.auth_method == NONE or not client.check_grant_type(CIBA):
            raise UnauthorizedClientError("The client may not ask people through the back channel.")
        return client


class BackchannelGrant(ApartGrant):
    """The grant by which the client fetches the answer (section 10.1)."""

    KIND = Kind.BACKCHANNEL
    GRANT_TYPE = CIBA
    TOKEN_ENDPOINT_AUTH_METHODS = AUTH_METHODS

    def validate_token_request(self) -> None:
        """Check the request and find what was answered; raises OAuth2Error."""
        unverified_id = self.request.form.get("auth_req_id")
        if not unverified_id:
            raise InvalidRequestError("auth_req_id is missing.")
        self.authenticate_token_endpoint_client()
        self.request.user = self.validate_device_credential(self.query_device_credential(unverified_id))


def announced(settings: Settings) -> dict[str, Any]:
    """Return what the metadata say of the endpoint (section 4)."""
    return {
        "backchannel_authentication_endpoint": f"{settings.public_url}/backchannel-authentication",
        "backchannel_token_delivery_modes_supported": list(MODES),
        "backchannel_authentication_request_signing_alg_values_supported": sorted(suites.SUITES),
        "backchannel_user_code_parameter_supported": False,
    }


def _only(parameters: dict[str, str], client: Client) -> dict[str, str]:
    """Return the parameters of a signed request without those that are about the client itself."""
    return {name: value for name, value in parameters.items() if name not in signed_requests.BESIDE}


def _acr_values(parameters: dict[str, str], client: Client) -> str:
    """Return the levels asked for, else the client's usual ones, without those that are not ours; raises Unmet if none is."""
    named = parameters.get("acr_values") or " ".join(client.metadata.default_acr_values)
    prompts.read({"acr_values": named})
    return " ".join(dict.fromkeys(one for one in named.split()[: prompts.MOST_ACRS] if read_acr(one) is not None))


def _notification_token(parameters: dict[str, str], client: Client) -> str | None:
    """Return the token by which a client of ping mode knows us; of another client it counts for nothing."""
    if client.metadata.backchannel_token_delivery_mode != PING:
        return None
    token = parameters.get("client_notification_token", "")
    if not TOKEN.fullmatch(token) or len(token) > LONGEST_TOKEN:
        raise InvalidRequestError("client_notification_token is missing, or not a bearer token of at most 1024 characters.")
    return token


def _message(parameters: dict[str, str]) -> str | None:
    message = parameters.get("binding_message")
    if message is not None and (len(message) > LONGEST_MESSAGE or not message.isprintable() or not message.strip()):
        raise InvalidBindingMessage()
    return message


def _lifetime(parameters: dict[str, str]) -> timedelta:
    text = parameters.get("requested_expiry")
    if text is None:
        return USUAL
    if not (text.isascii() and text.isdigit() and len(text) <= 9 and int(text) > 0):
        raise InvalidRequestError("requested_expiry is not a positive whole number of seconds.")
    return min(max(timedelta(seconds=int(text)), SHORTEST), LONGEST)


def _seal(plain: str | None, column: str, row_id: Any) -> bytes | None:
    return sealing.seal(plain, table=TABLE, column=column, row=row_id) if plain is not None else None
