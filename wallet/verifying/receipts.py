"""Receipts (核验回执): the signed record of a verification or a draw, which a department files in place of a paper copy.

A receipt names the fields that were seen and never their values; it holds the digest of what was seen. The ledger row that it names
holds the digest of the receipt, so that its signature is not all that vouches for it. The answer that went with a receipt is kept
sealed, all but the receipt itself, for as long as a retry may ask for it again, then forgotten.
"""

import hashlib
import json
from collections.abc import Collection
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, ColumnElement, CursorResult, Index, Uuid, any_, bindparam, or_, select, update
from sqlalchemy import Text as TextType
from sqlalchemy.orm import Mapped, Session, defer, mapped_column

from keys import sealed_tables, sealing
from runtime import base64url, compact_json, idempotency, straight
from runtime.compact_json import Fragment
from runtime.database import Base
from runtime.languages import Text
from runtime.problems import Refusal
from runtime.straight import Straight

TABLE, TYP = "receipts", "receipt+jwt"
MAX_TEXT = 16 * 1024
VALID, INVALID = "valid", "invalid"
FORGET_BATCH = 1000


class ReceiptNotFound(Refusal):
    """There is no receipt of that id, or it is another department's; the caller is not told which."""

    code, status, title = "receipt-not-found", 404, Text("没有此核验回执。", "No such receipt.")


class Receipt(Base):
    """A receipt. `jws_sealed` is the signed text; `answer_sealed` what else was answered, until it is forgotten.

    `verdict` is that of all the licences under a code, `further_types` are the types of those besides the first, None where there is one alone.
    """

    __tablename__ = TABLE
    id: Mapped[UUID] = mapped_column(primary_key=True)
    department: Mapped[str]
    officer_id: Mapped[UUID | None]
    issued_at: Mapped[datetime]
    way: Mapped[str]
    verdict: Mapped[str]
    type_code: Mapped[str | None]
    further_types: Mapped[list[str] | None] = mapped_column(ARRAY(TextType))
    ledger_entry_id: Mapped[UUID]
    jws_sealed: Mapped[bytes]
    answer_sealed: Mapped[bytes | None]
    __table_args__ = (
        Index("ix_receipts_officer", "officer_id", "id"),
        Index("ix_receipts_department", "department", "id"),
        Index("ix_receipts_answered", "issued_at", postgresql_where="answer_sealed IS NOT NULL"),
    )

    @property
    def types(self) -> list[str | None]:
        """The types of all licences that it names; None for what was not recognised."""
        return [self.type_code, *(self.further_types or ())]

    @property
    def jws(self) -> str:
        """The signed receipt."""
        return sealing.unseal(self.jws_sealed, table=TABLE, column="jws_sealed", row=self.id)

    @property
    def claims(self) -> dict[str, Any]:
        """What the receipt says; it is our own, so its signature is not checked again."""
        claims: dict[str, Any] = json.loads(base64url.read(self.jws.split(".")[1]))
        return claims

    @property
    def answer(self) -> dict[str, Any] | None:
        """What was answered, values of fields included, or None once it is forgotten."""
        if self.answer_sealed is None:
            return None
        answer: dict[str, Any] = json.loads(_answered(self.id, self.jws_sealed, self.answer_sealed))
        return answer


_KEPT = (Receipt.id, Receipt.jws_sealed, Receipt.answer_sealed)
ANSWERS = Straight("answers", select(*_KEPT).where(Receipt.id == any_(bindparam("ids", type_=ARRAY(Uuid)))))
sealed_tables.declare(Receipt, sealed={name: name for name in ("jws_sealed", "answer_sealed")})


def names_type(code: str) -> ColumnElement[bool]:
    """Return the condition that a receipt names a licence of a type, as the first or besides."""
    return or_(Receipt.type_code == code, any_(Receipt.further_types) == code)


def get_receipt(session: Session, receipt_id: UUID, *, department: str) -> Receipt:
    """Return a department's own receipt; raises ReceiptNotFound."""
    receipt = session.get(Receipt, receipt_id)
    if receipt is None or receipt.department != department:
        raise ReceiptNotFound
    return receipt


def latest_of_officer(session: Session, officer_id: UUID, *, department: str, limit: int = 10) -> list[Receipt]:
    """Return an officer's own last receipts for a department, the newest first."""
    mine = select(Receipt).where(Receipt.officer_id == officer_id, Receipt.department == department)
    return list(session.scalars(mine.options(defer(Receipt.answer_sealed)).order_by(Receipt.id.desc()).limit(limit)))


def answered_before(session: Session, receipt_id: UUID) -> dict[str, Any]:
    """Return the answer that went with a receipt, for a request sent again; raises ReceiptNotFound once it is forgotten."""
    answer = session.get_one(Receipt, receipt_id).answer
    if answer is None:
        raise ReceiptNotFound("the answer is forgotten")
    return answer


def answers_of(session: Session, receipt_ids: Collection[UUID]) -> dict[UUID, Fragment | None]:
    """Return the answers that went with some receipts, as they were written; None for one that is forgotten."""
    return {
        receipt_id: compact_json.written(_answered(receipt_id, jws_sealed, answer_sealed)) if answer_sealed is not None else None
        for receipt_id, jws_sealed, answer_sealed in straight.run(session, ANSWERS, {"ids": receipt_ids})
    }


def forget_answers(session: Session, *, now: datetime) -> int:
    """Forget the oldest answers that no retry can ask for any more, a batch of them, and return how many."""
    due = select(Receipt.id).where(Receipt.answer_sealed.is_not(None), Receipt.issued_at < now - idempotency.LIFETIME)
    batch = due.order_by(Receipt.issued_at).limit(FORGET_BATCH).with_for_update(skip_locked=True)
    done = session.execute(update(Receipt).where(Receipt.id.in_(batch)).values(answer_sealed=None))
    assert isinstance(done, CursorResult)
    return done.rowcount


def with_receipt(answer: bytes, receipt_id: UUID, jws: str) -> bytes:
    """Return an answer, as JSON, with the receipt that goes with it."""
    return answer[:-1] + b',"receipt":' + compact_json.write({"id": str(receipt_id), "jws": jws}) + b"}"


def _answered(receipt_id: UUID, jws_sealed: bytes, answer_sealed: bytes) -> bytes:
    """Return what was answered; in one that was kept when receipts were kept within, there is one."""
    answer = sealing.unseal(answer_sealed, table=TABLE, column="answer_sealed", row=receipt_id).encode()
    if b'"receipt":{"id":"%s"' % str(receipt_id).encode() in answer:
        return answer
    return with_receipt(answer, receipt_id, sealing.unseal(jws_sealed, table=TABLE, column="jws_sealed", row=receipt_id))


def digest_of(text: str) -> str:
    """Return the SHA-256 digest of a text, base64url."""
    return base64url.write(hashlib.sha256(text.encode()).digest())
