"""The turns of a licence's life: the one statement that changes a state, and one row for each change, kept for good.

A row is only ever added (the database refuses all else); reason and legal basis rest sealed. A turn may take effect earlier than it was
written, so that there are two answers to how a licence stood on a day: what is known of it now, and what the register told then.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from itertools import pairwise
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Index, and_, false, insert, or_, select, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from keys import sealed_tables, sealing
from runtime.database import Base
from runtime.ids import new_id
from runtime.languages import Text
from runtime.problems import Refusal
from wallet.register.acts import TURNS, Act
from wallet.register.licences import BY_CALENDAR, Licence, LicenceState, beginning_of, china_date, seen_by_calendar
from wallet.register.licences import TABLE as LICENCES

TABLE, COLUMN = "licence_turns", "reason_sealed"
STORED = frozenset(LicenceState) - {LicenceState.NOT_YET_VALID, LicenceState.EXPIRED}


class WrongState(Refusal):
    """The act is not allowed in the licence's present state, which `state` says; `successor` is the licence that took its place."""

    code, status = "licence-in-wrong-state", 409
    title = Text("该证照当前状态不能办理此项业务。", "The licence's present state does not allow this.")


class NotRevocable(WrongState):
    """The licence is revoked already, or has ended in another way."""

    code, status, title = "licence-not-revocable", 409, Text("该证照当前状态不能吊销。", "The licence cannot be revoked in its present state.")


class EffectRefused(Refusal):
    """The day on which the act is to take effect lies ahead, or before the turn that it follows."""

    code, status, title = "effective-date-refused", 422, Text("生效日期有误。", "The effective date is not acceptable.")


class MomentRefused(Refusal):
    """What is asked of lies ahead."""

    code, status, title = "moment-refused", 422, Text("只能查询过去的状态。", "Only the past can be asked about.")


class LicenceTurn(Base):
    """A turn: the `turn`-th act of a licence's life and the state that it led to, written at `at` by `actor`, in effect from `effective_at`.

    `related_id` is the licence that it made, was made from, or followed.
    """

    __tablename__ = TABLE
    holder_id: Mapped[UUID] = mapped_column(primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True)
    licence_id: Mapped[UUID]
    turn: Mapped[int]
    act: Mapped[str]
    state: Mapped[str]
    at: Mapped[datetime]
    effective_at: Mapped[datetime]
    actor: Mapped[str]
    related_id: Mapped[UUID | None]
    reason_sealed: Mapped[bytes | None]
    __table_args__ = (
        Index("ix_licence_turns_licence", "holder_id", "licence_id", "turn", unique=True),
        Index("ix_licence_turns_lived", "holder_id", "effective_at", "id"),
    )


sealed_tables.declare(LicenceTurn, sealed={COLUMN: COLUMN})


@dataclass(frozen=True, slots=True)
class Cause:
    """Why an act is done, by whom (as the ledger names an actor), and from which day on; None: from now."""

    reason: str = field(repr=False)
    legal_basis: str = field(repr=False)
    actor: str
    effective_on: date | None = None

    def as_text(self) -> str:
        """Return reason and legal basis as they are sealed."""
        return json.dumps({"reason": self.reason, "legal_basis": self.legal_basis}, ensure_ascii=False)


@dataclass(frozen=True, slots=True)
class Standing:
    """How a licence stood at a moment: its state (None: there was none yet), the act that led to it, since when it was so.

    `recorded` is the state that the register told at that moment, before it knew what was written later.
    """

    state: LicenceState | None
    act: Act | None
    since: datetime | None
    recorded: LicenceState | None


