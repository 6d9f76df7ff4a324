"""The backchannel authentication endpoint (OpenID Connect CIBA Core 1.0 section 7)."""

from authlib.oauth2.rfc6749 import InvalidRequestError
from flask import Blueprint, Response, current_app, request

from idp.oauth import oauth_errors
from idp.oauth.apart.backchannel import BackchannelAuthentication
from idp.oauth.server import OAuthRequest, server, single
from runtime.clock import now
from runtime.database import transaction
from runtime.guard import allow, anyone
from runtime.lean import Answer
from runtime.pages import csrf

backchannel = Blueprint("backchannel", __name__)
csrf.exempt(backchannel)
oauth_errors.init_blueprint(backchannel)
server.register_endpoint(BackchannelAuthentication)


@backchannel.route("/backchannel-authentication", methods=["POST"])
@allow(anyone)
def authenticate() -> Response:
    """Take a request to ask a person; one that comes too often is undone with all that it counted."""
    parameters = single(request.form.items(multi=True))
    if not parameters:
        raise InvalidRequestError("Send application/x-www-form-urlencoded.")
    with transaction() as session:
        asked = OAuthRequest(
            "POST",
            parameters,
            session=session,
            settings=current_app.extensions["kabao_settings"],
            now=now(),
            authorization=request.headers.get("Authorization"),
            headers=request.headers,
            path=request.path,
        )
        answer: Answer = server.create_endpoint_response(BackchannelAuthentication.ENDPOINT_NAME, asked)
        return answer.as_response()
