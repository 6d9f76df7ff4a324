"""The life of a licence, each turn of it one transaction: register, credential, status, ledger and event together or not at all.

`wallet.register.acts` says which act is allowed when. Who may act is checked here, at each act, whatever was checked before.
"""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from runtime import ledger
from runtime.ids import new_id
from runtime.languages import Text
from runtime.problems import Refusal
from runtime.settings import Settings
from wallet.issuing import gathering, successors
from wallet.issuing.entering import ISSUED, NOTHING_BEFORE, Entry, enter, enter_alone, new_identifier
from wallet.issuing.marking import mark
from wallet.issuing.requests import ActRequest, LicenceRequest, check_alone, check_request, type_asked_for
from wallet.issuing.telling import tell
from wallet.register.acts import TURNS, Act
from wallet.register.catalogue import LicenceType, get_type
from wallet.register.departments import Action, DepartmentNotFound, NoAuthority, check_authority, get_department
from wallet.register.licences import Licence, LicenceNotFound, type_of
from wallet.register.turns import Cause, check_effect, check_state, take


class ReceiverRefused(Refusal):
    """A licence cannot be transferred to this department: it is the same, is none, or may not issue such licences."""

    code, status, title = "receiver-refused", 422, Text("不能转给该部门。", "The licence cannot be transferred to this department.")


class ActBarred(Refusal):
    """Licences of this type are never dealt with in this way."""

    code, status, title = "act-barred", 409, Text("此类证照不办理该项业务。", "This is never done with licences of this type.")


class SecondOfficerNeeded(Refusal):
    """Licences of this type are not dealt with in this way by one hand alone; by the API and at the desk such acts wait for another's approval."""

    code, status = "second-officer-needed", 409
    title = Text("此类证照的该项业务须经另一名工作人员复核。", "This takes a second officer for licences of this type.")


def issue_licence(
    session: Session,
    settings: Settings,
    request: LicenceRequest,
    *,
    department: str,
    now: datetime,
    licence_id: UUID | None = None,
    seconded: bool = False,
) -> Licence:
    """Issue what a department asks for, and return the licence; `seconded`: another officer has approved it.

    Raises a Refusal that names the member at fault, NoAuthority included, before anything is written but the holder's subject.
    """
    checked = check_request(session, request, department=department, now=now)
    _check_hands(session, checked.licence_type, Act.ISSUE, seconded=seconded)
    entry = Entry(licence_id or new_id(), new_identifier(checked, department=department), department, NOTHING_BEFORE)
    return enter(session, settings, checked, entry, now=now, told_by=actor_of(department))


def issue_alone(
    settings: Settings, request: LicenceRequest, *, department: str, now: datetime, licence_id: UUID, claimed: dict[str, Any] | None
) -> Licence | None:
    """Issue the plain kind of licence without a session: of one holder, whom the directory knows, and of a type that takes no second officer.

    One statement reads the holder, and one is the whole transaction; the row of `IdempotencyKey` that is `claimed` stands if and only if the
    licence does. None, and nothing is issued, if it is of another kind, or the key was claimed before. Raises what `issue_licence` would.
    """
    if request.co_holders or ISSUED in ledger.hears or Act.ISSUE.permission in type_asked_for(request).checked_acts:
        return None
    checked = check_alone(request, department=department, now=now)
    if checked is None:
        return None
    entry = Entry(licence_id, new_identifier(checked, department=department), department, NOTHING_BEFORE)
    return enter_alone(settings, checked, entry, now=now, told_by=actor_of(department), claimed=claimed)


def act_on(
    session: Session,
    settings: Settings,
    licence: Licence,
    request: ActRequest,
    *,
    department: str,
    now: datetime,
    licence_id: UUID | None = None,
    seconded: bool = False,
) -> Licence:
    """Do what a department asks for with a licence of its own, or one that is transferred to it, and return the licence.

    An act that makes a successor returns the successor, under `licence_id`. Raises LicenceNotFound for another department's licence,
    NoAuthority, WrongState, and what names the member of the request at fault.
    """
    _check_right(session, licence, request.act, department=department, now=now)
    _check_hands(session, get_type(licence.type_code), request.act, licence, seconded=seconded)
    check_state(licence, request.act, now=now)
    cause = Cause(request.reason, request.legal_basis, actor_of(department), request.effective_on)
    if TURNS[request.act].succeeds:
        return successors.succeed(session, settings, licence, request, cause, department=department, now=now, licence_id=licence_id or new_id())
    return _turn(session, licence, request, cause, now=now)


