"""Webhooks: a stream's events as plain JSON with a symmetric signature, for receivers that speak no security event tokens. Pure.

The form, the headers and the signature are those of Standard Webhooks 1.0, for which there are libraries in every language.
"""

import base64
import hashlib
import hmac
import json
import secrets
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from idp.signals.streams import SECRET

SECRET_BYTES = 32
MOST_SECRETS = 2
CONTENT_TYPE = "application/json"


def new_secret() -> str:
    """Return a fresh secret, in the form that receivers' libraries take."""
    return SECRET + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()


def rotated(kept: str, secret: str) -> str:
    """Return the secrets to keep once a new one is added: it comes first, and the one before signs beside it until the next."""
    return " ".join([secret, *kept.split()][:MOST_SECRETS])


def body_of(event_type: str, *, happened_at: datetime, data: Mapping[str, Any]) -> bytes:
    """Return the body: `type` with full stops, `timestamp` of what happened, `data`."""
    document = {"type": event_type, "timestamp": happened_at.isoformat().replace("+00:00", "Z"), "data": data}
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()


def headers_of(body: bytes, *, event_id: str, kept: str, now: datetime) -> dict[str, str]:
    """Return the headers that go with a body: its id, the moment of this attempt, and a signature by each secret."""
    moment = str(int(now.timestamp()))
    signed = f"{event_id}.{moment}.".encode() + body
    return {"webhook-id": event_id, "webhook-timestamp": moment, "webhook-signature": " ".join(_signatures(signed, kept.split()))}


def _signatures(signed: bytes, kept: Iterable[str]) -> Iterable[str]:
    for secret in kept:
        key = base64.b64decode(secret.removeprefix(SECRET))
        yield "v1," + base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()
