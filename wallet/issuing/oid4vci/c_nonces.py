"""`c_nonce`: that a proof of a key was made just now (OpenID4VCI 1.0 sections 7 and 13.8).

A nonce is computed, so that whoever asks for many fills no table: a moment, random bits, and an HMAC over both. It is good for five minutes
and for one request, which may bring many proofs; what is kept is that it was used.
"""

import base64
import binascii
import hashlib
import hmac
import secrets
from datetime import datetime, timedelta

from idp.oauth import assertions
from runtime.settings import Settings
from wallet.issuing.oid4vci.errors import InvalidNonce

LIFETIME = timedelta(minutes=5)
LEEWAY = timedelta(seconds=30)
MOMENT_BYTES, RANDOM_BYTES, MAC_BYTES = 6, 15, 18  # 39 in all: 52 letters and no padding
HEAD = MOMENT_BYTES + RANDOM_BYTES
LONGEST = 100
KIND = "c_nonce"


def make(settings: Settings, *, now: datetime) -> str:
    """Return a fresh nonce."""
    head = int(now.timestamp()).to_bytes(MOMENT_BYTES, "big") + secrets.token_bytes(RANDOM_BYTES)
    return base64.urlsafe_b64encode(head + _mac(head, settings)).decode()


def check(unverified: str, settings: Settings, *, now: datetime) -> None:
    """Check that a nonce is ours and recent; raises InvalidNonce. Whether it was used is looked at when it is spent."""
    try:
        raw = base64.b64decode(unverified.encode(), altchars=b"-_", validate=True) if len(unverified) <= LONGEST else b""
    except (binascii.Error, ValueError) as error:
        raise InvalidNonce() from error
    if len(raw) != HEAD + MAC_BYTES or not hmac.compare_digest(raw[HEAD:], _mac(raw[:HEAD], settings)):
        raise InvalidNonce()
    age = now.timestamp() - int.from_bytes(raw[:MOMENT_BYTES], "big")
    if not -LEEWAY.total_seconds() <= age < LIFETIME.total_seconds():
        raise InvalidNonce()


def spend(nonce: str, *, now: datetime) -> None:
    """Use a checked nonce up, in one statement: of two requests with it one alone goes on. Raises InvalidNonce."""
    if not assertions.use_once(KIND, nonce, expires_at=now + LIFETIME + 2 * LEEWAY):
        raise InvalidNonce()


def _mac(head: bytes, settings: Settings) -> bytes:
    return hmac.digest(settings.derived_key("credential nonces"), head, hashlib.sha256)[:MAC_BYTES]
