"""Assertions that were used: a client's signed proof of itself is good once (RFC 7523 section 3, `jti`), and so is its proof of a key (RFC 9449).

One row an assertion or a proof, kept until it has expired. It is written in a transaction of its own, before anything else is done with the
request, and not flushed to disk at once (`runtime.quick`): a crash of the database's machine may forget the last half second, in
exchange for a tenth of the cost.
"""

import hashlib
from collections.abc import Sequence
from datetime import datetime

from sqlalchemy.orm import Mapped, mapped_column

from runtime import quick
from runtime.database import Base, prune

USE = quick.Statement(
    b"use_assertions",
    b"INSERT INTO client_assertions (digest, expires_at) SELECT * FROM unnest($1::bytea[], $2::timestamptz[])"
    b" ON CONFLICT DO NOTHING RETURNING digest",
)
Use = tuple[bytes, bytes]


class ClientAssertion(Base):
    """An assertion that was used, by the digest of its signer (a client, or `dpop:` and a key's thumbprint) and `jti`."""

    __tablename__ = "client_assertions"
    digest: Mapped[bytes] = mapped_column(primary_key=True)
    expires_at: Mapped[datetime] = mapped_column(index=True)


def use_once(signer: str, jti: str, *, expires_at: datetime) -> bool:
    """Mark an assertion as used; returns False if it was used before."""
    return use_all([use_of(signer, jti, expires_at=expires_at)])[0]


def use_of(signer: str, jti: str, *, expires_at: datetime) -> Use:
    """Return what remains of an assertion that is used."""
    return hashlib.sha256(f"{signer}\0{jti}".encode()).digest(), quick.moment(expires_at)


def use_all(uses: Sequence[Use]) -> list[bool]:
    """Mark assertions as used, in one statement; returns for each whether it is the first use. Of two alike the first in the list is.

    They are written in one order everywhere, so that no two processes wait for each other; of two alike with the first one's time, for it is the one
    that must be remembered.
    """
    digests, moments = zip(*sorted(dict(reversed(uses)).items()), strict=True)
    first = set(quick.run(USE, quick.array(quick.BYTEA, digests), quick.array(quick.TIMESTAMPTZ, moments)))
    found = []
    for digest, _ in uses:
        found.append(digest in first)
        first.discard(digest)
    return found


def forget(*, now: datetime) -> None:
    """Forget assertions that have expired."""
    prune(ClientAssertion, ClientAssertion.expires_at < now)
