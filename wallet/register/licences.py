"""Licences: the facts of the register. This holder has this, from, until, in this state.

What is written stands: a licence changes only its state, and by an act of its own table (`wallet.register.acts`); whatever else changes is
written in a successor. Its number and its fields rest sealed; "expired" and "not yet valid" are a look at the calendar, in the time of
China, where a licence is valid through its last day.
"""

import json
from collections.abc import Collection, Iterable
from datetime import date, datetime, timedelta, timezone
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Index, Select, or_, select, text, tuple_, union_all
from sqlalchemy.orm import Mapped, Session, mapped_column

from keys import sealed_tables, sealing
from runtime.database import Base
from runtime.languages import Text
from runtime.problems import Refusal
from wallet.register.catalogue import get_type, get_version
from wallet.register.definitions import LicenceType

CHINA = timezone(timedelta(hours=8))
TABLE = "licences"
BY_CALENDAR = "expire"


class LicenceState(StrEnum):
    """The state of a licence. Those of the register first; `not-yet-valid` and `expired` are derived and never stored."""

    VALID = "valid"
    SUSPENDED = "suspended"
    ANNULLED = "annulled"
    CANCELLED = "cancelled"
    LAPSED = "lapsed"
    TRANSFERRED = "transferred"
    REVOKED = "revoked"
    NOT_YET_VALID = "not-yet-valid"
    EXPIRED = "expired"

    @property
    def text(self) -> Text:
        """The state in words."""
        return STATE_TEXTS[self]

    @property
    def gb_code(self) -> str:
        """The state's code in the national exchange of licences."""
        return GB_CODES.get(self, "99")


STATE_TEXTS = {
    LicenceState.VALID: Text("有效", "Valid"),
    LicenceState.SUSPENDED: Text("暂扣", "Suspended"),
    LicenceState.ANNULLED: Text("撤销", "Annulled"),
    LicenceState.CANCELLED: Text("注销", "Cancelled"),
    LicenceState.LAPSED: Text("失效", "Lapsed"),
    LicenceState.TRANSFERRED: Text("转出", "Transferred"),
    LicenceState.REVOKED: Text("吊销", "Revoked"),
    LicenceState.NOT_YET_VALID: Text("尚未生效", "Not yet valid"),
    LicenceState.EXPIRED: Text("已过期", "Expired"),
}
GB_CODES = {
    LicenceState.VALID: "01",
    LicenceState.SUSPENDED: "02",
    LicenceState.ANNULLED: "03",
    LicenceState.CANCELLED: "04",
    LicenceState.LAPSED: "05",
    LicenceState.EXPIRED: "05",
    LicenceState.TRANSFERRED: "06",
    LicenceState.REVOKED: "07",
}


class LicenceNotFound(Refusal):
    """There is no such licence, or it is not the caller's to know of."""

    code, status, title = "licence-not-found", 404, Text("没有此证照。", "No such licence.")


