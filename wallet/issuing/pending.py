"""A second pair of eyes: where a type asks for it (`checked_acts`), what one officer or system asks for waits until another approves it.

What is asked rests sealed. Approving it does it, with all checks done anew, in the transaction that decides: of two who decide at once one
is refused, and after a crash it still waits. Nobody decides on what they asked for themselves, neither as a person nor by the same system.
"""

import json
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Index, String, Uuid, exists, func, or_, select, tuple_, update
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, Session, mapped_column

from keys import sealed_tables, sealing
from runtime import ledger
from runtime.database import Base
from runtime.ids import new_id
from runtime.languages import Text
from runtime.problems import NotAllowed, Refusal
from runtime.settings import Settings
from wallet.issuing import life
from wallet.issuing.orders import Order, order_of
from wallet.issuing.requests import check_request, type_asked_for
from wallet.register.acts import TURNS, Act
from wallet.register.catalogue import get_type
from wallet.register.licences import Licence, hold_licence, holder_ids_of

TABLE, BODY, REASON = "act_requests", "body_sealed", "reason_sealed"
TERM = timedelta(days=7)
PAGE = 50
MAKING = tuple(act.value for act in Act if act is Act.ISSUE or TURNS[act].succeeds)


class RequestState(StrEnum):
    """How a request stands; `expired` is a look at the clock and never stored."""

    PENDING = "pending"
    APPROVED = "approved"
    REFUSED = "refused"
    EXPIRED = "expired"

    @property
    def text(self) -> Text:
        """The state in words."""
        return STATE_TEXTS[self]


STATE_TEXTS = {
    RequestState.PENDING: Text("待复核", "Waiting for a second officer"),
    RequestState.APPROVED: Text("已通过", "Approved"),
    RequestState.REFUSED: Text("已退回", "Refused"),
    RequestState.EXPIRED: Text("已逾期", "Out of time"),
}


class RequestNotFound(Refusal):
    """There is no such request of the department."""

    code, status, title = "act-request-not-found", 404, Text("没有此复核事项。", "There is no such request.")


class RequestOver(Refusal):
    """The request was decided already, or its term is over; `state` says which."""

    code, status, title = "act-request-over", 409, Text("该事项已处理或已逾期。", "The request was decided already, or its term is over.")


class SameHand(NotAllowed):
    """Whoever asked for an act cannot be the one who approves or refuses it."""

    code, status = "same-hand", 403
    title = Text("须由本部门的另一名工作人员或另一系统复核。", "Another officer or another system of the department must decide on this.")


@dataclass(frozen=True, slots=True)
class Doer:
    """Who acts in a department's name: a system, an officer, or an officer by a system."""

    department: str
    client_id: str | None = None
    person_id: UUID | None = None

    @property
    def named(self) -> dict[str, str]:
        """The doer as the ledger's details name one."""
        return {name: str(value) for name, value in (("client", self.client_id), ("officer", self.person_id)) if value is not None}


class ActRequestRow(Base):
    """An act that waits, or waited, for a second officer. `result_id` is the licence that came of it, `holder_ids` who holds it, or would.

    `read_by` names the systems that read it whole, each with the state in which they did.
    """

    __tablename__ = TABLE
    department_code: Mapped[str] = mapped_column(primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True)
    type_code: Mapped[str]
    act: Mapped[str]
    licence_id: Mapped[UUID | None]
    holder_ids: Mapped[list[UUID]] = mapped_column(ARRAY(Uuid))
    body_sealed: Mapped[bytes]
    made_by_client: Mapped[str | None]
    made_by_person: Mapped[UUID | None]
    made_at: Mapped[datetime]
    expires_at: Mapped[datetime] = mapped_column(index=True)
    state: Mapped[str]
    decided_by_client: Mapped[str | None]
    decided_by_person: Mapped[UUID | None]
    decided_at: Mapped[datetime | None]
    result_id: Mapped[UUID | None]
    reason_sealed: Mapped[bytes | None]
    read_by: Mapped[list[str]] = mapped_column(ARRAY(String), server_default="{}")
    __table_args__ = (Index("ix_act_requests_holders", "holder_ids", postgresql_using="gin"),)

    def state_at(self, now: datetime) -> RequestState:
        """Return how it stands, the clock looked at."""
        state = RequestState(self.state)
        return RequestState.EXPIRED if state is RequestState.PENDING and self.expires_at <= now else state


