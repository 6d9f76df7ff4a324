"""The registration endpoint (RFC 7591 section 3) and the client configuration endpoint (RFC 7592 section 2).

In this order: may it register at all (its token, or the open policy, slowed by address); is it a document; does the signed statement hold;
is every member what it may be; do they go together; does the policy allow them; are they what the security profile asks for.
"""

import json
import re
from typing import Any

from authlib.oauth2.rfc7591.errors import InvalidClientMetadataError
from flask import Blueprint, Response, current_app, request
from sqlalchemy.orm import Session

from idp.oauth import clients, oauth_errors
from idp.oauth.registration import initial_tokens, policies, registering
from idp.oauth.registration.policies import Policy
from idp.oauth.registration.registering import ClientRegistration, Registered
from idp.oauth.server import NO_STORE, refuse
from idp.signin import throttle
from runtime.clock import now
from runtime.database import transaction
from runtime.guard import allow, anyone
from runtime.pages import csrf
from runtime.rough_input import NotReadable, read_json
from runtime.settings import Settings

registration = Blueprint("registration", __name__)
csrf.exempt(registration)
oauth_errors.init_blueprint(registration)
BEARER = re.compile(r"bearer +([A-Za-z0-9._~+/=-]{1,500})", re.IGNORECASE)
LONGEST = 64 * 1024
DOOR = "client registration"


class TokenNotGood(Exception):
    """There is no token, or one that is not good for this (RFC 6750 section 3.1)."""

    def __init__(self, error: str | None = "invalid_token", *, status: int = 401) -> None:
        super().__init__(error)
        self.error, self.status = error, status


@registration.errorhandler(TokenNotGood)
def _token_not_good(error: TokenNotGood) -> Response:
    response = refuse(error.error or "invalid_token", status=error.status).as_response()
    said = f', error="{error.error}"' if error.error else ""
    response.headers["WWW-Authenticate"] = f'Bearer realm="kabao"{said}'
    return response


@registration.route("/register", methods=["POST"])
@allow(anyone)
def register() -> Response:
    """Register a client."""
    settings, present = _settings(), now()
    with transaction() as session:
        policy, initial_token_id = _leave(session, settings, present)
        registered = registering.register(session, _document(), policy=policy, initial_token_id=initial_token_id, settings=settings, now=present)
        return _answer(registered, settings, status=201)


@registration.route("/register/<client_id>", methods=["GET"])
@allow(anyone)
def read(client_id: str) -> Response:
    """Give a client its own registration."""
    with transaction() as session:
        found, token = _registration(session, client_id)
        return _answer(registering.read(session, found, token=token), _settings())


@registration.route("/register/<client_id>", methods=["PUT"])
@allow(anyone)
def replace(client_id: str) -> Response:
    """Let a client replace its registration."""
    settings, present = _settings(), now()
    with transaction() as session:
        found, _ = _registration(session, client_id)
        policy = policies.find_policy(session, found.policy)
        if policy is None:
            raise TokenNotGood("insufficient_scope", status=403)
        return _answer(registering.replace(session, found, _document(), policy=policy, settings=settings, now=present), settings)


@registration.route("/register/<client_id>", methods=["DELETE"])
@allow(anyone)
def delete(client_id: str) -> Response:
    """Let a client take its registration back."""
    with transaction() as session:
        found, _ = _registration(session, client_id)
        registering.delete(session, found, now=now())
    return Response(status=204, headers=NO_STORE)


def announced(settings: Settings) -> dict[str, Any]:
    """Return what the metadata says of registration."""
    return {"registration_endpoint": f"{settings.public_url}/register"}


def _leave(session: Session, settings: Settings, present: Any) -> tuple[Policy, Any]:
    """Return the policy that a client may register under, with the token that says so; one use of it is taken."""
    token, token_id, name = _bearer(), None, settings.open_registration
    if token is not None:
        spent = initial_tokens.spend(session, token, now=present)
        if spent is None:
            raise TokenNotGood
        token_id, name = spent.id, spent.policy
    elif name is None:
        raise TokenNotGood(None)
    else:
        with transaction() as counting:
            throttle.count(counting, throttle.Try(DOOR, "", request.remote_addr or ""), now=present)
    policy = policies.find_policy(session, name)
    if policy is None:
        raise TokenNotGood
    return policy, token_id


def _registration(session: Session, client_id: str) -> tuple[ClientRegistration, str]:
    """Return the registration that the token of the request is for; a client that an operator closed may not manage it (section 2.1: 403)."""
    token = _bearer()
    if token is None:
        raise TokenNotGood(None)
    found = registering.find_registration(session, client_id, token)
    if found is None:
        raise TokenNotGood
    if clients.get_row(session, client_id).disabled_at is not None:
        raise TokenNotGood("insufficient_scope", status=403)
    return found, token


def _bearer() -> str | None:
    """Return the token of the request, None where nothing is shown; raises TokenNotGood for what is no token."""
    header = request.headers.get("Authorization")
    if header is None:
        return None
    match = BEARER.fullmatch(header)
    if match is None:
        raise TokenNotGood
    return match[1]


def _document() -> dict[str, Any]:
    if request.mimetype != "application/json":
        raise InvalidClientMetadataError("The body must be application/json.")
    body = request.get_data()
    if len(body) > LONGEST:
        raise InvalidClientMetadataError("The document is too long.")
    try:
        document = read_json(body)
    except (NotReadable, RecursionError, ValueError) as error:
        raise InvalidClientMetadataError("The body is not JSON that can be read here.") from error
    if not isinstance(document, dict):
        raise InvalidClientMetadataError("The document must be a JSON object.")
    return document


def _answer(registered: Registered, settings: Settings, *, status: int = 200) -> Response:
    body = json.dumps(registered.as_json(settings), ensure_ascii=False)
    return Response(body, status=status, mimetype="application/json", headers=NO_STORE)


def _settings() -> Settings:
    settings: Settings = current_app.extensions["kabao_settings"]
    return settings
