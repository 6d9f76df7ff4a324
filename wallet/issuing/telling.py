"""What the ledger and the outbox hear of an act on a licence, in the act's own transaction: ids, codes and dates, never why."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from runtime import events, ledger
from wallet.register.licences import Licence


def tell(session: Session, licence: Licence, kind: str, *, actor: str, now: datetime, **more: Any) -> None:
    """Write down what was done with a licence; `more` goes into both, ids as text, and `turn` puts the events of one licence in order."""
    details: dict[str, Any] = {name: str(value) if isinstance(value, UUID) else value for name, value in more.items() if value is not None}
    ledger.record(session, kind, actor=actor, object_id=licence.id, subject_id=licence.holder_id, now=now, type=licence.type_code, **details)
    events.emit(
        session,
        kind,
        topic=licence.type_code,
        object_id=licence.id,
        now=now,
        issuer=licence.issuer_code,
        identifier=licence.identifier,
        state=licence.state,
        valid_from=licence.valid_from.isoformat(),
        valid_until=licence.valid_until.isoformat() if licence.valid_until else None,
        turn=licence.turn,
        **details,
    )
