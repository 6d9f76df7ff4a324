"""Who may act for an organisation: claimed by its legal representative, who appoints licence managers and handlers, who appoint handlers.

Every act locks the organisation's subject first, so that limits hold and nobody is appointed under a mandate that is just
ending. A mandate that ends takes everything under it along, in one statement; `mandates.on_mandate_end` hears of each.
"""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Select, case, func, select, update
from sqlalchemy.orm import Session, aliased

from idp.subjects import directory, mandates, parting, registries
from idp.subjects.directory import Subject
from idp.subjects.mandates import DEEPEST, HANDLER, LEGAL_REPRESENTATIVE, LICENCE_MANAGER, GivenMandate, Mandate, NoMandate
from idp.subjects.numbers import Number
from idp.subjects.registries import RegistryUnavailable
from idp.subjects.rights import Right
from runtime import ledger
from runtime.ids import new_id
from runtime.languages import Text
from runtime.problems import Refusal

MOST_MANAGERS = 5
APPOINTS = {LEGAL_REPRESENTATIVE: (LICENCE_MANAGER, HANDLER), LICENCE_MANAGER: (HANDLER,), HANDLER: (HANDLER,)}
REMOVED, RESIGNED, ABOVE, REPRESENTATIVE_CHANGED, EXPIRED, SUPERSEDED, SUBJECT_ENDED = (
    "removed",
    "resigned",
    "above_ended",
    "representative_changed",
    "expired",
    "superseded",
    "subject_ended",
)
ENDS = {
    REMOVED: Text("被解除", "Removed"),
    RESIGNED: Text("本人辞去", "Resigned"),
    ABOVE: Text("上级授权终止", "The mandate above it ended"),
    REPRESENTATIVE_CHANGED: Text("法定代表人变更", "The legal representative changed"),
    EXPIRED: Text("到期", "Its time was over"),
    SUPERSEDED: Text("由新的授权取代", "Another mandate took its place"),
    SUBJECT_ENDED: Text("登记状态变更", "By the registry"),
}
on_appointed: list[Callable[[Session, GivenMandate, datetime], None]] = []


class NotRepresentative(NoMandate):
    """The registry names another legal representative, or the organisation was not claimed."""

    code, status = "not-representative", 403
    title = Text(
        "法人库登记的法定代表人不是您，或该单位尚未由您认领。", "The registry does not name you its representative, or you have not claimed it."
    )


class AppointeeUnknown(Refusal):
    """The registry has no person of this number and name; which of the two is wrong is not said."""

    code, status = "appointee-unknown", 422
    title = Text("号码与姓名在人口库中不相符，请核对。", "The registry has no person of this number and name; check both.")


class AlreadyAppointed(Refusal):
    """The person may act for the organisation already."""

    code, status = "already-appointed", 409
    title = Text("此人已有该单位的授权。如需调整，请变更原授权。", "They may act for the organisation already; change that mandate instead.")


class MandateChanged(Refusal):
    """Somebody else changed the mandate since the caller looked at it."""

    code, status = "mandate-changed", 409
    title = Text("没有保存：您查看之后，该授权已被他人变更。", "Nothing was saved: the mandate was changed since you looked at it.")


class TooManyManagers(Refusal):
    """There are as many licence managers as there may be."""

    code, status = "too-many-managers", 409
    title = Text("证照管理员最多五名，请先解除一名。", "There may be five licence managers; remove one first.")


class MayNotAppoint(Refusal):
    """The person's own mandate gives no right to appoint for this role, or to touch this mandate."""

    code, status, title = "may-not-appoint", 403, Text("您的授权不包括这项任免。", "Your own mandate does not allow this appointment or removal.")


class BeyondOwnRight(Refusal):
    """More would be given than the giver has; `field` says in what."""

    code, status = "beyond-own-right", 422
    title = Text("不能超出您自己的授权范围（类型、门户、期限）。", "It reaches beyond your own mandate: types, portals or dates.")


class DatesRefused(Refusal):
    """It would end before it begins, or is over already."""

    code, status, title = "dates-refused", 422, Text("结束日期应晚于开始日期和今天。", "It must end after it begins, and after today.")


class MandateNotFound(Refusal):
    """There is no such mandate that stands."""

    code, status, title = "mandate-not-found", 404, Text("没有这项授权，或已经终止。", "There is no such mandate, or it has ended.")


@dataclass(frozen=True, slots=True)
class Appointment:
    """What is to be given: as what, how far, and whether they may appoint handlers within it."""

    role: str
    right: Right
    may_delegate: bool = False


