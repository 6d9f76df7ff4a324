"""The directory of subjects: everyone and everything that was ever met here, known by one number.

A subject is taken from its registry on first sight and keeps its id for good, whatever its number becomes: a former number leads to it for
ever, unless the registry has somebody else by it (`part`). Number and name rest sealed; a number is found by its keyed index. A subject needs no
account: a licence may be issued to someone who never signed in. One that has ended (died, was dissolved) is kept, and does nothing any more.

`on_subject_end`, `on_subject_change` (which is told what changed: history.NAME, NUMBER, or STATE for a return) and `on_representative_change`
hold what must happen in the transaction in which a registry's word takes effect.
"""

from collections.abc import Callable, Collection
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import ARRAY, ColumnElement, CompoundSelect, ForeignKey, LargeBinary, Select, bindparam, delete, exists, func, select, union_all
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import InstrumentedAttribute, Mapped, Session, mapped_column

from idp.subjects import history, records, registries
from idp.subjects.history import Told
from idp.subjects.numbers import Number, NumberKind
from idp.subjects.records import ACTIVE, DECEASED, DISSOLVED, Record
from keys import sealed_tables, sealing
from runtime import ledger, straight
from runtime.database import Base
from runtime.ids import new_id
from runtime.languages import Text
from runtime.problems import Refusal
from runtime.straight import Straight

PERSON, ORGANISATION = "person", "organisation"
REGISTRY = "registry"
RECALLED = "kabao_recalled_subjects"
STATED = "~"  # what follows it in a sealed number keeps a subject apart from whoever truly has the number (idp.signin.stated)
on_subject_end: list[Callable[[Session, UUID, datetime], None]] = []
on_subject_change: list[Callable[[Session, UUID, str, datetime], None]] = []
on_representative_change: list[Callable[[Session, UUID, datetime], None]] = []


class SubjectNotFound(Refusal):
    """No subject has this id."""

    code, status, title = "subject-not-found", 404, Text("没有这个主体。", "No such subject.")


class UnknownNumber(Refusal):
    """The number is well-formed, and its registry has no record of it."""

    code, status, title = "unknown-number", 422, Text("登记库中查不到该号码。", "The registry has no record of this number.")

    def __init__(self, reason: str = "", *, field: str | None = None) -> None:
        super().__init__(reason, field=field, registry=records.NO_MATCH)


class SubjectEnded(Refusal):
    """The person has died, or the organisation was dissolved; `state` says which."""

    code, status, title = "subject-ended", 422, Text("该主体已不能办理业务。", "Nothing can be done in this subject's name any more.")
    SHOWN = {  # noqa: RUF012 (a table of words)
        DECEASED: Text("登记库记载此人已去世。", "The registry says that this person has died."),
        DISSOLVED: Text("登记库记载该单位已注销。", "The registry says that this organisation was dissolved."),
    }

    def __init__(self, state: str, *, field: str | None = None) -> None:
        super().__init__(state, field=field, shown=self.SHOWN[state], state=state)


class TwoSubjects(Refusal):
    """Number and former number are both known here, each as a subject of its own; only a person can tell which licences are whose."""

    code, status, title = (
        "two-subjects",
        409,
        Text(
            "新旧号码在本系统中分属两个主体，请联系管理单位人工核实。", "Both numbers are known here, as two subjects; ask the operator to settle it."
        ),
    )


class Subject(Base):
    """A person or an organisation. `kind` is `person` or `organisation`; `number_kind` a NumberKind; `state` since `state_since`."""

    __tablename__ = "subjects"
    id: Mapped[UUID] = mapped_column(primary_key=True)
    kind: Mapped[str]
    number_kind: Mapped[str]
    number_sealed: Mapped[bytes]
    number_index: Mapped[bytes] = mapped_column(unique=True)
    name_sealed: Mapped[bytes]
    added_at: Mapped[datetime]
    state: Mapped[str] = mapped_column(server_default=ACTIVE)
    state_since: Mapped[datetime | None]

    @property
    def is_active(self) -> bool:
        """Whether it lives, or exists."""
        return self.state == ACTIVE