class Licence(Base):
    """A licence, under the first of its holders. `act` is what led to its state, its `turn`-th; `reason_sealed` says why.

    `successor_id` and `predecessor_id` are licences of the same holder; `transferred_to` is the department that may take it over,
    `gathered_by` the licence that it was gathered into. `due_for` says what of its holder changed since it was issued (`DUE`).
    """

    __tablename__ = TABLE
    holder_id: Mapped[UUID] = mapped_column(primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True)
    type_code: Mapped[str]
    type_version: Mapped[int]
    issuer_code: Mapped[str]
    identifier: Mapped[str] = mapped_column(unique=True)
    licence_number_sealed: Mapped[bytes]
    licence_number_index: Mapped[bytes | None]
    fields_sealed: Mapped[bytes]
    valid_from: Mapped[date]
    valid_until: Mapped[date | None]
    state: Mapped[str]
    reason_sealed: Mapped[bytes | None]
    issued_at: Mapped[datetime]
    changed_at: Mapped[datetime]
    act: Mapped[str] = mapped_column(server_default="issue")
    turn: Mapped[int] = mapped_column(server_default="1")
    holders: Mapped[int] = mapped_column(server_default="1")
    predecessor_id: Mapped[UUID | None]
    successor_id: Mapped[UUID | None]
    transferred_to: Mapped[str | None]
    gathered_by: Mapped[UUID | None]
    due_for: Mapped[list[str]] = mapped_column(server_default="[]")
    due_since: Mapped[datetime | None]
    __table_args__ = (
        Index("ix_licences_id", "id", unique=True),
        Index("ix_licences_held", "holder_id", "type_code", "id", postgresql_include=["state", "valid_from", "valid_until", "successor_id"]),
        Index("ix_licences_issuer", "issuer_code", "type_code", "id"),
        Index("ix_licences_ending", "valid_until", "id", postgresql_where=text("state = 'valid' AND valid_until IS NOT NULL")),
        Index("ix_licences_until", "issuer_code", "valid_until", "id"),
        Index("ix_licences_arriving", "transferred_to", "changed_at", postgresql_where=text("transferred_to IS NOT NULL")),
        Index("ix_licences_due", "issuer_code", "type_code", "id", postgresql_where=text("due_since IS NOT NULL")),
        Index("ix_licences_apart", "issuer_code", "state", "type_code", "id", postgresql_where=text("state <> 'valid'")),
        Index("ix_licences_number", "licence_number_index"),
        Index("ix_licences_unnumbered", "id", postgresql_where=text("licence_number_index IS NULL")),
    )

    holder_renumbered = False  # whether it was just issued to someone who was named by a former number

    def state_at(self, now: datetime) -> LicenceState:
        """Return the state with the calendar looked at: a licence that the register calls valid may be expired, or yet to begin."""
        return seen_by_calendar(LicenceState(self.state), self.act, valid_from=self.valid_from, valid_until=self.valid_until, now=now)

    @property
    def is_succeeded(self) -> bool:
        """Whether another licence took its place, so that no act is allowed of it any more."""
        return self.successor_id is not None


def as_read(row: dict[str, Any]) -> Licence:
    """Return a licence as if it had been read, of its whole row, which was just written: at a tenth of what setting each column takes."""
    licence: Licence = Licence.__mapper__.class_manager.new_instance()
    vars(licence).update(row)
    return licence


class LicenceHolder(Base):
    """One more holder of a licence, beside the one under whom it stands (`first_holder_id`); `place` counts from 2."""

    __tablename__ = "licence_holders"
    holder_id: Mapped[UUID] = mapped_column(primary_key=True)
    licence_id: Mapped[UUID] = mapped_column(primary_key=True)
    first_holder_id: Mapped[UUID]
    place: Mapped[int]
    __table_args__ = (Index("ix_licence_holders_licence", "licence_id"),)


def as_indexed(licence_number: str) -> str:
    """Return the form of a licence number in which it is indexed: however it is spaced and written."""
    return "licence:" + "".join(licence_number.split()).upper()


sealed_tables.declare(
    Licence,
    sealed={name: name for name in ("licence_number_sealed", "fields_sealed", "reason_sealed")},
    indexed={"licence_number_index": lambda licence: as_indexed(licence["licence_number_sealed"] or "")},
)


def seen_by_calendar(state: LicenceState, act: str, *, valid_from: date, valid_until: date | None, now: datetime) -> LicenceState:
    """Return a state as the calendar has it at a moment; one that lapsed by its date is expired, whether that was written already or not."""
    if state is LicenceState.LAPSED and act == BY_CALENDAR:
        return LicenceState.EXPIRED
    if state is not LicenceState.VALID:
        return state
    today = china_date(now)
    if today < valid_from:
        return LicenceState.NOT_YET_VALID
    return LicenceState.EXPIRED if valid_until is not None and today > valid_until else state


def china_date(now: datetime) -> date:
    """Return the day that it is in China."""
    return now.astimezone(CHINA).date()


def beginning_of(day: date) -> datetime:
    """Return the moment at which a day begins in China."""
    return datetime(day.year, day.month, day.day, tzinfo=CHINA)


