import time
from uuid import uuid4

import pytest
from flask import Flask
from sqlalchemy import literal, select, text
from sqlalchemy.orm import Session

from runtime import events
from runtime.clock import now
from runtime.database import engine, transaction
from runtime.events import Cursor

LAST = (events.Event.transaction.desc(), events.Event.sequence.desc())


def settled(topic: str, count: int) -> list[events.Event]:
    """Read a topic's events once there are so many: other test processes' open transactions hold them back for a moment."""
    deadline = time.monotonic() + 10
    while True:
        with transaction() as session:
            found = events.read(session, topics={topic}, after=Cursor(), limit=9)
        if len(found) == count or time.monotonic() > deadline:
            return found
        time.sleep(0.02)


def test_events_are_read_in_order_from_a_cursor_on(app: Flask) -> None:
    topic = str(uuid4())
    with app.app_context():
        for number in range(3):
            with transaction() as session:
                events.emit(session, "made", topic=topic, object_id=str(number), now=now())
        assert len(settled(topic, 3)) == 3
        with transaction() as session:
            first = events.read(session, topics={topic}, after=Cursor(), limit=2)
            rest = events.read(session, topics={topic}, after=Cursor(first[-1].transaction, first[-1].sequence), limit=2)
    assert [event.object_id for event in first + rest] == ["0", "1", "2"]


def test_no_event_is_skipped_while_an_older_transaction_is_open(app: Flask) -> None:
    topic = str(uuid4())
    with app.app_context():
        with Session(engine()) as older, older.begin():
            events.emit(older, "made", topic=topic, object_id="older", now=now())
            with transaction() as session:
                events.emit(session, "made", topic=topic, object_id="younger", now=now())
            with transaction() as session:
                assert events.read(session, topics={topic}, after=Cursor(), limit=9) == []
        assert {event.object_id for event in settled(topic, 2)} == {"older", "younger"}


@pytest.mark.parametrize("written", ["", "-", "1", "1-", "a-b", "1-2-3", "-1-2", "１-２", "9" * 50 + "-1"])
def test_what_is_not_a_cursor_is_refused(written: str) -> None:
    with pytest.raises(ValueError, match="not a cursor"):
        Cursor.parse(written)


def test_a_cursor_reads_back() -> None:
    assert Cursor.parse(str(Cursor(12, 34))) == Cursor(12, 34)


def test_a_transaction_with_several_events_is_read_on_in_its_middle_and_each_is_read_once(app: Flask) -> None:
    topic = str(uuid4())
    with app.app_context():
        for act in range(2):
            with transaction() as session:
                for number in range(3):
                    events.emit(session, "made", topic=topic, object_id=f"{act}.{number}", now=now())
        assert len(settled(topic, 6)) == 6
        found, after = [], Cursor()
        for _ in range(7):
            with transaction() as session:
                page = events.read(session, topics={topic}, after=after, limit=1)
            found += [event.object_id for event in page]
            after = Cursor(page[-1].transaction, page[-1].sequence) if page else after
    assert found == ["0.0", "0.1", "0.2", "1.0", "1.1", "1.2"]


def test_the_order_is_that_of_transactions_and_within_one_that_of_its_acts(app: Flask) -> None:
    topic = str(uuid4())
    with app.app_context():
        with Session(engine()) as first, first.begin():
            first.execute(text("SELECT pg_current_xact_id()"))
            with transaction() as session:
                events.emit(session, "made", topic=topic, object_id="of the second", now=now())
            for number in range(2):
                events.emit(first, "made", topic=topic, object_id=f"of the first, {number}", now=now())
        found = settled(topic, 3)
    assert [event.object_id for event in found] == ["of the first, 0", "of the first, 1", "of the second"]
    assert sorted(event.sequence for event in found) != [event.sequence for event in found], "the database gave the second's number first"


def test_whoever_begins_at_the_end_reads_what_comes_and_nothing_that_was(app: Flask) -> None:
    topic = str(uuid4())
    with app.app_context():
        with transaction() as session:
            events.emit(session, "made", topic=topic, object_id="before", now=now())
        assert len(settled(topic, 1)) == 1
        with transaction() as session:
            end = events.end(session)
            behind = select(events.is_behind(literal(end.transaction), literal(end.sequence)))  # type: ignore[arg-type]
        with transaction() as session:
            events.emit(session, "made", topic=topic, object_id="after", now=now())
        assert len(settled(topic, 2)) == 2
        with transaction() as session:
            later = events.read(session, topics={topic}, after=end, limit=9)
            assert [event.object_id for event in later] == ["after"]
            assert session.scalar(behind)


def test_nothing_is_behind_that_is_not_to_be_read_yet_or_was_read(app: Flask) -> None:
    topic = str(uuid4())
    with app.app_context():
        with transaction() as session:
            events.emit(session, "made", topic=topic, object_id="read", now=now())
        (newest,) = settled(topic, 1)
        with Session(engine()) as older, older.begin():
            older.execute(text("SELECT pg_current_xact_id()"))
            with transaction() as session:
                latest = session.execute(select(events.Event.transaction, events.Event.sequence).order_by(*LAST).limit(1)).one()
                read = select(events.is_behind(literal(latest.transaction), literal(latest.sequence)))  # type: ignore[arg-type]
                assert not session.scalar(read), "the last one was read"
            with transaction() as session:
                events.emit(session, "made", topic=topic, object_id="not yet", now=now())
            with transaction() as session:
                mine = events.is_behind(literal(latest.transaction), literal(latest.sequence))  # type: ignore[arg-type]
                assert not session.scalar(select(mine)), "an older transaction is open"
    assert newest.object_id == "read"


def test_a_reader_looks_at_nothing_before_its_cursor(app: Flask) -> None:
    """However many events there are: the index is entered at the cursor, and no row before it is read and thrown away."""
    statement = events.following(Cursor(2**40, 3)).limit(50).compile(app.extensions["kabao_engine"], compile_kwargs={"literal_binds": True})
    with app.app_context(), transaction() as session:
        session.execute(text("SET LOCAL enable_seqscan = off"))
        session.execute(text("SET LOCAL enable_bitmapscan = off"))
        plan = session.connection().exec_driver_sql(f"EXPLAIN {str(statement).replace('%', '%%')}").scalars().all()
    (condition,) = (line for line in plan if "Index Cond" in line)
    assert "ROW(transaction, sequence) > ROW(" in condition
    assert not any("Filter" in line or "Sort" in line for line in plan), plan
