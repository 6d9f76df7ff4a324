"""Judging what someone takes for a receipt: by its text, or by its number and digest, which is what stands on paper.

Whoever has the text has all that it says, and is told no more. Whoever has the digest alone is told what names nobody: whether it is genuine,
which department looked, when, at which type of licence, and how that ended.
"""

import secrets
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import jwt
from sqlalchemy.orm import Session

from keys import ring
from runtime import ledger
from runtime.languages import Text, text_of
from runtime.settings import Settings
from wallet.verifying.reading import UNDECIDED, read_claims
from wallet.verifying.receipts import TYP, Receipt, digest_of


@dataclass(frozen=True, slots=True)
class Also:
    """A further licence under the same code: of which type, and how it was found; `word` as it stands on the paper."""

    verdict: str
    type: Text | None
    word: Text

    def as_json(self) -> dict[str, Any]:
        """Return it as the API gives it."""
        return {"verdict": self.verdict, "licence_type": self.type.as_json() if self.type else None}


@dataclass(frozen=True, slots=True)
class Statement:
    """What a receipt is about, without anybody's name, number or licence; `word` is its verdict and `how` its way, as they stand on the paper."""

    id: str
    issued_at: datetime
    way: str
    verdict: str
    word: Text
    how: Text
    could_be_told: bool
    department_code: str
    department: Text
    type: Text | None
    also: "tuple[Also, ...]" = ()

    def as_json(self) -> dict[str, Any]:
        """Return it as the API gives it."""
        said = {name: getattr(self, name) for name in ("id", "way", "verdict", "department_code")}
        licence_type = self.type.as_json() if self.type else None
        also = {"also": [one.as_json() for one in self.also]} if self.also else {}
        return {**said, "issued_at": self.issued_at.isoformat(), "department": self.department.as_json(), "licence_type": licence_type, **also}


@dataclass(frozen=True, slots=True)
class Judgement:
    """What can be said of it: is it ours, what does it say, where is it in the ledger."""

    genuine: bool
    claims: dict[str, Any] | None = None
    proof: dict[str, Any] | None = None
    statement: Statement | None = None

    def as_json(self) -> dict[str, Any]:
        """Return the judgement as the API gives it; `sealed` tells whether the ledger's proof is there yet."""
        statement = self.statement.as_json() if self.statement else None
        return {"genuine": self.genuine, "receipt": self.claims, "statement": statement, "sealed": self.proof is not None, "ledger": self.proof}


def judge(session: Session, unverified: str) -> Judgement:
    """Say whether a text is a receipt that was signed and recorded here, with its inclusion proof once the ledger is sealed."""
    try:
        claims = ring.verify(unverified, use=ring.RECEIPT, typ=TYP, audience=None)
        receipt = session.get(Receipt, UUID(claims["jti"]))
    except (jwt.InvalidTokenError, UnicodeEncodeError):
        return Judgement(genuine=False)
    found = _judge(session, receipt, digest_of(unverified))
    return Judgement(found.genuine, claims if found.genuine else None, found.proof, found.statement)


def judge_digest(session: Session, receipt_id: UUID, unverified_digest: str) -> Judgement:
    """Say whether the receipt of a number has this digest; a number that is not there is told from another digest by nothing."""
    return _judge(session, session.get(Receipt, receipt_id), unverified_digest)


def address_of(settings: Settings, receipt_id: UUID, jws: str) -> str:
    """Return the address at which anyone who has a receipt may ask whether it is genuine."""
    return f"{settings.public_url}/receipts/{receipt_id}/{digest_of(jws)}"


def _judge(session: Session, receipt: Receipt | None, unverified_digest: str) -> Judgement:
    """Compare with what the ledger recorded, and not with the receipt as it is kept alone: that could have been changed since."""
    entry = session.get(ledger.LedgerEntry, receipt.ledger_entry_id) if receipt is not None else None
    if receipt is None or entry is None or not _is(str(entry.detail.get("receipt")), unverified_digest):
        return Judgement(genuine=False)
    if not _is(digest_of(receipt.jws), unverified_digest):
        return Judgement(genuine=False)
    proof = ledger.prove(session, entry.id)
    return Judgement(genuine=True, proof=proof.as_json() if proof else None, statement=_statement(receipt.claims))


def _is(digest: str, unverified: str) -> bool:
    return secrets.compare_digest(digest.encode(), unverified.encode())


def _statement(claims: dict[str, Any]) -> Statement:
    reading = read_claims(claims)
    return Statement(
        id=claims["jti"],
        issued_at=datetime.fromtimestamp(claims["iat"], UTC),
        way=claims["way"],
        verdict=claims["verdict"],
        word=reading.verdict,
        how=reading.way,
        could_be_told=reading.verdict != UNDECIDED,
        department_code=claims["verifier"]["code"],
        department=text_of(claims["verifier"]["name"]),
        type=_type_of(claims),
        also=tuple(Also(one["verdict"], _type_of(one), read.verdict) for one, read in zip(claims.get("also", ()), reading.also, strict=True)),
    )


def _type_of(found: dict[str, Any]) -> Text | None:
    return text_of(found["licence"]["name"]) if found["licence"] else None
