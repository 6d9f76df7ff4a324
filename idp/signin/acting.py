"""A session that acts for an organisation or a child: the mandate is read at each request, and once it does not stand the session acts for nobody.

Acting for an organisation that the registry names, but that nobody claimed yet, claims it.
"""

from dataclasses import replace
from datetime import datetime
from uuid import UUID

from sqlalchemy import update
from sqlalchemy.orm import Session

from idp.signin import proofs, sessions
from idp.signin.assurance import MATCHED
from idp.signin.sessions import SignedIn, SigninSession
from idp.subjects import appointments, mandates
from idp.subjects.mandates import GivenMandate, Mandate, NoMandate


def under_mandate(session: Session, signed_in: SignedIn, *, now: datetime, ask_registry: bool = False) -> SignedIn:
    """Return who is signed in with the mandate that they act under; a lost one ends the acting."""
    if signed_in.acting_for is None:
        return signed_in
    mandate = _find(session, signed_in.subject_id, signed_in.acting_for, now=now, ask_registry=ask_registry)
    if mandate is not None:
        return replace(signed_in, mandate=mandate)
    sessions.act_for(session, signed_in, None, now=now)
    return replace(signed_in, acting_for=None)


def begin(session: Session, signed_in: SignedIn, holder_id: UUID | None, *, now: datetime) -> None:
    """Let a session act for a holder from now on, or for the person alone; raises NoMandate, and what `claim` raises."""
    if holder_id is not None:
        mandate = mandates.check_mandate(session, person_id=signed_in.subject_id, organisation_id=holder_id, now=now)
        if mandate.id is None:
            claim(session, signed_in.subject_id, holder_id, now=now)
    sessions.act_for(session, signed_in, holder_id, now=now)


def claim(session: Session, person_id: UUID, organisation_id: UUID, *, now: datetime) -> None:
    """Claim an organisation as its legal representative, which takes someone matched with the registry.

    Raises LevelTooLow, NotRepresentative, RegistryUnavailable.
    """
    proofs.check_ial(session, person_id, at_least=MATCHED, now=now)
    appointments.claim(session, person_id=person_id, organisation_id=organisation_id, now=now)


def stop(session: Session, given: GivenMandate, now: datetime) -> None:
    """Let the sessions that act under a mandate act for nobody, in the transaction in which it ends."""
    theirs = (SigninSession.subject_id == given.person_id, SigninSession.acting_for == given.holder_id)
    session.execute(update(SigninSession).where(*theirs).values(acting_for=None))


def _find(session: Session, person_id: UUID, holder_id: UUID, *, now: datetime, ask_registry: bool) -> Mandate | None:
    if not ask_registry:
        return mandates.find_standing(session, person_id=person_id, holder_id=holder_id, now=now)
    try:
        return mandates.check_mandate(session, person_id=person_id, organisation_id=holder_id, now=now)
    except NoMandate:
        appointments.see_registry(session, holder_id, now)
        return None


mandates.on_mandate_end.append(stop)
