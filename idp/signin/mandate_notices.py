"""Who is told of mandates: the person, the organisation through its representative, a new representative, and a child."""

from contextlib import suppress
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import exists, select
from sqlalchemy.orm import Session

from idp.signin import notices
from idp.subjects import appointments, directory, mandates, registries
from idp.subjects.mandates import GUARDIAN, ROLES, GivenMandate
from idp.subjects.registries import RegistryUnavailable

COVER = "**"


def tell_given(session: Session, given: GivenMandate, now: datetime) -> None:
    """Tell an appointee, and the representative, who may not have done it: an open session appoints, too. A child is told of a guardian."""
    holder, name = _holder(session, given), _covered_name(session, given.person_id)
    if given.role == GUARDIAN:
        notices.tell(session, given.holder_id, "guardian-entered", now=now, name=name)
        return
    notices.tell(session, given.person_id, "mandate-given", now=now, holder=holder, role=ROLES[given.role])
    representative = appointments.find_representative(session, given.holder_id)
    if representative is not None:
        said: dict[str, Any] = {"holder": holder, "role": ROLES[given.role], "name": name}
        notices.tell(session, representative.person_id, "organisation-mandate-given", now=now, **said)


def tell_end(session: Session, given: GivenMandate, now: datetime) -> None:
    """Tell whose mandate ended or was changed, unless they did it themselves, and the representative where somebody else did."""
    holder = _holder(session, given)
    if given.ended_at is None:
        notices.tell(session, given.person_id, "mandate-changed", now=now, holder=holder)
        return
    said: dict[str, Any] = {"holder": holder, "role": ROLES[given.role], "why": appointments.ENDS[given.ended_why or appointments.REMOVED]}
    if given.ended_by != given.person_id:
        notices.tell(session, given.person_id, "mandate-ended", now=now, **said)
    representative = appointments.find_representative(session, given.holder_id)
    if representative is not None and representative.person_id != given.ended_by:
        name = _covered_name(session, given.person_id)
        notices.tell(session, representative.person_id, "organisation-mandate-ended", now=now, name=name, **said)


def tell_new_representative(session: Session, organisation_id: UUID, now: datetime) -> None:
    """Tell whom the registry names now, where somebody had been given a mandate before."""
    if not session.scalar(select(exists().where(GivenMandate.holder_id == organisation_id))):
        return
    organisation = directory.get_subject(session, organisation_id)
    with suppress(RegistryUnavailable, directory.UnknownNumber):
        record = registries.open_registry(session).find(directory.number_of(organisation))
        if record is not None and record.representative is not None:
            person = directory.ensure_subject(session, record.representative, now=now)
            notices.tell(session, person.id, "representative-now", now=now, holder=directory.name_of(organisation))


def _holder(session: Session, given: GivenMandate) -> str:
    if given.role == GUARDIAN:
        return _covered_name(session, given.holder_id)
    return directory.name_of(directory.get_subject(session, given.holder_id))


def _covered_name(session: Session, person_id: UUID) -> str:
    return directory.name_of(directory.get_subject(session, person_id))[:1] + COVER


appointments.on_appointed.append(tell_given)
mandates.on_mandate_end.append(tell_end)
directory.on_representative_change.append(tell_new_representative)
