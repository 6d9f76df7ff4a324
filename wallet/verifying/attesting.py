"""Attesting a look at a licence: the signed receipt, its row in the ledger, and the line in the holder's history."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import insert
from sqlalchemy.orm import Session

from keys import ring, sealing
from runtime import clock, compact_json, ledger
from runtime.ids import new_id
from runtime.languages import Text
from runtime.settings import Settings
from runtime.straight import Alone
from wallet.holding.uses import Use, Way, row_of_use
from wallet.verifying import records
from wallet.verifying.receipts import INVALID, TABLE, TYP, VALID, digest_of, with_receipt
from wallet.verifying.records import Look


@dataclass(frozen=True, slots=True)
class Asker:
    """Who asked: a department, by its code and its name, through an officer or a system (by its client's name)."""

    department: str
    name: Text
    officer_id: UUID | None = None
    system: str | None = None


@dataclass(frozen=True, slots=True)
class Finding:
    """What is to be attested: `verification` or `draw`, and how the licence came to be seen.

    `seen` is the text that was looked at; `answer` goes back to the asker, all but the receipt, which says `more`. Holder and licence are
    None where no licence was recognised. `further` are those of other licences under the same code, which the one receipt names too.
    `acted_by` is who showed it, or had it drawn, for the holder; the receipt, which is the asker's, does not say that.
    """

    act: str
    way: Way
    verdict: str
    seen: str
    cause: dict[str, str]
    type_code: str | None
    holder_id: UUID | None
    licence_id: UUID | None
    answer: dict[str, Any]
    more: Mapping[str, Any] = field(default_factory=dict)
    further: "tuple[Finding, ...]" = ()
    acted_by: UUID | None = None

    @property
    def verdict_of_all(self) -> str:
        """Whether each licence under the code is valid."""
        return VALID if all(one.verdict == VALID for one in (self, *self.further)) else INVALID


@dataclass(frozen=True, slots=True)
class Attested:
    """What is to be answered, as JSON, the receipt in it, and the rows that remain of it; there is no use where nobody's licence was recognised."""

    answer: bytes
    jws: str
    entry: dict[str, Any]
    receipt: dict[str, Any]
    uses: tuple[dict[str, Any], ...]

    @property
    def look(self) -> Look:
        """The rows of a look at one licence."""
        assert len(self.uses) < 2
        return self.entry, self.receipt, self.uses[0] if self.uses else None


def attest(
    session: Session, settings: Settings, finding: Finding, *, asker: Asker, receipt_id: UUID, now: datetime, is_last: bool = False
) -> dict[str, Any]:
    """Sign and keep a receipt, record it for the ledger and for the holder, and return the finding's answer with the receipt in it.

    `is_last` says that nothing else is to be done in the transaction, which then ends with this.
    """
    made = attested(settings, finding, asker=asker, receipt_id=receipt_id, now=now)
    for use in made.uses[1:]:
        session.execute(insert(Use).values(use))
    records.write(session, entry=made.entry, receipt=made.receipt, use=made.uses[0] if made.uses else None, is_last=is_last)
    return {**finding.answer, "receipt": {"id": str(receipt_id), "jws": made.jws}}


def keep_all(looks: Sequence[Look]) -> list[None]:
    """Keep what was attested, each of one licence, in a transaction of its own; nobody is told more than that it is durable."""
    with Alone() as alone:
        records.write_all(alone, looks)
    return [None] * len(looks)


def keep_spending(looks: Sequence[tuple[bytes, Look]]) -> list[bool]:
    """Do the same where each licence stood under a code, which is spent with it.

    False, and nothing is kept, for one that does not wait any more, or that another transaction holds.
    Codes are spent by the clock, not as of when they were looked at: meanwhile their holders may have withdrawn them.
    """
    at = clock.now()
    with Alone() as alone:
        return records.write_spending(alone, [(code_hash, at, look) for code_hash, look in looks])


def attested(settings: Settings, finding: Finding, *, asker: Asker, receipt_id: UUID, now: datetime) -> Attested:
    """Sign a receipt, and return the answer with it and the rows to write: nothing is kept yet."""
    entry_id = new_id()
    jws = ring.signer(ring.RECEIPT).sign(_claims(settings, finding, asker=asker, receipt_id=receipt_id, entry_id=entry_id, now=now), typ=TYP)
    kept = compact_json.write(finding.answer)
    receipt = {
        "id": receipt_id,
        "department": asker.department,
        "officer_id": asker.officer_id,
        "issued_at": now,
        "way": finding.act,
        "verdict": finding.verdict_of_all,
        "type_code": finding.type_code,
        "further_types": [one.type_code for one in finding.further if one.type_code] or None,
        "ledger_entry_id": entry_id,
        "jws_sealed": sealing.seal(jws, table=TABLE, column="jws_sealed", row=receipt_id),
        "answer_sealed": sealing.seal(kept, table=TABLE, column="answer_sealed", row=receipt_id),
    }
    entry = _entry(finding, jws, asker=asker, receipt_id=receipt_id, entry_id=entry_id, now=now)
    uses = [_use(one, asker=asker, receipt_id=receipt_id, now=now) for one in (finding, *finding.further)]
    return Attested(with_receipt(kept, receipt_id, jws), jws, entry, receipt, tuple(one for one in uses if one is not None))


def _claims(settings: Settings, finding: Finding, *, asker: Asker, receipt_id: UUID, entry_id: UUID, now: datetime) -> dict[str, Any]:
    return {
        "iss": settings.public_url,
        "iat": int(now.timestamp()),
        "jti": str(receipt_id),
        "way": finding.act,
        "basis": finding.way.value,
        "verifier": {"code": asker.department, "name": asker.name.as_json(), **({"system": asker.system} if asker.system else {})},
        "cause": finding.cause,
        **_found(finding),
        "digest": {"alg": "sha-256", "value": digest_of("\n".join([finding.seen, *(one.seen for one in finding.further)]))},
        "ledger_entry": str(entry_id),
        **({"also": [_found(one) for one in finding.further]} if finding.further else {}),
        **finding.more,
    }


def _found(finding: Finding) -> dict[str, Any]:
    """Return what a receipt says of one licence."""
    checks = finding.answer.get("checks", [])
    reasons = {check["check"]: check["reason"] for check in checks if check["reason"]}
    return {
        "licence": finding.answer["licence"],
        "verdict": finding.verdict,
        "checks": {check["check"]: check["outcome"] for check in checks},
        **({"reasons": reasons} if reasons else {}),
        "fields": sorted(finding.answer["fields"]),
    }


def _entry(finding: Finding, jws: str, *, asker: Asker, receipt_id: UUID, entry_id: UUID, now: datetime) -> dict[str, Any]:
    return ledger.row_of(
        f"{finding.act}.made",
        actor=f"department:{asker.department}",
        object_id=receipt_id,
        subject_id=finding.holder_id,
        entry_id=entry_id,
        now=now,
        verdict=finding.verdict_of_all,
        type=finding.type_code,
        receipt=digest_of(jws),
    )


def _use(finding: Finding, *, asker: Asker, receipt_id: UUID, now: datetime) -> dict[str, Any] | None:
    if finding.holder_id is None or finding.licence_id is None:
        return None
    return row_of_use(
        holder_id=finding.holder_id,
        licence_id=finding.licence_id,
        department=asker.department,
        cause=finding.cause["text"],
        fields=sorted(finding.answer["fields"]),
        way=finding.way,
        verdict=finding.verdict,
        receipt_id=receipt_id,
        now=now,
        acted_by=finding.acted_by,
    )