class Known(NamedTuple):
    """A subject as it was found by its number, to be read and no more."""

    id: UUID
    number_kind: str
    number_sealed: bytes
    number_index: bytes
    name_sealed: bytes
    state: str

    @property
    def is_active(self) -> bool:
        """Whether it lives, or exists."""
        return self.state == ACTIVE


class FormerNumber(Base):
    """A number that a subject had before."""

    __tablename__ = "former_numbers"
    number_index: Mapped[bytes] = mapped_column(primary_key=True)
    subject_id: Mapped[UUID] = mapped_column(ForeignKey("subjects.id"), index=True)
    number_sealed: Mapped[bytes]


sealed_tables.declare(
    Subject, sealed={"number_sealed": "number", "name_sealed": "name"}, indexed={"number_index": lambda subject: subject["number_sealed"]}
)
sealed_tables.declare(
    FormerNumber, row="number_index", sealed={"number_sealed": "number"}, indexed={"number_index": lambda former: former["number_sealed"]}
)


def _owners(indexes: Any) -> CompoundSelect[UUID]:
    """Return the ids of who has a number, or had it."""
    return _either(Subject.number_index.in_(indexes), FormerNumber.number_index.in_(indexes))


def _either(having: ColumnElement[bool], had: ColumnElement[bool]) -> CompoundSelect[UUID]:
    return union_all(select(Subject.id).where(having), select(FormerNumber.subject_id).where(had))


COLUMNS = [column.key for column in Subject.__mapper__.column_attrs]
READ = Straight("read_subject", select(*(getattr(Subject, name) for name in COLUMNS)).where(Subject.id == bindparam("id")))
# Built once: every licence that is issued asks for its holder, by whichever number, in one query.
WITH_NUMBER = select(Subject).where(Subject.id.in_(_owners(bindparam("indexes", expanding=True))))
ANY_INDEX = func.any(bindparam("indexes", type_=ARRAY(LargeBinary)))
KNOWN = Straight(
    "known_subject",
    select(*(getattr(Subject, name) for name in Known._fields)).where(
        Subject.id.in_(_either(Subject.number_index == ANY_INDEX, FormerNumber.number_index == ANY_INDEX))
    ),
)


def find_subject(session: Session, number: Number) -> Subject | None:
    """Return the subject that has a number, or had it, or None if it was never met."""
    indexes = sealing.indexes_of(number.value)
    recalled: dict[bytes, Subject] = session.info.get(RECALLED, {})
    found = next((recalled[index] for index in indexes if index in recalled), None)
    return found or session.scalars(WITH_NUMBER, {"indexes": indexes}).first()


def find_known(number: Number) -> Known | None:
    """Return who has a number, or had it, as it is this moment, by one statement and without a session; None if nobody was ever met."""
    found = straight.run_alone(KNOWN, {"indexes": sealing.indexes_of(number.value)})
    return Known(*found[0]) if found else None


def recall(session: Session, numbers: Collection[Number]) -> None:
    """Read the subjects of many numbers, present or former, in two queries: `find_subject` has them at hand as long as this session lasts."""
    indexes = [index for number in numbers for index in sealing.indexes_of(number.value)]
    known = {subject.number_index: subject for subject in session.scalars(select(Subject).where(Subject.number_index.in_(indexes)))}
    unknown = [index for index in indexes if index not in known]
    former = select(FormerNumber.number_index, Subject).join(Subject, Subject.id == FormerNumber.subject_id)
    known |= {row.number_index: row.Subject for row in session.execute(former.where(FormerNumber.number_index.in_(unknown)))}
    session.info[RECALLED] = known


def get_subject(session: Session, subject_id: UUID) -> Subject:
    """Return the subject with an id; raises SubjectNotFound."""
    subject = session.get(Subject, subject_id)
    if subject is None:
        raise SubjectNotFound(f"no subject {subject_id}")
    return subject


def read_subject(subject_id: UUID) -> Subject:
    """Return the subject with an id by one statement that needs no transaction, to be looked at alone: a change is written nowhere.

    Raises SubjectNotFound.
    """
    for columns in straight.run_alone(READ, {"id": subject_id}):
        return Subject(**dict(zip(COLUMNS, columns, strict=True)))
    raise SubjectNotFound(f"no subject {subject_id}")


