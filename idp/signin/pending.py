"""Sign-ins that wait for another proof: in one browser, which holds a secret of its own for them, for five minutes, to be finished once.

A stranger who asks to sign in with a code has one, too, whoever they say they are: then nobody is named in it.
"""

import hashlib
import secrets
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import ForeignKey, select, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from runtime.database import Base, prune
from runtime.ids import new_id

LIFETIME = timedelta(minutes=5)


class PendingSignin(Base):
    """A sign-in that is not finished. `amr` is what was proven so far, `subject_id` by whom; None where there is no such account."""

    __tablename__ = "pending_signins"
    secret_hash: Mapped[bytes] = mapped_column(primary_key=True)
    id: Mapped[UUID] = mapped_column(unique=True)
    subject_id: Mapped[UUID | None] = mapped_column(ForeignKey("subjects.id"))
    amr: Mapped[list[str]]
    expires_at: Mapped[datetime] = mapped_column(index=True)
    spent_at: Mapped[datetime | None]


def begin(session: Session, subject_id: UUID | None, *, amr: list[str], now: datetime) -> tuple[UUID, str]:
    """Let a sign-in wait, and return its id and the secret for the browser."""
    secret, pending_id = secrets.token_urlsafe(32), new_id()
    values = {"subject_id": subject_id, "amr": amr, "expires_at": now + LIFETIME}
    session.add(PendingSignin(secret_hash=_hash(secret), id=pending_id, **values))
    session.flush()
    return pending_id, secret


def find(session: Session, unverified_secret: str | None, *, now: datetime) -> PendingSignin | None:
    """Return what waits in a browser, or None if nothing does any more."""
    if not unverified_secret:
        return None
    waiting = (PendingSignin.secret_hash == _hash(unverified_secret), PendingSignin.spent_at.is_(None), PendingSignin.expires_at > now)
    return session.scalars(select(PendingSignin).where(*waiting)).first()


def finish(session: Session, pending_id: UUID, *, now: datetime) -> bool:
    """Finish a sign-in; False if it was finished before, or its time is over."""
    waiting = (PendingSignin.id == pending_id, PendingSignin.spent_at.is_(None), PendingSignin.expires_at > now)
    return session.scalar(update(PendingSignin).where(*waiting).values(spent_at=now).returning(PendingSignin.id)) is not None


def end_all(session: Session, subject_id: UUID, *, now: datetime) -> None:
    """End every sign-in of a person that waits: what it began with is worth nothing any more."""
    waiting = (PendingSignin.subject_id == subject_id, PendingSignin.spent_at.is_(None), PendingSignin.expires_at > now)
    session.execute(update(PendingSignin).where(*waiting).values(spent_at=now))


def forget(*, now: datetime) -> None:
    """Forget the sign-ins whose time is over."""
    prune(PendingSignin, PendingSignin.expires_at < now)


def _hash(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()
