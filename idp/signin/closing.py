"""Closing an account: at once, for good until its owner is seen at a counter (docs/decisions/0020-recovery.md).

What was kept for signing in goes. The subject, its licences and the ledger stay: they are facts of the registers and departments, and
a number has one subject, ever. `on_account_close` holds what else ends in the same transaction, as `(session, subject id, now)`.
"""

from collections.abc import Callable
from datetime import datetime
from uuid import UUID

from sqlalchemy import update
from sqlalchemy.orm import Session

from idp.signin import clearing, notice_choices, notices
from idp.signin.accounts import Account
from runtime import ledger

NO_PASSWORD = "closed"  # noqa: S105 - no hash, so that no password is the right one
on_account_close: list[Callable[[Session, UUID, datetime], None]] = []


def close(session: Session, subject_id: UUID, *, now: datetime) -> bool:
    """Close a person's account, and return whether it was open."""
    open_one = (Account.subject_id == subject_id, Account.closed_at.is_(None))
    closed = update(Account).where(*open_one).values(closed_at=now, password_void_at=now, password_hash=NO_PASSWORD)
    if session.scalar(closed.returning(Account.subject_id)) is None:
        return False
    ledger.record(session, "account.closed", actor=f"subject:{subject_id}", object_id=subject_id, subject_id=subject_id, now=now)
    notices.tell(session, subject_id, "account-closed", now=now)
    for hear in on_account_close:
        hear(session, subject_id, now)
    notice_choices.forget(session, subject_id)
    clearing.clear_ways(session, subject_id, now=now)
    clearing.end_sessions(session, subject_id, now=now)
    return True
