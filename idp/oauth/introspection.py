"""Is this token good, and for what? For the client that it was issued to, and for the resource servers and systems that it is for (RFC 7662).

Everyone else is told of every token that it is not active. An access token is looked at without a query, so that its cost is that of the
signature; a refresh token is its client's own affair, and asks its one row. No answer holds more of a person than the pairwise
subject that the token itself has.
"""

from collections.abc import Mapping
from typing import Any

from authlib.oauth2.rfc6749 import InvalidClientError, InvalidRequestError
from authlib.oauth2.rfc6749.endpoint import Endpoint
from werkzeug.datastructures import MIMEAccept
from werkzeug.http import parse_accept_header

from idp.oauth import clients, refresh_tokens, resources, scopes, signed_answers
from idp.oauth.access_tokens import AccessToken, InvalidToken, read_access_token
from idp.oauth.clients import Client
from idp.oauth.exchange import targets
from idp.oauth.refresh_tokens import RefreshFamily
from idp.oauth.requests import authorization_details
from idp.oauth.revocation import is_access_token
from idp.oauth.server import NO_STORE, OAuthRequest
from keys import jwe, ring
from runtime.settings import Settings

AUTH_METHODS = tuple(method for method in clients.AUTH_METHODS if method != clients.NONE)
TYP = "token-introspection+jwt"
PLAIN_TYPE, MEDIA_TYPE = "application/json", f"application/{TYP}"
INACTIVE = {"active": False}
TOLD = ("iss", "sub", "sub_type", "act", "aud", "client_id", "iat", "exp", "jti", "auth_time", "acr", "amr", "cnf")
Answer = dict[str, Any]


class Introspection(Endpoint):
    """The endpoint: prove the client, look at the token, ask whether the client may know of it, and only then tell."""

    ENDPOINT_NAME = "introspection"

    def create_endpoint_request(self, request: OAuthRequest) -> OAuthRequest:
        """Return the request as the view made it."""
        return request

    def __call__(self, request: OAuthRequest) -> tuple[int, Any, list[tuple[str, str]]]:
        """Answer a request as JSON, or as a signed token where the client asks for one (RFC 9701)."""
        client: Client = self.server.authenticate_client(request, AUTH_METHODS, self.ENDPOINT_NAME)
        if client.auth_method == clients.NONE:
            raise InvalidClientError("A client that proves nothing is told nothing.", status_code=401)
        unverified = request.form.get("token")
        if not unverified:
            raise InvalidRequestError("token is missing.")
        signed = wants_signed(request, client)
        answer = look_at(unverified, request, client)
        kind = MEDIA_TYPE if signed else PLAIN_TYPE
        return 200, _write(client, answer, request) if signed else answer, [("Content-Type", kind), *NO_STORE.items()]


def wants_signed(request: OAuthRequest, client: Client) -> bool:
    """Whether the answer is to be signed (RFC 9701 section 4); raises InvalidRequestError where it must be, and is asked for otherwise.

    A client that registered how its answers are to be signed or encrypted is never given them plain.
    """
    accepted = parse_accept_header(request.headers.get("Accept"), MIMEAccept)
    if accepted.best_match((PLAIN_TYPE, MEDIA_TYPE), PLAIN_TYPE) == MEDIA_TYPE:
        return True
    metadata = client.metadata
    if metadata.introspection_signed_response_alg or metadata.introspection_encrypted_response_alg:
        raise InvalidRequestError(f"This client asks with Accept: {MEDIA_TYPE}.")
    return False


def look_at(unverified: str, request: OAuthRequest, client: Client) -> Answer:
    """Return what a client may know of a token; the hint is not needed to tell what kind it is of."""
    if not is_access_token(unverified):
        return _of_refresh_token(unverified, request, client)
    try:
        token = read_access_token(unverified, settings=request.settings, now=request.now)
    except InvalidToken:
        return INACTIVE
    if token.client_id == client.client_id:
        return _of_access_token(token, token.terms.resources, request.settings)
    mine = resources_of(client, token, request.settings)
    return _of_access_token(token, mine, request.settings) if mine else INACTIVE


def resources_of(client: Client, token: AccessToken, settings: Settings) -> tuple[str, ...]:
    """Return those that a token is for which this client is: the resources whose server asks as it, and itself where a token names it (RFC 8693)."""
    others = [identifier for identifier in token.terms.resources if identifier != resources.own(settings)]
    found = [resource for identifier in others if (resource := resources.find_resource(identifier, settings)) is not None]
    mine = [resource.identifier for resource in found if resource.client_id == client.client_id]
    return (*mine, client.client_id) if client.client_id in others else tuple(mine)


def _of_access_token(token: AccessToken, told: tuple[str, ...], settings: Settings) -> Answer:
    """Return the members, the scopes and details narrowed to those that concern whoever is told (RFC 9396 section 9.2)."""
    kept = targets.scopes_for(told, token.claims["scope"].split(), settings)
    details = authorization_details.given(token.terms.authorization_details, audience=told, settings=settings, own=resources.own(settings))
    return {
        "active": True,
        **{name: token.claims[name] for name in TOLD if name in token.claims},
        "scope": scopes.scope_from(kept),
        "token_type": token.binding.token_type if token.binding else "Bearer",
        **({"authorization_details": details} if details else {}),
    }


def _of_refresh_token(unverified: str, request: OAuthRequest, client: Client) -> Answer:
    presented = refresh_tokens.read(unverified, request.settings)
    family = request.session.get(RefreshFamily, presented.family_id) if presented else None
    if presented is None or family is None or family.client_id != client.client_id or not family.is_good_for(presented, now=request.now):
        return INACTIVE
    details = list(family.terms.authorization_details)
    return {
        "active": True,
        "iss": request.settings.public_url,
        "client_id": client.client_id,
        "sub": family.grantee.claims(client.sector)["sub"],
        "scope": family.get_scope(),
        "exp": int(family.expires_at.timestamp()),
        **({"authorization_details": details} if details else {}),
    }


def _write(client: Client, answer: Mapping[str, Any], request: OAuthRequest) -> str:
    """Return the answer as a token whose claims are not those of an access token: no `sub`, no `exp` (RFC 9701 section 5)."""
    metadata = client.metadata
    return signed_answers.write(
        client,
        {"token_introspection": answer},
        alg=metadata.introspection_signed_response_alg,
        encryption_alg=metadata.introspection_encrypted_response_alg,
        encryption_enc=metadata.introspection_encrypted_response_enc,
        typ=TYP,
        settings=request.settings,
        now=request.now,
    )


def announced(settings: Settings) -> dict[str, Any]:
    """Return what the server's metadata says of introspection and of authorization details (RFC 8414, RFC 9701 section 7, RFC 9396 section 10)."""
    return {
        "introspection_endpoint": f"{settings.public_url}/introspect",
        "introspection_signing_alg_values_supported": list(ring.signing_suites(ring.OIDC)),
        "introspection_encryption_alg_values_supported": list(jwe.ALGS),
        "introspection_encryption_enc_values_supported": list(jwe.ENCS),
        "authorization_details_types_supported": sorted(authorization_details.TYPES),
    }