def get_licence(session: Session, licence_id: UUID) -> Licence:
    """Return a licence by its id; raises LicenceNotFound. Whether the caller may know of it is for the caller's view."""
    licence = session.scalars(select(Licence).where(Licence.id == licence_id)).one_or_none()
    if licence is None:
        raise LicenceNotFound
    return licence


def hold_licence(session: Session, licence_id: UUID) -> Licence:
    """Return a licence as it stands this moment, and keep it from all others until the transaction ends; raises LicenceNotFound.

    For whoever acts on it, before anything is written: what becomes of a licence is told in the order in which it became so. So what was gathered
    into it is kept, too.
    """
    row = select(Licence).where(Licence.id == licence_id).with_for_update()
    licence = session.scalars(row, execution_options={"populate_existing": True}).one_or_none()
    if licence is None:
        raise LicenceNotFound
    hold_parts(session, [licence])
    return licence


def hold_parts(session: Session, gatherers: Iterable[Licence]) -> None:
    """Keep what was gathered into some licences from all others until the transaction ends, for what becomes of those becomes of it."""
    able = [(one.holder_id, one.id) for one in gatherers if get_type(one.type_code).gathers]
    if able:
        parts = select(Licence).where(tuple_(Licence.holder_id, Licence.gathered_by).in_(able)).order_by(Licence.id).with_for_update()
        session.scalars(parts, execution_options={"populate_existing": True}).all()


def find_by_identifier(session: Session, identifier: str) -> Licence | None:
    """Return the licence of an identifier in its whole form."""
    return session.scalars(select(Licence).where(Licence.identifier == identifier)).one_or_none()


def licences_of(session: Session, *, holder_id: UUID, before: UUID | None = None, limit: int | None = None) -> list[Licence]:
    """Return every licence that a holder has or had, alone or with others, the newest first; or as many as wanted, older than one."""
    return newest_held(session, *(() if before is None else (Licence.id < before,)), holder_id=holder_id, limit=limit)


def newest_held(session: Session, *fitting: ColumnElement[bool], holder_id: UUID, limit: int | None) -> list[Licence]:
    """Return the newest of the licences that a holder has, alone or with others, and that fit; no more are read of the holder's own."""
    own = select(Licence.id).where(Licence.holder_id == holder_id, *fitting).order_by(Licence.id.desc()).limit(limit)
    few = Licence.id.in_(union_all(own, select(Licence.id).where(Licence.id.in_(shared_with(holder_id)), *fitting)))
    return list(session.scalars(select(Licence).where(few).order_by(Licence.id.desc()).limit(limit)))


def find_held(session: Session, licence_id: UUID, *, holder_id: UUID) -> Licence | None:
    """Return a licence of a holder, held alone or with others, or None."""
    own = session.get(Licence, (holder_id, licence_id))
    return own or session.scalars(select(Licence).where(held_by(holder_id, Licence.id == licence_id), Licence.id == licence_id)).one_or_none()


def find_all_held(session: Session, licence_ids: Collection[UUID], *, holder_id: UUID) -> list[Licence]:
    """Return those of some licences that a holder has, alone or with others, by one question."""
    named = Licence.id.in_(licence_ids)
    return list(session.scalars(select(Licence).where(held_by(holder_id, named), named)))


def find_numbered(session: Session, licence_numbers: Iterable[str], *, holder_id: UUID, limit: int) -> list[Licence]:
    """Return the newest of the licences with one of some numbers that a holder has, alone or with others: found by number, then by holder."""
    named = select(Licence.id).where(numbered(*licence_numbers)).cte("named").prefix_with("MATERIALIZED")
    return list(
        session.scalars(select(Licence).where(Licence.id.in_(select(named.c.id)), is_held_by(holder_id)).order_by(Licence.id.desc()).limit(limit))
    )


def holder_ids_of(session: Session, licence: Licence) -> list[UUID]:
    """Return who holds a licence, the first of them first; one with a single holder costs no query."""
    if licence.holders == 1:
        return [licence.holder_id]
    others = select(LicenceHolder.holder_id).where(LicenceHolder.licence_id == licence.id).order_by(LicenceHolder.place)
    return [licence.holder_id, *session.scalars(others)]


