"""Identifiers of rows: UUIDv7 (RFC 9562), which sort by the time of their making."""

from uuid import UUID

import uuid_utils
import uuid_utils.compat


def new_id() -> UUID:
    """Return a fresh UUIDv7."""
    return uuid_utils.compat.uuid7()


def new_text() -> str:
    """Return a fresh UUIDv7 as text, for what is never read as anything else."""
    return str(uuid_utils.uuid7())
