"""The status of a credential from another province: its list is fetched, checked under a certificate that the trust list knows, and kept for a while.

The address of a status list must be of the same origin as the issuer's: a credential sends us nowhere else. Whatever goes wrong leaves the status
unknown, and a credential whose status is unknown is not believed.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import Any
from urllib.parse import urlsplit

from runtime import cache
from runtime.breaker import Breaker, BreakerOpen
from runtime.outbound import NoAnswer, allowed_by, fetch
from runtime.settings import Settings
from wallet.issuing.status_tokens import CWT_MEDIA_TYPE, JWT_MEDIA_TYPE
from wallet.verifying.checks import SourceUnavailable, StatusOf, StatusUnknown
from wallet.verifying.listed import Listed
from wallet.verifying.status_files import BadStatusFile, StatusFile, read_status_file

TOPIC = "trust_lists"
TIMEOUT, MOST_BYTES = 3.0, 4 * 1024 * 1024
MEDIA_TYPES = (JWT_MEDIA_TYPE, CWT_MEDIA_TYPE)
LONGEST_ADDRESS = 500
SHORTEST = 5.0  # seconds for which a list is kept, whatever it says
OK, SERVER_ERROR = 200, 500
COME_AGAIN = (408, 429)  # it is there, and had no time for us
_breakers: dict[str, Breaker] = {}


def status_of(settings: Settings, listed: Listed, claims: Mapping[str, Any], *, now: datetime) -> str:
    """Return the state that the issuer's status list tells; raises StatusUnknown, SourceUnavailable."""
    reference = claims["status"].get("status_list")
    uri = reference.get("uri") if isinstance(reference, dict) else None
    if not isinstance(uri, str) or len(uri) > LONGEST_ADDRESS or not _is_same_origin(uri, listed.uri):
        raise StatusUnknown
    load = partial(_load, settings, listed, uri, now=now)
    found = cache.get(TOPIC, ("status", uri, listed.roots), load)
    while isinstance(found, StatusFile) and found.is_over(now):  # what is kept in its place may be over by now, too
        found = cache.get(TOPIC, ("status", uri, listed.roots, found.ends_at), load)
    if found is None:
        raise SourceUnavailable
    return found(claims)


def _load(settings: Settings, listed: Listed, uri: str, *, now: datetime) -> StatusOf | None:
    host = urlsplit(uri).netloc
    try:
        with _breakers.setdefault(host, Breaker(failures=3)).attempt():
            answer = fetch("GET", uri, headers={"Accept": ", ".join(MEDIA_TYPES)}, allowed=allowed_by(settings), timeout=TIMEOUT, limit=MOST_BYTES)
    except (NoAnswer, BreakerOpen):
        return None
    if answer.status >= SERVER_ERROR or answer.status in COME_AGAIN:
        return None
    if answer.status != OK or answer.headers.get("content-type", "").partition(";")[0].strip().lower() not in MEDIA_TYPES:
        return _unknown
    try:
        return _kept(read_status_file(answer.body, roots=listed.roots, now=now), now)
    except BadStatusFile:
        return _unknown


def _kept(found: StatusFile, now: datetime) -> StatusFile:
    """Return a list that is over here when it is to be asked for anew: by its `ttl`, which nobody can make so short that each check fetches it."""
    return replace(found, ends_at=min(found.ends_at, now.timestamp() + max(found.lasts, SHORTEST)))


def _unknown(_: Mapping[str, Any]) -> str:
    raise StatusUnknown


def _is_same_origin(uri: str, other: str) -> bool:
    try:
        one, two = urlsplit(uri), urlsplit(other)
    except ValueError:
        return False
    return (one.scheme, one.netloc) == (two.scheme, two.netloc)
