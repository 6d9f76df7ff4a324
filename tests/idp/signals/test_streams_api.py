"""Streams are made, read, changed, stopped and ended by their receivers alone (Shared Signals Framework 1.0 section 8.1)."""

from typing import Any
from uuid import UUID, uuid4

import pytest
from flask import Flask
from flask.testing import FlaskClient

from idp.signals import streams
from idp.signals.event_types import CREDENTIAL_CHANGE, OF_PEOPLE, SESSION_REVOKED, VERIFICATION
from runtime.clock import now
from runtime.database import transaction
from tests.idp.signals.conftest import POLL, PUSH, Listener, event_of, new_listener
from tests.world_clients import ISSUER, bearer, new_system, token_of

ENDPOINT = "https://receiver.example.gov.cn/events"


def test_the_transmitter_announces_itself(client: FlaskClient) -> None:
    document = client.get("/.well-known/ssf-configuration").json or {}
    assert (document["spec_version"], document["issuer"], document["default_subjects"]) == ("1_0", ISSUER, "ALL")
    assert document["delivery_methods_supported"] == [PUSH, POLL]
    assert document["authorization_schemes"] == [{"spec_urn": "urn:ietf:rfc:6749"}]
    for name in [name for name in document if name.endswith("_endpoint")]:
        assert client.post(document[name].removeprefix(ISSUER), json={}).status_code == 401, name


def test_a_stream_is_polled_unless_asked_otherwise(listener: Listener) -> None:
    stream = listener.make(description="会话与凭证")
    assert stream["delivery"] == {"method": POLL, "endpoint_url": f"{ISSUER}/signals/polls/{stream['stream_id']}"}
    assert (stream["iss"], stream["aud"]) == (ISSUER, listener.system.client_id)
    assert stream["events_delivered"] == stream["events_supported"] == list(OF_PEOPLE)
    assert listener.call("GET", "streams", stream_id=stream["stream_id"]).json == stream
    assert listener.call("GET", "streams").json == [stream]


def test_types_that_we_do_not_know_are_kept_and_not_delivered(listener: Listener) -> None:
    stream = listener.make(events_requested=["urn:example:unheard-of", SESSION_REVOKED])
    assert stream["events_requested"] == ["urn:example:unheard-of", SESSION_REVOKED]
    assert stream["events_delivered"] == [SESSION_REVOKED]


def test_a_change_leaves_the_rest_and_a_replacement_does_not(listener: Listener) -> None:
    delivery = {"method": PUSH, "endpoint_url": ENDPOINT, "authorization_header": "Bearer opaque"}
    stream = listener.make(delivery=delivery, description="一")
    assert "opaque" not in str(stream)
    named = {"stream_id": stream["stream_id"]}
    changed = listener.call("PATCH", "streams", {**named, "events_requested": [CREDENTIAL_CHANGE]}).json or {}
    assert (changed["events_delivered"], changed["description"], changed["delivery"]) == ([CREDENTIAL_CHANGE], "一", stream["delivery"])
    replaced = listener.call("PUT", "streams", {**named, "delivery": {"method": POLL}, "events_requested": [SESSION_REVOKED]}).json or {}
    assert "description" not in replaced
    assert replaced["delivery"]["method"] == POLL
    whole = {**replaced, "description": "二"}
    assert (listener.call("PUT", "streams", whole).json or {})["description"] == "二"


def test_a_stream_ends(listener: Listener) -> None:
    stream = listener.make()
    assert listener.call("DELETE", "streams", stream_id=stream["stream_id"]).status_code == 204
    assert listener.call("GET", "streams").json == []
    assert listener.call("GET", "status", stream_id=stream["stream_id"]).status_code == 404


def test_a_sixth_stream_is_one_too_many(listener: Listener) -> None:
    for _ in range(5):
        listener.make()
    assert listener.call("POST", "streams", {}).status_code == 409


