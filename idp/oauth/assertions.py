"""Assertions that were used: a client's signed proof of itself is good once (RFC 7523 section 3, `jti`).

One row an assertion, kept until it has expired. It is written in a transaction of its own, before anything else is done with the
request, and not flushed to disk at once (`synchronous_commit` off for that one statement): a crash of the database may forget
the last half second, in exchange for a tenth of the cost.
"""

import hashlib
from datetime import datetime

from sqlalchemy import delete, text
from sqlalchemy.orm import Mapped, Session, mapped_column

from runtime.database import Base, engine

USE = text(
    "WITH quick AS (SELECT set_config('synchronous_commit', 'off', true)) "
    "INSERT INTO client_assertions (digest, expires_at) SELECT :digest, :expires_at FROM quick ON CONFLICT DO NOTHING"
)


class ClientAssertion(Base):
    """An assertion that was used, by the digest of its client and `jti`."""

    __tablename__ = "client_assertions"
    digest: Mapped[bytes] = mapped_column(primary_key=True)
    expires_at: Mapped[datetime]


def use_once(client_id: str, jti: str, *, expires_at: datetime) -> bool:
    """Mark an assertion as used; returns False if it was used before."""
    digest = hashlib.sha256(f"{client_id}\0{jti}".encode()).digest()
    with engine().connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        return connection.execute(USE, {"digest": digest, "expires_at": expires_at}).rowcount == 1


def prune(session: Session, *, now: datetime) -> None:
    """Forget assertions that have expired."""
    session.execute(delete(ClientAssertion).where(ClientAssertion.expires_at < now))