sealed_tables.declare(ActRequestRow, sealed={BODY: BODY, REASON: REASON})


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of what was asked: the licence, or the request that waits."""

    licence: Licence | None = None
    request: ActRequestRow | None = field(default=None, repr=False)


def submit(session: Session, settings: Settings, order: Order, *, doer: Doer, now: datetime, result_id: UUID) -> Outcome:
    """Do what is asked, or let it wait for a second officer where its type asks for one; either gets `result_id`, if it is new.

    What could not be done anyway is refused at once, with the Refusal of the act.
    """
    licence = hold_licence(session, order.licence_id) if order.licence_id else None
    licence_type = get_type(licence.type_code) if licence else type_asked_for(order.issue())
    type_code = licence_type.code
    if not life.takes_two(session, licence_type, order.act, licence):
        return Outcome(licence=_run(session, settings, order, licence, department=doer.department, now=now, result_id=result_id))
    holder_ids = _check(session, order, licence, department=doer.department, now=now)
    return Outcome(request=_keep(session, order, doer=doer, type_code=type_code, holder_ids=holder_ids, now=now, request_id=result_id))


def approve(session: Session, settings: Settings, request_id: UUID, *, doer: Doer, now: datetime) -> Outcome:
    """Do what another asked for, and return both; raises RequestNotFound, SameHand, RequestOver, and the Refusal of the act itself.

    If the act is refused the request still waits: it can be approved later, or refused.
    """
    asked = get_request(session, request_id, department=doer.department)
    licence = hold_licence(session, asked.licence_id) if asked.licence_id else None
    row = _decide(session, request_id, RequestState.APPROVED, doer=doer, now=now)
    order = order_in(row)
    done = _run(session, settings, order, licence, department=doer.department, now=now, result_id=new_id(), seconded=True)
    row.result_id = done.id
    session.flush()
    _record(session, "act.approved", row, doer, now=now)
    return Outcome(done, row)


def refuse(session: Session, request_id: UUID, *, reason: str, doer: Doer, now: datetime) -> ActRequestRow:
    """Refuse what another asked for, with a reason that rests sealed; raises RequestNotFound, SameHand, RequestOver."""
    row = _decide(session, request_id, RequestState.REFUSED, doer=doer, now=now)
    row.reason_sealed = sealing.seal(reason, table=TABLE, column=REASON, row=row.id)
    session.flush()
    _record(session, "act.refused", row, doer, now=now)
    return row


def requests_of(session: Session, *, department: str, now: datetime, waiting: bool = True, before: UUID | None = None) -> list[ActRequestRow]:
    """Return a page of a department's requests, the newest first: those that wait, or all."""
    rows = select(ActRequestRow).where(ActRequestRow.department_code == department)
    if waiting:
        rows = rows.where(ActRequestRow.state == RequestState.PENDING.value, ActRequestRow.expires_at > now)
    if before is not None:
        rows = rows.where(ActRequestRow.id < before)
    return list(session.scalars(rows.order_by(ActRequestRow.id.desc()).limit(PAGE)))


def is_awaited(session: Session, *, holder_id: UUID, type_code: str, now: datetime) -> bool:
    """Whether a licence of a type is on its way to a holder: another officer has only to approve that it is issued, or that it follows theirs."""
    waiting = (ActRequestRow.state == RequestState.PENDING.value, ActRequestRow.expires_at > now)
    theirs = (ActRequestRow.holder_ids.contains([holder_id]), ActRequestRow.type_code == type_code, ActRequestRow.act.in_(MAKING))
    return bool(session.scalar(select(exists().where(*theirs, *waiting))))


def find_request(session: Session, request_id: UUID, *, department: str) -> ActRequestRow | None:
    """Return a request of a department, or None."""
    return session.get(ActRequestRow, (department, request_id))


def find_requests(session: Session, named: Collection[tuple[str, UUID]]) -> list[ActRequestRow]:
    """Return those that there are of some requests, each named by its department and its id; of none without a question."""
    rows = select(ActRequestRow).where(tuple_(ActRequestRow.department_code, ActRequestRow.id).in_(named))
    return list(session.scalars(rows)) if named else []


def get_request(session: Session, request_id: UUID, *, department: str) -> ActRequestRow:
    """Return a request of a department; raises RequestNotFound."""
    row = find_request(session, request_id, department=department)
    if row is None:
        raise RequestNotFound
    return row


def is_first_reading(session: Session, row: ActRequestRow, *, system: str) -> bool:
    """Whether a system has a request before it for the first time as it stands; one statement says so, of several at once to one alone.

    A system that polls sees nothing new until the state changes.
    """
    mark = f"{row.state} {system}"
    if mark in row.read_by:
        return False
    first = update(ActRequestRow).where(ActRequestRow.department_code == row.department_code, ActRequestRow.id == row.id)
    first = first.where(~ActRequestRow.read_by.contains([mark])).values(read_by=func.array_append(ActRequestRow.read_by, mark))
    return session.execute(first.returning(ActRequestRow.id), execution_options={"synchronize_session": False}).first() is not None


