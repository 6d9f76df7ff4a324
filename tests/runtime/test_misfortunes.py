"""What goes wrong on a shared trip is one's own: the others are answered, nobody waits for good, and nothing is lost that the next would need."""

import gc
import threading
import weakref
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from queue import SimpleQueue
from typing import Any, ClassVar

import psycopg
import pytest
from flask import Flask, Response
from sqlalchemy import Column, MetaData, String, Table, bindparam, insert, select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from idp.oauth import assertions
from idp.oauth.assertions import ClientAssertion
from runtime import quick, together
from runtime.clock import now
from runtime.database import transaction
from runtime.ids import new_text
from runtime.straight import Alone, Straight, run_alone
from runtime.together import Hall, Steps, Trip, travel
from tests.company import Front
from tests.runtime.test_company import asked
from tests.runtime.test_together import Database, Traveller
from tests.waiting import until
from tests.world_clients import System


@pytest.fixture(autouse=True)
def nobody_is_expected(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(together, "FEWEST", together.MOST)


@pytest.fixture
def front(app: Flask, monkeypatch: pytest.MonkeyPatch) -> Front:
    front = Front(app, monkeypatch)
    front.seats.hall.has_company = True
    return front


def refused(*_: Any) -> Any:
    raise TypeError


def test_an_answer_that_cannot_leave_keeps_no_other_back() -> None:
    three = [Traveller(Database().ask(number)) for number in (1, 2, 3)]
    three[0].leave = refused  # type: ignore[method-assign]
    travel(three)
    assert [(one.is_out, one.is_broken) for one in three] == [(False, True), (True, False), (True, False)]


def test_a_turn_comes_back_whatever_happens_to_who_waits(front: Front, system: System, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(front.seats.hall, "end", refused)
    turns = front.seats._turns.qsize()
    with pytest.raises(TypeError):
        front.seats(None, {"PATH_INFO": "/nowhere"})
    assert front.seats._turns.qsize() == turns


def test_nobody_waits_where_no_thread_is_to_be_had_that_would_look_at_the_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_thread(_: Any) -> None:
        raise RuntimeError("can't start new thread")

    turns: SimpleQueue[None] = SimpleQueue()
    turns.put(None)
    hall, first, second = Hall(turns), Traveller(Database().ask(1)), Traveller(Database().ask(2))
    monkeypatch.setattr(together, "PATIENCE", 60)
    with monkeypatch.context() as full:
        full.setattr(threading.Thread, "start", no_thread)
        hall.end(first)
    assert first.is_out
    monkeypatch.setattr(together, "PATIENCE", 0.001)
    hall.end(second)
    until(lambda: second.is_out)


class Of:
    """The context of one of several requests; `present` says in whose we are."""

    present: ClassVar[list[int]] = []

    def __init__(self, number: int) -> None:
        self.number = number

    def __enter__(self) -> None:
        self.present.append(self.number)

    def __exit__(self, *_: object) -> None:
        self.present.remove(self.number)


def failing_together(seen: list[Any]) -> list[Traveller]:
    """Three whose trip fails for all of them; each notes in whose context it was taken."""

    def work(wants: Sequence[int]) -> list[int]:
        seen.append((list(wants), *Of.present))
        if len(wants) > 1:
            raise ZeroDivisionError
        return list(wants)

    def steps(number: int) -> Steps[Any]:
        try:
            return (yield Trip(work, number))
        except PoolTimeout:
            return "unavailable"

    three = [Traveller(steps(number)) for number in (7, 8, 9)]
    for one in three:
        one.context = Of(one.trip.wants)  # type: ignore[assignment]
    return three


def test_who_goes_alone_at_last_goes_in_their_own_context() -> None:
    three = failing_together(seen := list[Any]())
    travel(three)
    assert seen == [([7, 8, 9], 7), ([7], 7), ([8], 8), ([9], 9)]
    assert [one.answer for one in three] == [7, 8, 9]


def test_those_for_whom_no_time_is_left_are_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(together, "HOPELESS", 0)
    three = failing_together(seen := list[Any]())
    travel(three)
    assert seen == [([7, 8, 9], 7)], "a database that hangs would keep each of them for as long again"
    assert [(one.answer, one.is_out) for one in three] == [("unavailable", True)] * 3


def test_a_request_that_breaks_off_is_named_in_the_log(front: Front, system: System, caplog: pytest.LogCaptureFixture) -> None:
    for name in ("first-one", "breaks-off"):
        front.send(name, asked(system))
    front.seats.hall._waiting[1].leave = refused  # type: ignore[method-assign]
    front.go()
    assert {name: answer[0] for name, answer in front.answers.items()} == {"first-one": 200, "breaks-off": 500}
    (line,) = [one.msg for one in caplog.records if isinstance(one.msg, dict) and one.msg["event"] == "a request broke off"]
    assert line["correlation_id"] == "breaks-off"


def test_what_was_answered_is_forgotten_without_a_look_for_garbage(front: Front, system: System) -> None:
    front.send("first-one", asked(system))
    front.send("second-one", asked(system))
    remembered = [weakref.ref(one.context) for one in front.seats.hall._waiting]
    gc.disable()
    try:
        front.go()
        assert [one() for one in remembered] == [None, None]
    finally:
        gc.enable()


def test_the_response_of_one_who_is_refused_in_company_is_closed(front: Front, system: System, monkeypatch: pytest.MonkeyPatch) -> None:
    used = asked(system)
    for name in ("first-one", "replayed"):
        front.send(name, used)
    closed: list[int] = []
    monkeypatch.setattr(Response, "close", lambda self: closed.append(self.status_code))
    front.go()
    assert (front.answers["replayed"][0], closed) == (401, [401])


def test_of_two_assertions_that_are_named_alike_the_one_that_was_good_is_remembered(context: None) -> None:
    jti, moment = new_text(), now()
    longer, shorter = (assertions.use_of("client", jti, expires_at=moment + timedelta(minutes=minutes)) for minutes in (60, 1))
    assert assertions.use_all([longer, shorter]) == [True, False]
    with transaction() as session:
        kept = session.scalar(select(ClientAssertion.expires_at).where(ClientAssertion.digest == longer[0]))
    assert kept == moment + timedelta(minutes=60), "else the first is good again as soon as the second is forgotten"


def test_assertions_are_written_in_one_order_everywhere(context: None, monkeypatch: pytest.MonkeyPatch) -> None:
    uses = sorted((assertions.use_of("client", new_text(), expires_at=now()) for _ in range(5)), reverse=True)
    sent: list[bytes] = []
    run = quick.Quick.run

    def noted(self: quick.Quick, statement: quick.Statement, *values: bytes) -> list[bytes]:
        sent.append(values[0])
        return run(self, statement, *values)

    monkeypatch.setattr(quick.Quick, "run", noted)
    assert assertions.use_all(uses) == [True] * 5
    assert sent == [quick.array(quick.BYTEA, sorted(digest for digest, _ in uses))]


@pytest.fixture
def unkept(database_url: str) -> Iterator[None]:
    """A table whose rows are refused as late as their transaction is to be kept."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("CREATE TABLE unkept (name text PRIMARY KEY, of text REFERENCES unkept DEFERRABLE INITIALLY DEFERRED)")
    yield
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("DROP TABLE unkept")


UNKEPT = Table("unkept", MetaData(), Column("name", String), Column("of", String))
ADD = Straight("add_unkept", insert(UNKEPT).values(name=bindparam("name"), of=bindparam("of")).returning(UNKEPT.c.name))
ADD_QUICKLY = quick.Statement(b"add_unkept", b"INSERT INTO unkept VALUES (convert_from($1::bytea, 'UTF8'), 'nobody') RETURNING $1")


@pytest.mark.usefixtures("context", "unkept")
@pytest.mark.parametrize(
    "add",
    [
        lambda: quick.run(ADD_QUICKLY, b"quickly"),
        lambda: run_alone(ADD, {"name": "alone", "of": "nobody"}),
        lambda: run_all([(ADD, {"name": "one", "of": None}), (ADD, {"name": "two", "of": "nobody"}), (ADD, {"name": "three", "of": "one"})]),
    ],
    ids=["quickly", "alone", "all"],
)
def test_what_is_refused_as_late_as_its_transaction_ends_is_not_said_to_be_kept(add: Callable[[], Any]) -> None:
    with pytest.raises(DBAPIError):
        add()
    with transaction() as session:
        assert session.scalars(select(UNKEPT.c.name)).all() == []


def run_all(statements: Any) -> None:
    with Alone() as alone:
        alone.run_all(statements)
