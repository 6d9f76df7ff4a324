"""Assertions that were used: a client's signed proof of itself is good once (RFC 7523 section 3, `jti`), and so is its proof of a key (RFC 9449).

One row an assertion or a proof, kept until it has expired. It is written in a transaction of its own, before anything else is done with the
request, and not flushed to disk at once (`runtime.quick`): a crash of the database's machine may forget the last half second, in
exchange for a tenth of the cost.
"""

import hashlib
from datetime import datetime

from sqlalchemy.orm import Mapped, mapped_column

from runtime import quick
from runtime.database import Base, prune
from runtime.quick import Begun

USE = quick.Statement(
    b"use_assertion", b"INSERT INTO client_assertions (digest, expires_at) VALUES ($1::bytea, $2::timestamptz) ON CONFLICT DO NOTHING"
)


class ClientAssertion(Base):
    """An assertion that was used, by the digest of its signer (a client, or `dpop:` and a key's thumbprint) and `jti`."""

    __tablename__ = "client_assertions"
    digest: Mapped[bytes] = mapped_column(primary_key=True)
    expires_at: Mapped[datetime] = mapped_column(index=True)


def use_once(signer: str, jti: str, *, expires_at: datetime) -> bool:
    """Mark an assertion as used; returns False if it was used before."""
    return begin_use(signer, jti, expires_at=expires_at).count() == 1


def begin_use(signer: str, jti: str, *, expires_at: datetime) -> Begun:
    """Begin to mark an assertion as used: one row is written if it was not used before."""
    digest = hashlib.sha256(f"{signer}\0{jti}".encode()).digest()
    return quick.begin(USE, digest, quick.moment(expires_at))


def forget(*, now: datetime) -> None:
    """Forget assertions that have expired."""
    prune(ClientAssertion, ClientAssertion.expires_at < now)