def order_in(row: ActRequestRow) -> Order:
    """Return what a request asks for, unsealed and read anew; raises ValidationError if it can no longer be read."""
    body = json.loads(sealing.unseal(row.body_sealed, table=TABLE, column=BODY, row=row.id))
    return order_of(Act(row.act), body, licence_id=row.licence_id)


def refusal_of(row: ActRequestRow) -> str | None:
    """Return why a request was refused, or None."""
    return None if row.reason_sealed is None else sealing.unseal(row.reason_sealed, table=TABLE, column=REASON, row=row.id)


def is_by(row: ActRequestRow, doer: Doer) -> bool:
    """Whether a request was made by the same person, or by the same system."""
    same_client = doer.client_id is not None and row.made_by_client == doer.client_id
    return same_client or (doer.person_id is not None and row.made_by_person == doer.person_id)


def _run(
    session: Session,
    settings: Settings,
    order: Order,
    licence: Licence | None,
    *,
    department: str,
    now: datetime,
    result_id: UUID,
    seconded: bool = False,
) -> Licence:
    terms: dict[str, Any] = {"department": department, "now": now, "licence_id": result_id, "seconded": seconded}
    if licence is None:
        return life.issue_licence(session, settings, order.issue(), **terms)
    return life.act_on(session, settings, licence, order.request(), **terms)


def _check(session: Session, order: Order, licence: Licence | None, *, department: str, now: datetime) -> list[UUID]:
    """Check whether it could be done now, and return whom it is about."""
    if licence is None:
        checked = check_request(session, order.issue(), department=department, now=now)
        return [checked.holder.id, *(other.subject.id for other in checked.others)]
    life.check_act(session, licence, order.request(), department=department, now=now)
    return holder_ids_of(session, licence)


def _keep(session: Session, order: Order, *, doer: Doer, type_code: str, holder_ids: list[UUID], now: datetime, request_id: UUID) -> ActRequestRow:
    row = ActRequestRow(
        department_code=doer.department,
        id=request_id,
        type_code=type_code,
        act=order.act.value,
        licence_id=order.licence_id,
        holder_ids=holder_ids,
        body_sealed=sealing.seal(order.as_text(), table=TABLE, column=BODY, row=request_id),
        made_by_client=doer.client_id,
        made_by_person=doer.person_id,
        made_at=now,
        expires_at=now + TERM,
        state=RequestState.PENDING.value,
    )
    session.add(row)
    session.flush()
    _record(session, "act.requested", row, doer, now=now)
    return row


def _decide(session: Session, request_id: UUID, state: RequestState, *, doer: Doer, now: datetime) -> ActRequestRow:
    """Mark a request as decided, in the one statement that decides who of several was first."""
    mine = update(ActRequestRow).where(ActRequestRow.department_code == doer.department, ActRequestRow.id == request_id, _of_another(doer))
    waiting = mine.where(ActRequestRow.state == RequestState.PENDING.value, ActRequestRow.expires_at > now)
    decided = {"state": state.value, "decided_by_client": doer.client_id, "decided_by_person": doer.person_id, "decided_at": now}
    row = session.scalars(waiting.values(**decided).returning(ActRequestRow), execution_options={"populate_existing": True}).one_or_none()
    if row is not None:
        return row
    found = get_request(session, request_id, department=doer.department)
    if is_by(found, doer):
        raise SameHand("the maker")
    session.refresh(found)
    raise RequestOver("not waiting", state=found.state_at(now).value)


def _of_another(doer: Doer) -> ColumnElement[bool]:
    """Return the condition that a request was made neither by this person nor by this system."""
    others: ColumnElement[bool] = or_(ActRequestRow.made_by_client.is_(None), ActRequestRow.made_by_client != (doer.client_id or ""))
    if doer.person_id is not None:
        others = others & or_(ActRequestRow.made_by_person.is_(None), ActRequestRow.made_by_person != doer.person_id)
    return others


def _record(session: Session, what: str, row: ActRequestRow, doer: Doer, *, now: datetime) -> None:
    about: dict[str, Any] = {"asked": row.act, "type": row.type_code, "licence": str(row.result_id or row.licence_id or "")}
    ledger.record(session, what, actor=f"department:{doer.department}", object_id=row.id, now=now, **{**about, **doer.named})
