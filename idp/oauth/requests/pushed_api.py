"""The endpoint where a client pushes an authorization request before it sends the browser (RFC 9126).

In this order: who the client is; that it pushes no reference; what it signed, if it signs; all that the authorization endpoint would check
of the request, with the client's word for who asks; and only then is anything kept.
"""

from typing import Any

from authlib.oauth2 import OAuth2Error
from authlib.oauth2.rfc6749 import InvalidRequestError
from flask import Blueprint, Response, current_app, jsonify, request
from sqlalchemy.orm import Session
from werkzeug.exceptions import RequestEntityTooLarge

from idp.oauth import hints, oauth_errors, prompts, waymarks
from idp.oauth.bindings import DPOP
from idp.oauth.clients import NONE, Client
from idp.oauth.requests import pushed, request_objects
from idp.oauth.requests.arrival import Arrival
from idp.oauth.requests.resolving import REQUEST, REQUEST_URI
from idp.oauth.server import NO_STORE, OAuthRequest, server, single
from idp.signin import throttle
from keys import jwe, suites
from runtime.clock import now
from runtime.database import transaction
from runtime.guard import allow, anyone
from runtime.pages import csrf
from runtime.settings import Settings

pushed_api = Blueprint("pushed", __name__)
csrf.exempt(pushed_api)
oauth_errors.init_blueprint(pushed_api)
PATH = "/par"
LONGEST = 64 * 1024
OF_THE_PROOF = ("client_assertion", "client_assertion_type", "client_secret")


@pushed_api.route(PATH, methods=["POST"])
@allow(anyone)
def push() -> Response:
    """Keep an authorization request for its client, and give the reference to send the browser with."""
    sent = OAuthRequest(
        "POST",
        _bounded(single(request.form.items(multi=True))),
        session=None,
        settings=current_app.extensions["kabao_settings"],
        now=now(),
        authorization=request.headers.get("Authorization"),
        headers=request.headers,
        path=request.path,
    )
    client = server.authenticate_client(sent, [])
    _count(sent, client)
    with transaction() as session:
        name = _keep(session, sent, client)
    response = jsonify(request_uri=pushed.given(name), expires_in=int(sent.settings.pushed_request_lifetime.total_seconds()))
    response.status_code = 201
    response.headers.update(NO_STORE)
    return response


def announced(settings: Settings) -> dict[str, Any]:
    """Return what the metadata says of pushed and of signed requests (RFC 9126 section 5, RFC 9101 section 10.5)."""
    return {
        "pushed_authorization_request_endpoint": f"{settings.public_url}{PATH}",
        "require_pushed_authorization_requests": settings.pushed_requests_required,
        "request_parameter_supported": True,
        "request_uri_parameter_supported": True,
        "require_request_uri_registration": True,
        "require_signed_request_object": False,
        "request_object_signing_alg_values_supported": sorted(suites.SUITES),
        "request_object_encryption_alg_values_supported": list(jwe.ALGS),
        "request_object_encryption_enc_values_supported": list(jwe.ENCS),
    }


def _bounded(parameters: dict[str, str]) -> dict[str, str]:
    """Return the parameters if they are not too long to keep; raises 413 (section 2.3)."""
    if sum(len(name) + len(value) for name, value in parameters.items()) > LONGEST:
        raise RequestEntityTooLarge
    return parameters


def _count(sent: OAuthRequest, client: Client) -> None:
    """Count the request against its client, and against where it comes from; of one that proves nothing, the latter alone."""
    account = "" if client.auth_method == NONE else client.client_id
    with transaction() as session:
        throttle.count(session, throttle.Try("push", account, request.remote_addr or ""), now=sent.now)


def _keep(session: Session, sent: OAuthRequest, client: Client) -> str:
    arrival = _read(sent, client)
    _check(session, sent, arrival)
    return pushed.keep(
        session,
        arrival.parameters,
        client_id=client.client_id,
        pushed=True,
        signed=arrival.signed,
        lifetime=sent.settings.pushed_request_lifetime,
        now=sent.now,
    )


def _read(sent: OAuthRequest, client: Client) -> Arrival:
    """Return what is pushed: what stands in the signed object and nothing else where there is one (RFC 9126 section 3)."""
    parameters = {name: value for name, value in sent.form.items() if name not in OF_THE_PROOF}
    if REQUEST_URI in parameters:
        raise InvalidRequestError("request_uri cannot be pushed.")
    signed = parameters.get(REQUEST)
    if signed is not None:
        parameters = request_objects.verify(signed, client=client, settings=sent.settings, now=sent.now, once=True)
    if parameters.get("client_id") != client.client_id:
        raise InvalidRequestError("client_id is missing.")
    return Arrival(_bound(sent, waymarks.without(hints.speakable(parameters))), pushed=True, signed=signed is not None)


def _bound(sent: OAuthRequest, parameters: dict[str, str]) -> dict[str, str]:
    """Return the parameters with the DPoP key that the code will be bound to, if the request was proven with one (RFC 9449 section 10.1)."""
    if sent.binding is None or sent.binding.method != DPOP:
        return parameters
    bound = {"dpop_jkt": sent.binding.thumbprint, **parameters}
    if bound["dpop_jkt"] != sent.binding.thumbprint:
        raise InvalidRequestError("dpop_jkt is not the key of the DPoP proof.")
    return bound


def _check(session: Session, sent: OAuthRequest, arrival: Arrival) -> None:
    """Check the request as the authorization endpoint will; whatever is wrong is said here and now, and nowhere else."""
    asked = OAuthRequest(
        "GET", arrival.parameters, session=session, settings=sent.settings, now=sent.now, headers=sent.headers, path=sent.path, arrival=arrival
    )
    try:
        server.get_consent_grant(asked)
        prompts.read(arrival.parameters, metadata=asked.client.metadata)
    except OAuth2Error as error:
        error.redirect_uri = error.state = None
        raise
