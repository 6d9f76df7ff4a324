"""A batch of a rotation, over a table of the test's: which rows it takes, what becomes of those that cannot be renewed, and what it keeps locked."""

from base64 import b64encode
from collections.abc import Iterator, Mapping
from typing import Any
from uuid import UUID

import psycopg
import pytest
from flask import Flask
from psycopg.errors import LockNotAvailable
from psycopg.types.json import Jsonb
from sqlalchemy import MetaData
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from keys import resealing, sealing
from keys.resealing import Batch
from keys.sealed_tables import SealedTable
from keys.sealing import INDEX, SEAL, SealBroken, prefix_of
from runtime.database import transaction

OLD, NEW = 1, 2


class Apart(DeclarativeBase):
    metadata = MetaData()


class Thing(Apart):
    __tablename__ = "resealed_things"
    id: Mapped[UUID] = mapped_column(primary_key=True)
    number_sealed: Mapped[bytes]
    note_sealed: Mapped[bytes | None]
    number_index: Mapped[bytes] = mapped_column(unique=True)


def number_of(texts: Mapping[str, str | None]) -> str | None:
    return texts["note_sealed"] or texts["number_sealed"] or None


THINGS = SealedTable(Thing, "id", {"number_sealed": "number", "note_sealed": "note"}, {"number_index": number_of})  # type: ignore[arg-type]


class Plainly:
    """A sealer that only writes its version before what it seals; what begins with `broken` cannot be opened."""

    def seal(self, plain: bytes, *, place: bytes) -> bytes:
        return prefix_of(NEW) + plain

    def unseal(self, sealed: bytes, *, place: bytes) -> bytes:
        if sealed[2:].startswith(b"broken"):
            raise SealBroken
        return sealed[2:]

    def index(self, value: str, version: int) -> bytes:
        return prefix_of(version) + value.encode()


@pytest.fixture
def things(app: Flask, database_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[psycopg.Connection[Any]]:
    monkeypatch.setattr(sealing, "sealer", Plainly)
    with psycopg.connect(database_url, autocommit=True) as connection, app.app_context():
        connection.execute(
            "CREATE TABLE resealed_things (id uuid PRIMARY KEY, number_sealed bytea NOT NULL, note_sealed bytea, number_index bytea NOT NULL UNIQUE)"
        )
        yield connection
        connection.execute("DROP TABLE resealed_things")


def keep(things: psycopg.Connection[Any], *texts: str, version: int = OLD, note: bytes | None = None) -> None:
    """Keep one row a text, in this order; what comes after a `|` is why two of one value have two indexes before."""
    begin = things.execute("SELECT count(*) FROM resealed_things").fetchone()[0]  # type: ignore[index]
    for number, text in enumerate(texts, begin + 1):
        sealed, index = prefix_of(version) + text.partition("|")[0].encode(), prefix_of(version) + text.encode()
        things.execute("INSERT INTO resealed_things VALUES (%s, %s, %s, %s)", (UUID(int=number), sealed, note, index))


def renew(purpose: str, *, size: int, after: list[str] | None = None) -> Batch:
    with transaction() as session:
        return resealing.renew_batch(session, THINGS, purpose, NEW, after=after, size=size)


def all_of(purpose: str, *, size: int) -> list[Batch]:
    """Take batch after batch, as a rotation does, until one is not full."""
    done = [renew(purpose, size=size)]
    while done[-1].full:
        assert len(done) < 20, "it does not come to its end"
        done.append(renew(purpose, size=size, after=done[-1].last))
    return done


def left(things: psycopg.Connection[Any], purpose: str) -> int:
    with transaction() as session:
        return resealing.count_old(session, THINGS, purpose, NEW)


@pytest.mark.parametrize("purpose", [SEAL, INDEX])
@pytest.mark.parametrize(("size", "full"), [(2, [True, True, False]), (5, [True, False]), (6, [False])])
def test_rows_are_taken_in_the_order_of_their_keys_and_the_last_batch_is_not_full(
    things: psycopg.Connection[Any], purpose: str, size: int, full: list[bool]
) -> None:
    keep(things, *"abcde")
    keep(things, "new", version=NEW)
    batches = all_of(purpose, size=size)
    assert [batch.full for batch in batches] == full
    assert [batch.last for batch in batches if batch.last][-1] == [str(UUID(int=5))]
    assert (sum(batch.renewed for batch in batches), left(things, purpose)) == (5, 0)


@pytest.mark.parametrize("size", [1, 2, 10])
@pytest.mark.parametrize("purpose", [SEAL, INDEX])
def test_what_cannot_be_opened_is_counted_once_and_left_and_keeps_no_other_back(things: psycopg.Connection[Any], purpose: str, size: int) -> None:
    keep(things, "a", "broken1", "b", "c", "broken2")
    batches = all_of(purpose, size=size)
    assert (sum(batch.renewed for batch in batches), sum(batch.broken for batch in batches), left(things, purpose)) == (3, 2, 2)


def test_an_index_of_what_the_row_does_not_hold_is_counted_and_left(things: psycopg.Connection[Any]) -> None:
    keep(things, "a", "|nothing", "b")
    (batch,) = all_of(INDEX, size=10)
    assert (batch.renewed, batch.broken, left(things, INDEX)) == (2, 1, 1)


def test_of_two_rows_that_turn_out_to_be_of_one_value_one_is_left_and_the_others_are_renewed(things: psycopg.Connection[Any]) -> None:
    keep(things, "a", "twice|1", "twice|2", "b")
    (batch,) = all_of(INDEX, size=10)
    assert (batch.renewed, batch.broken, left(things, INDEX)) == (3, 1, 1)


def test_a_column_that_holds_nothing_is_under_no_key(things: psycopg.Connection[Any]) -> None:
    keep(things, "a", version=NEW)
    assert (left(things, SEAL), renew(SEAL, size=10)) == (0, Batch())
    keep(things, "b", version=NEW, note=prefix_of(OLD) + b"note")
    assert (left(things, SEAL), renew(SEAL, size=10).renewed, left(things, SEAL)) == (1, 1, 0)


@pytest.mark.parametrize(("purpose", "is_free"), [(SEAL, True), (INDEX, False)])
def test_whoever_only_refers_to_a_row_waits_for_no_batch_but_one_that_changes_what_it_is_found_by(
    things: psycopg.Connection[Any], purpose: str, is_free: bool
) -> None:
    keep(things, "a")
    refer = "SELECT id FROM resealed_things FOR KEY SHARE NOWAIT"
    with transaction() as session:
        assert len(resealing._read(session, THINGS, purpose, NEW, after=None, size=1)) == 1
        if is_free:
            assert len(things.execute(refer).fetchall()) == 1
        else:
            with pytest.raises(LockNotAvailable):
                things.execute(refer)


@pytest.mark.parametrize(("status", "counted"), [("todo", 1), ("doing", 1), ("failed", 0), ("succeeded", 0)])
def test_a_job_that_may_still_run_carries_what_is_sealed_under_the_old_key(things: psycopg.Connection[Any], status: str, counted: int) -> None:
    columns = "INSERT INTO procrastinate_jobs (queue_name, task_name, args, status) VALUES ('kabao', 'of_a_test', %s, %s)"
    with transaction() as session:
        before = resealing.count_queued(session, NEW)
    for version in (OLD, NEW):
        things.execute(columns, (Jsonb({"sealed": b64encode(prefix_of(version) + b"x").decode()}), status))
    try:
        with transaction() as session:
            assert resealing.count_queued(session, NEW) == before + counted
    finally:
        things.execute("DELETE FROM procrastinate_jobs WHERE task_name = 'of_a_test'")
