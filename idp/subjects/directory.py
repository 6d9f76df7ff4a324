"""The directory of subjects: everyone and everything that was ever met here, known by one number.

A subject is taken from its registry on first sight and keeps its id for good. Number and name rest sealed; a number is
found by its keyed index. A subject needs no account: a licence may be issued to someone who never signed in.
"""

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

from sqlalchemy import bindparam, false, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, Session, mapped_column

from idp.subjects import registries
from idp.subjects.numbers import Number, NumberKind
from idp.subjects.registries import Record
from keys import sealed_tables, sealing
from runtime import ledger
from runtime.database import Base
from runtime.ids import new_id
from runtime.languages import Text
from runtime.problems import Refusal

PERSON, ORGANISATION = "person", "organisation"


class SubjectNotFound(Refusal):
    """No subject has this id."""

    code, status, title = "subject-not-found", 404, Text("没有这个主体。", "No such subject.")


class UnknownNumber(Refusal):
    """The number is well-formed, and its registry has no record of it."""

    code, status, title = "unknown-number", 422, Text("登记库中查不到该号码。", "The registry has no record of this number.")


class Subject(Base):
    """A person or an organisation. `kind` is `person` or `organisation`; `number_kind` a NumberKind.

    `stated`: the registry has not been asked yet, so number and name are what someone said (see `stated`).
    """

    __tablename__ = "subjects"
    id: Mapped[UUID] = mapped_column(primary_key=True)
    kind: Mapped[str]
    number_kind: Mapped[str]
    number_sealed: Mapped[bytes]
    number_index: Mapped[bytes] = mapped_column(unique=True)
    name_sealed: Mapped[bytes]
    added_at: Mapped[datetime]
    stated: Mapped[bool] = mapped_column(server_default=false(), default=False)


sealed_tables.declare(
    Subject, sealed={"number_sealed": "number", "name_sealed": "name"}, indexed={"number_index": lambda subject: subject["number_sealed"]}
)


# Built once: every licence that is issued asks for its holder.
WITH_NUMBER = select(Subject).where(Subject.number_index.in_(bindparam("indexes", expanding=True)))


def find_subject(session: Session, number: Number) -> Subject | None:
    """Return the subject of a number, or None if it was never met."""
    return session.scalars(WITH_NUMBER, {"indexes": sealing.indexes_of(number.value)}).first()


def get_subject(session: Session, subject_id: UUID) -> Subject:
    """Return the subject with an id; raises SubjectNotFound."""
    subject = session.get(Subject, subject_id)
    if subject is None:
        raise SubjectNotFound(f"no subject {subject_id}")
    return subject


def ensure_subject(session: Session, number: Number, *, now: datetime) -> Subject:
    """Return the subject of a number, taken from its registry on first sight.

    Raises UnknownNumber if the registry has no record, RegistryUnavailable if it cannot be asked.
    """
    subject = find_subject(session, number)
    if subject is not None:
        return subject
    record = registries.open_registry(session).find(number)
    if record is None:
        raise UnknownNumber("not in the registry", field="number")
    return add_subject(session, record, now=now)


def add_subject(session: Session, record: Record, *, now: datetime) -> Subject:
    """Enter what a registry says of a number, and return its subject; of several who do so at once one row comes."""
    sealing.hold(session, record.number.value)
    if (subject := find_subject(session, record.number)) is not None:
        return subject
    subject_id = new_id()
    kind = PERSON if record.number.is_person else ORGANISATION
    values = {
        "id": subject_id,
        "kind": kind,
        "number_kind": record.number.kind.value,
        "number_sealed": sealing.seal(record.number.value, table="subjects", column="number", row=subject_id),
        "number_index": sealing.index_of(record.number.value),
        "name_sealed": sealing.seal(record.name, table="subjects", column="name", row=subject_id),
        "added_at": now,
    }
    if session.scalar(insert(Subject).values(values).on_conflict_do_nothing().returning(Subject.id)):
        ledger.record(session, "subject.added", actor="registry", object_id=subject_id, subject_id=subject_id, now=now, kind=kind)
    return session.scalars(WITH_NUMBER, {"indexes": sealing.indexes_of(record.number.value)}).one()


def number_of(subject: Subject) -> Number:
    """Return the number of a subject."""
    value = sealing.unseal(subject.number_sealed, table="subjects", column="number", row=subject.id)
    return Number(value, NumberKind(subject.number_kind))


def name_of(subject: Subject) -> str:
    """Return the name of a subject."""
    return sealing.unseal(subject.name_sealed, table="subjects", column="name", row=subject.id)


def rename(session: Session, names: Mapping[bytes, str]) -> None:
    """Give the subjects among some number indexes the names that the registry now has for them."""
    for subject in session.scalars(select(Subject).where(Subject.number_index.in_(list(names)))):
        if name_of(subject) != names[subject.number_index]:
            subject.name_sealed = sealing.seal(names[subject.number_index], table="subjects", column="name", row=subject.id)
