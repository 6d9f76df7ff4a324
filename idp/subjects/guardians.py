"""Guardians (监护人): who acts for a minor, by the population registry's word, until the minor is of age.

Under 14 only a guardian acts; from 14 to 17 both may; at 18 it ends by itself, at the beginning of the birthday in China. A guardian
enters a child once, by number and name; the registry must name them, then and whenever it is asked again.
"""

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from idp.subjects import appointments, directory, mandates, parting, registries
from idp.subjects.mandates import GUARDIAN, GivenMandate
from idp.subjects.numbers import Number
from idp.subjects.records import OF_AGE, turns
from runtime import ledger
from runtime.ids import new_id
from runtime.languages import Text
from runtime.problems import Refusal

ALONE_FROM = 14


class TooYoung(Refusal):
    """Someone under 14 would sign in or open an account."""

    code, status = "too-young", 403
    title = Text(
        "未满14周岁不能自行开通账号或登录。请由监护人用本人账号登录，在“代为办理”中添加孩子后办理。",
        "Under 14 one cannot open an account or sign in. A guardian signs in with their own account, adds the child there, and acts for them.",
    )


class NotTheirGuardian(Refusal):
    """The registry has no minor of this number and name whose guardian this is; which is wrong is not said."""

    code, status = "not-their-guardian", 422
    title = Text(
        "人口库中查不到由您监护、号码与姓名相符的未成年人，请核对。",
        "The registry names you the guardian of no minor of this number and name; check both.",
    )


def check_may_sign_in(born: date | None, *, now: datetime) -> None:
    """Check that somebody is old enough to have an account; who is born when nobody knows is taken for grown up. Raises TooYoung."""
    if born is not None and now < turns(born, ALONE_FROM):
        raise TooYoung("under 14", field="number")


def add_child(session: Session, *, guardian_id: UUID, number: Number, name: str, now: datetime) -> UUID:
    """Enter a child whom one is the guardian of, and return the child's subject id; a second time changes nothing.

    Raises NotTheirGuardian, with the same answer whatever is wrong, and RegistryUnavailable.
    """
    record = registries.open_registry(session).find(number) if number.is_person else None
    known = registries.is_same_name(record.name if record else "", name)
    if record is None or record.born is None or not known or now >= turns(record.born, OF_AGE):
        raise NotTheirGuardian(field="number")
    if not mandates.names_guardian(session, record, guardian_id):
        raise NotTheirGuardian("another guardian", field="number")
    child = parting.subject_of(session, number, record, now=now)
    directory.check_active(child, field="number")
    appointments.lock(session, child.id)
    if not _is_entered(session, child.id, guardian_id, now=now):
        _enter(session, child.id, guardian_id, until=turns(record.born, OF_AGE), now=now)
    return child.id


def guardians_of(session: Session, child_id: UUID) -> list[GivenMandate]:
    """Return who entered a person as their child, the newest first; also after it ended."""
    theirs = (GivenMandate.holder_id == child_id, GivenMandate.role == GUARDIAN)
    return list(session.scalars(select(GivenMandate).where(*theirs).order_by(GivenMandate.id.desc())))


def _is_entered(session: Session, child_id: UUID, guardian_id: UUID, *, now: datetime) -> bool:
    theirs = (GivenMandate.holder_id == child_id, GivenMandate.person_id == guardian_id, GivenMandate.ended_at.is_(None))
    before = session.scalars(select(GivenMandate).where(*theirs)).one_or_none()
    if before is None or (before.valid_until is not None and now < before.valid_until):
        return before is not None
    appointments.end(session, before, by=None, why=appointments.EXPIRED, now=now)
    return False


def _enter(session: Session, child_id: UUID, guardian_id: UUID, *, until: datetime, now: datetime) -> None:
    given = GivenMandate(
        holder_id=child_id,
        id=new_id(),
        person_id=guardian_id,
        role=GUARDIAN,
        types=None,
        portals=None,
        may_delegate=False,
        valid_from=now,
        valid_until=until,
        granted_by=None,
        given_by=guardian_id,
        given_at=now,
        ended_at=None,
        ended_by=None,
        ended_why=None,
    )
    session.add(given)
    session.flush()
    ledger.record(session, "guardian.entered", actor=f"subject:{guardian_id}", object_id=given.id, subject_id=child_id, now=now)
    for hear in appointments.on_appointed:
        hear(session, given, now)
