"""Sessions on the server: a browser holds a random token, the database only its SHA-256.

The token is `id.secret`; the row is found by its id and the secret (256 bits) compared in constant time. A session ends
by sign-out, by idleness, or at the end of its life. That it was seen is written at most once a minute. `on_session_end`
holds what must happen in the transaction that ends a session by sign-out, as `(session, session id)`.
"""

import base64
import binascii
import hashlib
import hmac
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import ForeignKey, Index, delete, or_, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from runtime import ledger
from runtime.database import Base, prune
from runtime.ids import new_id

SEEN_EVERY = timedelta(minutes=1)
SECRET_BYTES = 32
on_session_end: list[Callable[[Session, UUID], None]] = []


class SigninSession(Base):
    """A browser in which a person is signed in. `acting_for` is the organisation they act for, if any."""

    __tablename__ = "signin_sessions"
    id: Mapped[UUID] = mapped_column(primary_key=True)
    secret_hash: Mapped[bytes]
    subject_id: Mapped[UUID] = mapped_column(ForeignKey("subjects.id"), index=True)
    acting_for: Mapped[UUID | None] = mapped_column(ForeignKey("subjects.id"))
    auth_time: Mapped[datetime]
    seen_at: Mapped[datetime]
    amr: Mapped[list[str]]
    __table_args__ = (Index("ix_signin_sessions_seen_at", "seen_at"),)


@dataclass(frozen=True, slots=True)
class SignedIn:
    """Who is signed in, since when (`auth_time`), how (`amr`, RFC 8176), and for whom they act."""

    session_id: UUID
    subject_id: UUID
    acting_for: UUID | None
    auth_time: datetime
    amr: list[str]

    @property
    def holder_id(self) -> UUID:
        """Whose wallet this is: the organisation's that is acted for, else the person's own."""
        return self.acting_for or self.subject_id


@dataclass(frozen=True, slots=True)
class Lifetimes:
    """How long a session may be idle, and how long it lasts in all."""

    idle: timedelta
    total: timedelta


def begin(session: Session, *, subject_id: UUID, amr: list[str], now: datetime, before: SignedIn | None = None) -> str:
    """Begin a session and return the browser's new token.

    `before` is who was signed in in this browser: the same person keeps the session's id, with a new secret; another's
    session ends. A token from before the sign-in is worthless after it.
    """
    secret = secrets.token_bytes(SECRET_BYTES)
    if before is not None and before.subject_id != subject_id:
        end(session, before, now=now)
        before = None
    values = {"secret_hash": _hash(secret), "auth_time": now, "seen_at": now, "amr": amr}
    kept = before is not None and session.scalar(
        update(SigninSession).where(SigninSession.id == before.session_id).values(values).returning(SigninSession.id)
    )
    session_id = kept or new_id()
    if not kept:
        session.add(SigninSession(id=session_id, subject_id=subject_id, acting_for=None, **values))
    ledger.record(session, "session.begun", actor=f"subject:{subject_id}", object_id=session_id, subject_id=subject_id, now=now, amr=amr)
    return base64.urlsafe_b64encode(session_id.bytes + secret).rstrip(b"=").decode()


def find(session: Session, unverified_token: str, *, lifetimes: Lifetimes, now: datetime) -> SigninSession | None:
    """Return the session of a token, or None if there is none, it is another's, or its time is over."""
    read = _read_token(unverified_token)
    if read is None:
        return None
    row = session.get(SigninSession, read[0])
    if row is None or not hmac.compare_digest(row.secret_hash, _hash(read[1])):
        return None
    if row.seen_at + lifetimes.idle <= now or row.auth_time + lifetimes.total <= now:
        return None
    return row


def is_due(row: SigninSession, *, now: datetime) -> bool:
    """Whether it is time to write that a session was seen."""
    return row.seen_at + SEEN_EVERY <= now


def see(session: Session, row: SigninSession, *, now: datetime) -> None:
    """Write that a session was seen; of several requests at once one writes, and none minds that it ended meanwhile."""
    session.execute(update(SigninSession).where(SigninSession.id == row.id, SigninSession.seen_at <= now - SEEN_EVERY).values(seen_at=now))


def raise_to(session: Session, signed_in: SignedIn, *, amr: list[str], now: datetime) -> str:
    """Add a fresh proof to a session and return the browser's new token: the session keeps its id and gets a new secret."""
    secret = secrets.token_bytes(SECRET_BYTES)
    values = {"secret_hash": _hash(secret), "auth_time": now, "seen_at": now, "amr": amr}
    session.execute(update(SigninSession).where(SigninSession.id == signed_in.session_id).values(values))
    actor = f"subject:{signed_in.subject_id}"
    on = signed_in.session_id
    ledger.record(session, "session.raised", actor=actor, object_id=on, subject_id=signed_in.subject_id, now=now, amr=amr)
    return base64.urlsafe_b64encode(on.bytes + secret).rstrip(b"=").decode()


def act_for(session: Session, signed_in: SignedIn, organisation_id: UUID | None, *, now: datetime) -> None:
    """Let a session act for an organisation, or for the person alone; the mandate is the caller's to check."""
    session.execute(update(SigninSession).where(SigninSession.id == signed_in.session_id).values(acting_for=organisation_id))
    act = "acting.begun" if organisation_id else "acting.ended"
    on = organisation_id or signed_in.acting_for or signed_in.subject_id
    ledger.record(session, act, actor=f"subject:{signed_in.subject_id}", object_id=signed_in.session_id, subject_id=on, now=now)


def end(session: Session, signed_in: SignedIn, *, now: datetime) -> None:
    """End a session, and let everyone hear of it who must; a second call does nothing."""
    if session.scalar(delete(SigninSession).where(SigninSession.id == signed_in.session_id).returning(SigninSession.id)) is None:
        return
    for hear in on_session_end:
        hear(session, signed_in.session_id)
    actor = f"subject:{signed_in.subject_id}"
    ledger.record(session, "session.ended", actor=actor, object_id=signed_in.session_id, subject_id=signed_in.subject_id, now=now)


def forget(*, lifetimes: Lifetimes, now: datetime) -> None:
    """Forget the sessions whose time is over."""
    prune(SigninSession, or_(SigninSession.seen_at < now - lifetimes.idle, SigninSession.auth_time < now - lifetimes.total))


def as_signed_in(row: SigninSession) -> SignedIn:
    """Return what the rest of the service sees of a session."""
    return SignedIn(row.id, row.subject_id, row.acting_for, row.auth_time, row.amr)


def _read_token(unverified_token: str) -> tuple[UUID, bytes] | None:
    try:
        raw = base64.b64decode(unverified_token + "=" * (-len(unverified_token) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return None
    return (UUID(bytes=raw[:16]), raw[16:]) if len(raw) == 16 + SECRET_BYTES else None


def _hash(secret: bytes) -> bytes:
    return hashlib.sha256(secret).digest()
