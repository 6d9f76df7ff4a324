"""Streams are made, read, changed, stopped and ended by their receivers alone (Shared Signals Framework 1.0 section 8.1)."""

from typing import Any
from uuid import uuid4

import pytest
from flask import Flask
from flask.testing import FlaskClient

from idp.signals.event_types import CREDENTIAL_CHANGE, OF_PEOPLE, SESSION_REVOKED, VERIFICATION
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
