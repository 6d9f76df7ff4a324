"""The keys of a client: those that were registered, or those behind its `jwks_uri`.

What is fetched is bounded in size and time and kept in the process for five minutes. A key that is asked for and is not there has the set
fetched again, at most once a minute. While one fetches, the others go on with what is known; and where the address does not answer, the
keys of before are good for a day, so that no client is shut out by a short outage of its own.
"""

import json
import threading
import time
from collections import OrderedDict
from dataclasses import dataclass, field

import structlog
from flask import current_app

from idp.oauth.clients import Client
from idp.oauth.key_sets import NO_KEYS, ClientKey, EncryptionKey, KeySet, named, read_key_set
from runtime import outbound
from runtime.outbound import NoAnswer
from runtime.settings import Settings

log = structlog.get_logger(__name__)
KEPT, AGAIN, SOON, SELDOM, STALE = 300.0, 60.0, 10.0, 600.0, 24 * 3600.0
TIMEOUT, LIMIT, MOST_ADDRESSES = 3.0, 64 * 1024, 5_000
HEADERS = {"Accept": "application/jwk-set+json, application/json"}


@dataclass
class _Fetched:
    """What is known of one address; the times are those of a clock that only goes forward."""

    key_set: KeySet = NO_KEYS
    fetched_at: float = float("-inf")
    tried_at: float = float("-inf")
    failures: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def may_be_tried(self) -> bool:
        """Whether the address was not asked just now; one that never answers is asked ever more rarely, for each time a request waits."""
        pause = min(SELDOM, SOON * 2 ** min(self.failures, 10)) if self.key_set is NO_KEYS else AGAIN
        return time.monotonic() - self.tried_at > pause


class FetchedKeys:
    """The key sets that one process fetched, by address."""

    def __init__(self) -> None:
        self._known: OrderedDict[str, _Fetched] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, url: str, settings: Settings, *, lacking: bool = False) -> KeySet:
        """Return the set behind an address, empty if none can be had; fetched anew if it is too old or lacks something, and not just asked for."""
        known = self._entry(url)
        wanted = time.monotonic() - known.fetched_at > KEPT or lacking
        if wanted and known.may_be_tried and known.lock.acquire(timeout=TIMEOUT if known.key_set is NO_KEYS else 0):
            try:
                if known.may_be_tried:
                    self._fetch(known, url, settings)
            finally:
                known.lock.release()
        return known.key_set if time.monotonic() - known.fetched_at <= STALE else NO_KEYS

    def _entry(self, url: str) -> _Fetched:
        with self._lock:
            known = self._known.setdefault(url, _Fetched())
            self._known.move_to_end(url)
            if len(self._known) > MOST_ADDRESSES:
                self._known.popitem(last=False)
        return known

    def _fetch(self, known: _Fetched, url: str, settings: Settings) -> None:
        try:
            answer = outbound.fetch("GET", url, headers=HEADERS, allowed=outbound.allowed_by(settings), timeout=TIMEOUT, limit=LIMIT)
            if answer.status != 200:
                raise NoAnswer("not 200")
            known.key_set = read_key_set(json.loads(answer.body) or {})
            known.fetched_at, known.failures = time.monotonic(), 0
        except (NoAnswer, ValueError, RecursionError) as error:
            known.failures += 1
            log.info("client keys not fetched", error=type(error).__name__)
        known.tried_at = time.monotonic()


def keys_of(client: Client) -> tuple[ClientKey, ...]:
    """Return the keys that a client signs with; none where its address gives none."""
    return _set_of(client).signing


def key_of(client: Client, kid: object, algorithm: str) -> ClientKey:
    """Return the client's key of an id, or its only one; raises LookupError if there is none.

    Of several of one id it is the one that `algorithm` fits (FAPI 2.0 Security Profile section 5.4.3); that it fits at all is left to the caller.
    Where the client's keys are fetched, they are fetched again for an id that is not known: that is how a client changes its key.
    """
    found = _find(keys_of(client), kid, algorithm)
    if found is None and client.metadata.jwks_uri is not None:
        found = _find(_set_of(client, lacking=True).signing, kid, algorithm)
    if found is None:
        raise LookupError("no such key")
    return found


def encryption_key_of(client: Client, alg: str) -> EncryptionKey:
    """Return the key to encrypt to with a JWE algorithm, those for just that algorithm first; raises LookupError if the client has none."""
    fitting = _fitting(_set_of(client), alg)
    if not fitting and client.metadata.jwks_uri is not None:
        fitting = _fitting(_set_of(client, lacking=True), alg)
    if not fitting:
        raise LookupError("no key to encrypt to")
    return min(fitting, key=lambda key: key.algorithm is None)


def public_key_hashes_of(client: Client, *, lacking: bool = False) -> frozenset[bytes]:
    """Return the hashes of the public keys that a client's self-signed certificates may carry; `lacking` has them fetched again."""
    return _set_of(client, lacking=lacking).public_key_hashes


def _fitting(key_set: KeySet, alg: str) -> list[EncryptionKey]:
    return [key for key in key_set.encryption if key.fits(alg)]


def _find(keys: tuple[ClientKey, ...], kid: object, algorithm: str) -> ClientKey | None:
    if found := named(keys, kid):
        return next((key for key in found if algorithm in key.algorithms), found[0])
    return keys[0] if len(keys) == 1 and None in (kid, keys[0].kid) else None


def _set_of(client: Client, *, lacking: bool = False) -> KeySet:
    if client.metadata.jwks_uri is None:
        return client.key_set
    fetched: FetchedKeys = current_app.extensions.setdefault("kabao_client_keys", FetchedKeys())
    return fetched.get(client.metadata.jwks_uri, current_app.extensions["kabao_settings"], lacking=lacking)
