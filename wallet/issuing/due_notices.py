"""Issuers hear at once when a registry tells that what their licences say of a holder is no longer so; see `wallet.register.due`."""

from datetime import datetime
from uuid import UUID

from sqlalchemy.orm import Session

from idp.subjects import directory, history
from wallet.issuing.oid4vci import elsewhere
from wallet.issuing.telling import tell
from wallet.register import due

CHANGES = {history.NAME: due.NAME, history.NUMBER: due.NUMBER}
REGISTRY = directory.REGISTRY


def hear_of_change(session: Session, holder_id: UUID, what: str, now: datetime) -> None:
    """Mark the licences of a holder who has another name or number; one who came back is no longer gone."""
    if what == history.STATE:
        due.unmark_due(session, holder_id, due.ENDED)
    else:
        _mark(session, holder_id, CHANGES[what], now=now)


def hear_of_end(session: Session, holder_id: UUID, now: datetime) -> None:
    """Mark the licences of a holder who has died, or was dissolved; what becomes of them is their issuers' to decide.

    Being marked they are held, so that no wallet elsewhere is issued one meanwhile; what wallets have of that holder's ends for good.
    """
    _mark(session, holder_id, due.ENDED, now=now)
    elsewhere.end_of_holder(session, holder_id=holder_id, now=now)


def _mark(session: Session, holder_id: UUID, what: str, *, now: datetime) -> None:
    session.flush()
    for licence in due.mark_due(session, holder_id, what, now=now):
        tell(session, licence, "licence.due", actor=REGISTRY, now=now, due_for=what)


directory.on_subject_change.append(hear_of_change)
directory.on_subject_end.append(hear_of_end)
