"""Personal data at rest: sealed so that only this service reads it, indexed so that a number is found unread.

Data keys are made at `kabao init`, versioned, and kept wrapped by the master key. A sealed value is
`version (2 bytes) || nonce (12) || AES-256-GCM ciphertext`, bound to its table, column and row, so that it cannot be moved to
another place. An index is HMAC-SHA-256 under the index key's version, which stands before it.

A key has a state, which follows from its row and the clock: *made* (every process can read by it, none writes by it yet), *in use*
from its moment on, *retired* once a newer one is in use, and *gone* when nothing is left under it and it is wiped (see `rotation`).
"""

import contextlib
import hashlib
import hmac
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from uuid import UUID

import structlog
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from flask import current_app
from sqlalchemy import func, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from runtime import cache, clock
from runtime.database import Base, transaction
from runtime.settings import Settings

log = structlog.get_logger(__name__)
NONCE = 12
WRONG_CLOCK = timedelta(seconds=10)
SEAL, INDEX, DERIVATION = "seal", "index", "derivation"
TOPIC = "data_keys"


class SealBroken(Exception):
    """A sealed value was changed, moved, or sealed by a key that is not here."""


class DataKey(Base):
    """A key for data, wrapped by the master key. Of a purpose, the highest version whose moment has come is in use; one that is gone is wiped."""

    __tablename__ = "data_keys"
    purpose: Mapped[str] = mapped_column(primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True)
    wrapped: Mapped[bytes | None]
    made_at: Mapped[datetime]
    used_from: Mapped[datetime]
    gone_at: Mapped[datetime | None]


@dataclass(frozen=True)
class Sealer:
    """The data keys of one process, unwrapped, by version, and from when on each is written under (if not said: since ever).

    The moment is the database's, whatever the clock of this machine shows: `ahead` is how far that one is ahead of this.
    """

    ciphers: Mapping[int, AESGCM]
    index_keys: Mapping[int, bytes]
    used_from: Mapping[tuple[str, int], datetime] = field(default_factory=dict)
    ahead: timedelta = timedelta(0)

    def current(self, purpose: str) -> int:
        """Return the version that is in use."""
        schedule = self._schedules[purpose]
        if len(schedule) == 1:
            return schedule[0][1]
        present = clock.now() + self.ahead
        return next((version for begins, version in schedule if begins is None or begins <= present), schedule[-1][1])

    def seal(self, plain: bytes, *, place: bytes) -> bytes:
        """Seal a value for a place."""
        version = self.current(SEAL)
        nonce = os.urandom(NONCE)
        return prefix_of(version) + nonce + self.ciphers[version].encrypt(nonce, plain, place)

    def unseal(self, sealed: bytes, *, place: bytes) -> bytes:
        """Read a sealed value back; raises SealBroken."""
        try:
            cipher = self.ciphers[int.from_bytes(sealed[:2], "big")]
            return cipher.decrypt(sealed[2 : 2 + NONCE], sealed[2 + NONCE :], place)
        except (KeyError, InvalidTag, ValueError) as error:
            raise SealBroken from error

    def index(self, value: str, version: int) -> bytes:
        """Return the index of a value under a key version."""
        return prefix_of(version) + hmac.digest(self.index_keys[version], value.encode(), hashlib.sha256)

    def indexes(self, value: str) -> list[bytes]:
        """Return the index of a value under every key version: first the one in use, then the others, the newest first."""
        current = self.current(INDEX)
        others = sorted((version for version in self.index_keys if version != current), reverse=True)
        return [self.index(value, version) for version in (current, *others)]

    @cached_property
    def _schedules(self) -> dict[str, list[tuple[datetime | None, int]]]:
        """From when on each version of a purpose is used, the newest first."""
        versions = {SEAL: self.ciphers, INDEX: self.index_keys}
        return {purpose: [(self.used_from.get((purpose, key)), key) for key in sorted(keys, reverse=True)] for purpose, keys in versions.items()}


def prefix_of(version: int) -> bytes:
    """Return what a value under a key version begins with."""
    return version.to_bytes(2, "big")


def place_of(table: str, column: str, row: UUID | str) -> bytes:
    """Return the associated data of a sealed value."""
    return f"{table}.{column}:{row}".encode()


def seal(plain: str | bytes, *, table: str, column: str, row: UUID | str) -> bytes:
    """Seal a text, or the UTF-8 of one, for one column of one row."""
    return _sealer().seal(plain.encode() if isinstance(plain, str) else plain, place=place_of(table, column, row))


def unseal(sealed: bytes, *, table: str, column: str, row: UUID | str) -> str:
    """Read the text of one column of one row; raises SealBroken."""
    return _sealer().unseal(sealed, place=place_of(table, column, row)).decode()


def index_of(value: str) -> bytes:
    """Return the index under which a value is stored from now on."""
    return _sealer().indexes(value)[0]


def indexes_of(value: str) -> list[bytes]:
    """Return every index under which a value may have been stored."""
    return _sealer().indexes(value)