@pytest.mark.parametrize(
    ("body", "field"),
    [
        pytest.param({"delivery": {"method": PUSH}}, "delivery.endpoint_url", id="push without an address"),
        pytest.param({"delivery": {"method": PUSH, "endpoint_url": "ftp://a.example/"}}, "delivery.endpoint_url", id="push by FTP"),
        pytest.param({"delivery": {"method": PUSH, "endpoint_url": "https://u:p@a.example/"}}, "delivery.endpoint_url", id="with a password"),
        pytest.param({"delivery": {"method": PUSH, "endpoint_url": "https://a.example/#x"}}, "delivery.endpoint_url", id="with a fragment"),
        pytest.param({"delivery": {"method": POLL, "endpoint_url": ENDPOINT}}, "delivery.endpoint_url", id="poll at the receiver's"),
        pytest.param({"delivery": {"method": "urn:example:pigeon"}}, "delivery.method", id="another method"),
        pytest.param({"delivery": {"method": PUSH, "endpoint_url": ENDPOINT, "authorization_header": "a\r\nb"}}, "delivery", id="a header split"),
        pytest.param({"delivery": "push"}, "delivery", id="no object"),
        pytest.param({"events_requested": "all"}, "events_requested", id="no list"),
        pytest.param({"events_requested": ["x"] * 101}, "events_requested", id="too many"),
        pytest.param({"events_requested": ["x" * 501]}, "events_requested.0", id="too long"),
        pytest.param({"description": "长" * 257}, "description", id="a long description"),
        pytest.param([1, 2], "", id="a list"),
    ],
)
def test_a_configuration_that_is_wrong_is_refused_by_its_member(listener: Listener, body: Any, field: str) -> None:
    answer = listener.call("POST", "streams", body)
    assert answer.status_code == 400
    assert (answer.json or {}).get("field", "").startswith(field)


@pytest.mark.parametrize(
    "changed", [{"iss": "https://other.example"}, {"aud": "another"}, {"events_delivered": []}, {"min_verification_interval": 1}]
)
def test_what_is_ours_is_not_the_receiver_s_to_change(listener: Listener, changed: dict[str, Any]) -> None:
    stream = listener.make()
    for method in ("PATCH", "PUT"):
        answer = listener.call(method, "streams", {"stream_id": stream["stream_id"], **changed})
        assert (answer.status_code, (answer.json or {})["field"]) == (400, next(iter(changed)))


@pytest.mark.parametrize(
    ("method", "path", "rest"),
    [
        ("PATCH", "streams", {}),
        ("PUT", "streams", {}),
        ("POST", "status", {"status": "paused"}),
        ("POST", "subjects/add", {"subject": {"format": "iss_sub", "iss": ISSUER, "sub": "x"}}),
        ("POST", "subjects/remove", {"subject": {"format": "iss_sub", "iss": ISSUER, "sub": "x"}}),
        ("POST", "verification", {}),
    ],
)
def test_another_s_stream_is_as_unknown_as_none(app: Flask, listener: Listener, method: str, path: str, rest: dict[str, Any]) -> None:
    mine, other = listener.make(), new_listener(app)
    answers = [other.call(method, path, {"stream_id": stream_id, **rest}) for stream_id in (mine["stream_id"], str(uuid4()))]
    assert [answer.status_code for answer in answers] == [404, 404]
    assert other.call("GET", "streams", stream_id=mine["stream_id"]).status_code == 404
    assert other.call("DELETE", "streams", stream_id=mine["stream_id"]).status_code == 404
    assert other.call("POST", f"polls/{mine['stream_id']}", {}).status_code == 404
    assert listener.call("GET", "status", stream_id=mine["stream_id"]).json == {"stream_id": mine["stream_id"], "status": "enabled"}


def test_reading_takes_a_token_for_reading_and_changing_one_for_managing(app: Flask, listener: Listener) -> None:
    reader = Listener(app, app.test_client(), listener.system, scope="ssf.read")
    assert reader.call("GET", "streams").status_code == 200
    assert reader.call("POST", "streams", {}).status_code == 403


def test_a_client_that_can_hear_of_nothing_has_no_streams(app: Flask, client: FlaskClient) -> None:
    with app.app_context(), transaction() as session:
        system = new_system(session, scopes=["ssf.manage"])
    assert client.post("/signals/streams", json={}, headers=bearer(token_of(client, system, "ssf.manage"))).status_code == 403