def claim(session: Session, *, person_id: UUID, organisation_id: UUID, now: datetime) -> UUID:
    """Enter the legal representative's mandate, once the registry confirms it, and return its id; a second claim changes nothing.

    A predecessor's chain ends. How well the person must be known is `signin.acting`'s to check. Raises NotRepresentative, RegistryUnavailable.
    """
    lock(session, organisation_id)
    if not mandates.is_representative(session, person_id=person_id, organisation_id=organisation_id, now=now):
        raise NotRepresentative("the registry names another")
    before = find_representative(session, organisation_id)
    if before is not None and before.person_id == person_id:
        return before.id
    if before is not None:
        end(session, before, by=None, why=REPRESENTATIVE_CHANGED, now=now)
    own = _unended(session, organisation_id, person_id)
    if own is not None:
        end(session, own, by=person_id, why=SUPERSEDED, now=now)
    wanted = Appointment(LEGAL_REPRESENTATIVE, Right(None, None, now, None), may_delegate=True)
    return _give(session, organisation_id, person_id, wanted, granted_by=None, by=person_id, now=now).id


def appoint(session: Session, *, by: UUID, organisation_id: UUID, number: Number, name: str, wanted: Appointment, now: datetime) -> UUID:
    """Appoint a person whom the registry knows by number and name, and return the mandate's id; they need no account yet.

    Raises NoMandate, MayNotAppoint, BeyondOwnRight, DatesRefused, AppointeeUnknown, RegistryUnavailable, AlreadyAppointed, TooManyManagers.
    """
    own = _check_giver(session, by, organisation_id, wanted.role, now=now)
    return _appoint(session, own, by, _appointee(session, number, name, now=now), wanted, now=now).id


def reappoint(session: Session, *, by: UUID, organisation_id: UUID, mandate_id: UUID, now: datetime) -> UUID:
    """Give a mandate that ended again, from now on, as it was; raises what `appoint` raises, MandateNotFound, and SubjectEnded."""
    former = session.get(GivenMandate, (organisation_id, mandate_id))
    if former is None or former.ended_at is None or former.role not in APPOINTS[LEGAL_REPRESENTATIVE]:
        raise MandateNotFound
    own = _check_giver(session, by, organisation_id, former.role, now=now)
    directory.check_active(directory.get_subject(session, former.person_id))
    wanted = Appointment(former.role, replace(former.right, valid_from=now), former.may_delegate)
    return _appoint(session, own, by, former.person_id, wanted, now=now).id


def change(
    session: Session, *, by: UUID, organisation_id: UUID, mandate_id: UUID, wanted: Appointment, now: datetime, mark: str | None = None
) -> None:
    """Give a mandate another reach; what was issued under the old one ends, and so under everything that hangs on it.

    Raises NoMandate, MandateNotFound, MayNotAppoint, BeyondOwnRight, DatesRefused; MandateChanged if its reach is no longer the one of the `mark`.
    """
    own, given = _check_manages(session, by, organisation_id, mandate_id, now=now)
    if mark is not None and mark != given.mark:
        raise MandateChanged
    begun = given.valid_from if given.valid_from <= now else max(wanted.right.valid_from, now)
    right = replace(wanted.right, valid_from=begun)
    _check_right(own, replace(right, valid_from=max(begun, own.right.valid_from)), now=now)
    given.types, given.portals = _list_of(right.types), _list_of(right.portals)
    given.valid_from, given.valid_until, given.may_delegate = right.valid_from, right.valid_until, wanted.may_delegate
    session.flush()
    _record(session, "mandate.changed", given, by=by, now=now)
    for touched in session.scalars(select(GivenMandate).where(GivenMandate.holder_id == organisation_id, GivenMandate.id.in_(_under(given)))):
        _tell_end(session, touched, now)


def remove(session: Session, *, by: UUID, organisation_id: UUID, mandate_id: UUID, now: datetime) -> None:
    """End a mandate that one may end, and everything under it; raises NoMandate, MandateNotFound, MayNotAppoint."""
    _, given = _check_manages(session, by, organisation_id, mandate_id, now=now)
    end(session, given, by=by, why=REMOVED, now=now)


def resign(session: Session, *, person_id: UUID, holder_id: UUID, now: datetime) -> None:
    """End one's own mandate, and everything under it; the representative's is the registry's to end. Raises MandateNotFound, MayNotAppoint."""
    lock(session, holder_id)
    given = _unended(session, holder_id, person_id)
    if given is None:
        raise MandateNotFound
    if given.role == LEGAL_REPRESENTATIVE:
        raise MayNotAppoint("the registry names the representative")
    end(session, given, by=person_id, why=RESIGNED, now=now)


def follow_registry(session: Session, organisation_id: UUID, now: datetime) -> bool:
    """End the chain of a representative whom the registry no longer names, and return whether there was one; raises RegistryUnavailable."""
    lock(session, organisation_id)
    standing = find_representative(session, organisation_id)
    if standing is None or mandates.is_representative(session, person_id=standing.person_id, organisation_id=organisation_id, now=now):
        return False
    end(session, standing, by=None, why=REPRESENTATIVE_CHANGED, now=now)
    return True


