"""Deferred issuance: what a wallet asked for that is not ready yet, and comes again for (OpenID4VCI 1.0 section 9).

The keys that were proved are kept with the transaction, so that no second proof is needed. A transaction is the wallet's and the holder's alone,
good for thirty days and for one answer with credentials.
"""

import hashlib
import secrets
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from runtime.database import Base, prune
from wallet.issuing.oid4vci.entitlement import Asked
from wallet.issuing.oid4vci.errors import CredentialRequestDenied, InvalidTransactionId
from wallet.issuing.oid4vci.issuing import Wallet

LIFETIME, REMEMBERED = timedelta(days=30), timedelta(days=31)
INTERVAL = timedelta(minutes=5)
MOST = 20
LONGEST = 100


class DeferredIssuance(Base):
    """A transaction: its hash, who asked for what, and the keys to bind to."""

    __tablename__ = "deferred_issuances"
    holder_id: Mapped[UUID] = mapped_column(primary_key=True)
    id_hash: Mapped[bytes] = mapped_column(primary_key=True)
    client_id: Mapped[str]
    configuration: Mapped[str]
    identifier: Mapped[str]
    keys: Mapped[dict[str, Any]]
    made_at: Mapped[datetime] = mapped_column(index=True)
    spent_at: Mapped[datetime | None]


def begin(session: Session, asked: Asked, *, keys: tuple[dict[str, str], ...], wallet: Wallet, now: datetime) -> str:
    """Keep what was asked for and return the transaction's id; raises CredentialRequestDenied where too many wait."""
    live = (DeferredIssuance.client_id == wallet.client_id, DeferredIssuance.spent_at.is_(None), DeferredIssuance.made_at > now - LIFETIME)
    if (session.scalar(select(func.count()).where(DeferredIssuance.holder_id == wallet.holder_id, *live)) or 0) >= MOST:
        raise CredentialRequestDenied("Too many transactions of this wallet wait already.")
    transaction_id = secrets.token_urlsafe(32)
    session.add(
        DeferredIssuance(
            holder_id=wallet.holder_id,
            id_hash=_hash(transaction_id),
            client_id=wallet.client_id,
            configuration=asked.configuration.id,
            identifier=asked.identifier,
            keys={"keys": list(keys)},
            made_at=now,
            spent_at=None,
        )
    )
    return transaction_id


def get(session: Session, unverified_id: str, *, wallet: Wallet, now: datetime, lock: bool = False) -> DeferredIssuance:
    """Return a transaction; raises InvalidTransactionId.

    With `lock` it is kept from others until ours ends: of two who fetch at once the second finds it spent.
    """
    row = session.get(DeferredIssuance, (wallet.holder_id, _hash(unverified_id)), with_for_update=lock)
    if row is None or row.client_id != wallet.client_id or row.spent_at is not None or row.made_at <= now - LIFETIME:
        raise InvalidTransactionId()
    return row


def waiting(transaction_id: str) -> dict[str, Any]:
    """Return the response that says to come again (section 8.3)."""
    return {"transaction_id": transaction_id, "interval": int(INTERVAL.total_seconds())}


def forget(*, now: datetime) -> None:
    """Forget the transactions that nobody can fetch any more."""
    prune(DeferredIssuance, DeferredIssuance.made_at < now - REMEMBERED)


def _hash(transaction_id: str) -> bytes:
    return hashlib.sha256(transaction_id.encode("utf-8", "replace")).digest()