def get_subjects(session: Session, subject_ids: Collection[UUID]) -> dict[UUID, Subject]:
    """Return the subjects with some ids, in one query; one that does not exist is left out."""
    return {subject.id: subject for subject in session.scalars(select(Subject).where(Subject.id.in_(subject_ids)))} if subject_ids else {}


def present_numbers(session: Session, numbers: Collection[str]) -> dict[str, str]:
    """Return the present number by each former one among some numbers, in one query."""
    indexes = {index: number for number in numbers for index in sealing.indexes_of(number)}
    rows = session.execute(
        select(FormerNumber.number_index, Subject).join(Subject, Subject.id == FormerNumber.subject_id).where(FormerNumber.number_index.in_(indexes))
    )
    return {indexes[former]: number_of(subject).value for former, subject in rows}


def former_numbers_of(session: Session, subject: Subject) -> list[Number]:
    """Return the numbers that a subject had before."""
    rows = session.execute(select(FormerNumber.number_index, FormerNumber.number_sealed).where(FormerNumber.subject_id == subject.id))
    found = [sealing.unseal(row.number_sealed, table="former_numbers", column="number", row=row.number_index.hex()) for row in rows]
    return [Number(value, NumberKind(subject.number_kind)) for value in sorted(found)]


def active_ids(number: Number) -> Select[UUID]:
    """Return the query of the id of the active subject that has a number, or had it."""
    return select(Subject.id).where(Subject.id.in_(_owners(sealing.indexes_of(number.value))), Subject.state == ACTIVE)


def had_number(number: Number, column: InstrumentedAttribute[UUID]) -> ColumnElement[bool]:
    """Return the condition that a number is a former one of the subject whose id a column holds."""
    return exists().where(FormerNumber.subject_id == column, FormerNumber.number_index.in_(sealing.indexes_of(number.value)))


def is_former(subject: Subject | Known, number: Number) -> bool:
    """Whether a number that led to a subject is one that it had before."""
    return subject.number_index not in sealing.indexes_of(number.value)


def check_active(subject: Subject | Known, *, field: str | None = None) -> None:
    """Check that a subject lives, or exists; raises SubjectEnded."""
    if not subject.is_active:
        raise SubjectEnded(subject.state, field=field)


def ensure_subject(session: Session, number: Number, *, now: datetime) -> Subject:
    """Return the subject of a number, taken from its registry on first sight; whether it is active is the caller's to check.

    Raises UnknownNumber if the registry has no record, RegistryUnavailable if it cannot be asked.
    """
    subject = find_subject(session, number)
    if subject is not None:
        return subject
    record = registries.open_registry(session).find(number)
    if record is None:
        raise UnknownNumber("not in the registry", field="number")
    return meet(session, record, told=Told(REGISTRY, now))


def meet(session: Session, record: Record, *, told: Told) -> Subject:
    """Return the subject that a registry's record is of, by the numbers that it had before too; a new one if it was never met.

    Raises TwoSubjects.
    """
    for former in record.former_numbers:
        renumber(session, former, record.number, told=told)
    part(session, record, told=told)
    subject = find_subject(session, record.number) or add_subject(session, record, now=told.at)
    for former in record.former_numbers:
        _lead_if_new(session, former, subject)
    return subject


def part(session: Session, record: Record, *, told: Told) -> bool:
    """Let a former number lead to its subject no more, if the registry's record under it is somebody else's; returns whether it was.

    Two people had one number (重号), and one of them was given another: the number is the other's alone from then on. The record is somebody
    else's if it has a name that the subject never had; an older file that has the subject under its former number changes nothing.
    """
    indexes = sealing.indexes_of(record.number.value)
    subject = session.scalars(select(Subject).join(FormerNumber).where(FormerNumber.number_index.in_(indexes))).first()
    if subject is None or any(registries.is_same_name(record.name, name) for name in _names_of(session, subject)):
        return False
    session.execute(delete(FormerNumber).where(FormerNumber.number_index.in_(indexes)))
    ledger.record(session, "subject.parted", actor=told.by, object_id=subject.id, subject_id=subject.id, now=told.at)
    return True


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
        **_numbered(subject_id, record.number),
        "name_sealed": sealing.seal(record.name, table="subjects", column="name", row=subject_id),
        "added_at": now,
        "state": record.state,
        "state_since": None if record.state == ACTIVE else now,
    }
    if session.scalar(insert(Subject).values(values).on_conflict_do_nothing().returning(Subject.id)):
        ledger.record(session, "subject.added", actor=REGISTRY, object_id=subject_id, subject_id=subject_id, now=now, kind=kind, state=record.state)
    return session.scalars(WITH_NUMBER, {"indexes": sealing.indexes_of(record.number.value)}).one()


