"""Secrets for the links that we mail: they name a row, and prove that whoever comes was sent the link.

A secret is the row's ids and 256 random bits; only the bits' SHA-256 is kept. Following a link changes nothing: mail scanners do.
"""

import base64
import binascii
import hashlib
import secrets
from dataclasses import dataclass
from uuid import UUID

from runtime import base64url

SECRET_BYTES = 32
IDS = 32


@dataclass(frozen=True, slots=True)
class LinkSecret:
    """What a link's secret says: whose row, which one, and the hash to hold beside the one kept."""

    subject_id: UUID
    id: UUID
    hash: bytes


def new_secret(subject_id: UUID, row_id: UUID) -> tuple[str, bytes]:
    """Return a fresh secret for a link to a row, and the hash to keep."""
    bits = secrets.token_bytes(SECRET_BYTES)
    return base64url.write(subject_id.bytes + row_id.bytes + bits), hashlib.sha256(bits).digest()


def read(unverified: str) -> LinkSecret | None:
    """Read the secret of a link, or return None if it is none."""
    try:
        raw = base64.b64decode(unverified.encode() + b"=" * (-len(unverified) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return None
    if len(raw) != IDS + SECRET_BYTES:
        return None
    return LinkSecret(UUID(bytes=raw[:16]), UUID(bytes=raw[16:IDS]), hashlib.sha256(raw[IDS:]).digest())
