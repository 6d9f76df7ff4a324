"""Initial access tokens (RFC 7591 section 1.2): an operator's leave to register so many clients under a policy, until a day.

A token is shown once and kept as its hash. A use is one statement in the transaction of the registration: a registration that is refused
gives its use back, and however many come at once, there are never more than the token is good for.
"""

import secrets
from datetime import datetime
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from idp.oauth.clients import hash_secret
from idp.oauth.registration import policies
from runtime import ledger
from runtime.database import Base
from runtime.ids import new_id
from runtime.languages import Text
from runtime.problems import Refusal

TOKEN_BYTES = 32
MOST_USES = 100_000


class TokenRefused(Refusal):
    """An initial access token cannot be made so."""

    code, status, title = "token-refused", 422, Text("登记令牌的设置有误。", "The initial access token cannot be made so.")


class InitialAccessToken(Base):
    """A token: its policy, its uses, its end."""

    __tablename__ = "initial_access_tokens"
    id: Mapped[UUID] = mapped_column(primary_key=True)
    token_hash: Mapped[bytes] = mapped_column(unique=True)
    policy: Mapped[str]
    uses: Mapped[int]
    uses_left: Mapped[int]
    issued_at: Mapped[datetime]
    expires_at: Mapped[datetime] = mapped_column(index=True)
    revoked_at: Mapped[datetime | None]

    def is_good_at(self, now: datetime) -> bool:
        """Whether a client can still be registered with it."""
        return self.revoked_at is None and self.uses_left > 0 and now < self.expires_at


def issue(
    session: Session, *, policy: str, uses: int, expires_at: datetime, now: datetime, actor: str = "operator"
) -> tuple[InitialAccessToken, str]:
    """Make a token and return it with its row, this once; raises NoSuchPolicy, TokenRefused."""
    policies.get_policy(session, policy)
    if not 0 < uses <= MOST_USES:
        raise TokenRefused("uses must be from 1 to 100000", field="uses")
    if expires_at <= now:
        raise TokenRefused("expires_at must be ahead", field="expires_at")
    token = secrets.token_urlsafe(TOKEN_BYTES)
    row = InitialAccessToken(
        id=new_id(), token_hash=hash_secret(token), policy=policy, uses=uses, uses_left=uses, issued_at=now, expires_at=expires_at, revoked_at=None
    )
    session.add(row)
    ledger.record(session, "registration-token.issued", actor=actor, object_id=row.id, now=now, policy=policy, uses=uses)
    return row, token


def spend(session: Session, unverified_token: str, *, now: datetime) -> InitialAccessToken | None:
    """Take one use of a token and return its row; None for one that is unknown, used up, over or revoked."""
    row = InitialAccessToken
    statement = (
        update(row)
        .where(row.token_hash == hash_secret(unverified_token), row.uses_left > 0, row.expires_at > now, row.revoked_at.is_(None))
        .values(uses_left=row.uses_left - 1)
        .returning(row)
    )
    return session.scalars(statement).one_or_none()


def revoke(session: Session, token_id: UUID, *, now: datetime, actor: str = "operator") -> None:
    """End a token at once; raises TokenRefused if there is none."""
    row = session.get(InitialAccessToken, token_id, with_for_update=True)
    if row is None:
        raise TokenRefused("no such token", field="token_id")
    row.revoked_at = row.revoked_at or now
    ledger.record(session, "registration-token.revoked", actor=actor, object_id=token_id, now=now)


def latest(session: Session, *, limit: int = 100) -> list[InitialAccessToken]:
    """Return the tokens, the newest first."""
    return list(session.scalars(select(InitialAccessToken).order_by(InitialAccessToken.id.desc()).limit(limit)))