def renumber(session: Session, former: Number, number: Number, *, told: Told) -> Subject | None:
    """Let the subject of a former number have its new one, and return it; None if neither is known here. The old one leads to it still.

    What was told before, or overtaken by a later change, changes nothing. Raises TwoSubjects.
    """
    sealing.hold(session, number.value)
    subject, other = find_subject(session, former), find_subject(session, number)
    if subject is None:
        if other is not None:
            _lead_if_new(session, former, other)
        return other
    if other is not None and other is not subject:
        if _had(session, other, former):
            return other  # both had it, and were parted
        raise TwoSubjects(field="former_number")
    if other is subject and (not is_former(subject, number) or is_former(subject, former)):
        return subject
    before = number_of(subject)
    history.keep(session, subject.id, history.NUMBER, before=before.value, after=number.value, told=told)
    ledger.record(session, "subject.renumbered", actor=told.by, object_id=subject.id, subject_id=subject.id, now=told.at)
    session.execute(delete(FormerNumber).where(FormerNumber.number_index.in_(sealing.indexes_of(number.value))))
    subject.number_kind = number.kind.value
    for column, value in _numbered(subject.id, number).items():
        setattr(subject, column, value)
    _lead(session, before, subject)
    session.flush()
    tell_of_change(session, subject, history.NUMBER, told=told)
    return subject


def tell_of_change(session: Session, subject: Subject, what: str, *, told: Told) -> None:
    """Let everyone hear what of a subject changed."""
    for hear in on_subject_change:
        hear(session, subject.id, what, told.at)


def number_of(subject: Subject | Known) -> Number:
    """Return the number of a subject."""
    return Number(_written(subject).partition(STATED)[0], NumberKind(subject.number_kind))


def is_stated(subject: Subject) -> bool:
    """Whether nobody but the person says that the number is theirs, so that what a registry says of the number is not to be told them."""
    return STATED in _written(subject)


def name_of(subject: Subject | Known) -> str:
    """Return the name of a subject."""
    return sealing.unseal(subject.name_sealed, table="subjects", column="name", row=subject.id)


def _written(subject: Subject | Known) -> str:
    return sealing.unseal(subject.number_sealed, table="subjects", column="number", row=subject.id)


def _numbered(subject_id: UUID, number: Number) -> dict[str, bytes]:
    sealed = sealing.seal(number.value, table="subjects", column="number", row=subject_id)
    return {"number_sealed": sealed, "number_index": sealing.index_of(number.value)}


def _names_of(session: Session, subject: Subject) -> list[str]:
    """Return the name of a subject, and those that it had."""
    return [name_of(subject), *(one.before for one in history.changes_of(session, subject.id) if one.what == history.NAME and one.before)]


def _had(session: Session, subject: Subject, number: Number) -> bool:
    """Whether a subject was renumbered from a number, which leads elsewhere now if it does not lead to it."""
    return any(one.what == history.NUMBER and one.before == number.value for one in history.changes_of(session, subject.id))


def _lead_if_new(session: Session, former: Number, subject: Subject) -> None:
    """Let a former number lead to a subject that was not known by it; not one that was taken from it."""
    if not _had(session, subject, former):
        _lead(session, former, subject)


def _lead(session: Session, former: Number, subject: Subject) -> None:
    """Let a former number lead to a subject; one that leads anywhere already, under whichever index key, stays as it is."""
    index, *others = sealing.indexes_of(former.value)
    if others and session.scalar(select(exists().where(FormerNumber.number_index.in_(others)))):
        return
    sealed = sealing.seal(former.value, table="former_numbers", column="number", row=index.hex())
    row = insert(FormerNumber).values(number_index=index, subject_id=subject.id, number_sealed=sealed)
    session.execute(row.on_conflict_do_nothing())