def check_act(session: Session, licence: Licence, request: ActRequest, *, department: str, now: datetime) -> None:
    """Check whether an act could be done now, and do nothing; raises what `act_on` would."""
    _check_right(session, licence, request.act, department=department, now=now)
    check_state(licence, request.act, now=now)
    if TURNS[request.act].succeeds:
        successors.check(session, licence, request, now=now)
        return
    check_effect(session, licence, request.act, request.effective_on, now=now)
    _check_further(session, licence, request, now=now)


def revoke_licence(session: Session, licence: Licence, *, reason: str, legal_basis: str, department: str, now: datetime) -> Licence:
    """Revoke a licence and every credential made from it; raises NotRevocable."""
    cause = Cause(reason, legal_basis, actor_of(department))
    return _turn(session, licence, ActRequest(Act.REVOKE, reason, legal_basis), cause, now=now)


def takes_two(session: Session, licence_type: LicenceType, act: Act, licence: Licence | None = None) -> bool:
    """Whether an act takes a second officer: for the type's own sake, or for that of one which was gathered into the licence and follows it."""
    following = gathering.parts_of(session, licence) if licence is not None and TURNS[act].follows and licence_type.gathers else []
    return any(act.permission in one.checked_acts for one in (licence_type, *(get_type(part.type_code) for part in following)))


def actor_of(department: str) -> str:
    """Return a department as the ledger names who acted."""
    return f"department:{department}"


def _turn(session: Session, licence: Licence, request: ActRequest, cause: Cause, *, now: datetime) -> Licence:
    turn = TURNS[request.act]
    _check_further(session, licence, request, now=now)
    taken = take(session, licence, request.act, cause, now=now, transferred_to=request.to)
    mark(session, taken, turn.credentials)
    tell(session, taken, turn.kind, actor=cause.actor, now=now, receiver=request.to)
    if turn.follows:
        gathering.follow(session, taken, request.act, cause, now=now)
    return taken


def _check_right(session: Session, licence: Licence, act: Act, *, department: str, now: datetime) -> None:
    owner = licence.transferred_to if act is Act.TRANSFER_IN else licence.issuer_code
    if owner != department:
        raise LicenceNotFound("another department's")
    check_authority(department=department, type_code=licence.type_code, action=Action.ISSUE, now=now, act=act.permission)
    if act is Act.TRANSFER_IN:
        gathering.check_reach_over_parts(session, licence, department=department, now=now)
    if act.permission in type_of(licence).barred_acts:
        raise ActBarred(act.permission)


def _check_hands(session: Session, licence_type: LicenceType, act: Act, licence: Licence | None = None, *, seconded: bool) -> None:
    if not seconded and takes_two(session, licence_type, act, licence):
        raise SecondOfficerNeeded(act.permission)


def _check_further(session: Session, licence: Licence, request: ActRequest, *, now: datetime) -> None:
    if request.act is Act.RESUME:
        gathering.check_gatherer(session, licence, now=now)
    if request.act is Act.TRANSFER_OUT:
        _check_receiver(session, licence, request.to or "", now=now)


def _check_receiver(session: Session, licence: Licence, code: str, *, now: datetime) -> None:
    if code == licence.issuer_code:
        raise ReceiverRefused("the same department", field="to")
    try:
        get_department(code)
        check_authority(department=code, type_code=licence.type_code, action=Action.ISSUE, now=now, act=Act.TRANSFER_IN.permission)
        gathering.check_reach_over_parts(session, licence, department=code, now=now)
    except (DepartmentNotFound, NoAuthority) as error:
        raise ReceiverRefused(error.code, field="to") from error
