"""Mandates (授权): a person's right to act for an organisation.

The one role so far is the legal representative's, as the legal-person registry names it; it is asked each time, so
that a change there takes effect at once.
"""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy.orm import Session

from idp.subjects import directory, registries
from idp.subjects.numbers import Number
from runtime.languages import Text
from runtime.problems import Refusal

LEGAL_REPRESENTATIVE = "legal_representative"
ROLES = {LEGAL_REPRESENTATIVE: Text("法定代表人", "Legal representative")}


class NoMandate(Refusal):
    """The person may not act for the organisation."""

    code, status, title = "no-mandate", 403, Text("您没有代表该组织办事的授权。", "You have no mandate to act for this organisation.")


@dataclass(frozen=True, slots=True)
class Mandate:
    """One organisation that a person may act for, and as what."""

    organisation_id: UUID
    number: Number
    name: str
    role: str

    @property
    def role_name(self) -> Text:
        """The role in words."""
        return ROLES[self.role]


def organisations_of(session: Session, *, person_id: UUID, now: datetime) -> list[Mandate]:
    """Return the organisations that a person may act for; raises SubjectNotFound, RegistryUnavailable."""
    person = directory.number_of(directory.get_subject(session, person_id))
    if not person.is_person:
        return []
    found = []
    for record in registries.open_registry(session).represented_by(person):
        organisation = directory.find_subject(session, record.number) or directory.add_subject(session, record, now=now)
        found.append(Mandate(organisation.id, record.number, record.name, LEGAL_REPRESENTATIVE))
    return found


def check_mandate(session: Session, *, person_id: UUID, organisation_id: UUID, now: datetime) -> Mandate:
    """Return the mandate of a person for an organisation; raises NoMandate."""
    for mandate in organisations_of(session, person_id=person_id, now=now):
        if mandate.organisation_id == organisation_id:
            return mandate
    raise NoMandate("not the legal representative")
