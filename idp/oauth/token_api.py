"""The token and revocation endpoints (RFC 6749 section 3.2, RFC 7009)."""

from authlib.oauth2 import OAuth2Error
from authlib.oauth2.rfc6749 import InvalidRequestError
from flask import Blueprint, Response, current_app, request

from idp.oauth import oauth_errors
from idp.oauth.client_credentials import ClientCredentials
from idp.oauth.server import OAuthRequest, server, single
from runtime.clock import now
from runtime.database import transaction
from runtime.guard import allow, anyone
from runtime.pages import csrf

token_endpoints = Blueprint("oauth", __name__)
csrf.exempt(token_endpoints)
oauth_errors.init_blueprint(token_endpoints)
server.register_grant(ClientCredentials)


@token_endpoints.post("/token")
@allow(anyone)
def token() -> Response:
    """Give tokens for a grant; the transaction is kept even where the answer is a refusal, so that what is spent stays spent."""
    try:
        parameters = single(request.form)
        if "grant_type" not in parameters:
            raise InvalidRequestError("grant_type is missing; send application/x-www-form-urlencoded.")
    except OAuth2Error as error:
        return server.handle_error_response(None, error)
    with transaction() as session:
        asked = OAuthRequest(
            "POST",
            parameters,
            session=session,
            settings=current_app.extensions["kabao_settings"],
            now=now(),
            authorization=request.headers.get("Authorization"),
        )
        response: Response = server.create_token_response(asked)
        return response
