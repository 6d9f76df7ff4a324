"""Personal data at rest: sealed so that only this service reads it, indexed so that a number is found unread.

Data keys are made at `kabao init`, versioned, and kept wrapped by the master key. A sealed value is
`version (2 bytes) || nonce (12) || AES-256-GCM ciphertext`, bound to its table, column and row, so that it cannot be moved to
another place. An index is HMAC-SHA-256 under the index key's version.
"""

import hashlib
import hmac
import os
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from flask import current_app
from sqlalchemy import select
from sqlalchemy.orm import Mapped, Session, mapped_column

from runtime import cache
from runtime.database import Base, transaction
from runtime.settings import Settings

NONCE = 12
SEAL, INDEX = "seal", "index"
TOPIC = "data_keys"


class SealBroken(Exception):
    """A sealed value was changed, moved, or sealed by a key that is not here."""


class DataKey(Base):
    """A key for data, wrapped by the master key. The highest version of a purpose is the one in use."""

    __tablename__ = "data_keys"
    purpose: Mapped[str] = mapped_column(primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True)
    wrapped: Mapped[bytes]
    made_at: Mapped[datetime]


@dataclass(frozen=True)
class Sealer:
    """The data keys of one process, unwrapped: purpose to version to key."""

    ciphers: dict[int, AESGCM]
    index_keys: dict[int, bytes]

    def seal(self, plain: bytes, *, place: bytes) -> bytes:
        """Seal a value for a place."""
        version = max(self.ciphers)
        nonce = os.urandom(NONCE)
        return version.to_bytes(2, "big") + nonce + self.ciphers[version].encrypt(nonce, plain, place)

    def unseal(self, sealed: bytes, *, place: bytes) -> bytes:
        """Read a sealed value back; raises SealBroken."""
        try:
            cipher = self.ciphers[int.from_bytes(sealed[:2], "big")]
            return cipher.decrypt(sealed[2 : 2 + NONCE], sealed[2 + NONCE :], place)
        except (KeyError, InvalidTag, ValueError) as error:
            raise SealBroken from error

    def indexes(self, value: str) -> list[bytes]:
        """Return the index of a value under every key version, the newest first."""
        return [
            version.to_bytes(2, "big") + hmac.digest(self.index_keys[version], value.encode(), hashlib.sha256)
            for version in sorted(self.index_keys, reverse=True)
        ]


def place_of(table: str, column: str, row: UUID | str) -> bytes:
    """Return the associated data of a sealed value."""
    return f"{table}.{column}:{row}".encode()


def seal(plain: str, *, table: str, column: str, row: UUID | str) -> bytes:
    """Seal a text for one column of one row."""
    return _sealer().seal(plain.encode(), place=place_of(table, column, row))


def unseal(sealed: bytes, *, table: str, column: str, row: UUID | str) -> str:
    """Read the text of one column of one row; raises SealBroken."""
    return _sealer().unseal(sealed, place=place_of(table, column, row)).decode()


def index_of(value: str) -> bytes:
    """Return the index under which a value is stored from now on."""
    return _sealer().indexes(value)[0]


def indexes_of(value: str) -> list[bytes]:
    """Return every index under which a value may have been stored."""
    return _sealer().indexes(value)


def wrap(settings: Settings, plain: bytes, *, name: str) -> bytes:
    """Seal a key under the master key."""
    nonce = os.urandom(NONCE)
    return nonce + AESGCM(settings.derived_key("wrap")).encrypt(nonce, plain, name.encode())


def unwrap(settings: Settings, wrapped: bytes, *, name: str) -> bytes:
    """Read a key sealed under the master key; raises SealBroken if the master key is another."""
    try:
        return AESGCM(settings.derived_key("wrap")).decrypt(wrapped[:NONCE], wrapped[NONCE:], name.encode())
    except InvalidTag as error:
        raise SealBroken("sealed under another master key") from error


def check_master_key(session: Session, settings: Settings) -> None:
    """Raise SealBroken if the data keys are not under this master key."""
    for row in session.scalars(select(DataKey)):
        unwrap(settings, row.wrapped, name=f"{row.purpose}:{row.version}")


def add_data_key(session: Session, settings: Settings, purpose: str, *, now: datetime) -> int:
    """Make the next version of a data key and return its number."""
    versions = session.scalars(select(DataKey.version).where(DataKey.purpose == purpose)).all()
    version = max(versions, default=0) + 1
    session.add(DataKey(purpose=purpose, version=version, wrapped=wrap(settings, os.urandom(32), name=f"{purpose}:{version}"), made_at=now))
    cache.changed(session, TOPIC)
    return version


def _sealer() -> Sealer:
    sealer = cache.get(TOPIC, "all", _load)
    assert sealer is not None
    return sealer


def _load() -> Sealer:
    settings: Settings = current_app.extensions["kabao_settings"]
    with transaction() as session:
        rows = session.scalars(select(DataKey)).all()
    keys = {(row.purpose, row.version): unwrap(settings, row.wrapped, name=f"{row.purpose}:{row.version}") for row in rows}
    return Sealer(
        {version: AESGCM(key) for (purpose, version), key in keys.items() if purpose == SEAL},
        {version: key for (purpose, version), key in keys.items() if purpose == INDEX},
    )
