"""Events arrive, once they are acknowledged no more, in order, whatever happens on the way (RFC 8935, RFC 8936)."""

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import func, select, text

from idp.signals import pushing, streams, tokens
from idp.signals.event_types import SESSION_REVOKED, STREAM_UPDATED, VERIFICATION
from idp.signals.streams import Listening, SignalStream
from idp.signals.tokens import SignalToken
from keys import ring, suites
from runtime.clock import now
from runtime.database import transaction
from tests.idp.signals.conftest import PUSH, Listener, Receiver, event_of, push


def say(app: Flask, stream: dict[str, Any], *states: str) -> None:
    """Let a stream say something, a verification a state."""
    with app.app_context():
        for state in states:
            with transaction() as session:
                row = streams.get_stream(session, UUID(stream["stream_id"]))
                tokens.add_of_stream(session, row, VERIFICATION, {"state": state}, now=now())


def left(app: Flask, stream: dict[str, Any]) -> int:
    with app.app_context(), transaction() as session:
        return session.scalar(select(func.count()).where(SignalToken.stream_id == UUID(stream["stream_id"]))) or 0


def together(*works: Callable[[], Any]) -> list[Any]:
    """Do several things at the same moment, each in a thread of its own, and return what they gave."""
    with ThreadPoolExecutor(len(works)) as threads:
        return [each.result() for each in [threads.submit(work) for work in works]]


def states_of(listener: Listener, heard: list[str]) -> list[str]:
    return [event_of(listener.verified(token))[1]["state"] for token in heard]


def pushed(listener: Listener, receiver: Receiver, **delivery: str) -> dict[str, Any]:
    return listener.make(delivery={"method": PUSH, "endpoint_url": f"http://127.0.0.1:{receiver.server_port}/events", **delivery})


def jobs_for(app: Flask, stream: dict[str, Any]) -> int:
    with app.app_context(), transaction() as session:
        count = text("SELECT count(*) FROM procrastinate_jobs WHERE task_name = 'kabao:push_signals' AND args->>'stream_id' = :id")
        return session.scalar(count, {"id": stream["stream_id"]}) or 0


def let_it_be_due(app: Flask, stream: dict[str, Any]) -> None:
    with app.app_context(), transaction() as session:
        session.get_one(SignalStream, UUID(stream["stream_id"])).due_at = None


def test_events_are_pushed_in_order_and_forgotten(app: Flask, listener: Listener, receiver: Receiver) -> None:
    stream = pushed(listener, receiver, authorization_header="Bearer of-the-receiver")
    say(app, stream, *map(str, range(45)))
    push(app, stream)
    assert states_of(listener, [body for _, body in receiver.heard]) == [str(number) for number in range(45)]
    headers = receiver.heard[0][0]
    assert (headers["Content-Type"], headers["Accept"]) == ("application/secevent+jwt", "application/json")
    assert headers["Authorization"] == "Bearer of-the-receiver"
    assert left(app, stream) == 0


@pytest.mark.parametrize("status", [500, 503, 429, 404, 302])
def test_a_receiver_that_cannot_now_is_asked_again_later_in_the_same_order(app: Flask, listener: Listener, receiver: Receiver, status: int) -> None:
    stream = pushed(listener, receiver)
    say(app, stream, "1", "2")
    receiver.status = status
    push(app, stream)
    push(app, stream)
    assert len(receiver.heard) == 1, "it is left alone until it is due"
    receiver.status = 202
    let_it_be_due(app, stream)
    push(app, stream)
    assert states_of(listener, [body for _, body in receiver.heard]) == ["1", "1", "2"]
    assert left(app, stream) == 0


def test_a_receiver_that_is_away_is_asked_ever_more_rarely(app: Flask, listener: Listener) -> None:
    stream = listener.make(delivery={"method": PUSH, "endpoint_url": "http://127.0.0.1:9/events"})
    say(app, stream, "1")
    waits = []
    for _ in range(4):
        let_it_be_due(app, stream)
        push(app, stream)
        with app.app_context(), transaction() as session:
            row = session.get_one(SignalStream, UUID(stream["stream_id"]))
            assert row.due_at is not None
            waits.append(round((row.due_at - now()).total_seconds()))
    assert waits == sorted(waits)
    assert waits[-1] >= 8 * waits[0] - 8
    assert left(app, stream) == 1


