"""The device authorization endpoint (RFC 8628 section 3.1)."""

from authlib.oauth2.rfc6749 import InvalidRequestError
from flask import Blueprint, Response, current_app, request

from idp.oauth import oauth_errors
from idp.oauth.apart.device import START, DeviceAuthorization, DeviceRequest
from idp.oauth.server import server, single
from idp.signin import throttle
from runtime.clock import now
from runtime.database import transaction
from runtime.guard import allow, anyone
from runtime.lean import Answer
from runtime.pages import csrf

device_endpoint = Blueprint("device_endpoint", __name__)
csrf.exempt(device_endpoint)
oauth_errors.init_blueprint(device_endpoint)
server.register_endpoint(DeviceAuthorization)


@device_endpoint.route("/device_authorization", methods=["POST"])
@allow(anyone)
def device_authorization() -> Response:
    """Give a device its codes."""
    parameters, present, address = single(request.form.items(multi=True)), now(), request.remote_addr or ""
    if not parameters:
        raise InvalidRequestError("Send application/x-www-form-urlencoded.")
    with transaction() as session:
        throttle.count(session, throttle.Try(START, "", address), now=present)
    with transaction() as session:
        asked = DeviceRequest(
            "POST",
            parameters,
            session=session,
            settings=current_app.extensions["kabao_settings"],
            now=present,
            authorization=request.headers.get("Authorization"),
            headers=request.headers,
            path=request.path,
        )
        asked.address, asked.user_agent = address, request.user_agent.string
        answer: Answer = server.create_endpoint_response(DeviceAuthorization.ENDPOINT_NAME, asked)
        return answer.as_response()
