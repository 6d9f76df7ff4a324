"""Browsers that their owners trust: for thirty days the first proof is enough there. Off unless asked for, one by one revocable."""

import hashlib
import secrets
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import ForeignKey, delete, select
from sqlalchemy.orm import Mapped, Session, mapped_column
from ua_parser import parse

from keys import sealed_tables, sealing
from runtime import ledger
from runtime.database import Base, prune
from runtime.ids import new_id

LIFETIME = timedelta(days=30)


class TrustedBrowser(Base):
    """A browser that a person trusts."""

    __tablename__ = "trusted_browsers"
    subject_id: Mapped[UUID] = mapped_column(ForeignKey("subjects.id"), primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True)
    secret_hash: Mapped[bytes]
    name_sealed: Mapped[bytes]
    trusted_at: Mapped[datetime]
    expires_at: Mapped[datetime] = mapped_column(index=True)

    @property
    def name(self) -> str:
        """Family and system of the browser."""
        return sealing.unseal(self.name_sealed, table="trusted_browsers", column="name", row=self.id)


sealed_tables.declare(TrustedBrowser, sealed={"name_sealed": "name"})


def trust(session: Session, subject_id: UUID, *, user_agent: str, now: datetime) -> str:
    """Trust a browser, and return the secret that it is known by."""
    secret, browser_id = secrets.token_urlsafe(32), new_id()
    name = sealing.seal(name_of(user_agent), table="trusted_browsers", column="name", row=browser_id)
    moments = {"trusted_at": now, "expires_at": now + LIFETIME}
    session.add(TrustedBrowser(subject_id=subject_id, id=browser_id, secret_hash=_hash(secret), name_sealed=name, **moments))
    session.flush()
    ledger.record(session, "browser.trusted", actor=f"subject:{subject_id}", object_id=browser_id, subject_id=subject_id, now=now)
    return secret


def is_trusted(session: Session, subject_id: UUID, unverified_secret: str, *, now: datetime) -> bool:
    """Whether a person trusts the browser that holds a secret."""
    this = (TrustedBrowser.subject_id == subject_id, TrustedBrowser.secret_hash == _hash(unverified_secret), TrustedBrowser.expires_at > now)
    return bool(unverified_secret) and session.scalar(select(TrustedBrowser.id).where(*this)) is not None


def of(session: Session, subject_id: UUID, *, now: datetime) -> list[TrustedBrowser]:
    """Return the browsers that a person trusts, the newest first."""
    standing = (TrustedBrowser.subject_id == subject_id, TrustedBrowser.expires_at > now)
    return list(session.scalars(select(TrustedBrowser).where(*standing).order_by(TrustedBrowser.id.desc())))


def end(session: Session, subject_id: UUID, *, now: datetime, browser_id: UUID | None = None) -> int:
    """Trust a browser no longer, or, if none is named, none at all; return how many those were."""
    which = (TrustedBrowser.subject_id == subject_id, *((TrustedBrowser.id == browser_id,) if browser_id else ()))
    ended = session.scalars(delete(TrustedBrowser).where(*which).returning(TrustedBrowser.id)).all()
    for each in ended:
        ledger.record(session, "browser.no-longer-trusted", actor=f"subject:{subject_id}", object_id=each, subject_id=subject_id, now=now)
    return len(ended)


def name_of(user_agent: str) -> str:
    """Return family and system of a browser, as far as it says so."""
    read = parse(user_agent[:512])
    named = [part.family for part in (read.user_agent, read.os) if part is not None and part.family != "Other"]
    return " · ".join(named)[:80] or "?"


def forget(*, now: datetime) -> None:
    """Forget the browsers whose thirty days are over."""
    prune(TrustedBrowser, TrustedBrowser.expires_at < now)


def _hash(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()
