"""The names under which wallets reach a request: its id and a code over it that only this service makes, so nobody finds one by trying.

Nothing is kept: a name is made again from the id, and looked at before the database is.
"""

import hashlib
import hmac
import re
from uuid import UUID

from runtime import base64url
from runtime.settings import Settings

REFERENCE = re.compile(r"[A-Za-z0-9_-]{43}")
ID_BYTES, CODE_BYTES = 16, 16
PURPOSE = "presentation-requests"


def reference_of(settings: Settings, request_id: UUID) -> str:
    """Return the name of a request at its doors."""
    return base64url.write(request_id.bytes + _code(settings, request_id.bytes))


def find_id(settings: Settings, unverified_reference: str) -> UUID | None:
    """Return the id that a name stands for, None if it is none of ours."""
    if not REFERENCE.fullmatch(unverified_reference):
        return None
    raw = base64url.read(unverified_reference)
    if not hmac.compare_digest(raw[ID_BYTES:], _code(settings, raw[:ID_BYTES])):
        return None
    return UUID(bytes=raw[:ID_BYTES])


def request_uri(settings: Settings, request_id: UUID) -> str:
    """Return where a wallet fetches a request."""
    return f"{settings.public_url}/requests/{reference_of(settings, request_id)}"


def response_uri(settings: Settings, request_id: UUID) -> str:
    """Return where a wallet answers it."""
    return f"{settings.public_url}/responses/{reference_of(settings, request_id)}"


def _code(settings: Settings, raw: bytes) -> bytes:
    return hmac.digest(settings.derived_key(PURPOSE), raw, hashlib.sha256)[:CODE_BYTES]
