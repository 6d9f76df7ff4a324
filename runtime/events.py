"""The outbox: what happened, for whoever must hear of it, written in the transaction of the act itself.

Readers page by a cursor and never miss a row: a row is shown only once no older transaction is still open (anywhere in the
PostgreSQL cluster, so nothing that holds long transactions should share it), and the order that a reader sees is final.

The order is that of transactions, by the number that each gets at its first write. So whoever acts on a thing must hold it (`FOR UPDATE`) before
writing anything: then of two acts on one thing the later has the higher number, and nobody hears of them the wrong way round.

Another PostgreSQL, into which a dump is restored, counts its transactions from the beginning. `events_shift()` is how far the ones before it had got:
it is added to each number, and `follow_on` sets it.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, ColumnElement, Identity, Index, Select, func, insert, literal, select, text, tuple_
from sqlalchemy.orm import InstrumentedAttribute, Mapped, Session, mapped_column

from runtime import gathering, straight
from runtime.database import Base
from runtime.ids import new_id


class Event(Base):
    """Something that happened to a thing of a kind (`topic`: a licence type's code)."""

    __tablename__ = "events"
    sequence: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    transaction: Mapped[int] = mapped_column(BigInteger, server_default=text("((pg_current_xact_id()::text)::bigint + events_shift())"))
    id: Mapped[UUID] = mapped_column(unique=True)
    happened_at: Mapped[datetime]
    kind: Mapped[str]
    topic: Mapped[str]
    object_id: Mapped[str]
    detail: Mapped[dict[str, Any]]
    __table_args__ = (Index("ix_events_order", "transaction", "sequence"),)


SETTLED = "((pg_snapshot_xmin(pg_current_snapshot())::text)::bigint + events_shift())"
LEAP = 10**12  # more transactions than are made between a backup and a restore, and millions of times less than there are numbers
_EMIT = insert(Event)  # made once: building it costs as much as running it
_EMIT_ONE = straight.insert_one("emit", Event, ("id", "happened_at", "kind", "topic", "object_id", "detail"))


@dataclass(frozen=True, slots=True)
class Cursor:
    """A place in the stream; written `transaction-sequence`."""

    transaction: int = 0
    sequence: int = 0

    @classmethod
    def parse(cls, written: str) -> "Cursor":
        """Read a cursor; raises ValueError if it is not one."""
        transaction, _, sequence = written.partition("-")
        if not (written.isascii() and transaction.isdigit() and sequence.isdigit() and len(written) <= 40):
            raise ValueError("not a cursor")
        return cls(min(int(transaction), 2**63 - 1), min(int(sequence), 2**63 - 1))

    def __str__(self) -> str:
        return f"{self.transaction}-{self.sequence}"


def emit(session: Session, kind: str, *, topic: str, object_id: UUID | str, now: datetime, **detail: Any) -> None:
    """Write an event; `detail` takes ids, codes and dates only, no personal data."""
    write(session, row_of(kind, topic=topic, object_id=object_id, now=now, **detail))


def row_of(kind: str, *, topic: str, object_id: UUID | str, now: datetime, **detail: Any) -> dict[str, Any]:
    """Return the row of an event, for who writes it by a statement of its own; PostgreSQL gives it its place in the order."""
    return {"id": new_id(), "happened_at": now, "kind": kind, "topic": topic, "object_id": str(object_id), "detail": detail}


def write(session: Session, row: dict[str, Any]) -> None:
    """Write an event down that `row_of` made."""
    gathering.write(session, _EMIT, row, alone=_EMIT_ONE)


def read(session: Session, *, topics: set[str], after: Cursor, limit: int) -> list[Event]:
    """Return the events on some topics that follow a cursor, in their final order."""
    return list(session.scalars(following(after).where(Event.topic.in_(topics)).limit(limit)))


def end(session: Session) -> Cursor:
    """Return the end of what can be read now: whoever begins there reads what comes later."""
    settled = session.scalar(text(f"SELECT {SETTLED}"))
    return Cursor(int(settled or 1) - 1, 2**63 - 1)


def following(after: Cursor) -> Select[Event]:
    """Return the question for all events that follow a cursor, in their final order."""
    later = tuple_(Event.transaction, Event.sequence) > tuple_(literal(after.transaction, BigInteger), literal(after.sequence, BigInteger))
    settled = Event.transaction < text(SETTLED)
    return select(Event).where(later, settled).order_by(Event.transaction, Event.sequence)


def is_behind(transaction: InstrumentedAttribute[int], sequence: InstrumentedAttribute[int]) -> ColumnElement[bool]:
    """Return the condition that something can be read that follows a cursor, which two columns hold."""
    later = tuple_(Event.transaction, Event.sequence) > tuple_(transaction, sequence)
    return select(Event.sequence).where(later, Event.transaction < text(SETTLED)).exists()


def follow_on(session: Session, *, read_up_to: int, leap: bool = False) -> bool:
    """See to it that events from now on come after all that there are and that was read; returns whether there was need.

    There is where the database was restored into another PostgreSQL from a dump: what is written there would stand before what was read, and what
    was written before would be taken for unfinished, until the new one had counted as far: nobody would hear of anything for months.

    `leap` is for a database that was restored to an earlier moment: what was forgotten may have been read by others, whose cursors are known to
    nobody here, and what comes would stand before them. So it comes after whatever can have been written since.
    """
    latest = max(session.scalar(select(func.max(Event.transaction))) or 0, read_up_to)
    next_one = session.scalar(text("SELECT (pg_snapshot_xmax(pg_current_snapshot())::text)::bigint + events_shift()")) or 0
    if not leap and latest < next_one:
        return False
    shift = max(latest, next_one) + LEAP if leap else latest
    session.execute(text(f"CREATE OR REPLACE FUNCTION events_shift() RETURNS bigint LANGUAGE sql STABLE PARALLEL SAFE AS 'SELECT {shift}::bigint'"))
    return True
