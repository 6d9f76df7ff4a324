"""When a credential says that it was made, and from when until when it holds: told so that no two of a batch can be lined up by it.

A credential that stays in the wallet here holds as long as its licence does. One that goes to a wallet elsewhere holds for a stated
lifetime at most and says nothing of the licence's own dates in the open; its two ends are drawn at random from a day each (OpenID4VCI 1.0,
section on unlinkability). Pure.
"""

import base64
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache

from cryptography import x509

from wallet.issuing.contents import Content
from wallet.issuing.copy_marks import Marking

WINDOW = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Times:
    """The moments of one credential, in whole seconds; `ends_at` is None for one without end."""

    made_at: datetime
    begins_at: datetime
    ends_at: datetime | None


def lasting(content: Content, *, chain: list[str] | None, now: datetime, marking: Marking | None = None) -> Times:
    """Return the times of a credential that holds as long as its licence, or as the marked copy that it is."""
    bounds = [one for one in (content.expires_at, marking and marking.ends_at) if one]
    return Times(_some_time_before(now, chain), content.begins_at, min(bounds, default=None))


def passing(content: Content, *, chain: list[str] | None, lifetime: timedelta, now: datetime) -> Times:
    """Return the times of a credential that outlives neither its licence, nor its signer's certificate, nor `lifetime`."""
    made_at = _some_time_before(now, chain)
    bounds = [_some_time_before(now + lifetime), content.expires_at, _period(chain[0])[1] if chain else None]
    return Times(made_at, max(made_at, content.begins_at), min(one for one in bounds if one is not None))


def _some_time_before(moment: datetime, chain: list[str] | None = None) -> datetime:
    """Return a moment of the day before, but none at which the signer had no certificate yet."""
    earliest = moment - WINDOW
    if chain:
        earliest = min(max(earliest, _period(chain[0])[0]), moment)
    span = int((moment - earliest).total_seconds())
    return moment.replace(microsecond=0) - timedelta(seconds=secrets.randbelow(span + 1))


@lru_cache(maxsize=1024)
def _period(encoded: str) -> tuple[datetime, datetime]:
    certificate = x509.load_der_x509_certificate(base64.b64decode(encoded))
    return certificate.not_valid_before_utc, certificate.not_valid_after_utc
