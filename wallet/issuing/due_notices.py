"""Issuers hear at once when a registry tells that what their licences say of a holder is no longer so; see `wallet.register.due`.

A licence that is being issued at that very moment says what its issuer read before, and nobody sees it yet. So there is a second look, once all that
was under way has ended. Nobody who issues waits for it, and no other work does: a registry's file may ask for a hundred thousand.
"""

from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy.orm import Session

from idp.subjects import directory, history
from runtime import clock, jobs
from wallet.issuing import credentials, sd_jwt
from wallet.issuing.oid4vci import elsewhere
from wallet.issuing.telling import tell
from wallet.register import due
from wallet.register.licences import Licence

CHANGES = {history.NAME: due.NAME, history.NUMBER: due.NUMBER}
REGISTRY = directory.REGISTRY
UNDER_WAY = timedelta(minutes=2)  # longer than a transaction lasts that read the holder before


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


def look_again(session: Session, holder_id: UUID, *, told_at: datetime, now: datetime) -> None:
    """Mark what was issued while a registry told of a holder, for what it says that is not so, or if the holder is no more."""
    holder = directory.get_subject(session, holder_id)
    if not holder.is_active:
        _tell(session, due.mark_due(session, holder_id, due.ENDED, since=told_at), due.ENDED, now=now)
    present = {due.NAME: directory.name_of(holder), due.NUMBER: directory.number_of(holder).value}
    for licence in due.issued_since(session, holder_id, told_at - UNDER_WAY):
        said = _said(session, licence, holder_id)
        for what in (what for what in present if said[what] != present[what]):
            _tell(session, due.mark_due(session, holder_id, what, since=told_at, licence_id=licence.id), what, now=now)


def _said(session: Session, licence: Licence, holder_id: UUID) -> dict[str, str]:
    """Return what a licence's credential says of a holder."""
    credential = credentials.credential_of(session, licence, holder_id=holder_id)
    said = {one.name: one.value for one in sd_jwt.parse(credentials.text_of(credential)).disclosures}
    return {what: said[f"holder_{what}"] for what in CHANGES.values()}


def _mark(session: Session, holder_id: UUID, what: str, *, now: datetime) -> None:
    session.flush()
    _tell(session, due.mark_due(session, holder_id, what, since=now), what, now=now)
    at = clock.now() + UNDER_WAY
    jobs.defer(session, "mark_issued_meanwhile", at=at, priority=jobs.LATER, holder_id=str(holder_id), told_at=now.isoformat())


def _tell(session: Session, marked: list[Licence], what: str, *, now: datetime) -> None:
    for licence in marked:
        tell(session, licence, "licence.due", actor=REGISTRY, now=now, due_for=what)


directory.on_subject_change.append(hear_of_change)
directory.on_subject_end.append(hear_of_end)
