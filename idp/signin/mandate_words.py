"""What the history of an account says of mandates: the role that was given or ended, and for whom somebody acts."""

from sqlalchemy.orm import Session

from idp.signin import history
from idp.subjects import directory
from idp.subjects.mandates import ROLES
from runtime.languages import Text
from runtime.ledger import LedgerEntry

A_CHILD = Text("未成年子女", "a child")


def role_of(session: Session, row: LedgerEntry) -> Text | None:
    """Return the role that a mandate was for, and at which organisation."""
    role, holder = ROLES.get(str(row.detail.get("role"))), holder_of(session, row)
    return Text(f"{holder.zh}，{role.zh}", f"{role.en} at {holder.en}") if role is not None and holder is not None else role


def holder_of(session: Session, row: LedgerEntry) -> Text | None:
    """Return the organisation's name, which is public; a child is not named."""
    subject = session.get(directory.Subject, row.subject_id) if row.subject_id else None
    if subject is None or subject.kind == directory.PERSON:
        return None
    name = directory.name_of(subject)
    return Text(name, name)


def acted_for(session: Session, row: LedgerEntry) -> Text | None:
    """Return the organisation's name, or that it was a child: nobody else is acted for."""
    subject = session.get(directory.Subject, row.subject_id) if row.subject_id else None
    return A_CHILD if subject is not None and subject.kind == directory.PERSON else holder_of(session, row)


history.namers.update(mandate=role_of, acting=acted_for)
