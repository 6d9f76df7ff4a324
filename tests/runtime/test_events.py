import time
from uuid import uuid4

import pytest
from flask import Flask
from sqlalchemy.orm import Session

from runtime import events
from runtime.clock import now
from runtime.database import engine, transaction
from runtime.events import Cursor


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
