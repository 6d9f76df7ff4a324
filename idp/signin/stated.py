"""Accounts at level 1: number and name are what someone said while the registry could not be asked.

Such a person is kept apart: the sealed number of their subject carries a mark, so that no search by number leads to it, and nothing that
concerns whoever truly has the number (licences, mandates, an officer's post) ever lands there. The number that they stated is here, once.
The row is deleted by whoever comes first with the registry's word: the person themselves, whom it lifts to level 2, or someone whom the
registry knows by that number, who takes the number over. One statement, so that of two only one can.
"""

from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, ForeignKey, Select, delete, exists, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, Session, mapped_column

from idp.subjects import directory
from idp.subjects.directory import PERSON, STATED, Subject
from idp.subjects.numbers import Number
from keys import sealed_tables, sealing
from runtime import ledger
from runtime.database import Base
from runtime.ids import new_id


class StatedNumber(Base):
    """A number that someone at level 1 says is theirs."""

    __tablename__ = "stated_numbers"
    number_index: Mapped[bytes] = mapped_column(primary_key=True)
    subject_id: Mapped[UUID] = mapped_column(ForeignKey("subjects.id"), index=True)
    number_sealed: Mapped[bytes]


sealed_tables.declare(
    StatedNumber, row="subject_id", sealed={"number_sealed": "number"}, indexed={"number_index": lambda stated: stated["number_sealed"]}
)


def add(session: Session, *, number: Number, name: str, now: datetime) -> UUID | None:
    """Keep what someone says of themselves, and return their subject id; None if someone else says the same number is theirs."""
    _, *others = sealing.indexes_of(number.value)
    if others and session.scalar(select(exists().where(StatedNumber.number_index.in_(others)))):
        return None  # under another index key, while one takes over from the other
    subject_id = new_id()
    marked = f"{number.value}{STATED}{subject_id}"
    session.add(
        Subject(
            id=subject_id,
            kind=PERSON,
            number_kind=number.kind.value,
            number_sealed=sealing.seal(marked, table="subjects", column="number", row=subject_id),
            number_index=sealing.index_of(marked),
            name_sealed=sealing.seal(name, table="subjects", column="name", row=subject_id),
            added_at=now,
        )
    )
    session.flush()
    sealed = sealing.seal(number.value, table="stated_numbers", column="number", row=subject_id)
    row = insert(StatedNumber).values(number_index=sealing.index_of(number.value), subject_id=subject_id, number_sealed=sealed)
    if session.scalar(row.on_conflict_do_nothing().returning(StatedNumber.subject_id)) is None:
        return None
    ledger.record(session, "subject.stated", actor=f"subject:{subject_id}", object_id=subject_id, subject_id=subject_id, now=now)
    return subject_id


def ids(number: Number) -> Select[UUID]:
    """Return the query of the id of whoever stated a number."""
    return select(StatedNumber.subject_id).where(StatedNumber.number_index.in_(sealing.indexes_of(number.value)))


def is_stated(session: Session, subject_id: UUID) -> bool:
    """Whether a person's number is only what they said."""
    return bool(session.scalar(select(exists().where(StatedNumber.subject_id == subject_id))))


def take(session: Session, number: Number, *, of: UUID | None = None) -> UUID | None:
    """Take a number from whoever stated it, or from one subject alone, and return whose it was; None if it is nobody's any more."""
    theirs: list[ColumnElement[bool]] = [StatedNumber.number_index.in_(sealing.indexes_of(number.value))]
    if of is not None:
        theirs.append(StatedNumber.subject_id == of)
    return session.scalar(delete(StatedNumber).where(*theirs).returning(StatedNumber.subject_id))


def confirm(session: Session, subject_id: UUID, *, number: Number, name: str, now: datetime) -> None:
    """Let a subject have its number in truth, with the registry's name; nobody else may be known by it (`directory.find_subject`)."""
    subject = directory.get_subject(session, subject_id)
    subject.number_sealed = sealing.seal(number.value, table="subjects", column="number", row=subject_id)
    subject.number_index = sealing.index_of(number.value)
    subject.name_sealed = sealing.seal(name, table="subjects", column="name", row=subject_id)
    session.flush()
    ledger.record(session, "subject.confirmed", actor="registry", object_id=subject_id, subject_id=subject_id, now=now)
