"""A code while it is shown: its picture, its letters for reading out, and whether it still waits, was used or is over."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

import segno
from sqlalchemy.orm import Session

from wallet.presenting.qr_codes import PREFIX, CodeUnknown, Presentation

GROUP = 4


class CodeState(StrEnum):
    """How a code stands: it waits for its one use, had it, or ran out."""

    WAITING = "waiting"
    SPENT = "spent"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True)
class Shown:
    """A code as its holder's page shows it."""

    id: UUID
    state: CodeState
    seconds_left: int
    expires_at: datetime
    spent_at: datetime | None
    fields: tuple[str, ...]
    also: Mapping[str, list[str]]


def get_shown(session: Session, presentation_id: UUID, *, holder_id: UUID, licence_id: UUID, now: datetime) -> Shown:
    """Return how a code stands; raises CodeUnknown, for another's code or another card's too."""
    row = session.get(Presentation, (holder_id, presentation_id))
    if row is None or row.licence_id != licence_id:
        raise CodeUnknown
    left = max(0, round((row.expires_at - now).total_seconds()))
    state = CodeState.SPENT if row.spent_at is not None else CodeState.WAITING if row.expires_at > now else CodeState.EXPIRED
    return Shown(row.id, state, left, row.expires_at, row.spent_at, tuple(row.fields), row.also or {})


def picture_of(content: str) -> str:
    """Return the QR picture of a code as a data address; its letters are all of QR's alphanumeric mode, so it stays coarse and quick to read."""
    return str(segno.make_qr(content, error="m").svg_data_uri(scale=8, border=2, dark="#000", light="#fff"))


def spoken(content: str) -> str:
    """Return a code in groups of four, without its prefix, for reading out and typing."""
    letters = content.removeprefix(PREFIX)
    return " ".join(letters[at : at + GROUP] for at in range(0, len(letters), GROUP))
