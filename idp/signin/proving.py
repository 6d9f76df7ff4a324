"""Asking for one more proof, in the middle of a sign-in or of a session: what is asked of whom, and by which ways it can be given."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy.orm import Session

from idp.signin import contacts, one_time_codes, second_step
from idp.signin.contacts import Contact
from idp.subjects import directory

TYPED = (second_step.TOTP, second_step.PASSWORD, second_step.RECOVERY)


@dataclass(frozen=True, slots=True)
class Asking:
    """Whom is asked, masked; what was shown before (`amr`); by which ways they can go on, the contacts that codes may go to among them.

    `bound_to` is the session or the pending sign-in; `sent_to` where its open code went.
    """

    subject_id: UUID
    bound_to: UUID
    amr: list[str]
    ways: list[str]
    number: str
    contacts: list[Contact]
    sent_to: Contact | None

    def chosen(self, unverified: str | None) -> str | None:
        """Return the way to ask for now: the one that was chosen, or that of the code which was sent, or the strongest that is typed."""
        sent = second_step.OF_KIND[self.sent_to.kind] if self.sent_to else None
        typed = [way for way in TYPED if way in self.ways]
        for way in (unverified, sent, *typed):
            if way in self.ways and (way in TYPED or way == sent):
                return way
        return None


def ask(session: Session, subject_id: UUID, *, bound_to: UUID, amr: list[str], ways: list[str], now: datetime) -> Asking:
    """Look up what a page shows that asks someone for a proof."""
    person = directory.get_subject(session, subject_id)
    reached = [contact for contact in contacts.verified_of(session, subject_id) if second_step.OF_KIND[contact.kind] in ways]
    code = one_time_codes.find_open(session, bound_to=bound_to, purpose=one_time_codes.SECOND, now=now)
    sent_to = next((contact for contact in reached if code is not None and contact.id == code.contact_id), None)
    return Asking(subject_id, bound_to, amr, ways, directory.number_of(person).masked(), reached, sent_to)