def find_current(session: Session, *, holder_id: UUID, type_code: str, now: datetime) -> Licence | None:
    """Return the holder's newest licence of a type that is valid now, or None."""
    fitting = (Licence.type_code == type_code, *in_state(LicenceState.VALID, today=china_date(now)))
    return next(iter(newest_held(session, *fitting, holder_id=holder_id, limit=1)), None)


def find_newest(session: Session, *, holder_id: UUID, type_code: str) -> Licence | None:
    """Return the holder's newest licence of a type, in force or not, or None."""
    return next(iter(newest_held(session, Licence.type_code == type_code, holder_id=holder_id, limit=1)), None)


def held_by(holder_id: UUID | ColumnElement[UUID], *among: ColumnElement[bool]) -> ColumnElement[bool]:
    """Return the condition that a licence is a holder's; each arm is read by an index of its own.

    `among` are conditions that the statement has as well: by them the holder's own are fewer before they are looked up, one by one.
    """
    own = select(Licence.id).where(Licence.holder_id == holder_id, *among)
    return Licence.id.in_(union_all(own, shared_with(holder_id)))


def numbered(*licence_numbers: str) -> ColumnElement[bool]:
    """Return the condition that a licence has one of some numbers, however they are spaced and written."""
    return Licence.licence_number_index.in_([index for one in licence_numbers for index in sealing.indexes_of(as_indexed(one))])


def is_held_by(holder_id: UUID | ColumnElement[UUID]) -> ColumnElement[bool]:
    """Return the same condition for a statement that knows already which few licences it is about."""
    return or_(Licence.holder_id == holder_id, Licence.id.in_(shared_with(holder_id)))


def shared_with(holder_id: UUID | ColumnElement[UUID]) -> Select[UUID]:
    """Return the question for the licences that a holder has after others."""
    return select(LicenceHolder.licence_id).where(LicenceHolder.holder_id == holder_id)


def in_state(state: LicenceState, *, today: date | ColumnElement[date]) -> list[ColumnElement[bool]]:
    """Return the conditions of a state as `Licence.state_at` tells it."""
    valid = Licence.state == LicenceState.VALID.value
    expired = Licence.valid_until < today
    if state is LicenceState.VALID:
        return [valid, Licence.valid_from <= today, Licence.valid_until.is_(None) | ~expired]
    if state is LicenceState.NOT_YET_VALID:
        return [valid, Licence.valid_from > today]
    if state is LicenceState.EXPIRED:
        return [(valid & expired) | ((Licence.state == LicenceState.LAPSED.value) & (Licence.act == BY_CALENDAR))]
    return [Licence.state == state.value, Licence.act != BY_CALENDAR]


def seal_details(licence_id: UUID, *, licence_number: str, fields: dict[str, Any]) -> dict[str, bytes]:
    """Return the sealed columns of a licence."""
    sealed_fields = json.dumps(fields, ensure_ascii=False, separators=(",", ":"))
    return {
        "licence_number_sealed": sealing.seal(licence_number, table=TABLE, column="licence_number_sealed", row=licence_id),
        "licence_number_index": sealing.index_of(as_indexed(licence_number)),
        "fields_sealed": sealing.seal(sealed_fields, table=TABLE, column="fields_sealed", row=licence_id),
    }


def type_of(licence: Licence) -> LicenceType:
    """Return a licence's type, by the version under which it was issued: what that said of its fields holds for good."""
    return get_version(licence.type_code, licence.type_version)


def licence_number_of(licence: Licence) -> str:
    """Return the licence number (证照编号)."""
    return sealing.unseal(licence.licence_number_sealed, table=TABLE, column="licence_number_sealed", row=licence.id)


def fields_of(licence: Licence) -> dict[str, Any]:
    """Return the fields' values, in the order of the type."""
    values: dict[str, Any] = json.loads(sealing.unseal(licence.fields_sealed, table=TABLE, column="fields_sealed", row=licence.id))
    return values
