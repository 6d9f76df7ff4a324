"""Batches: many licences or acts asked for at once, each line once, however often the batch is sent, cut off and sent again.

A batch is known by who sent it and their key. Each line that was done is kept with the licence that came of it, in its own transaction; a line that
was refused is kept with its reason and tried anew. What a line said beyond that rests sealed. All of it is forgotten seven days after its last use.
"""

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Index, UniqueConstraint, exists, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, Session, mapped_column

from keys import sealed_tables, sealing
from runtime import idempotency
from runtime.database import Base, prune
from runtime.idempotency import LIMIT, KeyMalformed, digest_of
from runtime.ids import new_id
from runtime.languages import Text
from runtime.problems import Refusal
from wallet.register.licences import Licence

KEPT = timedelta(days=7)
PAGE = 500
LINES, SAID = "batch_lines", "said_sealed"


class KeyRequired(Refusal):
    """A batch without a key could not be resumed."""

    code, status = "idempotency-key-required", 400
    title = Text("批量请求必须带有Idempotency-Key。", "A batch needs an Idempotency-Key.")


class LineChanged(Refusal):
    """The line was done under this key before, with another content."""

    code, status = "line-changed", 422
    title = Text("该行此前已按另一内容办理，不能更改。", "This line was done before, with another content; it cannot be changed.")


class Batch(Base):
    """A batch of a caller's: a system's client id, or `department:…` for what is imported."""

    __tablename__ = "batches"
    id: Mapped[UUID] = mapped_column(primary_key=True)
    caller: Mapped[str]
    key: Mapped[str]
    department: Mapped[str]
    made_at: Mapped[datetime]
    used_at: Mapped[datetime] = mapped_column(index=True)
    __table_args__ = (UniqueConstraint("caller", "key"),)


class BatchLine(Base):
    """What became of a line: its licence, once it is issued; `said_sealed` has the caller's `ref` and the problem that it met last."""

    __tablename__ = LINES
    batch_id: Mapped[UUID] = mapped_column(primary_key=True)
    line: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    id: Mapped[UUID]
    digest: Mapped[bytes | None]
    licence_id: Mapped[UUID | None]
    said_sealed: Mapped[bytes | None]
    __table_args__ = (Index("ix_batch_lines_digest", "digest", postgresql_where=text("licence_id IS NOT NULL")),)


_ADD = insert(BatchLine)
KEEP = _ADD.on_conflict_do_update(index_elements=["batch_id", "line"], set_={name: _ADD.excluded[name] for name in ("digest", "licence_id", SAID)})
sealed_tables.declare(BatchLine, sealed={SAID: SAID})


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a line: a licence, or a problem; `digest` is of what was issued."""

    line: int
    ref: str | None = field(default=None, repr=False)
    licence: Licence | None = field(default=None, repr=False)
    problem: dict[str, Any] | None = field(default=None, repr=False)
    digest: bytes | None = None

    @property
    def is_good(self) -> bool:
        """Whether the line has its licence, and was not sent with another content since."""
        return self.problem is None


@dataclass(frozen=True, slots=True)
class Before:
    """What is known of a line already: its row, and its licence if it has one."""

    row: BatchLine
    licence: Licence | None


def open_batch(session: Session, *, caller: str, key: str | None, department: str, now: datetime) -> Batch:
    """Return the batch of a key, a new one the first time; raises KeyRequired, KeyMalformed."""
    if key is None:
        raise KeyRequired(field="Idempotency-Key")
    if not 0 < len(key) <= LIMIT or not key.isprintable():
        raise KeyMalformed(field="Idempotency-Key")
    row = insert(Batch).values(id=new_id(), caller=caller, key=key, department=department, made_at=now, used_at=now)
    opened = row.on_conflict_do_update(index_elements=["caller", "key"], set_={"used_at": now}).returning(Batch)
    return session.scalars(opened, execution_options={"populate_existing": True}).one()


def touch(session: Session, batch_id: UUID, *, now: datetime) -> None:
    """Let a batch be remembered from now on."""
    session.execute(update(Batch).where(Batch.id == batch_id).values(used_at=now))


def hold(session: Session, batch_id: UUID) -> None:
    """Let nobody else work at a batch until the transaction ends: the same batch sent twice at once waits for itself."""
    session.execute(select(Batch.id).where(Batch.id == batch_id).with_for_update())


def hold_caller(session: Session, caller: str) -> None:
    """Let nobody else work at any batch of a caller's until the transaction ends: of two with the same line the later is to find it issued."""
    idempotency.hold(session, caller=caller, key="lines")


