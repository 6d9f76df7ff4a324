"""Gathering (多证合一): a licence takes others of its holder into itself, and what becomes of it becomes of them.

Which types may be gathered is the type's to say (`gathers`), and whoever gathers must have the authority for all that may follow. A gathered
licence stays in the register with its own identifier, points to the licence that holds it, and can still end by itself; while its gatherer is
suspended it cannot be resumed. An authority over its type that is withdrawn meanwhile keeps no turn of the whole from it.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from runtime.languages import Text
from runtime.problems import Refusal
from wallet.issuing.marking import mark
from wallet.issuing.telling import tell
from wallet.register.acts import TURNS, Act
from wallet.register.catalogue import get_type
from wallet.register.departments import Action, NoAuthority, check_authority
from wallet.register.licences import Licence, LicenceNotFound, LicenceState, china_date, type_of
from wallet.register.turns import Cause, WrongState, allowed, take, turns_of

FOLLOWING = tuple(act for act, turn in TURNS.items() if turn.follows)


class NotGatherable(Refusal):
    """The licence is of a type that the other one does not gather, is not in force, or was gathered already."""

    code, status, title = "not-gatherable", 409, Text("该证照不能并入。", "The licence cannot be gathered.")


def gather(session: Session, licence: Licence, parts: Sequence[UUID], *, department: str, now: datetime) -> list[Licence]:
    """Gather licences of the same holder into one of the department's own, all of them or none, and return them.

    Raises LicenceNotFound for one that the holder does not have, naming its place; NotGatherable, NoAuthority.
    """
    _check_own(licence, department=department, now=now)
    if licence.state_at(now) is not LicenceState.VALID:
        raise WrongState("the gatherer", state=licence.state_at(now).value)
    return [
        _gather_one(session, licence, part, member=f"licences.{place}", actor=f"department:{department}", now=now) for place, part in enumerate(parts)
    ]


def release(session: Session, licence: Licence, part_id: UUID, *, department: str, now: datetime) -> None:
    """Take a licence out of one of the department's own, into which it was gathered; raises LicenceNotFound, NoAuthority."""
    _check_own(licence, department=department, now=now)
    row = update(Licence).where(Licence.holder_id == licence.holder_id, Licence.id == part_id, Licence.gathered_by == licence.id)
    found = session.scalars(row.values(gathered_by=None).returning(Licence), execution_options={"populate_existing": True}).one_or_none()
    if found is None:
        raise LicenceNotFound("not gathered into this one")
    tell(session, found, "licence.released", actor=f"department:{department}", now=now, gathered_by=licence.id)


def parts_of(session: Session, licence: Licence) -> list[Licence]:
    """Return what was gathered into a licence, the oldest first."""
    rows = select(Licence).where(Licence.holder_id == licence.holder_id, Licence.gathered_by == licence.id)
    return list(session.scalars(rows.order_by(Licence.id)))


def follow(session: Session, gatherer: Licence, act: Act, cause: Cause, *, now: datetime) -> None:
    """Let what was gathered into a licence take the same turn, where it can; what was suspended for a reason of its own is not resumed."""
    if not get_type(gatherer.type_code).gathers:
        return
    for part in parts_of(session, gatherer):
        if act.permission in type_of(part).barred_acts or (act is Act.RESUME and not _followed(session, part, gatherer)):
            continue
        try:
            taken = take(session, part, act, replace(cause, effective_on=None), now=now, related_id=gatherer.id)
        except WrongState:
            continue
        mark(session, taken, TURNS[act].credentials)
        tell(session, taken, TURNS[act].kind, actor=cause.actor, now=now, gathered_by=gatherer.id)


def check_gatherer(session: Session, licence: Licence, *, now: datetime) -> None:
    """Raise WrongState while the licence that this one was gathered into is not in force."""
    if licence.gathered_by is None:
        return
    gatherer = session.get(Licence, (licence.holder_id, licence.gathered_by))
    if gatherer is not None and gatherer.state_at(now) is not LicenceState.VALID:
        shown = Text("并入的证照当前无效。", "The licence that it was gathered into is not in force.")
        raise WrongState("the gatherer is not in force", shown=shown, state=licence.state_at(now).value, gathered_by=str(gatherer.id))


def check_reach_over_parts(session: Session, licence: Licence, *, department: str, now: datetime) -> None:
    """Check that a department may do whatever may follow with all that was gathered into a licence that it is to have; raises NoAuthority."""
    if get_type(licence.type_code).gathers:
        for type_code in {part.type_code for part in parts_of(session, licence)}:
            _check_reach(type_code, department=department, now=now)


def _check_own(licence: Licence, *, department: str, now: datetime) -> None:
    if licence.issuer_code != department:
        raise LicenceNotFound("another department's")
    check_authority(department=department, type_code=licence.type_code, action=Action.ISSUE, now=now, act=Act.CHANGE.permission)


def _gather_one(session: Session, licence: Licence, part_id: UUID, *, member: str, actor: str, now: datetime) -> Licence:
    part = session.get(Licence, (licence.holder_id, part_id))
    if part is None:
        raise LicenceNotFound(field=member)
    if get_type(part.type_code).slug not in get_type(licence.type_code).gathers:
        raise NotGatherable("another type", field=member)
    try:
        _check_reach(part.type_code, department=licence.issuer_code, now=now)
    except NoAuthority as error:
        raise NoAuthority(error.reason, field=member) from error
    row = update(Licence).where(Licence.holder_id == part.holder_id, Licence.id == part.id, Licence.gathered_by.is_(None))
    row = row.where(allowed(Act.CHANGE, today=china_date(now))).values(gathered_by=licence.id)
    found = session.scalars(row.returning(Licence), execution_options={"populate_existing": True}).one_or_none()
    if found is None:
        raise NotGatherable("not in force, or gathered", field=member, state=part.state_at(now).value)
    tell(session, found, "licence.gathered", actor=actor, now=now, gathered_by=licence.id)
    return found


def _check_reach(type_code: str, *, department: str, now: datetime) -> None:
    """Check that a department may do with licences of a type whatever may follow from its own: it gathers no power over others' types."""
    for act in FOLLOWING:
        check_authority(department=department, type_code=type_code, action=Action.ISSUE, now=now, act=act.permission)


def _followed(session: Session, part: Licence, gatherer: Licence) -> bool:
    """Whether the last turn of a part was its gatherer's."""
    return turns_of(session, part)[-1].related_id == gatherer.id