def test_a_token_in_a_query_is_none(listener: Listener) -> None:
    token = listener.headers["Authorization"].split()[1]
    assert listener.http.get("/signals/streams", query_string={"access_token": token}).status_code == 401


def test_a_verification_comes_with_its_state_and_not_too_often(listener: Listener) -> None:
    stream = listener.make()
    asked = {"stream_id": stream["stream_id"], "state": "VGhpcyBpcyBh"}
    assert listener.call("POST", "verification", asked).status_code == 204
    (claims,) = listener.heard(stream)
    assert event_of(claims) == (VERIFICATION, {"state": "VGhpcyBpcyBh"})
    assert claims["sub_id"] == {"format": "opaque", "id": stream["stream_id"]}
    again = listener.call("POST", "verification", asked)
    assert (again.status_code, again.headers["Retry-After"]) == (429, str(stream["min_verification_interval"]))


def test_a_stopped_stream_still_says_what_is_about_itself(listener: Listener) -> None:
    stream = listener.make()
    stopped = listener.call("POST", "status", {"stream_id": stream["stream_id"], "status": "paused", "reason": "维护"}).json
    assert stopped == {"stream_id": stream["stream_id"], "status": "paused", "reason": "维护"}
    listener.call("POST", "verification", {"stream_id": stream["stream_id"]})
    assert [event_of(claims)[0] for claims in listener.heard(stream)] == [VERIFICATION]


def stop(app: Flask, stream: dict[str, Any], status: str = "paused", *, actor: str = "operator") -> None:
    with app.app_context(), transaction() as session:
        row = streams.get_stream(session, UUID(stream["stream_id"]))
        streams.set_status(session, row, status, reason="维护", actor=actor, now=now())


@pytest.mark.parametrize("actor", ["operator", "operator:0190-an-operator"], ids=["by command", "on the page"])
@pytest.mark.parametrize("status", ["paused", "disabled"])
def test_what_an_operator_stopped_its_receiver_does_not_let_go_on(app: Flask, listener: Listener, status: str, actor: str) -> None:
    """Shared Signals 8.1.2.2: 403 where the receiver is not allowed to update the status; why, it may read."""
    stream = listener.make()
    named = {"stream_id": stream["stream_id"]}
    stop(app, stream, status, actor=actor)
    for wanted in ("enabled", "paused", "disabled"):
        refused = listener.call("POST", "status", {**named, "status": wanted, "reason": "please"})
        assert (refused.status_code, (refused.json or {})["code"]) == (403, "stream-held")
    assert listener.call("GET", "status", **named).json == {**named, "status": status, "reason": "维护"}
    mended = listener.call("PATCH", "streams", {**named, "description": "another"})
    assert (mended.status_code, listener.call("GET", "status", **named).json["status"]) == (200, status), "it may be mended, and stands as it stood"
    stop(app, stream, "enabled", actor=actor)
    assert listener.call("POST", "status", {**named, "status": "paused"}).status_code == 200
    assert listener.call("POST", "status", {**named, "status": "enabled"}).status_code == 200


def test_nor_does_another_stream_lead_round_the_one_that_is_held(app: Flask, listener: Listener) -> None:
    stream = listener.make()
    stop(app, stream)
    assert listener.call("DELETE", "streams", stream_id=stream["stream_id"]).status_code == 403
    assert listener.call("POST", "streams", {"events_requested": [SESSION_REVOKED]}).status_code == 403
    assert new_listener(app).make(), "another receiver is not concerned"
    stop(app, stream, "enabled")
    assert listener.make()
    assert listener.call("DELETE", "streams", stream_id=stream["stream_id"]).status_code == 204


def test_what_its_receiver_stopped_an_operator_may_let_go_on(app: Flask, listener: Listener) -> None:
    stream = listener.make()
    listener.call("POST", "status", {"stream_id": stream["stream_id"], "status": "paused"})
    stop(app, stream, "enabled")
    assert listener.call("GET", "status", stream_id=stream["stream_id"]).json == {"stream_id": stream["stream_id"], "status": "enabled"}
