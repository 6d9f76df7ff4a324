"""Back in: what follows once someone has shown, by one of the ways of recovery, that an account is theirs.

A new password, and the end of every session, of what portals hold and of every trusted browser, whatever the way was. The further ways to sign in
stay, and go on being asked for, since a password alone never stood for them; only after a counter, where an officer saw the person,
do they go too. Who was let in by what the registry knows is not known any better than that from then on.

`on_fresh_start` holds what else ends after a counter, as `(session, subject id, now)`: the posts, above all, or any officer of a counter could
let themselves into the account of whoever runs the service, and run it.
"""

from collections.abc import Callable
from datetime import datetime
from uuid import UUID

from sqlalchemy import update
from sqlalchemy.orm import Session

from idp.signin import accounts, clearing, notices, proofs, recovery, recovery_codes
from idp.signin.accounts import Account
from idp.subjects.numbers import Number
from runtime import ledger

PASSKEY, RECOVERY_CODE = "passkey", "recovery-code"
NOBODY = UUID(int=0)
on_fresh_start: list[Callable[[Session, UUID, datetime], None]] = []


def complete(session: Session, number: Number, code: str, *, password: str, password_hash: str, now: datetime) -> UUID:
    """Set a new password for whoever holds a code: an officer's, one of a pending recovery, or a recovery code kept for this day.

    Whether it is the old one is asked after the code, or anybody could try passwords here. Raises RecoveryRefused, TooEarly, PasswordRefused.
    """
    granted = recovery.redeem(session, number, code, now=now)
    subject_id, way = (granted.subject_id, granted.way) if granted else (_spend_recovery_code(session, number, code, now=now), RECOVERY_CODE)
    if subject_id is None:
        raise recovery.RecoveryRefused("no such code", field="code")
    accounts.check_is_another(session, subject_id, password)
    set_password(session, subject_id, way=way, password_hash=password_hash, now=now)
    return subject_id


def _spend_recovery_code(session: Session, number: Number, code: str, *, now: datetime) -> UUID | None:
    """Spend one of the codes that a person keeps, by the same statements whether or not there is an account."""
    account = accounts.find_account(session, number)
    subject_id = account.subject_id if account is not None and account.closed_at is None else NOBODY
    return subject_id if recovery_codes.spend(session, subject_id, code, now=now) is not None else None


def set_password(session: Session, subject_id: UUID, *, way: str, password_hash: str, now: datetime, but: UUID | None = None) -> None:
    """Set a new password without the old one, and end what stood on the old one; `but` names the session that it is set in, if any."""
    actor = f"subject:{subject_id}"
    ledger.record(session, "recovery.completed", actor=actor, object_id=subject_id, subject_id=subject_id, now=now, way=way)
    notices.tell(session, subject_id, "recovery-completed", now=now)
    accounts.set_password(session, subject_id, password_hash=password_hash, now=now)  # first: see `sessions.hold`
    if way == recovery.COUNTER:
        _start_afresh(session, subject_id, now=now)
    if way == recovery.REGISTRY:
        proofs.lower(session, subject_id, why="recovered", now=now)
    clearing.end_sessions(session, subject_id, now=now, but=but)


def _start_afresh(session: Session, subject_id: UUID, *, now: datetime) -> None:
    clearing.clear_ways(session, subject_id, now=now)
    for hear in on_fresh_start:
        hear(session, subject_id, now)
    closed = (Account.subject_id == subject_id, Account.closed_at.is_not(None))
    reopened = update(Account).where(*closed).values(closed_at=None, opened_at=now).returning(Account.subject_id)
    if session.scalar(reopened) is not None:
        actor = f"subject:{subject_id}"
        ledger.record(session, "account.reopened", actor=actor, object_id=subject_id, subject_id=subject_id, now=now)