def take(session: Session, licence: Licence, act: Act, cause: Cause, *, now: datetime, related_id: UUID | None = None, **values: Any) -> Licence:
    """Do an act: change the state in one statement, and write the turn; `values` are further columns that change with it.

    Of two who act at once one is refused, unless its act is allowed after the other's. Raises WrongState, EffectRefused.
    """
    effective_at = check_effect(session, licence, act, cause.effective_on, now=now)
    why = sealing.seal(cause.as_text(), table=LICENCES, column=COLUMN, row=licence.id)
    row = update(Licence).where(Licence.holder_id == licence.holder_id, Licence.id == licence.id, allowed(act, today=china_date(now)))
    row = row.values(state=TURNS[act].state.value, act=act.value, turn=Licence.turn + 1, reason_sealed=why, changed_at=now, **values)
    taken = session.scalars(row.returning(Licence), execution_options={"populate_existing": True}).one_or_none()
    if taken is None:
        raise _wrong(session, licence, act, now=now)
    session.execute(insert(LicenceTurn).values(row_of(taken, cause, now=now, effective_at=effective_at, related_id=related_id)))
    return taken


def allowed(act: Act, *, today: date) -> ColumnElement[bool]:
    """Return the condition under which an act is allowed of a row of licences: the table's states, and no successor."""
    states = TURNS[act].states
    stored = [state.value for state in states & STORED - {LicenceState.VALID}]
    arms = [and_(Licence.state.in_(stored), Licence.act != BY_CALENDAR) if stored else false()]
    valid = Licence.state == LicenceState.VALID.value
    over = and_(Licence.valid_until.is_not(None), Licence.valid_until < today)
    if LicenceState.VALID in states:
        arms.append(and_(valid, Licence.valid_from <= today, or_(Licence.valid_until.is_(None), Licence.valid_until >= today)))
    if LicenceState.NOT_YET_VALID in states:
        arms.append(and_(valid, Licence.valid_from > today))
    if LicenceState.EXPIRED in states:
        arms.append(and_(valid, over))
    if LicenceState.EXPIRED in states and act is not Act.EXPIRE:
        arms.append(and_(Licence.state == LicenceState.LAPSED.value, Licence.act == BY_CALENDAR))
    return and_(Licence.successor_id.is_(None), or_(*arms))


def row_of(licence: Licence, cause: Cause, *, now: datetime, effective_at: datetime, related_id: UUID | None = None) -> dict[str, Any]:
    """Return the row of the turn that a licence has just taken."""
    turn_id = new_id()
    named = {"holder_id": licence.holder_id, "id": turn_id, "licence_id": licence.id, "turn": licence.turn, "act": licence.act}
    why = sealing.seal(cause.as_text(), table=TABLE, column=COLUMN, row=turn_id) if cause.reason else None
    when = {"at": now, "effective_at": effective_at, "actor": cause.actor}
    return {**named, "state": licence.state, **when, "related_id": related_id, "reason_sealed": why}


def first_turn(licence: dict[str, Any], *, actor: str) -> dict[str, Any]:
    """Return the row of the turn with which a licence begins; it has the licence's own id.

    What was issued anew of an older paper was good from its first day on; a successor is not older than itself.
    """
    at, begins = licence["issued_at"], beginning_of(licence["valid_from"])
    named = {"holder_id": licence["holder_id"], "id": licence["id"], "licence_id": licence["id"], "turn": 1}
    what = {"act": licence["act"], "state": licence["state"], "reason_sealed": None, "related_id": licence["predecessor_id"], "actor": actor}
    return {**named, **what, "at": at, "effective_at": at if licence["predecessor_id"] else min(at, begins)}


def turns_of(session: Session, licence: Licence) -> list[LicenceTurn]:
    """Return the turns of a licence's life, the first one first."""
    rows = select(LicenceTurn).where(LicenceTurn.holder_id == licence.holder_id, LicenceTurn.licence_id == licence.id)
    return list(session.scalars(rows.order_by(LicenceTurn.turn)))


def timeline_of(turns: Sequence[LicenceTurn]) -> list[LicenceTurn]:
    """Return the turns in the order in which they were in effect: one that reaches back takes the place of those after its day."""
    line: list[LicenceTurn] = []
    for turn in turns:
        line = [*(one for one in line if one.effective_at < turn.effective_at), turn]
    return line


def state_on(session: Session, licence: Licence, *, at: datetime) -> Standing:
    """Return how a licence stood at a moment, in effect and as the register told it then."""
    return standing(licence, turns_of(session, licence), at=at)


