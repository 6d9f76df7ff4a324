"""Taking every way to sign in away from an account: one that starts afresh after a counter, or one that closes."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import update
from sqlalchemy.orm import Session

from idp.signin import begun, contacts, devices, passkeys, pending, recovery, recovery_codes, sessions, totp, trusted_browsers


def clear_ways(session: Session, subject_id: UUID, *, now: datetime, since: datetime | None = None) -> None:
    """Remove passkeys, authenticators, recovery codes and addresses: all, or those added since a moment.

    What is told in this transaction still reaches the addresses that were verified before.
    """
    passkeys.remove_all(session, subject_id, now=now, since=since)
    for contact in contacts.all_of(session, subject_id):
        if since is None or (contact.verified_at or contact.added_at) >= since:
            contacts.remove(session, subject_id, contact.id, now=now)
    for authenticator in totp.of(session, subject_id):
        if since is None or (authenticator.confirmed_at or authenticator.added_at) >= since:
            totp.remove(session, subject_id, authenticator.id, now=now)
    recovery_codes.remove_all(session, subject_id, since=since)


def move_ways(session: Session, subject_id: UUID, *, to: UUID) -> None:
    """Let an account that goes over to another subject, which never had one, ask for the same proofs as before.

    Recovery codes stay behind and are worth nothing: their hashes hold whose they are.
    """
    for table in (passkeys.PasskeyOwner, passkeys.Passkey, contacts.Contact, totp.TotpAuthenticator):
        session.execute(update(table).where(table.subject_id == subject_id).values(subject_id=to))
    recovery_codes.remove_all(session, subject_id)


def end_sessions(session: Session, subject_id: UUID, *, now: datetime, but: UUID | None = None) -> None:
    """End every session but one, know no browser any more, take back what portals hold, and end recoveries that are under way.

    What may yet become a session ends before the sessions do: whoever finishes it at this moment is waited for, and their session found.
    """
    pending.end_all(session, subject_id, now=now)
    begun.end_all(session, subject_id, now)
    sessions.end_all(session, subject_id, now=now, but=but)
    devices.unknow(session, subject_id)
    trusted_browsers.end(session, subject_id, now=now)
    sessions.cut(session, subject_id, now=now)
    recovery.end_all_open(session, subject_id, now=now)
