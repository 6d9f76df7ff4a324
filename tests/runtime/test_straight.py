"""Statements sent straight: the same values and rows as the session's own, the same transaction, the same errors."""

import sys
import threading
from collections import Counter
from contextlib import ExitStack
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import (
    BigInteger,
    Date,
    DateTime,
    Integer,
    LargeBinary,
    SmallInteger,
    String,
    Uuid,
    bindparam,
    cast,
    create_engine,
    event,
    func,
    insert,
    literal_column,
    select,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.exc import IntegrityError, OperationalError
from sqlalchemy.orm import Session

from runtime import straight
from runtime.database import engine, transaction
from runtime.idempotency import IdempotencyKey
from runtime.ids import new_id
from runtime.quick import Statement
from runtime.straight import Alone, Straight

MOMENT = datetime(2031, 2, 28, 23, 59, 59, 999_999, tzinfo=UTC)
VALUES: list[tuple[Any, Any]] = [
    (Uuid(), UUID("01995b6e-8c1a-7d2e-9f30-5a1b2c3d4e5f")),
    (DateTime(timezone=True), MOMENT),
    (DateTime(timezone=True), datetime(1899, 12, 31, tzinfo=UTC)),
    (Date(), date(1850, 1, 1)),
    (Date(), date(9999, 12, 31)),
    (LargeBinary(), b"\0\xff" * 70_000),
    (JSONB(), {"名": ["é", 1, None, {"a": True}], "b": 1.5}),
    (String(), "证照 '); -- é𠮷"),
    (String(), ""),
    (SmallInteger(), -32_768),
    (Integer(), 2**31 - 1),
    (BigInteger(), -(2**63)),
]
KEYS = Straight(
    "test_keys",
    insert(IdempotencyKey).values(
        caller=bindparam("caller"), key=bindparam("key"), digest=bindparam("digest"), result_id=bindparam("id"), made_at=bindparam("at")
    ),
)
COUNT = Straight("test_count", select(cast(func.count(), BigInteger)).select_from(IdempotencyKey).where(IdempotencyKey.caller == bindparam("caller")))


def key(caller: str, key: str = "a") -> dict[str, Any]:
    return {"caller": caller, "key": key, "digest": b"", "id": new_id(), "at": MOMENT}


def caller() -> str:
    return f"straight-{new_id()}"


def count(whose: str) -> int:
    with transaction() as session:
        return int(straight.run(session, COUNT, {"caller": whose})[0][0])


@pytest.mark.parametrize(("kind", "value"), VALUES, ids=lambda each: str(each)[:40])
def test_a_value_comes_back_as_it_was_sent(session: Session, kind: Any, value: Any) -> None:
    statement = Straight(f"test_{abs(hash(str(kind) + str(value)))}", select(cast(bindparam("value", type_=kind), kind)))
    assert straight.run(session, statement, {"value": value}) == [(value,)]
    assert straight.run(session, statement, {"value": None}) == [(None,)]


def test_what_is_sent_straight_is_of_the_session_s_transaction(context: None) -> None:
    whose = caller()

    def undone() -> None:
        with transaction() as session:
            straight.run(session, KEYS, key(whose))
            assert session.scalar(text("SELECT count(*) FROM idempotency_keys WHERE caller = :caller"), {"caller": whose}) == 1
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        undone()
    assert count(whose) == 0
    with transaction() as session:
        session.execute(text("SELECT 1"))
        straight.run(session, KEYS, key(whose))
    assert count(whose) == 1


def test_the_last_statement_commits(context: None) -> None:
    whose = caller()

    def done() -> None:
        with transaction() as session:
            straight.run(session, KEYS, key(whose, "a"))
            straight.run(session, KEYS, key(whose, "b"), is_last=True)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        done()
    assert count(whose) == 2


def test_a_last_statement_that_is_the_first_needs_no_transaction_and_commits(context: None) -> None:
    whose = caller()

    def done() -> None:
        with transaction() as session:
            straight.run(session, KEYS, key(whose, "a"), is_last=True)
            assert not session.get_transaction()._connections  # type: ignore[union-attr]
            assert count(whose) == 1
            straight.run(session, KEYS, key(whose, "b"))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        done()
    assert count(whose) == 1, "what follows is a transaction of its own"


@pytest.mark.parametrize("before", ["a statement", "a savepoint"])
def test_a_last_statement_goes_with_what_was_done_before_it(context: None, before: str) -> None:
    whose = caller()

    def done() -> None:
        with transaction() as session:
            if before == "a savepoint":
                session.begin_nested()
            straight.run(session, KEYS, key(whose, "b"))
            straight.run(session, KEYS, key(whose, "b"), is_last=True)

    with pytest.raises(IntegrityError):
        done()
    assert count(whose) == 0


def test_two_statements_that_are_called_alike_are_two(context: None) -> None:
    one, two = Straight("test_alike", select(bindparam("a", type_=Integer()))), Straight("test_alike", select(bindparam("b", type_=String())))
    for _ in range(2):
        with transaction() as session:
            assert straight.run(session, one, {"a": 1}) == [(1,)]
            assert straight.run(session, two, {"b": "x"}) == [("x",)]


@pytest.mark.parametrize("is_last", [True, False])
def test_a_statement_that_fails_leaves_nothing_and_names_no_value(context: None, *, is_last: bool) -> None:
    whose = caller()

    def twice() -> None:
        with transaction() as session:
            straight.run(session, KEYS, key(whose, "the-very-secret"))
            straight.run(session, KEYS, key(whose, "the-very-secret"), is_last=is_last)

    with pytest.raises(IntegrityError) as raised:
        twice()
    assert raised.value.params is None
    assert count(whose) == 0


def test_statements_are_prepared_anew_after_a_transaction_was_undone(context: None) -> None:
    for fails in (False, True, False, True, False):
        try:
            with transaction() as session:
                for _ in range(7):  # so often that the driver prepares its own, too
                    session.execute(text("SELECT 1"))
                straight.run(session, COUNT, {"caller": "nobody"})
                if fails:
                    with session.begin_nested() as part:
                        straight.run(session, KEYS, key(caller()))
                        part.rollback()
                    assert straight.run(session, COUNT, {"caller": "nobody"}) == [(0,)]
                    raise ZeroDivisionError
        except ZeroDivisionError:
            pass
    assert count("nobody") == 0


def test_a_statement_is_prepared_once_a_connection_and_stays_so_over_commits(context: None) -> None:
    prepared = text("SELECT pg_backend_pid(), prepare_time FROM pg_prepared_statements WHERE name LIKE '%test_count'")
    found = set()
    for is_last in (True, False, True):
        with transaction() as session:
            straight.run(session, COUNT, {"caller": "nobody"})
            found.add(tuple(session.execute(prepared).one()))
            straight.run(session, COUNT, {"caller": "nobody"}, is_last=is_last)
    assert len(found) == len({pid for pid, _ in found})


def test_statements_are_prepared_anew_after_the_schema_was_changed(context: None) -> None:
    for change in ("SELECT 1", "CREATE TEMPORARY TABLE passing (); DROP TABLE passing", "SELECT 1; DROP TABLE IF EXISTS passing"):
        with transaction() as session:
            for _ in range(7):
                session.execute(text("SELECT 1"))
            straight.run(session, COUNT, {"caller": "nobody"})
            for one in change.split(";") if change.startswith("CREATE") else [change]:
                session.execute(text(one))
            assert straight.run(session, COUNT, {"caller": "nobody"}) == [(0,)]


def test_a_statement_alone_is_a_transaction_of_its_own(context: None) -> None:
    whose = caller()
    straight.run_alone(KEYS, key(whose))
    assert count(whose) == 1
    assert straight.run_alone(COUNT, {"caller": whose}) == [(1,)]


def test_a_statement_alone_that_fails_leaves_nothing_and_spoils_no_connection(context: None) -> None:
    whose = caller()
    straight.run_alone(KEYS, key(whose, "the-very-secret"))
    with pytest.raises(IntegrityError) as raised:
        straight.run_alone(KEYS, key(whose, "the-very-secret"))
    assert raised.value.params is None
    straight.run_alone(KEYS, key(whose, "another"))
    assert count(whose) == 2


def test_that_no_connection_can_be_had_is_said_in_the_same_words_as_by_a_session(app: Flask, context: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(app.extensions, "kabao_engine", create_engine("postgresql+psycopg://nobody@127.0.0.1:9/nothing"))
    with pytest.raises(OperationalError):
        straight.run_alone(COUNT, {"caller": "nobody"})


def test_a_statement_alone_is_prepared_anew_where_something_else_forgot_it(app: Flask, context: None) -> None:
    assert straight.run_alone(COUNT, {"caller": "nobody"}) == [(0,)]
    held = app.extensions["kabao_engine"].raw_connection()
    held.dbapi_connection.pgconn.exec_(b"DEALLOCATE ALL")
    held.close()
    assert straight.run_alone(COUNT, {"caller": "nobody"}) == [(0,)]


def test_a_connection_lost_while_nobody_looked_is_told_to_who_sends_one_statement_alone(app: Flask, context: None) -> None:
    straight.run_alone(COUNT, {"caller": "nobody"})
    held = app.extensions["kabao_engine"].raw_connection()
    pid = held.dbapi_connection.pgconn.backend_pid
    with transaction() as other:
        other.execute(text("SELECT pg_terminate_backend(:pid, 5000)"), {"pid": pid})
    held.close()

    def met_at_last() -> None:
        for _ in range(app.extensions["kabao_engine"].pool.size() + 1):
            straight.run_alone(COUNT, {"caller": "nobody"})

    with pytest.raises(OperationalError) as raised:
        met_at_last()
    assert raised.value.connection_invalidated
    assert straight.run_alone(COUNT, {"caller": "nobody"}) == [(0,)]


def test_statements_of_one_trip_are_one_transaction_and_each_is_told_its_own(context: None) -> None:
    whose, other, sent = caller(), caller(), []
    event.listen(engine(), "before_cursor_execute", hear := lambda *about: sent.append(about[2]))
    with Alone() as alone:
        kept = [(KEYS, key(whose, "first")), (KEYS, key(whose, "second")), (KEYS, key(other))]
        asked = [(COUNT, {"caller": one}) for one in (whose, other, "nobody")]
        assert alone.run_all([*kept, *asked]) == [[], [], [], [(2,)], [(1,)], [(0,)]]
    event.remove(engine(), "before_cursor_execute", hear)
    assert len(sent) == 6


def test_of_statements_of_one_trip_none_is_run_where_one_fails(app: Flask, context: None) -> None:
    whose = caller()
    straight.run_alone(KEYS, key(whose, "there before"))

    def fail() -> None:
        with Alone() as alone:
            alone.run_all([(KEYS, key(whose, "first")), (KEYS, key(whose, "there before")), (KEYS, key(whose, "third"))])

    with pytest.raises(IntegrityError) as raised:
        fail()
    assert raised.value.params is None
    assert app.extensions["kabao_engine"].pool.checkedout() == 0
    assert count(whose) == 1


def test_statements_of_one_trip_are_prepared_anew_where_something_else_forgot_them(app: Flask, context: None) -> None:
    whose = caller()
    both = [(KEYS, key(whose, "first")), (COUNT, {"caller": whose})]
    with Alone() as alone:
        alone.run_all([(COUNT, {"caller": whose})])
        held = alone._held
        assert held is not None
        held.dbapi_connection.pgconn.exec_(b"DEALLOCATE ALL")  # type: ignore[union-attr]
        assert alone.run_all(both) == [[], [(1,)]]


def test_a_connection_lost_on_a_trip_is_no_one_s_any_more_and_nothing_was_done(app: Flask, context: None) -> None:
    whose = caller()
    end = Straight("test_end", select(func.pg_terminate_backend(func.pg_backend_pid()).cast(String)))

    def lost() -> None:
        with Alone() as alone:
            alone.run_all([(KEYS, key(whose)), (end, {})])

    with pytest.raises(OperationalError) as raised:
        lost()
    assert raised.value.connection_invalidated
    assert app.extensions["kabao_engine"].pool.checkedout() == 0
    assert count(whose) == 0


def test_of_connections_that_were_lost_together_one_is_told(app: Flask, context: None) -> None:
    pool = app.extensions["kabao_engine"].pool
    held = [pool.connect() for _ in range(3)]
    pids = [one.dbapi_connection.pgconn.backend_pid for one in held]
    with transaction() as other:
        other.execute(text("SELECT pg_terminate_backend(pid, 5000) FROM unnest(CAST(:pids AS integer[])) pid"), {"pids": pids})
    for one in held:
        one.close()
    with pytest.raises(OperationalError):
        straight.run_alone(COUNT, {"caller": "nobody"})
    with ExitStack() as at_once:
        for alone in [at_once.enter_context(Alone()) for _ in range(4)]:
            assert alone.run(COUNT, {"caller": "nobody"}) == [(0,)]


def test_a_lost_connection_is_told_and_the_next_is_fresh(context: None) -> None:
    def lost() -> None:
        with transaction() as session:
            pid = session.scalar(text("SELECT pg_backend_pid()"))
            with transaction() as other:
                other.execute(text("SELECT pg_terminate_backend(:pid)"), {"pid": pid})
            straight.run(session, COUNT, {"caller": "nobody"})

    with pytest.raises(OperationalError) as raised:
        lost()
    assert raised.value.connection_invalidated
    assert count("nobody") == 0


def test_others_go_on_while_one_waits(app: Flask, context: None) -> None:
    wait = Straight("test_wait", select(literal_column("pg_sleep(0.4)::text", String)))
    went_on: list[int] = []

    def sleep() -> None:
        with app.app_context(), transaction() as session:
            straight.run(session, wait, {})

    thread = threading.Thread(target=sleep)
    thread.start()
    while thread.is_alive() and len(went_on) < 5:
        thread.join(0.02)
        went_on.append(1)
    assert thread.is_alive()
    thread.join()


def test_no_two_statements_have_one_name(app: Flask) -> None:
    """A connection knows what is prepared there by its name alone: of two with one name, the second would run the first."""
    ours = [module for name, module in list(sys.modules.items()) if name.split(".")[0] in ("runtime", "keys", "idp", "wallet")]
    made = {id(value): value for module in ours for value in vars(module).values() if isinstance(value, Straight | Statement)}
    names = Counter((type(one), one.name) for one in made.values())
    assert len(names) > 20
    assert [name for name, count in names.items() if count > 1] == []
