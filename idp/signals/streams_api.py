"""The endpoints at which receivers manage their streams, and the document that announces them (Shared Signals Framework 1.0 sections 7 and 8.1)."""

from dataclasses import replace
from typing import Any
from uuid import UUID

from flask import Blueprint, Response, current_app, g, jsonify, request
from marshmallow import Schema, ValidationError

from idp.oauth import scopes
from idp.oauth.callers import InsufficientScope, bearer
from idp.oauth.clients import find_client
from idp.oauth.pairwise import NotPairwise, subject_of
from idp.signals import event_types, streams, tokens
from idp.signals.streams import ENABLED, POLL, PUSH, SIGNALS, SignalStream, StreamNotFound, StreamRefused, Wanted
from runtime.clock import now
from runtime.database import transaction
from runtime.guard import allow, anyone
from runtime.languages import Text
from runtime.pages import csrf
from runtime.problems import Refusal, faults
from runtime.rough_input import read_body
from runtime.settings import Settings
from schemas.signals import StatusSchema, StreamChangeSchema, StreamSchema, SubjectSchema, VerificationSchema

signals = Blueprint("signals", __name__)
csrf.exempt(signals)
MANAGE, READ = scopes.SSF_MANAGE, scopes.SSF_READ
MAX_AGE = 300


class BodyRefused(Refusal):
    """The body is not what the specification wants; it says 400 for whatever is wrong."""

    code, status, title = "invalid-request", 400, Text("请求内容有误。", "The request has errors.")


@signals.route("/.well-known/ssf-configuration", methods=["GET"])
@allow(anyone)
def configuration() -> Response:
    """Announce the transmitter (section 7.1)."""
    at = _settings().public_url
    document = {
        "spec_version": "1_0",
        "issuer": at,
        "jwks_uri": f"{at}/jwks",
        "delivery_methods_supported": [PUSH, POLL],
        "configuration_endpoint": f"{at}/signals/streams",
        "status_endpoint": f"{at}/signals/status",
        "add_subject_endpoint": f"{at}/signals/subjects/add",
        "remove_subject_endpoint": f"{at}/signals/subjects/remove",
        "verification_endpoint": f"{at}/signals/verification",
        "authorization_schemes": [{"spec_urn": "urn:ietf:rfc:6749"}],
        "default_subjects": "ALL",
    }
    response = jsonify(document)
    response.headers["Cache-Control"] = f"public, max-age={MAX_AGE}"
    return response


@signals.route("/signals/streams", methods=["POST"])
@allow(bearer(MANAGE))
def create() -> Response:
    """Make a stream."""
    body = read(StreamSchema())
    with transaction() as session:
        row = streams.create(session, receiver(), _wanted(body), settings=_settings(), now=now())
        return answer(document_of(row), 201)


@signals.route("/signals/streams", methods=["GET"])
@allow(bearer(READ, MANAGE))
def show() -> Response:
    """Give the configuration of one stream, or of every one of the receiver's."""
    with transaction() as session:
        if "stream_id" in request.args:
            return answer(document_of(_named(session)))
        return answer([document_of(row) for row in streams.streams_of(session, receiver())])


@signals.route("/signals/streams", methods=["PATCH"])
@allow(bearer(MANAGE))
def change() -> Response:
    """Change what is given of a configuration."""
    return _changed(lambda before, body: _wanted(body, before))


@signals.route("/signals/streams", methods=["PUT"])
@allow(bearer(MANAGE))
def put() -> Response:
    """Replace the whole of what the receiver supplies."""
    return _changed(lambda before, body: _wanted(body))


@signals.route("/signals/streams", methods=["DELETE"])
@allow(bearer(MANAGE))
def delete() -> Response:
    """End a stream."""
    with transaction() as session:
        streams.end_stream(session, _named(session), now=now())
    return answer(None, 204)


@signals.route("/signals/status", methods=["GET"])
@allow(bearer(READ, MANAGE))
def status() -> Response:
    """Give the status of a stream."""
    with transaction() as session:
        return answer(_status_of(_named(session)))


@signals.route("/signals/status", methods=["POST"])
@allow(bearer(MANAGE))
def set_status() -> Response:
    """Let a stream go on, wait or stop."""
    body, moment = read(StatusSchema()), now()
    with transaction() as session:
        row = streams.get_stream(session, body["stream_id"], client_id=receiver(), methods=SIGNALS, lock=True)
        streams.set_status(session, row, body["status"], reason=body.get("reason"), actor=f"client:{row.client_id}", now=moment)
        tokens.let_go(session, row)
        return answer(_status_of(row))


@signals.route("/signals/subjects/add", methods=["POST"])
@allow(bearer(MANAGE))
def add_subject() -> Response:
    """Speak of a subject on a stream, as is done from the beginning; one whom we do not know is passed over in silence (section 9.1)."""
    with transaction() as session:
        row, subject_id = _about(session)
        if subject_id is not None:
            streams.include(session, row, subject_id)
    return answer(None, 200)