def lines_before(session: Session, batch_id: UUID, numbers: Sequence[int]) -> dict[int, Before]:
    """Return what is known of some lines, by their numbers."""
    rows = select(BatchLine, Licence).outerjoin(Licence, Licence.id == BatchLine.licence_id)
    found = session.execute(rows.where(BatchLine.batch_id == batch_id, BatchLine.line.in_(numbers)))
    return {row.line: Before(row, licence) for row, licence in found}


def issued_before(session: Session, *, caller: str, digests: Collection[bytes]) -> dict[bytes, tuple[UUID, int]]:
    """Return in which batch of a caller's, and on which line, each of some digests was issued within the last days."""
    rows = select(BatchLine.digest, BatchLine.batch_id, BatchLine.line).join(Batch, Batch.id == BatchLine.batch_id)
    found = session.execute(rows.where(Batch.caller == caller, BatchLine.digest.in_(digests), BatchLine.licence_id.is_not(None)))
    return {digest: (batch_id, line) for digest, batch_id, line in found if digest is not None}


def digest_of_line(document: Any, *, pepper: bytes) -> bytes:
    """Return the keyed digest by which a line is known again."""
    return digest_of(document, pepper=pepper)


def keep(session: Session, batch_id: UUID, outcomes: Sequence[Outcome], before: dict[int, Before]) -> None:
    """Keep what became of lines; a licence that a line once had stays its own."""
    rows = [_row(batch_id, one, before.get(one.line)) for one in outcomes if not _is_known(one, before.get(one.line))]
    if not rows:
        return
    session.connection().execute(KEEP, rows)


def results(session: Session, batch_id: UUID, *, after: int = 0, until: int = 2**31 - 1) -> list[Outcome]:
    """Return a page of what became of the lines after one, in their order."""
    rows = select(BatchLine, Licence).outerjoin(Licence, Licence.id == BatchLine.licence_id)
    page = rows.where(BatchLine.batch_id == batch_id, BatchLine.line > after, BatchLine.line <= until).order_by(BatchLine.line).limit(PAGE)
    return [outcome_of(row, licence) for row, licence in session.execute(page)]


def outcome_of(row: BatchLine, licence: Licence | None) -> Outcome:
    """Return what a row says of its line."""
    said = said_of(row)
    return Outcome(row.line, said.get("ref"), licence, said.get("problem"), row.digest)


def said_of(row: BatchLine) -> dict[str, Any]:
    """Open what a line said."""
    opened: dict[str, Any] = {} if row.said_sealed is None else json.loads(sealing.unseal(row.said_sealed, table=LINES, column=SAID, row=row.id))
    return opened


def forget(*, now: datetime) -> int:
    """Forget the batches that nobody used for seven days, in small transactions; for a job."""
    over = Batch.used_at < now - KEPT
    lines = prune(BatchLine, BatchLine.batch_id.in_(select(Batch.id).where(over)))
    return lines + prune(Batch, over & ~exists().where(BatchLine.batch_id == Batch.id))


def _is_known(outcome: Outcome, before: Before | None) -> bool:
    """Whether the row says all of it already."""
    return before is not None and before.licence is not None and outcome.is_good and "problem" not in said_of(before.row)


def _row(batch_id: UUID, outcome: Outcome, before: Before | None) -> dict[str, Any]:
    line_id = before.row.id if before else new_id()
    issued = before.licence if before and before.licence else outcome.licence
    said = {name: value for name, value in (("ref", outcome.ref), ("problem", outcome.problem)) if value is not None}
    written = json.dumps(said, ensure_ascii=False, separators=(",", ":"), default=str)
    return {
        "batch_id": batch_id,
        "line": outcome.line,
        "id": line_id,
        "digest": before.row.digest if before and before.licence else outcome.digest,
        "licence_id": issued.id if issued else None,
        SAID: sealing.seal(written, table=LINES, column=SAID, row=line_id) if said else None,
    }
