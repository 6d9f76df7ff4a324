"""What the ledger and the outbox hear of an act on a licence, in the act's own transaction: ids, codes and dates, never why."""

from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy.orm import Session

from runtime import events, ledger
from wallet.register.licences import Licence


class Told(NamedTuple):
    """What is told of an act: its row in the ledger, and its event."""

    entry: dict[str, Any]
    event: dict[str, Any]


def tell(session: Session, licence: Licence, kind: str, *, actor: str, now: datetime, **more: Any) -> None:
    """Write down what was done with a licence; `more` goes into both, ids as text, and `turn` puts the events of one licence in order."""
    write(session, told_of(licence, kind, actor=actor, now=now, **more))


def write(session: Session, told: Told) -> None:
    """Write both rows."""
    ledger.write(session, told.entry)
    events.write(session, told.event)


def told_of(licence: Licence, kind: str, *, actor: str, now: datetime, **more: Any) -> Told:
    """Return what is told of an act on a licence, as it stands after it."""
    details: dict[str, Any] = {name: str(value) if isinstance(value, UUID) else value for name, value in more.items() if value is not None}
    entry = ledger.row_of(kind, actor=actor, object_id=licence.id, subject_id=licence.holder_id, now=now, type=licence.type_code, **details)
    event = events.row_of(
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
    return Told(entry, event)
