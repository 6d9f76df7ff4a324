"""Proofs of who a person is: what lifted an account above level 1, who says so, and until when it holds.

A proof is never changed but to be withdrawn, so the table is the history, too. A proof belongs to the account that stood when it was
made: whoever opens an account for a number later starts from their own. Only the digest of what was looked at is kept.
"""

import hashlib
import hmac
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

from flask import current_app
from sqlalchemy import ColumnElement, Index, Select, SmallInteger, bindparam, func, select, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from idp.signin.accounts import Account
from idp.signin.assurance import FORMAT_ONLY, IN_PERSON, MATCHED
from runtime import ledger
from runtime.database import Base
from runtime.ids import new_id
from runtime.languages import Text
from runtime.problems import NotAllowed
from runtime.settings import Settings


class Method(StrEnum):
    """How someone was proven."""

    REGISTRY = "registry"
    COUNTER = "counter"
    LICENCE = "licence"


LEVELS = {Method.REGISTRY: MATCHED, Method.COUNTER: IN_PERSON, Method.LICENCE: IN_PERSON}
METHODS = {
    Method.REGISTRY: Text("号码与姓名经登记库核对一致", "Number and name matched with the registry"),
    Method.COUNTER: Text("在窗口当面核实", "Proven in person at a counter"),
    Method.LICENCE: Text("出示当面绑定的电子证照", "Shown an e-licence that was bound in person"),
}


class LevelTooLow(NotAllowed):
    """The person is not known well enough for this."""

    code, status = "level-too-low", 403
    title = Text(
        "您的实名等级不足，请先在账号的“实名等级”页面提升。", "You are not known well enough for this; raise your level first, under “Account”."
    )


class IdentityProof(Base):
    """One proof. `evidence` is the keyed digest of what was looked at; `department_name` is how the department was called then."""

    __tablename__ = "identity_proofs"
    subject_id: Mapped[UUID] = mapped_column(primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True)
    level: Mapped[int] = mapped_column(SmallInteger)
    method: Mapped[str]
    evidence: Mapped[bytes | None]
    proved_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    officer_id: Mapped[UUID | None]
    department: Mapped[str | None]
    department_name: Mapped[dict[str, Any] | None]
    document_type: Mapped[str | None]
    told_at: Mapped[datetime | None]
    withdrawn_at: Mapped[datetime | None]
    withdrawn_why: Mapped[str | None]
    __table_args__ = (Index("ix_identity_proofs_expires_at", "expires_at"),)

    def holds_at(self, now: datetime) -> bool:
        """Whether the proof is neither expired nor withdrawn."""
        return self.withdrawn_at is None and self.expires_at > now

    @property
    def method_name(self) -> Text:
        """How it was proven, in words."""
        return METHODS[Method(self.method)]

    @property
    def department_text(self) -> Text | None:
        """The department's name as it was then."""
        return Text(**self.department_name) if self.department_name else None


@dataclass(frozen=True, slots=True)
class Witness:
    """Who saw the person, or issued the licence that was shown: a department and, at its counter, its officer."""

    department: str
    name: Text
    document_type: str
    officer_id: UUID | None = None


def highest(subject_id: ColumnElement[UUID], now: ColumnElement[datetime]) -> Select[Any]:
    """Return the statement that finds how high the proofs of an account reach that hold now; none where none holds."""
    return (
        select(func.max(IdentityProof.level))
        .join(Account, Account.subject_id == IdentityProof.subject_id)
        .where(
            IdentityProof.subject_id == subject_id,
            IdentityProof.expires_at > now,
            IdentityProof.withdrawn_at.is_(None),
            IdentityProof.proved_at >= Account.opened_at,
        )
    )


HIGHEST = highest(bindparam("subject_id"), bindparam("now"))  # built once: each authorization asks


