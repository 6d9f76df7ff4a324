"""Requests that wait for each other are answered just as each would be alone, by a server that lets answers come later as Granian does."""

import json
import queue
from typing import Any

import pytest
from flask import Flask

from runtime import lean, quick, together
from runtime.lean import Answer
from tests.company import Front
from tests.waiting import until
from tests.world_clients import System

OWN = ("X-Request-ID", "Content-Length")


@pytest.fixture
def front(app: Flask, monkeypatch: pytest.MonkeyPatch) -> Front:
    return Front(app, monkeypatch)


@pytest.fixture
def trips(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """The statements that were sent by quick connections."""
    ran: list[bytes] = []
    run = quick.Quick.run

    def noted(self: quick.Quick, statement: quick.Statement, *values: bytes) -> list[bytes]:
        ran.append(statement.name)
        return run(self, statement, *values)

    monkeypatch.setattr(quick.Quick, "run", noted)
    return ran


def asked(system: System, **more: str) -> dict[str, str]:
    return {"grant_type": "client_credentials", **system.proof(), **more}


def test_each_is_answered_as_it_would_be_alone_and_all_by_one_statement(
    front: Front, system: System, trips: list[bytes], capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")  # another application in this process may have asked for less
    used = asked(system)
    front.send("used-before", used)
    twice = asked(system)
    forms = {
        "good-one": asked(system),
        "good-two": asked(system),
        "replayed-of-before": used,
        "twice-first": twice,
        "twice-second": twice,
        "not-its-scope": asked(system, scope="licences:issue"),
        "not-a-proof": asked(system, client_assertion="a.b.c"),
    }
    expected = [200, 200, 401, 200, 401, 400, 401]
    front.seats.hall.has_company = True
    trips.clear()
    for name, form in forms.items():
        front.send(name, form)
    assert set(front.answers) == {"used-before", "not-a-proof"}, "what is refused before its trip need not wait"
    front.go()
    assert [front.answers[name][0] for name in forms] == expected
    assert len(trips) == 1
    assert {front.answers[name][3] for name in forms} == {"MainThread", "server's"}
    front.seats.hall.has_company = False
    for name, form in forms.items():
        alone = form if name not in ("good-one", "good-two", "twice-first", "not-its-scope") else {**form, **system.proof()}
        front.send(f"{name}-alone", alone)
        (status, headers, body, _), (status_alone, headers_alone, body_alone, _) = front.answers[name], front.answers[f"{name}-alone"]
        assert status == status_alone
        assert {each: value for each, value in headers.items() if each not in OWN} == {
            each: value for each, value in headers_alone.items() if each not in OWN
        }
        assert headers["X-Request-ID"] == name
        assert int(headers["Content-Length"]) == len(body)
        assert json.loads(body).keys() == json.loads(body_alone).keys()
        if status != 200:
            assert body == body_alone
    lines = [json.loads(line) for line in capfd.readouterr().err.splitlines() if line.startswith("{")]
    answered = [
        (line["correlation_id"], line["status"]) for line in lines if line["event"] == "answered" and not line["correlation_id"].endswith("alone")
    ]
    assert sorted(answered) == sorted([("used-before", 200), *zip(forms, expected, strict=True)])
    told = [one.msg for one in caplog.records if isinstance(one.msg, dict) and one.msg["event"] == "client not proven"]
    of_whom = {one["correlation_id"] for one in told if "used before" in one["why"]}
    assert of_whom == {"replayed-of-before", "twice-second", "replayed-of-before-alone", "twice-second-alone"}


def test_what_breaks_while_it_waits_is_one_s_own_and_flask_s_to_answer(front: Front, system: System, monkeypatch: pytest.MonkeyPatch) -> None:
    front.seats.hall.has_company = True
    for name in ("first-one", "breaks-it", "third-one"):
        front.send(name, asked(system))
    (_, broken, _) = front.seats.hall._waiting

    def break_it(found: Any) -> bool:
        raise ZeroDivisionError

    monkeypatch.setattr(broken, "go_on", break_it)
    front.go()
    assert [front.answers[name][0] for name in ("first-one", "breaks-it", "third-one")] == [200, 500, 200]


def test_a_database_that_is_away_is_told_to_each_and_nothing_is_given(front: Front, system: System, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_: Any) -> list[bytes]:
        raise OSError

    front.seats.hall.has_company = True
    front.send("first-one", asked(system))
    front.send("second-one", asked(system))
    monkeypatch.setattr(quick.Quick, "run", away)
    monkeypatch.setitem(front.seats.run.__wrapped__.config, "PROPAGATE_EXCEPTIONS", False)  # type: ignore[attr-defined]
    front.go()
    for name in ("first-one", "second-one"):
        status, headers, body, _ = front.answers[name]
        assert (status, headers["X-Request-ID"]) == (500, name)
        assert b"access_token" not in body


def test_who_waits_is_answered_in_time_by_a_thread_of_its_own(front: Front, system: System, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(together, "PATIENCE", 0.001)
    monkeypatch.setattr(front.seats.hall, "end", front.seats.hall._wait)
    front.seats.hall.has_company = True
    front.send("waits-alone", asked(system))
    until(lambda: "waits-alone" in front.answers)
    assert (front.answers["waits-alone"][0], front.answers["waits-alone"][3]) == (200, "kabao together")


def test_a_view_may_take_as_many_trips_as_it_wants_or_none(app: Flask, front: Front, monkeypatch: pytest.MonkeyPatch) -> None:
    layer: Any = app.wsgi_app
    while not isinstance(layer, lean.Lean):
        layer = layer.inner if hasattr(layer, "inner") else layer.app
    route = layer.routes["/token"]
    seen: queue.Queue[list[str]] = queue.Queue()

    def work(wants: Any) -> list[str]:
        seen.put(list(wants))
        return [one.upper() for one in wants]

    def view(posted: lean.Posted) -> together.Steps[Answer]:
        said = ""
        for letter in dict(posted.form).get("letters", ""):
            said += yield together.Trip(work, letter)
        return Answer(said.encode())

    monkeypatch.setitem(layer.routes, "/token", lean.Route(route.rule, view, route.takes, route.caller))
    front.seats.hall.has_company = True
    for name, letters in (("three-of-them", "abc"), ("none-at-all", ""), ("only-one", "x")):
        front.send(name, {"letters": letters, "more": "1"})
    assert set(front.answers) == {"none-at-all"}
    front.go()
    assert {name: body for name, (_, _, body, _) in front.answers.items()} == {"three-of-them": b"ABC", "none-at-all": b"", "only-one": b"X"}
    assert [seen.get() for _ in range(seen.qsize())] == [["a", "x"], ["b"], ["c"]]
