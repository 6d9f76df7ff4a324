"""What became of each subject: its names, its numbers, its end, one row a change, kept for good.

Before and after rest sealed: the row tells that a name changed, and only this service reads from which to which.
"""

import json
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from sqlalchemy import ForeignKey, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from keys import sealed_tables, sealing
from runtime.database import Base
from runtime.ids import new_id

NAME, NUMBER, STATE, REPRESENTATIVE = "name", "number", "state", "representative"


class SubjectChange(Base):
    """A change that a registry told of. `happened_on` is the registry's day, where it gave one; `told_by` as the ledger names an actor."""

    __tablename__ = "subject_changes"
    subject_id: Mapped[UUID] = mapped_column(ForeignKey("subjects.id"), primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True)
    what: Mapped[str]
    told_at: Mapped[datetime]
    told_by: Mapped[str]
    happened_on: Mapped[date | None]
    values_sealed: Mapped[bytes]


sealed_tables.declare(SubjectChange, sealed={"values_sealed": "values"})


@dataclass(frozen=True, slots=True)
class Told:
    """Who tells of a change, and when: it was heard `at`, and came about `on` that day, where that is known."""

    by: str
    at: datetime
    on: date | None = None


@dataclass(frozen=True, slots=True)
class Change:
    """A change as it is read again; `before` is None where it was not known."""

    what: str
    told: Told
    before: str | None
    after: str | None

    def __repr__(self) -> str:
        return f"Change({self.what!r}, {self.told!r})"


def keep(session: Session, subject_id: UUID, what: str, *, before: str | None, after: str | None, told: Told) -> None:
    """Write a change down."""
    row = new_id()
    sealed = sealing.seal(json.dumps([before, after], ensure_ascii=False), table="subject_changes", column="values", row=row)
    session.add(SubjectChange(subject_id=subject_id, id=row, what=what, told_at=told.at, told_by=told.by, happened_on=told.on, values_sealed=sealed))


def changes_of(session: Session, subject_id: UUID) -> list[Change]:
    """Return what became of a subject, the newest first."""
    rows = session.scalars(select(SubjectChange).where(SubjectChange.subject_id == subject_id).order_by(SubjectChange.id.desc()))
    return [Change(row.what, Told(row.told_by, row.told_at, row.happened_on), *_values(row)) for row in rows]


def _values(row: SubjectChange) -> tuple[str | None, str | None]:
    before, after = json.loads(sealing.unseal(row.values_sealed, table="subject_changes", column="values", row=row.id))
    return before, after
