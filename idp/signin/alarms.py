"""“This was not me”: a sign-in in a new browser is told to the person, with a link by which they can undo it at one click.

The link holds a secret that works once, within a week, and without being signed in. Undoing ends the session, those that began
since in browsers that were not known before, and every token; the password is void, and another must be set. The ways to sign in that
were added since go, too: whoever came in may have made themselves at home, and would be back by their own passkey at once.
"""

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import ColumnElement, ForeignKey, or_, select, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from idp.signin import accounts, begun, clearing, devices, notices, pending, sessions, trusted_browsers
from idp.signin.devices import About
from idp.signin.sessions import SigninSession
from keys import sealed_tables
from runtime import ledger
from runtime.database import Base, prune
from runtime.ids import new_id
from runtime.languages import Text
from runtime.problems import Refusal

LIFETIME = timedelta(days=7)
TABLE = "signin_alarms"
PATH = "/signin/not-me/"


class LinkSpent(Refusal):
    """The link was used, is too old, or never was one; which is not said."""

    code, status = "link-spent", 410
    title = Text(
        "链接已使用或已过期。如仍有疑问，请登录后查看“登录设备”。", "This link was used or is too old. If in doubt, sign in and look at your devices."
    )


class SigninAlarm(Base):
    """A sign-in in a browser that was new, until the person says that it was not theirs, or a week has gone by."""

    __tablename__ = TABLE
    subject_id: Mapped[UUID] = mapped_column(ForeignKey("subjects.id"), primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True)
    secret_hash: Mapped[bytes] = mapped_column(index=True, unique=True)
    session_id: Mapped[UUID]
    about_sealed: Mapped[bytes]
    at: Mapped[datetime] = mapped_column(index=True)
    spent_at: Mapped[datetime | None]


sealed_tables.declare(SigninAlarm, sealed={"about_sealed": "about"})


@dataclass(frozen=True, slots=True)
class Alarm:
    """What happened: when, in what browser, where."""

    at: datetime
    about: About


def tell(session: Session, subject_id: UUID, *, session_id: UUID, about: About, now: datetime) -> None:
    """Tell a person that someone signed in as them in a new browser."""
    secret, alarm_id = secrets.token_urlsafe(24), new_id()
    sealed = about.seal(table=TABLE, row=alarm_id)
    session.add(
        SigninAlarm(subject_id=subject_id, id=alarm_id, secret_hash=_hash(secret), session_id=session_id, about_sealed=sealed, at=now, spent_at=None)
    )
    notices.tell(session, subject_id, "new-device", now=now, link=PATH + secret, browser=about.name, place=about.place, when=now)


def get(session: Session, unverified_secret: str, *, now: datetime) -> Alarm:
    """Return what a link is about, and change nothing; raises LinkSpent."""
    row = session.scalars(select(SigninAlarm).where(*_open(unverified_secret, now=now))).first()
    if row is None:
        raise LinkSpent
    return Alarm(row.at, devices.unseal(row.about_sealed, table=TABLE, row=row.id))


def undo(session: Session, unverified_secret: str, *, now: datetime) -> UUID:
    """Take everything from whoever signed in, and return whose account it is; the link works once. Raises LinkSpent."""
    spend = update(SigninAlarm).where(*_open(unverified_secret, now=now)).values(spent_at=now)
    row = session.execute(spend.returning(SigninAlarm.subject_id, SigninAlarm.session_id, SigninAlarm.at)).first()
    if row is None:
        raise LinkSpent
    subject_id = row.subject_id
    accounts.void_password(session, subject_id, now=now)  # first: see `sessions.hold`
    clearing.clear_ways(session, subject_id, since=row.at, now=now)
    pending.end_all(session, subject_id, now=now)
    begun.end_all(session, subject_id, now)
    strangers = devices.unknow(session, subject_id, since=row.at)
    theirs = or_(SigninSession.id == row.session_id, SigninSession.mark_hash.in_(strangers))
    for session_id in session.scalars(select(SigninSession.id).where(SigninSession.subject_id == subject_id, theirs)).all():
        sessions.end_one(session, subject_id, session_id, now=now)
    trusted_browsers.end(session, subject_id, now=now)
    sessions.cut(session, subject_id, now=now)
    ledger.record(session, "signin.disowned", actor=f"subject:{subject_id}", object_id=row.session_id, subject_id=subject_id, now=now)
    notices.tell(session, subject_id, "device-disowned", now=now)
    return subject_id


def forget(*, now: datetime) -> None:
    """Forget the alarms whose links are too old."""
    prune(SigninAlarm, SigninAlarm.at < now - LIFETIME)


def _open(unverified_secret: str, *, now: datetime) -> tuple[ColumnElement[bool], ...]:
    return SigninAlarm.secret_hash == _hash(unverified_secret), SigninAlarm.spent_at.is_(None), SigninAlarm.at > now - LIFETIME


def _hash(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()
