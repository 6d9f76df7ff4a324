"""Revocation: the end of a licence before its time, by its issuer, with a reason, and for good."""

import json
from datetime import datetime

from sqlalchemy import update
from sqlalchemy.orm import Session

from keys import sealing
from runtime import events, ledger
from runtime.languages import Text
from runtime.problems import Refusal
from wallet.register.licences import TABLE, Licence, LicenceState

REVOCABLE = (LicenceState.VALID.value, LicenceState.SUSPENDED.value)


class NotRevocable(Refusal):
    """The licence is revoked already, or has ended in another way."""

    code, status, title = "licence-not-revocable", 409, Text("该证照当前状态不能吊销。", "The licence cannot be revoked in its present state.")


def revoke(session: Session, licence: Licence, *, reason: str, now: datetime, actor: str, legal_basis: str = "") -> Licence:
    """Revoke a licence and tell the ledger and whoever supervises.

    One statement decides, so that of two who revoke at once one is refused. The reason is sealed with the licence; neither
    ledger nor event carries it. Raises NotRevocable.
    """
    why = sealing.seal(
        json.dumps({"reason": reason, "legal_basis": legal_basis}, ensure_ascii=False), table=TABLE, column="reason_sealed", row=licence.id
    )
    row = update(Licence).where(Licence.holder_id == licence.holder_id, Licence.id == licence.id, Licence.state.in_(REVOCABLE))
    row = row.values(state=LicenceState.REVOKED.value, reason_sealed=why, changed_at=now)
    revoked = session.scalars(row.returning(Licence), execution_options={"populate_existing": True}).one_or_none()
    if revoked is None:
        raise NotRevocable(f"state of {licence.id}")
    ledger.record(session, "licence.revoked", actor=actor, object_id=licence.id, subject_id=licence.holder_id, now=now, type=licence.type_code)
    events.emit(
        session,
        "licence.revoked",
        topic=licence.type_code,
        object_id=licence.id,
        now=now,
        issuer=licence.issuer_code,
        identifier=licence.identifier,
        state=LicenceState.REVOKED.value,
    )
    return revoked


def reason_of(licence: Licence) -> dict[str, str] | None:
    """Return the `reason` and `legal_basis` of the last change of state, or None if there was none."""
    if licence.reason_sealed is None:
        return None
    why: dict[str, str] = json.loads(sealing.unseal(licence.reason_sealed, table=TABLE, column="reason_sealed", row=licence.id))
    return why
