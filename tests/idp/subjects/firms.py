"""Organisations for tests of mandates: claimed, with people appointed."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy.orm import Session

from idp.subjects import appointments, directory
from idp.subjects.appointments import Appointment
from idp.subjects.mandates import HANDLER, LICENCE_MANAGER
from idp.subjects.numbers import parse_number
from idp.subjects.rights import Right
from runtime.clock import now
from tests.world_people import Organisation, Person, new_organisation, new_person, open_account


@dataclass
class Firm:
    """A claimed organisation and its representative."""

    id: UUID
    organisation: Organisation
    boss: Person
    boss_id: UUID
    people: dict[UUID, Person] = field(default_factory=dict)

    def appoint(
        self, session: Session, *, role: str = HANDLER, by: UUID | None = None, person: Person | None = None, **reach: object
    ) -> tuple[UUID, UUID]:
        """Appoint somebody (invented, with an account, unless given) and return their subject id and the mandate's id."""
        if person is None:
            person = new_person(session)
            open_account(session, person)
        wanted = Appointment(role, right(**reach), bool(reach.get("may_delegate")))  # type: ignore[arg-type]
        given = appointments.appoint(
            session, by=by or self.boss_id, organisation_id=self.id, number=parse_number(person.number), name=person.name, wanted=wanted, now=now()
        )
        person_id = directory.ensure_subject(session, parse_number(person.number), now=now()).id
        self.people[person_id] = person
        return person_id, given

    def manager(self, session: Session) -> tuple[UUID, UUID]:
        """Appoint a licence manager."""
        return self.appoint(session, role=LICENCE_MANAGER)


def right(
    *,
    types: set[str] | None = None,
    portals: set[str] | None = None,
    begins: datetime | None = None,
    ends: datetime | timedelta | None = None,
    may_delegate: bool = False,
) -> Right:
    """Return a right, from now on unless said; an end may be given as so long from now."""
    del may_delegate
    until = now() + ends if isinstance(ends, timedelta) else ends
    as_set = [None if names is None else frozenset(names) for names in (types, portals)]
    return Right(as_set[0], as_set[1], begins or now(), until)


def new_firm(session: Session, *, claimed: bool = True) -> Firm:
    """Invent an organisation, whose representative has an account and claims it."""
    boss = new_person(session)
    boss_id = open_account(session, boss)
    organisation = new_organisation(session, representative=boss)
    firm_id = directory.ensure_subject(session, parse_number(organisation.number), now=now()).id
    if claimed:
        appointments.claim(session, person_id=boss_id, organisation_id=firm_id, now=now())
    return Firm(firm_id, organisation, boss, boss_id)