@pytest.mark.parametrize(
    ("body", "err"),
    [
        (b'{"err": "invalid_audience", "description": "x"}', "invalid_audience"),
        (b'{"err": "something else"}', "invalid_request"),
        (b"[" * 3000, "invalid_request"),
        (b"\xff\x00", "invalid_request"),
        (b"", "invalid_request"),
    ],
)
def test_what_a_receiver_refuses_is_set_aside_and_the_next_goes_on(app: Flask, listener: Listener, receiver: Receiver, body: bytes, err: str) -> None:
    stream = pushed(listener, receiver)
    say(app, stream, "1")
    receiver.status, receiver.body = 400, body
    push(app, stream)
    receiver.status, receiver.body = 202, b""
    say(app, stream, "2")
    push(app, stream)
    assert states_of(listener, [token for _, token in receiver.heard]) == ["1", "2"]
    with app.app_context(), transaction() as session:
        assert session.scalars(select(SignalToken.refused).where(SignalToken.stream_id == UUID(stream["stream_id"]))).all() == [err]
        assert tokens.replay(session, streams.get_stream(session, UUID(stream["stream_id"]))) == 1
    push(app, stream)
    assert left(app, stream) == 0


def test_of_many_workers_one_pushes_a_stream(app: Flask, listener: Listener, receiver: Receiver) -> None:
    stream = pushed(listener, receiver)
    say(app, stream, *map(str, range(12)))
    together(*[lambda: push(app, stream)] * 8)
    push(app, stream)
    assert states_of(listener, [body for _, body in receiver.heard]) == [str(number) for number in range(12)]


def test_the_stream_of_a_worker_that_died_is_taken_up_again(app: Flask, listener: Listener, receiver: Receiver) -> None:
    stream = pushed(listener, receiver)
    say(app, stream, "1")
    with app.app_context(), transaction() as session:
        session.get_one(SignalStream, UUID(stream["stream_id"])).leased_until = now() + timedelta(minutes=1)
    push(app, stream)
    assert receiver.heard == []
    with app.app_context(), transaction() as session:
        session.get_one(SignalStream, UUID(stream["stream_id"])).leased_until = now() - timedelta(seconds=1)
    with app.app_context():
        pushing.push_what_is_due()
    push(app, stream)
    assert len(receiver.heard) == 1


def test_that_a_stream_is_paused_is_told_again_where_its_receiver_was_away_and_nothing_else_is(
    app: Flask, listener: Listener, receiver: Receiver
) -> None:
    """Shared Signals 8.1.5: it MUST be sent; what waits on a paused stream goes on waiting."""
    stream, waits = pushed(listener, receiver), pushed(listener, receiver)
    for each in (stream, waits):
        with app.app_context(), transaction() as session:
            row = streams.get_stream(session, UUID(each["stream_id"]))
            subject = {row.id: {"format": "opaque", "id": "x"}}
            tokens.add(session, [Listening(row.id, row.client_id, PUSH)], event_type=SESSION_REVOKED, subjects=subject, event={}, now=now())
            streams.set_status(session, row, streams.PAUSED, reason=None, actor="operator", now=now())
            if each is stream:
                tokens.add_of_stream(session, row, STREAM_UPDATED, {"status": "paused"}, now=now())
    receiver.status = 503
    push(app, stream)
    receiver.status = 202
    let_it_be_due(app, stream)
    before = jobs_for(app, stream), jobs_for(app, waits)
    with app.app_context():
        pushing.push_what_is_due()
    assert (jobs_for(app, stream), jobs_for(app, waits)) == (before[0] + 1, before[1])
    push(app, stream)
    assert [event_of(listener.verified(token)) for _, token in receiver.heard] == [(STREAM_UPDATED, {"status": "paused"})] * 2
    assert (left(app, stream), left(app, waits)) == (1, 1)


