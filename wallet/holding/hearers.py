"""Whose account hears of a licence: its holders' own, for an organisation that of whoever represents it, for a minor the guardians' as well."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select, union_all
from sqlalchemy.orm import Session

from idp.signin import accounts
from idp.subjects import appointments, directory, guardians
from idp.subjects.directory import Subject
from idp.subjects.records import OF_AGE, turns
from runtime.languages import Text
from wallet.holding.cards import A_YES_OR_NO, shown_name
from wallet.register.catalogue import LicenceTypeNotFound, get_type
from wallet.register.departments import DepartmentNotFound, get_department
from wallet.register.licences import Licence, LicenceHolder

CHILDREN, ORGANISATIONS = "/account/children", "/enterprise"


@dataclass(frozen=True, slots=True)
class Hearer:
    """Who hears, and of whom, where that is another: a child, or an organisation, with its name as it may be shown.

    `start` is the page on which one begins to act for them, which a link to what is theirs takes first.
    """

    person_id: UUID
    of: str | None = None
    start: str | None = None

    def link(self, to: str) -> str:
        """Return where a notice leads: to what it tells of, if that is the hearer's own."""
        return self.start or to

    def told(self, names: dict[str, Text]) -> dict[str, Any]:
        """Return the words of a notice, with whose licence it is where that is another's."""
        if self.of is None:
            return names
        return {**names, "type": Text(f"{names['type'].zh}（{self.of}）", f"{names['type'].en} ({self.of})")}


def holders_of(session: Session, licence_ids: Collection[UUID]) -> dict[UUID, list[UUID]]:
    """Return the holders of some licences, in one question."""
    holders: dict[UUID, list[UUID]] = {}
    first = select(Licence.id, Licence.holder_id).where(Licence.id.in_(licence_ids))
    more = select(LicenceHolder.licence_id, LicenceHolder.holder_id).where(LicenceHolder.licence_id.in_(licence_ids))
    for licence_id, holder_id in session.execute(union_all(first, more)) if licence_ids else ():
        holders.setdefault(licence_id, []).append(holder_id)
    return holders


def of_holder(session: Session, holder_id: UUID, *, now: datetime) -> list[Hearer]:
    """Return the people with an account who hear of what a holder has: a minor's guardians, too, since under 14 nobody else could."""
    holder = directory.get_subject(session, holder_id)
    if holder.kind != directory.PERSON:
        representative = appointments.find_representative(session, holder_id)
        others, start = ([representative.person_id] if representative else []), ORGANISATIONS
    else:
        others, start = _guardians_of(session, holder, now=now), CHILDREN
    own = [] if holder.kind != directory.PERSON else [Hearer(holder_id)]
    found = [*own, *(Hearer(one, shown_name(holder), start) for one in others)]
    return [one for one in found if accounts.find_opened_at(session, one.person_id) is not None]


def _guardians_of(session: Session, holder: Subject, *, now: datetime) -> list[UUID]:
    born = directory.number_of(holder).born
    if born is None or now >= turns(born, OF_AGE):
        return []
    standing = [one for one in guardians.guardians_of(session, holder.id) if one.ended_at is None and one.right.is_in_time(now)]
    return list(dict.fromkeys(one.person_id for one in standing))


def names_of(type_code: str | None, department: str) -> dict[str, Text] | None:
    """Return the words for a type and a department; None where one is missing, since no other notice waits for that.

    A yes or no that is about no licence has no type, and a name of its own.
    """
    try:
        return {"type": A_YES_OR_NO if type_code is None else get_type(type_code).name, "department": get_department(department).name}
    except (LicenceTypeNotFound, DepartmentNotFound):
        return None
