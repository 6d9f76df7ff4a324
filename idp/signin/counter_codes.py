"""Codes by which a person at a counter shows that the account of their number is theirs.

An officer sees a person and a document; neither says who holds the account that the number has. So the person reads eight digits from
their own account's page, and the officer gives them with the proof: ten minutes, once, the newest only.
"""

import hashlib
import hmac
import secrets
from datetime import datetime, timedelta
from uuid import UUID

from flask import current_app
from sqlalchemy import update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, Session, mapped_column

from runtime.database import Base, prune
from runtime.languages import Text
from runtime.problems import Refusal

LIFETIME = timedelta(minutes=10)
DIGITS = 8


class CodeRefused(Refusal):
    """The code is not the newest of this person's account, or is spent, or too old."""

    code, status = "counter-code-refused", 422
    title = Text("窗口码不正确或已过期，请本人在“实名等级”页面重新生成。", "The counter code is wrong or too old; the person makes a new one.")


class CounterCode(Base):
    """The newest code of a person."""

    __tablename__ = "counter_codes"
    subject_id: Mapped[UUID] = mapped_column(primary_key=True)
    code_hash: Mapped[bytes]
    made_at: Mapped[datetime] = mapped_column(index=True)
    spent_at: Mapped[datetime | None]


def make(session: Session, subject_id: UUID, *, now: datetime) -> str:
    """Make a person's code, which ends the one before, and return it; only a keyed hash is kept."""
    code = f"{secrets.randbelow(10**DIGITS):0{DIGITS}}"
    values = {"code_hash": _hash(subject_id, code), "made_at": now, "spent_at": None}
    row = insert(CounterCode).values(subject_id=subject_id, **values)
    session.execute(row.on_conflict_do_update(index_elements=["subject_id"], set_=values))
    return code


def redeem(session: Session, subject_id: UUID, unverified: str, *, now: datetime) -> None:
    """Spend a person's code; raises CodeRefused. Guesses are the caller's to slow."""
    its = (CounterCode.subject_id == subject_id, CounterCode.code_hash == _hash(subject_id, "".join(unverified.split())))
    fresh = (CounterCode.spent_at.is_(None), CounterCode.made_at > now - LIFETIME)
    if session.scalar(update(CounterCode).where(*its, *fresh).values(spent_at=now).returning(CounterCode.subject_id)) is None:
        raise CodeRefused(field="code")


def end(session: Session, subject_id: UUID, *, now: datetime) -> None:
    """Let a person's code be worth nothing any more: the session in which it was made may be one that ends now."""
    session.execute(update(CounterCode).where(CounterCode.subject_id == subject_id, CounterCode.spent_at.is_(None)).values(spent_at=now))


def forget(*, now: datetime) -> None:
    """Forget the codes that nobody can use any more."""
    prune(CounterCode, CounterCode.made_at < now - LIFETIME)


def _hash(subject_id: UUID, code: str) -> bytes:
    key = current_app.extensions["kabao_settings"].derived_key("counter codes")
    return hmac.digest(key, f"{subject_id}:{code}".encode(), hashlib.sha256)
