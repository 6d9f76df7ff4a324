"""Access tokens that were given back (RFC 7009), by their `jti`, until the moment at which they would have expired.

Every process keeps them (LISTEN/NOTIFY), so that a token is verified without a query. They are kept in shards, each dropped and read by
itself: whoever gives back many costs the others no more than a part of the whole.
"""

import hashlib
from datetime import datetime

from sqlalchemy import SmallInteger, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, Session, mapped_column

from runtime import cache
from runtime.database import Base, prune, transaction

TOPIC = "revoked tokens"
SHARDS = 32


class RevokedToken(Base):
    """An access token that is refused; after `expires_at` it is so anyway."""

    __tablename__ = "revoked_tokens"
    shard: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    jti: Mapped[str] = mapped_column(primary_key=True)
    expires_at: Mapped[datetime] = mapped_column(index=True)


def revoke(session: Session, jti: str, *, expires_at: datetime) -> bool:
    """Refuse a token from now on; returns whether it was not refused before."""
    shard = _shard_of(jti)
    row = insert(RevokedToken).values(shard=shard, jti=jti, expires_at=expires_at).on_conflict_do_nothing().returning(RevokedToken.jti)
    is_new = session.scalar(row) is not None
    if is_new:
        cache.changed(session, f"{TOPIC} {shard}")
    return is_new


def is_revoked(jti: str) -> bool:
    """Whether a token was given back; asks this process's cache alone."""
    shard = _shard_of(jti)
    return jti in (cache.get(f"{TOPIC} {shard}", "all", lambda: _load(shard)) or ())


def forget(*, now: datetime) -> None:
    """Forget tokens that have expired."""
    prune(RevokedToken, RevokedToken.expires_at < now)


def _shard_of(jti: str) -> int:
    return hashlib.blake2b(jti.encode(), digest_size=1).digest()[0] % SHARDS


def _load(shard: int) -> frozenset[str]:
    with transaction() as session:
        return frozenset(session.scalars(select(RevokedToken.jti).where(RevokedToken.shard == shard, RevokedToken.expires_at > func.now())))
