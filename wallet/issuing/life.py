"""The life of a licence, each turn of it one transaction: register, credential, status, ledger and event together or not at all.

`wallet.register.acts` says which act is allowed when. Who may act is checked here, at each act, whatever was checked before.
"""

from datetime import datetime
from uuid import UUID

from sqlalchemy.orm import Session

from runtime.ids import new_id
from runtime.languages import Text
from runtime.problems import Refusal
from runtime.settings import Settings
from wallet.issuing import gathering, successors
from wallet.issuing.entering import NOTHING_BEFORE, Entry, enter, new_identifier
from wallet.issuing.marking import mark
from wallet.issuing.requests import ActRequest, LicenceRequest, check_request
from wallet.issuing.telling import tell
from wallet.register.acts import TURNS, Act
from wallet.register.departments import Action, DepartmentNotFound, NoAuthority, check_authority, get_department
from wallet.register.licences import Licence, LicenceNotFound
from wallet.register.turns import Cause, take


class ReceiverRefused(Refusal):
    """A licence cannot be transferred to this department: it is the same, is none, or may not issue such licences."""

    code, status, title = "receiver-refused", 422, Text("不能转给该部门。", "The licence cannot be transferred to this department.")


def issue_licence(
    session: Session, settings: Settings, request: LicenceRequest, *, department: str, now: datetime, licence_id: UUID | None = None
) -> Licence:
    """Issue what a department asks for, and return the licence.

    Raises a Refusal that names the member at fault, NoAuthority included, before anything is written but the holder's subject.
    """
    checked = check_request(session, request, department=department, now=now)
    entry = Entry(licence_id or new_id(), new_identifier(checked, department=department), department, NOTHING_BEFORE)
    licence = enter(session, settings, checked, entry, now=now)
    tell(session, licence, TURNS[Act.ISSUE].kind, actor=actor_of(department), now=now)
    return licence


def act_on(
    session: Session, settings: Settings, licence: Licence, request: ActRequest, *, department: str, now: datetime, licence_id: UUID | None = None
) -> Licence:
    """Do what a department asks for with a licence of its own, or one that is transferred to it, and return the licence.

    An act that makes a successor returns the successor, under `licence_id`. Raises LicenceNotFound for another department's licence,
    NoAuthority, WrongState, and what names the member of the request at fault.
    """
    act = request.act
    _check_owner(licence, act, department=department)
    check_authority(department=department, type_code=licence.type_code, action=Action.ISSUE, now=now, act=act.permission)
    cause = Cause(request.reason, request.legal_basis, actor_of(department), request.effective_on)
    if TURNS[act].succeeds:
        return successors.succeed(session, settings, licence, request, cause, department=department, now=now, licence_id=licence_id or new_id())
    return _turn(session, licence, request, cause, now=now)


def revoke_licence(session: Session, licence: Licence, *, reason: str, legal_basis: str, department: str, now: datetime) -> Licence:
    """Revoke a licence and every credential made from it; raises NotRevocable."""
    cause = Cause(reason, legal_basis, actor_of(department))
    return _turn(session, licence, ActRequest(Act.REVOKE, reason, legal_basis), cause, now=now)


def actor_of(department: str) -> str:
    """Return a department as the ledger names who acted."""
    return f"department:{department}"


def _turn(session: Session, licence: Licence, request: ActRequest, cause: Cause, *, now: datetime) -> Licence:
    act, turn = request.act, TURNS[request.act]
    if act is Act.RESUME:
        gathering.check_gatherer(session, licence, now=now)
    receiver = _receiver(licence, request, now=now) if act is Act.TRANSFER_OUT else None
    taken = take(session, licence, act, cause, now=now, transferred_to=receiver)
    mark(session, taken, turn.credentials)
    tell(session, taken, turn.kind, actor=cause.actor, now=now, receiver=receiver)
    if turn.follows:
        gathering.follow(session, taken, act, cause, now=now)
    return taken


def _check_owner(licence: Licence, act: Act, *, department: str) -> None:
    owner = licence.transferred_to if act is Act.TRANSFER_IN else licence.issuer_code
    if owner != department:
        raise LicenceNotFound("another department's")


def _receiver(licence: Licence, request: ActRequest, *, now: datetime) -> str:
    code = request.to or ""
    if code == licence.issuer_code:
        raise ReceiverRefused("the same department", field="to")
    try:
        get_department(code)
        check_authority(department=code, type_code=licence.type_code, action=Action.ISSUE, now=now)
    except (DepartmentNotFound, NoAuthority) as error:
        raise ReceiverRefused(error.code, field="to") from error
    return code
