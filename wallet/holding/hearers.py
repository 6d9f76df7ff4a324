"""Whose account hears of a licence: its holders' own, and, for an organisation, that of whoever represents it."""

from collections.abc import Collection
from uuid import UUID

from sqlalchemy import select, union_all
from sqlalchemy.orm import Session

from idp.signin import accounts
from idp.subjects import appointments, directory
from runtime.languages import Text
from wallet.register.catalogue import LicenceTypeNotFound, get_type
from wallet.register.departments import DepartmentNotFound, get_department
from wallet.register.licences import Licence, LicenceHolder


def holders_of(session: Session, licence_ids: Collection[UUID]) -> dict[UUID, list[UUID]]:
    """Return the holders of some licences, in one question."""
    holders: dict[UUID, list[UUID]] = {}
    first = select(Licence.id, Licence.holder_id).where(Licence.id.in_(licence_ids))
    more = select(LicenceHolder.licence_id, LicenceHolder.holder_id).where(LicenceHolder.licence_id.in_(licence_ids))
    for licence_id, holder_id in session.execute(union_all(first, more)) if licence_ids else ():
        holders.setdefault(licence_id, []).append(holder_id)
    return holders


def of_holder(session: Session, holder_id: UUID) -> list[UUID]:
    """Return the people with an account who hear of what a holder has."""
    if directory.get_subject(session, holder_id).kind != directory.PERSON:
        representative = appointments.find_representative(session, holder_id)
        people = [representative.person_id] if representative else []
    else:
        people = [holder_id]
    return [person_id for person_id in people if accounts.find_opened_at(session, person_id) is not None]


def names_of(type_code: str, department: str) -> dict[str, Text] | None:
    """Return the words for a type and a department; None where one is missing, since no other notice waits for that."""
    try:
        return {"type": get_type(type_code).name, "department": get_department(department).name}
    except (LicenceTypeNotFound, DepartmentNotFound):
        return None
