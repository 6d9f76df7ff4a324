"""The token, revocation and introspection endpoints (RFC 6749 section 3.2, RFC 7009, RFC 7662).

The transaction is kept even where the answer is a refusal, so that what is spent stays spent and what is ended stays ended.
"""

from authlib.oauth2.rfc6749 import InvalidRequestError
from flask import Blueprint
from sqlalchemy.orm import Session

from idp.oauth import assertions, oauth_errors
from idp.oauth.apart.backchannel import BackchannelGrant
from idp.oauth.apart.device import DeviceGrant
from idp.oauth.client_authentication import Ahead, UseOnce
from idp.oauth.client_credentials import ClientCredentials
from idp.oauth.clients import CLIENT_CREDENTIALS
from idp.oauth.exchange.jwt_bearer import JwtBearer
from idp.oauth.exchange.pre_authorized_grant import PreAuthorizedCodeGrant
from idp.oauth.exchange.token_exchange import TokenExchange
from idp.oauth.introspection import Introspection
from idp.oauth.refresh import RefreshGrant
from idp.oauth.revocation import Revocation, is_access_token
from idp.oauth.server import OAuthRequest, server, single
from runtime import lean
from runtime.clock import now
from runtime.database import transaction
from runtime.guard import allow, anyone
from runtime.lean import Answer, Posted
from runtime.pages import csrf
from runtime.present import extension
from runtime.together import Steps

token_endpoints = Blueprint("oauth", __name__)
csrf.exempt(token_endpoints)
oauth_errors.init_blueprint(token_endpoints)
server.register_grant(ClientCredentials)
server.register_grant(RefreshGrant)
server.register_grant(TokenExchange)
server.register_grant(JwtBearer)
server.register_grant(PreAuthorizedCodeGrant)
server.register_grant(DeviceGrant)
server.register_grant(BackchannelGrant)
server.register_endpoint(Revocation)
server.register_endpoint(Introspection)


@lean.post(token_endpoints, "/token")
@allow(anyone)
def token(posted: Posted) -> Answer | Steps[Answer]:
    """Give tokens for a grant."""
    parameters = single(posted.form)
    if "grant_type" not in parameters:
        raise InvalidRequestError("grant_type is missing; send application/x-www-form-urlencoded.")
    if parameters["grant_type"] == CLIENT_CREDENTIALS:
        return _systems_token(posted, parameters)
    with transaction() as session:
        return _token(_asked(posted, parameters, session))


@lean.post(token_endpoints, "/revoke")
@allow(anyone)
def revoke(posted: Posted) -> Answer:
    """Take a token back."""
    parameters = single(posted.form)
    with transaction() as session:
        response: Answer = server.create_endpoint_response(Revocation.ENDPOINT_NAME, _asked(posted, parameters, session))
        return response


@lean.post(token_endpoints, "/introspect")
@allow(anyone)
def introspect(posted: Posted) -> Answer:
    """Say whether a token is good, to whom it concerns."""
    parameters = single(posted.form)
    if is_access_token(parameters.get("token", "")):
        return _introspect(_asked(posted, parameters))  # no table, again
    with transaction() as session:
        return _introspect(_asked(posted, parameters, session))


def _systems_token(posted: Posted, parameters: dict[str, str]) -> Steps[Answer]:
    """Give a system a token in its own name: no table but the assertion's own is written, and that when all else is done."""
    ahead = Ahead()
    try:
        return _token(_asked(posted, parameters, use_once=ahead))
    finally:
        yield from ahead.settled()


def _introspect(asked: OAuthRequest) -> Answer:
    response: Answer = server.create_endpoint_response(Introspection.ENDPOINT_NAME, asked)
    return response


def _token(asked: OAuthRequest) -> Answer:
    response: Answer = server.create_token_response(asked)
    return response


def _asked(posted: Posted, parameters: dict[str, str], session: Session | None = None, *, use_once: UseOnce = assertions.use_once) -> OAuthRequest:
    settings, headers = extension("kabao_settings"), posted.headers
    proof = headers.get("Authorization")
    return OAuthRequest(
        "POST", parameters, session=session, settings=settings, now=now(), authorization=proof, headers=headers, path=posted.path, use_once=use_once
    )