def happen(app: Flask, stream: dict[str, Any], *names: str) -> None:
    """Let something happen that a stream carries, about one subject."""
    with app.app_context():
        for name in names:
            with transaction() as session:
                row = streams.get_stream(session, UUID(stream["stream_id"]))
                subject = {row.id: {"format": "opaque", "id": "one and the same"}}
                receivers = [Listening(row.id, row.client_id, row.method)]
                tokens.add(session, receivers, event_type=SESSION_REVOKED, subjects=subject, event={"name": name}, now=now())


def names_of(listener: Listener, heard: list[str]) -> list[str]:
    return [event_of(listener.verified(token))[1]["name"] for token in heard]


def test_what_happens_while_a_stream_is_paused_is_held_and_pushed_in_its_order_afterwards(app: Flask, listener: Listener, receiver: Receiver) -> None:
    """Shared Signals 8.1.2.1: nothing is transmitted while paused; what was held is, once the stream is enabled, in the order of time."""
    stream = pushed(listener, receiver)
    named = {"stream_id": stream["stream_id"]}
    happen(app, stream, "before")
    assert listener.call("POST", "status", {**named, "status": "paused"}).status_code == 200
    happen(app, stream, "meanwhile", "later")
    push(app, stream)
    with app.app_context():
        pushing.push_what_is_due()
    push(app, stream)
    assert receiver.heard == []
    assert listener.call("POST", "status", {**named, "status": "enabled"}).status_code == 200
    happen(app, stream, "after")
    push(app, stream)
    assert names_of(listener, [token for _, token in receiver.heard]) == ["before", "meanwhile", "later", "after"]
    assert left(app, stream) == 0


def test_a_stream_that_goes_on_is_pushed_though_nothing_more_happens(app: Flask, listener: Listener, receiver: Receiver) -> None:
    stream = pushed(listener, receiver)
    listener.call("POST", "status", {"stream_id": stream["stream_id"], "status": "paused"})
    happen(app, stream, "meanwhile")
    push(app, stream)
    before = jobs_for(app, stream)
    listener.call("POST", "status", {"stream_id": stream["stream_id"], "status": "enabled"})
    with app.app_context():
        pushing.push_what_is_due()
    assert jobs_for(app, stream) == before + 1


def test_what_happens_while_a_stream_is_paused_is_polled_afterwards(app: Flask, listener: Listener) -> None:
    stream = listener.make()
    listener.call("POST", "status", {"stream_id": stream["stream_id"], "status": "paused"})
    happen(app, stream, "meanwhile", "later")
    assert listener.poll(stream)["sets"] == {}
    listener.call("POST", "status", {"stream_id": stream["stream_id"], "status": "enabled"})
    assert names_of(listener, list(listener.poll(stream)["sets"].values())) == ["meanwhile", "later"]


def test_what_waits_when_a_stream_is_disabled_is_not_held_and_what_was_set_aside_is(app: Flask, listener: Listener) -> None:
    """Shared Signals 8.1.2.1; what is about the stream itself waits, and what an operator has to look at."""
    stream, other = listener.make(), listener.make()
    for each in (stream, other):
        happen(app, each, "set aside", "waits")
        say(app, each, "about the stream")
        with app.app_context(), transaction() as session:
            first = session.scalars(select(SignalToken.id).where(SignalToken.stream_id == UUID(each["stream_id"])).order_by(SignalToken.id)).first()
            assert first is not None
            tokens.refuse(session, UUID(each["stream_id"]), first, "invalid_request")
    named = {"stream_id": stream["stream_id"]}
    assert listener.call("POST", "status", {**named, "status": "disabled"}).status_code == 200
    assert listener.call("POST", "status", {**named, "status": "enabled"}).status_code == 200
    assert [event_of(claims)[0] for claims in listener.heard(stream)] == [VERIFICATION]
    assert (left(app, stream), left(app, other)) == (2, 3)


