"""One-time codes: six digits sent to an address, good once, for five minutes, in the browser that asked, for five tries.

A code is stored nowhere, sealed or hashed: it is computed from its row's id under a key that only this service has, by
the worker that sends it and again by the check. So a job carries nothing but the id, and there is nothing to wipe. Six digits
that were stored, hashed under whatever, would be found by whoever had that key, too.

For someone whom we cannot write to a row is made all the same, and a job, which then sends nothing.
"""

import hashlib
import hmac
import unicodedata
from datetime import datetime, timedelta
from uuid import UUID

from flask import current_app
from sqlalchemy import ColumnElement, ForeignKey, Index, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, Session, mapped_column

from idp.signin.contacts import Contact
from runtime import ledger
from runtime.database import Base, prune
from runtime.ids import new_id
from runtime.jobs import SOONEST, defer
from runtime.languages import Text
from runtime.problems import Refusal
from runtime.settings import Settings

LIFETIME = timedelta(minutes=5)
DIGITS = 6
TRIES = 5
VERIFYING, SECOND, SIGNING_IN = "verifying", "second", "signing-in"


class CodeOver(Refusal):
    """There is no code any more that a browser could give: its time is over, or it was tried too often. Said to strangers alike."""

    code, status, title = "code-over", 422, Text("验证码已失效，请重新获取。", "This code is no longer good; ask for another.")


class OneTimeCode(Base):
    """A code that was asked for. `bound_to` is the session or pending sign-in that may redeem it, for `purpose` alone."""

    __tablename__ = "one_time_codes"
    id: Mapped[UUID] = mapped_column(primary_key=True)
    bound_to: Mapped[UUID]
    purpose: Mapped[str]
    subject_id: Mapped[UUID | None] = mapped_column(ForeignKey("subjects.id"))
    contact_id: Mapped[UUID | None]
    made_at: Mapped[datetime]
    expires_at: Mapped[datetime] = mapped_column(index=True)
    tries: Mapped[int]
    spent_at: Mapped[datetime | None]
    __table_args__ = (Index("uq_one_time_codes_open", "bound_to", "purpose", unique=True, postgresql_where=text("spent_at IS NULL")),)


def issue(session: Session, contact: Contact | None, *, bound_to: UUID, purpose: str, now: datetime) -> None:
    """Have a code sent to an address; the one before, of the same browser and purpose, is worth nothing any more.

    Without an address the same is done, and nothing sent.
    """
    _close(session, bound_to, purpose, now=now)
    code_id = new_id()
    subject_id, contact_id = (contact.subject_id, contact.id) if contact else (None, None)
    values = {"id": code_id, "bound_to": bound_to, "purpose": purpose, "subject_id": subject_id, "contact_id": contact_id}
    row = insert(OneTimeCode).values(**values, made_at=now, expires_at=now + LIFETIME, tries=0).on_conflict_do_nothing()
    if session.scalar(row.returning(OneTimeCode.id)) is None:
        return  # the same browser asked twice at once
    actor = f"subject:{subject_id}" if subject_id else "stranger"
    ledger.record(session, "code.asked", actor=actor, object_id=code_id, subject_id=subject_id, now=now, purpose=purpose)
    defer(session, "send_code", priority=SOONEST, code_id=str(code_id))


def redeem(session: Session, unverified: str, *, bound_to: UUID, purpose: str, now: datetime) -> OneTimeCode | None:
    """Spend the open code of a browser if this is it, and return it, or None; a try is counted, and must be committed, in either case.

    Of several who give the right code at once one is answered with it. The work is the same where there is no code.
    """
    tried = update(OneTimeCode).where(*_heard(bound_to, purpose, now=now)).values(tries=OneTimeCode.tries + 1).returning(OneTimeCode.id)
    code_id = session.scalar(tried)
    is_right = hmac.compare_digest(code_of(code_id or new_id()).encode(), _read(unverified).encode())
    if code_id is None or not is_right:
        return None
    spent = update(OneTimeCode).where(OneTimeCode.id == code_id, OneTimeCode.spent_at.is_(None)).values(spent_at=now)
    return session.scalar(spent.returning(OneTimeCode).execution_options(populate_existing=True))


def find_open(session: Session, *, bound_to: UUID, purpose: str, now: datetime) -> OneTimeCode | None:
    """Return the code that a browser may redeem, or None."""
    return session.scalars(select(OneTimeCode).where(*_heard(bound_to, purpose, now=now))).first()


def check_open(session: Session, *, bound_to: UUID, purpose: str, now: datetime) -> None:
    """Raise CodeOver if a browser has no code that it could give: whoever reads that it was wrong would go on typing it."""
    if find_open(session, bound_to=bound_to, purpose=purpose, now=now) is None:
        raise CodeOver("over", field="code")


def find_to_send(session: Session, code_id: UUID, *, now: datetime) -> tuple[OneTimeCode, Contact] | None:
    """Return a code and where to send it, or None if it is no longer worth sending, or never was."""
    row = session.get(OneTimeCode, code_id)
    if row is None or row.spent_at is not None or row.expires_at <= now or row.subject_id is None:
        return None
    contact = session.get(Contact, (row.subject_id, row.contact_id))
    return (row, contact) if contact is not None and contact.removed_at is None else None


def code_of(code_id: UUID) -> str:
    """Return the digits of a code."""
    settings: Settings = current_app.extensions["kabao_settings"]
    digest = hmac.digest(settings.derived_key("one-time-codes"), code_id.bytes, hashlib.sha256)
    return f"{int.from_bytes(digest[:16], 'big') % 10**DIGITS:0{DIGITS}}"


def forget(*, now: datetime) -> None:
    """Forget the codes whose time is over."""
    prune(OneTimeCode, OneTimeCode.expires_at < now)


def _close(session: Session, bound_to: UUID, purpose: str, *, now: datetime) -> None:
    session.execute(update(OneTimeCode).where(*_of_browser(bound_to, purpose)).values(spent_at=now))


def _of_browser(bound_to: UUID, purpose: str) -> tuple[ColumnElement[bool], ...]:
    return OneTimeCode.bound_to == bound_to, OneTimeCode.purpose == purpose, OneTimeCode.spent_at.is_(None)


def _heard(bound_to: UUID, purpose: str, *, now: datetime) -> tuple[ColumnElement[bool], ...]:
    return *_of_browser(bound_to, purpose), OneTimeCode.expires_at > now, OneTimeCode.tries < TRIES


def _read(unverified: str) -> str:
    """Return what someone typed as digits: full-width ones and spaces are understood."""
    return "".join(unicodedata.normalize("NFKC", unverified[:64]).split())
