"""A dump that is restored into another PostgreSQL, which counts its transactions from the beginning: events go on after those that were read."""

import os
import time
from collections.abc import Iterator

import pytest
from flask import Flask
from sqlalchemy import text, update

from demo import postgres
from migrations.commands import init
from runtime import events
from runtime.clock import now
from runtime.database import transaction
from runtime.events import Cursor, Event
from runtime.settings import Settings
from tests import schema
from wsgi import create_app

FAR = 10**12
TOPIC = "11379999MB0000001X001"


@pytest.fixture
def restored(server: postgres.PostgresServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[Flask]:
    """An installation of its own, whose events and cursors have numbers that its PostgreSQL is far from."""
    url = schema.create(server, "restored_" + os.environ.get("PYTEST_XDIST_WORKER", "main"))
    app = create_app(Settings(database_url=url, master_key=bytes(range(9, 41)), development=True, public_url="https://kabao.example"))
    monkeypatch.setenv("KABAO_MASTER_KEY", "is in the settings")
    with app.app_context():
        with transaction() as session:
            events.emit(session, "licence.issued", topic=TOPIC, object_id="before", now=now())
            session.execute(update(Event).values(transaction=FAR))
        yield app
    app.extensions["kabao_cache"].stop()
    app.extensions["kabao_engine"].dispose()


def heard_after(cursor: Cursor) -> list[str]:
    with transaction() as session:
        return [one.object_id for one in events.read(session, topics={TOPIC}, after=cursor, limit=10)]


def emit(name: str) -> None:
    """Write an event, and wait until nobody in the cluster, in another test's database, holds it back."""
    with transaction() as session:
        events.emit(session, "licence.issued", topic=TOPIC, object_id=name, now=now())
        mine = session.scalar(text("SELECT (pg_current_xact_id()::text)::bigint + events_shift()")) or 0
    for _ in range(600):
        with transaction() as session:
            if events.end(session).transaction >= mine:
                return
        time.sleep(0.1)


def test_after_init_a_restored_database_tells_what_was_and_what_comes(restored: Flask) -> None:
    assert heard_after(Cursor()) == [], "before, all that was written is taken for unfinished"
    told = restored.test_cli_runner().invoke(init)
    assert (told.exit_code, "events go on after the last one" in told.output) == (0, True), told.output
    assert heard_after(Cursor()) == ["before"]
    emit("after")
    assert heard_after(Cursor(FAR, 2**63 - 1)) == ["after"]
    with transaction() as session:
        assert events.end(session).transaction > FAR
    assert "events go on" not in restored.test_cli_runner().invoke(init).output, "once is enough"


def test_a_cursor_beyond_every_event_is_followed_on_too(restored: Flask) -> None:
    with transaction() as session:
        session.execute(text("INSERT INTO outbox_readers (name, cursor_transaction, cursor_sequence) VALUES ('far', :far, 0)"), {"far": 2 * FAR})
    restored.test_cli_runner().invoke(init)
    emit("after")
    assert heard_after(Cursor(2 * FAR, 2**63 - 1)) == ["after"]


def test_after_a_restore_to_an_earlier_moment_who_read_what_was_forgotten_hears_what_comes(restored: Flask) -> None:
    """Their cursors are their own: nothing in the database tells how far they read."""
    read_and_forgotten = Cursor(FAR + 500_000, 7)
    restored.test_cli_runner().invoke(init)
    emit("missed")
    assert heard_after(read_and_forgotten) == [], "so it is without a word from the operator"
    told = restored.test_cli_runner().invoke(init, ["--restored"])
    assert (told.exit_code, "after all that anybody may have read" in told.output) == (0, True), told.output
    emit("heard")
    assert heard_after(read_and_forgotten) == ["heard"]
    assert heard_after(Cursor()) == ["before", "missed", "heard"]
    restored.test_cli_runner().invoke(init, ["--restored"])
    emit("and again")
    assert heard_after(read_and_forgotten) == ["heard", "and again"], "a second time costs nothing"


def test_where_nothing_was_restored_nothing_is_shifted(restored: Flask) -> None:
    with transaction() as session:
        session.execute(update(Event).values(transaction=1))
        assert not events.follow_on(session, read_up_to=0)
    assert heard_after(Cursor()) == ["before"]