def moment_of(at: date | datetime, *, now: datetime) -> datetime:
    """Return the moment that is meant: of a day its end in China, so that whatever happened on it counts. Raises MomentRefused for one ahead."""
    today = china_date(now)
    if at > now if isinstance(at, datetime) else at > today:
        raise MomentRefused("ahead", field="at")
    if isinstance(at, datetime):
        return at
    return now if at == today else beginning_of(at + timedelta(days=1)) - timedelta(microseconds=1)


def standing(licence: Licence, turns: Sequence[LicenceTurn], *, at: datetime) -> Standing:
    """Return how a licence stood at a moment, from its turns."""
    known = [one for one in turns if one.at <= at]
    recorded = _seen(licence, known[-1], at=at) if known else None
    past = [one for one in timeline_of(turns) if one.effective_at <= at]
    if not past:
        return Standing(None, None, None, recorded)
    return Standing(_seen(licence, past[-1], at=at), Act(past[-1].act), past[-1].effective_at, recorded)


def suspensions(turns: Sequence[LicenceTurn]) -> list[tuple[datetime, datetime | None]]:
    """Return the periods in which a licence was suspended, each with its end, or None while it lasts."""
    line: list[LicenceTurn | None] = [*timeline_of(turns), None]
    return [
        (one.effective_at, after.effective_at if after else None)
        for one, after in pairwise(line)
        if one is not None and one.state == LicenceState.SUSPENDED.value
    ]


def reason_of_turn(turn: LicenceTurn) -> dict[str, str] | None:
    """Return the `reason` and `legal_basis` of a turn, or None if it has none."""
    if turn.reason_sealed is None:
        return None
    why: dict[str, str] = json.loads(sealing.unseal(turn.reason_sealed, table=TABLE, column=COLUMN, row=turn.id))
    return why


def reason_of(licence: Licence) -> dict[str, str] | None:
    """Return the `reason` and `legal_basis` of the last change of state, or None if there was none."""
    if licence.reason_sealed is None:
        return None
    why: dict[str, str] = json.loads(sealing.unseal(licence.reason_sealed, table=LICENCES, column=COLUMN, row=licence.id))
    return why


def _seen(licence: Licence, turn: LicenceTurn, *, at: datetime) -> LicenceState:
    return seen_by_calendar(LicenceState(turn.state), turn.act, valid_from=licence.valid_from, valid_until=licence.valid_until, now=at)


def check_state(licence: Licence, act: Act, *, now: datetime) -> None:
    """Check that an act is allowed of a licence as it was read; raises WrongState. `take` decides."""
    if licence.is_succeeded or licence.state_at(now) not in TURNS[act].states:
        raise _not_from(licence, act, now=now)


def check_effect(session: Session, licence: Licence, act: Act, effective_on: date | None, *, now: datetime) -> datetime:
    """Return from when on an act is in effect; only an annulment reaches back before the turn that it follows. Raises EffectRefused."""
    if effective_on is None or effective_on == china_date(now):
        return now
    if effective_on > china_date(now):
        raise EffectRefused("ahead", field="effective_on", shown=Text("生效日期不能晚于今天。", "It must not lie ahead."))
    effective_at, turns = beginning_of(effective_on), turns_of(session, licence)
    earliest = turns[0] if act is Act.ANNUL else turns[-1]
    if effective_at < beginning_of(china_date(earliest.effective_at)):
        raise EffectRefused("too early", field="effective_on", shown=Text("生效日期早于上一次状态变更。", "It lies before the turn that it follows."))
    return max(effective_at, earliest.effective_at)


def _wrong(session: Session, licence: Licence, act: Act, *, now: datetime) -> WrongState:
    present = select(Licence).where(Licence.holder_id == licence.holder_id, Licence.id == licence.id)
    return _not_from(session.scalars(present, execution_options={"populate_existing": True}).one(), act, now=now)


def _not_from(licence: Licence, act: Act, *, now: datetime) -> WrongState:
    state = licence.state_at(now)
    successor = str(licence.successor_id) if licence.successor_id else None
    shown = Text(f"该证照当前状态：{state.text.zh}。", f"The licence is {state.text.en.lower()}.")
    kind = NotRevocable if act is Act.REVOKE else WrongState
    return kind(f"{act} of {licence.id}", shown=shown, state=state.value, successor=successor)
