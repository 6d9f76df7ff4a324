"""Challenges for passkeys: each is good for five minutes, for one purpose, in one browser or session, and once.

A challenge carries when it ends and our seal over that, its purpose and its browser; asking for one writes nothing. So a stranger who asks
for millions fills no table, and nobody who asks need be slowed. Only a challenge that came back rightly signed is written down as spent,
in one statement and in the transaction of the act: the second of two copies finds it there.
"""

import hashlib
import hmac
import secrets
from datetime import datetime, timedelta

from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, Session, mapped_column

from runtime.database import Base, prune
from runtime.languages import Text
from runtime.problems import Refusal

LIFETIME = timedelta(minutes=5)
REGISTER, SIGN_IN, SECOND, STEP_UP = "register", "sign-in", "second", "step-up"
RANDOM, MOMENT, SEAL = 16, 8, 32


class ChallengeRefused(Refusal):
    """The challenge is not one of ours for this purpose and browser, or it is over or spent."""

    code, status, title = "passkey-expired", 422, Text("等待时间过长或请求已使用，请重试。", "This took too long or was used already; try again.")


class SpentPasskeyChallenge(Base):
    """A challenge that was answered, by its digest, until it is over anyway."""

    __tablename__ = "spent_passkey_challenges"
    digest: Mapped[bytes] = mapped_column(primary_key=True)
    expires_at: Mapped[datetime] = mapped_column(index=True)


def issue(purpose: str, *, binding: str, key: bytes, now: datetime) -> bytes:
    """Return a new challenge. `binding` is the id of the session, or of the sign-in that waits, or else what only this browser has."""
    begun = secrets.token_bytes(RANDOM) + int((now + LIFETIME).timestamp()).to_bytes(MOMENT, "big")
    return begun + _seal(begun, purpose, binding, key)


def check_challenge(unverified: bytes, purpose: str, *, binding: str, key: bytes, now: datetime) -> None:
    """Check that a challenge is ours, for this purpose and browser, and not over; raises ChallengeRefused."""
    begun, seal = unverified[: RANDOM + MOMENT], unverified[RANDOM + MOMENT :]
    if len(seal) != SEAL or not hmac.compare_digest(seal, _seal(begun, purpose, binding, key)):
        raise ChallengeRefused("not ours, or for something else")
    if int.from_bytes(begun[RANDOM:], "big") <= now.timestamp():
        raise ChallengeRefused("over")


def spend(session: Session, challenge: bytes, *, now: datetime) -> None:
    """Write down that a checked challenge was answered; raises ChallengeRefused for the second who comes with it."""
    row = insert(SpentPasskeyChallenge).values(digest=hashlib.sha256(challenge).digest(), expires_at=now + LIFETIME)
    if session.scalar(row.on_conflict_do_nothing().returning(SpentPasskeyChallenge.digest)) is None:
        raise ChallengeRefused("spent")


def forget(*, now: datetime) -> None:
    """Forget the challenges that are over."""
    prune(SpentPasskeyChallenge, SpentPasskeyChallenge.expires_at < now)


def _seal(begun: bytes, purpose: str, binding: str, key: bytes) -> bytes:
    return hmac.digest(key, b"\0".join((begun, purpose.encode(), binding.encode())), hashlib.sha256)