def test_events_are_polled_until_they_are_acknowledged(app: Flask, listener: Listener) -> None:
    stream = listener.make()
    say(app, stream, "1", "2", "3")
    first = listener.poll(stream, maxEvents=2)
    assert (states_of(listener, list(first["sets"].values())), first["moreAvailable"]) == (["1", "2"], True)
    assert listener.poll(stream, maxEvents=2)["sets"].keys() == first["sets"].keys(), "what is not acknowledged comes again"
    rest = listener.poll(stream, ack=list(first["sets"]))
    assert states_of(listener, list(rest["sets"].values())) == ["3"]
    assert "moreAvailable" not in rest
    (last,) = rest["sets"]
    errors = {last: {"err": "invalid_state", "description": "another"}}
    assert listener.poll(stream, setErrs=errors, maxEvents=0) == {"sets": {}}
    assert (listener.poll(stream)["sets"], left(app, stream)) == ({}, 1)


def test_an_acknowledgement_of_what_is_not_the_stream_s_changes_nothing(app: Flask, listener: Listener) -> None:
    one, other = listener.make(), listener.make()
    say(app, one, "1")
    (mine,) = listener.poll(one)["sets"]
    assert listener.poll(other, ack=[mine, "x"])["sets"] == {}
    assert list(listener.poll(one)["sets"]) == [mine]


def test_a_poll_waits_a_little_for_what_comes(app: Flask, listener: Listener, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("idp.signals.polling_api.LONGEST_WAIT", 3.0)
    stream = listener.make()
    heard, _ = together(lambda: listener.poll(stream, returnImmediately=False), lambda: say(app, stream, "late"))
    assert states_of(listener, list(heard["sets"].values())) == ["late"]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"maxEvents": -1}, "maxEvents"),
        ({"maxEvents": "1"}, "maxEvents"),
        ({"maxEvents": 1.5}, "maxEvents"),
        ({"ack": "all"}, "ack"),
        ({"ack": ["x"] * 1001}, "ack"),
        ({"setErrs": {"x": "bad"}}, "setErrs.x"),
        ({"setErrs": []}, "setErrs"),
        ({"returnImmediately": "perhaps"}, "returnImmediately"),
    ],
)
def test_a_poll_that_is_wrong_is_refused_by_its_member(listener: Listener, body: dict[str, Any], field: str) -> None:
    answer = listener.call("POST", f"polls/{listener.make()['stream_id']}", body)
    assert (answer.status_code, (answer.json or {})["field"].startswith(field)) == (400, True)


@pytest.mark.parametrize(
    "body", [b"{", b'{"maxEvents": NaN}', b'{"ack": [], "ack": []}', b"[" * 5000, b"\xff", json.dumps({"ack": ["\x00"]}).encode()]
)
def test_a_poll_that_no_one_can_read_is_refused(listener: Listener, body: bytes) -> None:
    stream = listener.make()
    answer = listener.http.post(f"/signals/polls/{stream['stream_id']}", data=body, headers=listener.headers, content_type="application/json")
    assert answer.status_code == 400


def test_what_waits_is_signed_when_it_leaves(app: Flask, listener: Listener) -> None:
    stream = listener.make()
    say(app, stream, "before")
    (before,) = listener.poll(stream)["sets"].items()
    with app.app_context(), transaction() as session:
        assert ring.signer(ring.OIDC).suite in suites.SUITES
        row = session.get_one(SignalToken, (UUID(stream["stream_id"]), UUID(before[0])))
        assert before[1].split(".")[0] not in json.dumps(row.claims)
    assert listener.verified(before[1])["jti"] == before[0]


def test_nobody_comes_for_a_week_and_it_is_forgotten(app: Flask, listener: Listener) -> None:
    stream, ended = listener.make(), listener.make()
    say(app, stream, "1")
    say(app, ended, "1")
    listener.call("DELETE", "streams", stream_id=ended["stream_id"])
    with app.app_context():
        tokens.forget(now=now() + timedelta(minutes=2))
        assert (left(app, stream), left(app, ended)) == (1, 0)
        tokens.forget(now=now() + tokens.KEPT + timedelta(minutes=2))
    assert left(app, stream) == 0
