"""Nonces for DPoP proofs, as this service gives them out (RFC 9449 sections 8 and 9).

A nonce is the HMAC of the present two minutes, so that every process gives and knows the same one and nothing is stored. The one before is
still taken, and the next, since the clocks of two machines differ: a nonce is good for two to four minutes.
"""

import base64
import hmac
from datetime import datetime, timedelta
from functools import lru_cache

from flask import Response, after_this_request

from runtime.settings import Settings

HEADER = "DPoP-Nonce"
WINDOW = timedelta(minutes=2)
LONGEST = 3 * WINDOW  # from when a machine ahead of us gives it out until it is taken no more
NONCE_BYTES = 18


def current(settings: Settings, *, now: datetime) -> str:
    """Return the nonce to give out."""
    return _nonce(settings.derivation, _window(now))


def is_recent(unverified: str, settings: Settings, *, now: datetime) -> bool:
    """Whether a nonce was given out a moment ago."""
    window = _window(now)
    recent = [_nonce(settings.derivation, one).encode() for one in (window, window - 1, window + 1)]
    return any(hmac.compare_digest(nonce, unverified.encode("utf-8", "replace")) for nonce in recent)


def hand_out(settings: Settings, *, now: datetime) -> None:
    """Let the answer to the present request, whatever it will be, carry the nonce to use next; it is not to be kept (section 8.2)."""

    @after_this_request
    def add(response: Response) -> Response:
        response.headers[HEADER] = current(settings, now=now)
        response.headers["Cache-Control"] = "no-store"
        return response


def _window(now: datetime) -> int:
    return int(now.timestamp() // WINDOW.total_seconds())


@lru_cache(maxsize=16)
def _nonce(derivation: bytes, window: int) -> str:
    key = hmac.digest(derivation, b"kabao:dpop-nonces", "sha256")
    return base64.urlsafe_b64encode(hmac.digest(key, window.to_bytes(8, "big"), "sha256")[:NONCE_BYTES]).decode()
