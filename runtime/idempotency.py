"""`Idempotency-Key`: a request that creates may be sent again, and creates once.

The key is kept with the id of what was made, in the transaction that made it; the answer is built from that again.
The body is remembered by a keyed digest, so that a key used for something else is refused.
"""

import hashlib
import hmac
import json
from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, TEXT, any_, bindparam, delete, func, select, tuple_
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, Session, mapped_column

from runtime import straight
from runtime.database import Base
from runtime.languages import Text
from runtime.problems import Refusal
from runtime.straight import Straight

LIFETIME = timedelta(days=2)
LIMIT = 128
PRUNE_BATCH = 1000


class KeyReused(Refusal):
    """The key was used before, with another body."""

    code, status, title = "idempotency-key-reused", 422, Text("该幂等键已用于另一请求。", "This Idempotency-Key was used for another request.")


class KeyMalformed(Refusal):
    """The key is empty, too long or not printable."""

    code, status, title = "idempotency-key-malformed", 400, Text("幂等键格式有误。", "The Idempotency-Key is malformed.")


class IdempotencyKey(Base):
    """What a caller's key made."""

    __tablename__ = "idempotency_keys"
    caller: Mapped[str] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    digest: Mapped[bytes]
    result_id: Mapped[UUID]
    made_at: Mapped[datetime] = mapped_column(index=True)


CLAIMED = Straight(
    "claimed",
    select(IdempotencyKey.key, IdempotencyKey.digest, IdempotencyKey.result_id).where(
        IdempotencyKey.caller == bindparam("caller"), IdempotencyKey.key == any_(bindparam("keys", type_=ARRAY(TEXT)))
    ),
)


def digest_of(body: Any, *, pepper: bytes) -> bytes:
    """Return the keyed digest of a request body."""
    return hmac.digest(pepper, json.dumps(body, sort_keys=True, default=str).encode(), hashlib.sha256)


def check_key(unverified: str) -> None:
    """Check what a caller sent as a key; raises KeyMalformed."""
    if not 0 < len(unverified) <= LIMIT or not unverified.isprintable():
        raise KeyMalformed(field="Idempotency-Key")


def claim(session: Session, *, caller: str, key: str | None, digest: bytes, result_id: UUID, now: datetime) -> UUID | None:
    """Claim the key for what is about to be made, as `result_id`.

    Returns None if it is to be made now (or no key was sent), else the id of what was made before. A second request
    that comes while the first is under way waits for it. Raises KeyReused, KeyMalformed.
    """
    if key is None:
        return None
    row = insert(IdempotencyKey).values(row_of(caller=caller, key=key, digest=digest, result_id=result_id, now=now))
    if session.execute(row.on_conflict_do_nothing().returning(IdempotencyKey.key)).first():
        return None
    before = session.execute(select(IdempotencyKey).where(IdempotencyKey.caller == caller, IdempotencyKey.key == key)).scalar_one()
    if not hmac.compare_digest(before.digest, digest):
        raise KeyReused(field="Idempotency-Key")
    return before.result_id


def row_of(*, caller: str, key: str, digest: bytes, result_id: UUID, now: datetime) -> dict[str, Any]:
    """Return the row that claims a key, for who writes it with what is made; raises KeyMalformed."""
    check_key(key)
    return {"caller": caller, "key": key, "digest": digest, "result_id": result_id, "made_at": now}


def hold(session: Session, *, caller: str, key: str) -> None:
    """Let nobody else work at what a caller asks for under a key until the transaction ends; for who claims many keys that hang on one."""
    name = hashlib.sha256(f"{caller}\n{key}".encode()).digest()[:8]
    session.execute(select(func.pg_advisory_xact_lock(int.from_bytes(name, "big", signed=True))))


def claimed_before(session: Session, *, caller: str, keys: Collection[str]) -> dict[str, tuple[bytes, UUID]]:
    """Return what some keys of a caller made before, each with the digest of what was asked for."""
    found = straight.run(session, CLAIMED, {"caller": caller, "keys": keys})
    return {key: (digest, result_id) for key, digest, result_id in found}


def prune(session: Session, *, now: datetime) -> int:
    """Forget a batch of the keys older than two days, and return how many."""
    over = select(IdempotencyKey.caller, IdempotencyKey.key).where(IdempotencyKey.made_at < now - LIFETIME)
    batch = over.order_by(IdempotencyKey.made_at).limit(PRUNE_BATCH).with_for_update(skip_locked=True)
    forgotten = delete(IdempotencyKey).where(tuple_(IdempotencyKey.caller, IdempotencyKey.key).in_(batch)).returning(IdempotencyKey.key)
    return len(session.execute(forgotten).all())