def see_registry(session: Session, organisation_id: UUID, now: datetime) -> None:
    """Do as `follow_registry`, but for a registry that is away, which is asked again at the next use."""
    with suppress(RegistryUnavailable):
        follow_registry(session, organisation_id, now)


def end_all_of(session: Session, subject_id: UUID, now: datetime) -> None:
    """End every mandate of, and for, a subject that died or was dissolved."""
    theirs = (GivenMandate.person_id == subject_id) | (GivenMandate.holder_id == subject_id)
    for given in session.scalars(select(GivenMandate).where(theirs, GivenMandate.ended_at.is_(None)).order_by(GivenMandate.holder_id)).all():
        lock(session, given.holder_id)
        end(session, given, by=None, why=SUBJECT_ENDED, now=now)


def end(session: Session, given: GivenMandate, *, by: UUID | None, why: str, now: datetime) -> None:
    """End a mandate and everything under it in one statement, and let everyone hear of each; what ended before is left as it is."""
    which = (GivenMandate.holder_id == given.holder_id, GivenMandate.id.in_(_under(given)), GivenMandate.ended_at.is_(None))
    values = {"ended_at": now, "ended_by": by, "ended_why": case((GivenMandate.id == given.id, why), else_=ABOVE)}
    statement = update(GivenMandate).where(*which).values(values).returning(GivenMandate)
    ended = session.scalars(statement, execution_options={"synchronize_session": False, "populate_existing": True}).all()
    for one in sorted(ended, key=lambda one: one.id):
        _record(session, "mandate.ended", one, by=by, now=now, why=one.ended_why)
        _tell_end(session, one, now)


def find_representative(session: Session, organisation_id: UUID) -> GivenMandate | None:
    """Return the mandate of the representative who claimed an organisation, or None."""
    standing = (GivenMandate.role == LEGAL_REPRESENTATIVE, GivenMandate.ended_at.is_(None))
    return session.scalars(select(GivenMandate).where(GivenMandate.holder_id == organisation_id, *standing)).one_or_none()


def count_beneath(session: Session, given: GivenMandate) -> int:
    """Return how many mandates would end together with one."""
    which = (GivenMandate.holder_id == given.holder_id, GivenMandate.id.in_(_under(given)), GivenMandate.ended_at.is_(None))
    return (session.scalar(select(func.count()).select_from(GivenMandate).where(*which)) or 1) - 1


def lock(session: Session, holder_id: UUID, *, shared: bool = False) -> None:
    """Let acts on the mandates of one holder come one after the other, until the transaction ends.

    `shared` is for whoever makes what ends with a mandate: many may at once, and none while one ends.
    """
    session.execute(select(Subject.id).where(Subject.id == holder_id).with_for_update(read=shared, key_share=not shared))


def _check_giver(session: Session, by: UUID, organisation_id: UUID, role: str, *, now: datetime) -> Mandate:
    lock(session, organisation_id)
    own = mandates.check_mandate(session, person_id=by, organisation_id=organisation_id, now=now)
    if own.id is None:
        raise NotRepresentative("not claimed")
    if role not in APPOINTS.get(own.role, ()) or not own.may_delegate or own.depth + 1 >= DEEPEST:
        raise MayNotAppoint(f"{own.role} appoints no {role}")
    return own


def _check_manages(session: Session, by: UUID, organisation_id: UUID, mandate_id: UUID, *, now: datetime) -> tuple[Mandate, GivenMandate]:
    lock(session, organisation_id)
    own = mandates.check_mandate(session, person_id=by, organisation_id=organisation_id, now=now)
    given = session.get(GivenMandate, (organisation_id, mandate_id), populate_existing=True)
    if given is None or given.ended_at is not None:
        raise MandateNotFound
    if not manages(session, own, given):
        raise MayNotAppoint("not theirs to end or change")
    return own, given


def manages(session: Session, own: Mandate, given: GivenMandate) -> bool:
    """Whether the holder of a mandate may end or change another: the representative all, a manager the handlers, a handler those beneath."""
    if own.id is None or own.id == given.id or given.role not in APPOINTS.get(own.role, ()):
        return False
    if own.role != HANDLER:
        return True
    beneath = _under_id(given.holder_id, own.id).subquery()
    return session.scalar(select(beneath.c.id).where(beneath.c.id == given.id)) is not None


