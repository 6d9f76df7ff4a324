"""Assertions that were used: a client's signed proof of itself is good once (RFC 7523 section 3, `jti`).

One row an assertion, kept until it has expired. It is written in a transaction of its own, before anything else is done with the
request, and not flushed to disk at once (`synchronous_commit` off for that one statement): a crash of the database may forget
the last half second, in exchange for a tenth of the cost.
"""

import hashlib
from datetime import datetime

import psycopg
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Mapped, mapped_column

from runtime.database import Base, engine, prune

USE = (
    "WITH quick AS (SELECT set_config('synchronous_commit', 'off', true)) "
    "INSERT INTO client_assertions (digest, expires_at) SELECT %s, %s FROM quick ON CONFLICT DO NOTHING"
)


class ClientAssertion(Base):
    """An assertion that was used, by the digest of its client and `jti`."""

    __tablename__ = "client_assertions"
    digest: Mapped[bytes] = mapped_column(primary_key=True)
    expires_at: Mapped[datetime]


def use_once(client_id: str, jti: str, *, expires_at: datetime) -> bool:
    """Mark an assertion as used; returns False if it was used before."""
    digest = hashlib.sha256(f"{client_id}\0{jti}".encode()).digest()
    pooled = engine().raw_connection()
    try:
        connection = pooled.driver_connection
        assert connection is not None
        connection.autocommit = True  # one statement, one round trip
        is_first: bool = connection.execute(USE, (digest, expires_at), prepare=True).rowcount == 1
        connection.autocommit = False
    except psycopg.Error as error:
        pooled.invalidate(error)
        raise DBAPIError(None, None, error, connection_invalidated=True) from None
    pooled.close()
    return is_first


def forget(*, now: datetime) -> None:
    """Forget assertions that have expired."""
    prune(ClientAssertion, ClientAssertion.expires_at < now)