def ial_of(session: Session, subject_id: UUID, *, now: datetime) -> int:
    """Return how well the person of an account is known now, by one query on the proofs' key; 1 where no proof holds."""
    return session.scalar(HIGHEST, {"subject_id": subject_id, "now": now}) or FORMAT_ONLY


def check_ial(session: Session, subject_id: UUID, *, at_least: int, now: datetime) -> None:
    """Raise LevelTooLow unless a person is known at least so well now."""
    if ial_of(session, subject_id, now=now) < at_least:
        raise LevelTooLow(f"below level {at_least}")


def proofs_of(session: Session, subject_id: UUID) -> list[IdentityProof]:
    """Return every proof that the account ever had, the newest first."""
    found = select(IdentityProof).join(Account, Account.subject_id == IdentityProof.subject_id)
    theirs = found.where(IdentityProof.subject_id == subject_id, IdentityProof.proved_at >= Account.opened_at)
    return list(session.scalars(theirs.order_by(IdentityProof.id.desc())))


def best_of(proofs: list[IdentityProof], *, now: datetime) -> IdentityProof | None:
    """Return the proof that a person's level rests on: of the highest that hold, the one that holds longest."""
    holding = [proof for proof in proofs if proof.holds_at(now)]
    return max(holding, key=lambda proof: (proof.level, proof.expires_at), default=None)


def prove(session: Session, subject_id: UUID, *, method: Method, evidence: str | None = None, by: Witness | None = None, now: datetime) -> UUID:
    """Keep a proof, and return its id; what was proven is the caller's to have checked."""
    proof = IdentityProof(
        subject_id=subject_id,
        id=new_id(),
        level=LEVELS[method],
        method=method.value,
        evidence=_digest(evidence) if evidence else None,
        proved_at=now,
        expires_at=now + lifetime_of(method),
        officer_id=by.officer_id if by else None,
        department=by.department if by else None,
        department_name=by.name.as_json() if by else None,
        document_type=by.document_type if by else None,
    )
    session.add(proof)
    session.flush()
    actor = f"officer:{by.officer_id}" if by and by.officer_id else f"subject:{subject_id}"
    seen: dict[str, Any] = {"department": by.department, "document": by.document_type} if by else {}
    ledger.record(
        session, "identity.proven", actor=actor, object_id=proof.id, subject_id=subject_id, now=now, level=proof.level, method=proof.method, **seen
    )
    return proof.id


def withdraw(session: Session, proof: IdentityProof, *, actor: str, why: str, now: datetime) -> bool:
    """Withdraw a proof, from now on; returns False if it was withdrawn before. `why` is a word of a closed list, no free text."""
    its = (IdentityProof.subject_id == proof.subject_id, IdentityProof.id == proof.id, IdentityProof.withdrawn_at.is_(None))
    done = update(IdentityProof).where(*its).values(withdrawn_at=now, withdrawn_why=why).returning(IdentityProof.id)
    if session.scalar(done) is None:
        return False
    ledger.record(session, "identity.withdrawn", actor=actor, object_id=proof.id, subject_id=proof.subject_id, now=now, why=why)
    return True


def lower(session: Session, subject_id: UUID, *, to: int = MATCHED, why: str, now: datetime) -> None:
    """Withdraw every proof above a level: for a recovery that showed less than was proven before."""
    for proof in proofs_of(session, subject_id):
        if proof.level > to and proof.holds_at(now):
            withdraw(session, proof, actor=f"subject:{subject_id}", why=why, now=now)


def lifetime_of(method: Method) -> timedelta:
    """Return how long a proof of this kind holds here."""
    settings = _settings()
    return settings.registry_proof_lifetime if method is Method.REGISTRY else settings.person_proof_lifetime


def _digest(evidence: str) -> bytes:
    return hmac.digest(_settings().derived_key("identity evidence"), evidence.encode(), hashlib.sha256)


def _settings() -> Settings:
    settings: Settings = current_app.extensions["kabao_settings"]
    return settings