def _appoint(session: Session, own: Mandate, by: UUID, person_id: UUID, wanted: Appointment, *, now: datetime) -> GivenMandate:
    right = replace(wanted.right, valid_from=max(wanted.right.valid_from, now))
    if wanted.role == LICENCE_MANAGER:
        wanted, right = replace(wanted, may_delegate=True), replace(right, types=None, portals=None)
    _check_right(own, right, now=now)
    _check_free(session, own.holder_id, person_id, by=by, now=now)
    if wanted.role == LICENCE_MANAGER:
        _check_room(session, own.holder_id, now=now)
    given = _give(session, own.holder_id, person_id, replace(wanted, right=right), granted_by=own.id, by=by, now=now)
    for hear in on_appointed:
        hear(session, given, now)
    return given


def _check_right(own: Mandate, right: Right, *, now: datetime) -> None:
    if right.valid_until is not None and right.valid_until <= max(right.valid_from, now):
        raise DatesRefused(field="valid_until")
    if right.types == frozenset() or right.portals == frozenset():
        raise BeyondOwnRight("nothing is named", field="types" if right.types == frozenset() else "portals")
    beyond = right.exceeds(own.right)
    if beyond is not None:
        raise BeyondOwnRight(f"beyond in {beyond}", field=beyond)


def _check_free(session: Session, organisation_id: UUID, person_id: UUID, *, by: UUID, now: datetime) -> None:
    before = _unended(session, organisation_id, person_id)
    if before is None:
        return
    if before.valid_until is None or before.valid_until > now:
        raise AlreadyAppointed(field="number")
    end(session, before, by=by, why=EXPIRED, now=now)


def _check_room(session: Session, organisation_id: UUID, *, now: datetime) -> None:
    managers = select(GivenMandate).where(
        GivenMandate.holder_id == organisation_id, GivenMandate.role == LICENCE_MANAGER, GivenMandate.ended_at.is_(None)
    )
    standing = [one for one in session.scalars(managers) if one.valid_until is None or one.valid_until > now]
    if len(standing) >= MOST_MANAGERS:
        raise TooManyManagers(field="role")


def _appointee(session: Session, number: Number, name: str, *, now: datetime) -> UUID:
    record = registries.open_registry(session).find(number) if number.is_person else None
    if not registries.is_same_name(record.name if record else "", name) or record is None:
        raise AppointeeUnknown("no such person", field="number")
    person = parting.subject_of(session, number, record, now=now)
    if not person.is_active:
        raise AppointeeUnknown("has died", field="number")
    return person.id


def _give(
    session: Session, organisation_id: UUID, person_id: UUID, wanted: Appointment, *, granted_by: UUID | None, by: UUID, now: datetime
) -> GivenMandate:
    right = wanted.right
    given = GivenMandate(
        holder_id=organisation_id,
        id=new_id(),
        person_id=person_id,
        role=wanted.role,
        types=_list_of(right.types),
        portals=_list_of(right.portals),
        may_delegate=wanted.may_delegate,
        valid_from=right.valid_from,
        valid_until=right.valid_until,
        granted_by=granted_by,
        given_by=by,
        given_at=now,
        ended_at=None,
        ended_by=None,
        ended_why=None,
    )
    session.add(given)
    session.flush()
    _record(session, "mandate.given", given, by=by, now=now)
    return given


def _unended(session: Session, holder_id: UUID, person_id: UUID) -> GivenMandate | None:
    which = (GivenMandate.holder_id == holder_id, GivenMandate.person_id == person_id, GivenMandate.ended_at.is_(None))
    return session.scalars(select(GivenMandate).where(*which)).one_or_none()


def _under(given: GivenMandate) -> Select[UUID]:
    return _under_id(given.holder_id, given.id)


def _under_id(holder_id: UUID, mandate_id: UUID) -> Select[UUID]:
    """Return the query of a mandate's id and those of all that hang on it."""
    first = select(GivenMandate.id).where(GivenMandate.holder_id == holder_id, GivenMandate.id == mandate_id)
    under, below = first.cte("under", recursive=True), aliased(GivenMandate)
    under = under.union(select(below.id).where(below.holder_id == holder_id, below.granted_by == under.c.id))
    return select(under.c.id)


def _tell_end(session: Session, given: GivenMandate, now: datetime) -> None:
    for hear in mandates.on_mandate_end:
        hear(session, given, now)


def _record(session: Session, act: str, given: GivenMandate, *, by: UUID | None, now: datetime, **detail: Any) -> None:
    actor = f"subject:{by}" if by else "registry"
    detail.update(person=str(given.person_id), role=given.role)
    ledger.record(session, act, actor=actor, object_id=given.id, subject_id=given.holder_id, now=now, **detail)


def _list_of(names: frozenset[str] | None) -> list[str] | None:
    return None if names is None else sorted(names)


directory.on_subject_end.append(end_all_of)
directory.on_representative_change.append(see_registry)