def hold(session: Session, value: str) -> None:
    """Let nobody else hold this value until the transaction ends; taken before a row with a unique index of it is added.

    While one key takes over from another, two processes may write the same value under two indexes, which no unique index
    would notice. The lock is named by the oldest index, which all who may differ know.
    """
    sealer = _sealer()
    name = int.from_bytes(sealer.index(value, min(sealer.index_keys))[2:10], "big", signed=True)
    session.execute(select(func.pg_advisory_xact_lock(name)))


def wrap(settings: Settings, plain: bytes, *, name: str) -> bytes:
    """Seal a key under the master key."""
    nonce = os.urandom(NONCE)
    return nonce + AESGCM(settings.wrapping_keys[0]).encrypt(nonce, plain, name.encode())


def unwrap(settings: Settings, wrapped: bytes, *, name: str) -> bytes:
    """Read a key sealed under the master key, or the former one; raises SealBroken if the master key is another."""
    for key in settings.wrapping_keys:
        with contextlib.suppress(InvalidTag):
            return AESGCM(key).decrypt(wrapped[:NONCE], wrapped[NONCE:], name.encode())
    raise SealBroken("sealed under another master key")


def check_master_key(session: Session, settings: Settings) -> None:
    """Raise SealBroken if the data keys are not under this master key; of a database of an older shape, too."""
    rows = session.execute(select(DataKey.purpose, DataKey.version, DataKey.wrapped).where(DataKey.wrapped.is_not(None))).all()
    _check_derivation([(row.purpose, unwrap(settings, row.wrapped, name=f"{row.purpose}:{row.version}")) for row in rows], settings)


def is_master_key(session: Session) -> bool:
    """Whether this process has the master key that the data keys are under: without it nothing personal can be read, and nothing signed."""
    try:
        check_master_key(session, current_app.extensions["kabao_settings"])
    except SealBroken:
        return False
    return True


def add_data_key(session: Session, settings: Settings, purpose: str, *, now: datetime, used_from: datetime | None = None) -> int:
    """Make the next version of a data key, in use at once or from a moment on, and return its number."""
    versions = session.scalars(select(DataKey.version).where(DataKey.purpose == purpose)).all()
    version = max(versions, default=0) + 1
    wrapped = wrap(settings, os.urandom(32), name=f"{purpose}:{version}")
    session.add(DataKey(purpose=purpose, version=version, wrapped=wrapped, made_at=now, used_from=used_from or now))
    session.flush()
    cache.changed(session, TOPIC)
    return version


def keep_derivation(session: Session, settings: Settings, *, now: datetime) -> None:
    """Keep the key that all else is derived from, where it is not the master key's own: no process runs that has another."""
    kept = wrap(settings, settings.derivation, name=f"{DERIVATION}:1")
    session.add(DataKey(purpose=DERIVATION, version=1, wrapped=kept, made_at=now, used_from=now))


def wipe(session: Session, purpose: str, *, before: int, now: datetime) -> list[int]:
    """Erase the keys of a purpose that are older than a version, under which nothing may be left, and return their versions."""
    rows = session.scalars(select(DataKey).where(DataKey.purpose == purpose, DataKey.version < before, DataKey.wrapped.is_not(None))).all()
    for row in rows:
        row.wrapped, row.gone_at = None, now
    cache.changed(session, TOPIC)
    return [row.version for row in rows]


def sealer() -> Sealer:
    """Return the data keys; for `keys/` alone."""
    return _sealer()


def present() -> datetime:
    """Return the present moment by the database's clock, for what machines must agree on, whatever each one's own shows."""
    return by_database(clock.now())


def by_database(moment: datetime) -> datetime:
    """Return what the database's clock showed at a moment that was read here."""
    return moment + _sealer().ahead


def _sealer() -> Sealer:
    sealer = cache.get(TOPIC, "all", _load)
    assert sealer is not None
    return sealer


def _load() -> Sealer:
    with transaction() as session:
        keys = _unwrapped(session, current_app.extensions["kabao_settings"])
        ahead = clock.ahead_of_here(session.scalar(select(func.clock_timestamp())) or clock.now())
    if abs(ahead) >= WRONG_CLOCK:
        log.error("this machine's clock is not the database's", behind_seconds=round(ahead.total_seconds()))
    return Sealer(
        {row.version: AESGCM(key) for row, key in keys if row.purpose == SEAL},
        {row.version: key for row, key in keys if row.purpose == INDEX},
        {(row.purpose, row.version): row.used_from for row, _ in keys},
        ahead,
    )


def _unwrapped(session: Session, settings: Settings) -> list[tuple[DataKey, bytes]]:
    rows = session.scalars(select(DataKey).where(DataKey.wrapped.is_not(None)))
    keys = [(row, unwrap(settings, row.wrapped, name=f"{row.purpose}:{row.version}")) for row in rows if row.wrapped is not None]
    _check_derivation([(row.purpose, key) for row, key in keys], settings)
    return keys


def _check_derivation(keys: list[tuple[str, bytes]], settings: Settings) -> None:
    if any(purpose == DERIVATION and not hmac.compare_digest(key, settings.derivation) for purpose, key in keys):
        raise SealBroken("the keys of portals and tokens would be derived from another key than before")