@signals.route("/signals/subjects/remove", methods=["POST"])
@allow(bearer(MANAGE))
def remove_subject() -> Response:
    """Say nothing more of a subject on a stream."""
    with transaction() as session:
        row, subject_id = _about(session)
        if subject_id is not None:
            streams.exclude(session, row, subject_id)
    return answer(None, 204)


@signals.route("/signals/verification", methods=["POST"])
@allow(bearer(MANAGE))
def verification() -> Response:
    """Send a verification event over a stream (section 8.1.4)."""
    body, moment = read(VerificationSchema()), now()
    with transaction() as session:
        row = streams.get_stream(session, body["stream_id"], client_id=receiver(), methods=SIGNALS)
        streams.may_verify(session, row, now=moment)
        event = {"state": body["state"]} if "state" in body else {}
        tokens.add_of_stream(session, row, event_types.VERIFICATION, event, now=moment)
    return answer(None, 204)


def receiver() -> str:
    """Return who calls: a client in its own name; raises InsufficientScope for a person's token."""
    if g.token.grantee is not None:
        raise InsufficientScope("a token in the client's own name is wanted")
    client_id: str = g.token.client_id
    return client_id


def read(schema: Schema) -> dict[str, Any]:
    """Return the body of the request as the schema has it; raises BodyRefused, UnreadableBody."""
    try:
        loaded: dict[str, Any] = schema.load(read_body(request.get_data() or b"{}", is_json=True))
    except ValidationError as error:
        errors = faults(error.messages, most=20)
        raise BodyRefused("", field=errors[0]["field"], errors=errors) from error
    return loaded


def answer(document: Any, code: int = 200) -> Response:
    """Return a document, or nothing, never to be kept."""
    response = jsonify(document) if document is not None else Response()
    response.status_code = code
    response.headers["Cache-Control"] = "no-store"
    return response


def document_of(row: SignalStream) -> dict[str, Any]:
    """Return a stream's configuration (section 8.1.1); what the receiver wants to be sent as `Authorization` is not shown again."""
    settings = _settings()
    supported = streams.supported_by(row.client_id, settings)
    polled = f"{settings.public_url}/signals/polls/{row.id}"
    document = {
        "stream_id": str(row.id),
        "iss": settings.public_url,
        "aud": row.client_id,
        "events_supported": supported,
        "events_requested": row.events_requested,
        "events_delivered": [one for one in supported if one in row.events_requested],
        "delivery": {"method": row.method, "endpoint_url": row.endpoint_url if row.method == PUSH else polled},
        "min_verification_interval": int(streams.BETWEEN_VERIFICATIONS.total_seconds()),
    }
    return document | ({"description": row.description} if row.description else {})


def _changed(wanted_of: Any) -> Response:
    body = read(StreamChangeSchema())
    with transaction() as session:
        row = streams.get_stream(session, body["stream_id"], client_id=receiver(), methods=SIGNALS, lock=True)
        _check_ours(body, document_of(row))
        streams.replace(session, row, wanted_of(streams.supplied(row), body), settings=_settings(), now=now())
        return answer(document_of(row))


def _wanted(body: dict[str, Any], before: Wanted | None = None) -> Wanted:
    wanted = before or Wanted()
    if "delivery" in body:
        delivery, own = body["delivery"], f"{_settings().public_url}/signals/polls/"
        given = delivery.get("endpoint_url")
        url = None if delivery["method"] == POLL and given is not None and given.startswith(own) else given
        wanted = replace(wanted, method=delivery["method"], endpoint_url=url, authorization_header=delivery.get("authorization_header"))
    if "events_requested" in body:
        wanted = replace(wanted, events_requested=tuple(dict.fromkeys(body["events_requested"])))
    return replace(wanted, description=body["description"]) if "description" in body else wanted


def _check_ours(body: dict[str, Any], document: dict[str, Any]) -> None:
    """Check that what is ours is given back as it is, if it is given (section 8.1.1.3)."""
    for name in ("iss", "aud", "events_supported", "events_delivered", "min_verification_interval"):
        if name in body and body[name] != document[name]:
            raise StreamRefused("not as it is", field=name)


def _named(session: Any) -> SignalStream:
    try:
        stream_id = UUID(request.args.get("stream_id", ""))
    except ValueError as error:
        raise StreamNotFound(field="stream_id") from error
    return streams.get_stream(session, stream_id, client_id=receiver(), methods=SIGNALS)


def _about(session: Any) -> tuple[SignalStream, UUID | None]:
    body = read(SubjectSchema())
    row = streams.get_stream(session, body["stream_id"], client_id=receiver(), methods=SIGNALS)
    client, subject = find_client(row.client_id), body["subject"]
    if client is None or subject["iss"] != _settings().public_url:
        return row, None
    try:
        return row, subject_of(subject["sub"], client.sector)
    except NotPairwise:
        return row, None


def _status_of(row: SignalStream) -> dict[str, str]:
    return {"stream_id": str(row.id), "status": row.status} | ({"reason": row.reason} if row.reason and row.status != ENABLED else {})


def _settings() -> Settings:
    settings: Settings = current_app.extensions["kabao_settings"]
    return settings
