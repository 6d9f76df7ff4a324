"""Identifiers of rows: UUIDv7 (RFC 9562), which sort by the time of their making."""

from datetime import datetime
from uuid import UUID

import uuid_utils
import uuid_utils.compat


def new_id() -> UUID:
    """Return a fresh UUIDv7."""
    return uuid_utils.compat.uuid7()


def new_text() -> str:
    """Return a fresh UUIDv7 as text, for what is never read as anything else."""
    return str(uuid_utils.uuid7())


def first_of(moment: datetime) -> UUID:
    """Return what no identifier made from a moment on is less than, as far as clocks agree."""
    return UUID(int=int(moment.timestamp() * 1000) << 80)
