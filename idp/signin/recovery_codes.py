"""Recovery codes: ten, on paper, each good once, for the day on which phone and keys are gone. Shown once; stored hashed.

A code has 80 bits of chance, so a plain hash (SHA-256, over the owner's id and the code) keeps it: there is nothing to guess.
"""

import hashlib
import secrets
import unicodedata
from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey, delete, func, select, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from runtime import ledger
from runtime.database import Base

HOW_MANY = 10
FEW = 3
ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # Crockford's: no I, L, O and U
LENGTH, GROUP = 16, 4
MISREAD = str.maketrans("ILO", "110")


class RecoveryCode(Base):
    """A recovery code of a person."""

    __tablename__ = "recovery_codes"
    subject_id: Mapped[UUID] = mapped_column(ForeignKey("subjects.id"), primary_key=True)
    code_hash: Mapped[bytes] = mapped_column(primary_key=True)
    made_at: Mapped[datetime]
    spent_at: Mapped[datetime | None]


def make(session: Session, subject_id: UUID, *, now: datetime) -> list[str]:
    """Make a person's codes anew and return them, this once; the ones before are worth nothing any more."""
    codes = [_new_code() for _ in range(HOW_MANY)]
    session.execute(delete(RecoveryCode).where(RecoveryCode.subject_id == subject_id))
    session.add_all([RecoveryCode(subject_id=subject_id, code_hash=_hash(subject_id, code), made_at=now) for code in codes])
    session.flush()
    ledger.record(session, "recovery-codes.made", actor=f"subject:{subject_id}", object_id=subject_id, subject_id=subject_id, now=now)
    return codes


def spend(session: Session, subject_id: UUID, unverified: str, *, now: datetime) -> int | None:
    """Spend a code, and return how many are left; None if it is none, or was spent before. Of several at once one spends it."""
    this = (RecoveryCode.subject_id == subject_id, RecoveryCode.code_hash == _hash(subject_id, unverified), RecoveryCode.spent_at.is_(None))
    if session.scalar(update(RecoveryCode).where(*this).values(spent_at=now).returning(RecoveryCode.subject_id)) is None:
        return None
    ledger.record(session, "recovery-code.used", actor=f"subject:{subject_id}", object_id=subject_id, subject_id=subject_id, now=now)
    return left(session, subject_id)


def left(session: Session, subject_id: UUID) -> int:
    """Return how many codes a person has left."""
    unspent = select(func.count()).select_from(RecoveryCode).where(RecoveryCode.subject_id == subject_id, RecoveryCode.spent_at.is_(None))
    return session.scalars(unspent).one()


def remove_all(session: Session, subject_id: UUID, *, since: datetime | None = None) -> None:
    """Take every code of a person away, or those made since a moment; they are worth nothing any more."""
    which = (RecoveryCode.subject_id == subject_id, *((RecoveryCode.made_at >= since,) if since else ()))
    session.execute(delete(RecoveryCode).where(*which))


def are_all_of(session: Session, subject_id: UUID, unverified: Iterable[str]) -> bool:
    """Whether these are a person's codes: for giving back as a file what the page has just shown, and nothing else."""
    hashes = {_hash(subject_id, code) for code in unverified}
    kept = set(session.scalars(select(RecoveryCode.code_hash).where(RecoveryCode.subject_id == subject_id, RecoveryCode.spent_at.is_(None))))
    return bool(hashes) and hashes <= kept


def _new_code() -> str:
    letters = "".join(secrets.choice(ALPHABET) for _ in range(LENGTH))
    return "-".join(letters[begin : begin + GROUP] for begin in range(0, LENGTH, GROUP))


def _hash(subject_id: UUID, unverified: str) -> bytes:
    """Hash a code as people type it: case, spaces, hyphens and letters that look like digits do not matter."""
    letters = "".join(letter for letter in unicodedata.normalize("NFKC", unverified[:64]).upper() if letter.isalnum())
    return hashlib.sha256(subject_id.bytes + letters.translate(MISREAD).encode()).digest()
