"""The key ring: every signing key of the service, by use, with its state.

A key is `next` (published, not yet signing), `active` (the one that signs for its use), `retired` (published, verifying only)
or `gone` (its private part erased). Rotation publishes before it signs, so that a verifier with a cached key set never
meets a key that it does not know. Private parts rest sealed under the master key.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import jwt
from flask import current_app
from sqlalchemy import Index, select, text
from sqlalchemy.orm import Mapped, Session, mapped_column

from keys import suites
from keys.sealing import unwrap, wrap
from runtime import cache, ledger
from runtime.database import Base, transaction
from runtime.languages import Text
from runtime.problems import Refusal
from runtime.settings import Settings

NEXT, ACTIVE, RETIRED, GONE = "next", "active", "retired", "gone"
OIDC, RECEIPT, LEDGER, STATUS, ROOT, REQUESTS = "oidc", "receipt", "ledger", "status", "root", "requests"
PUBLISHED_USES = (OIDC, RECEIPT, LEDGER, STATUS, REQUESTS)
ROTATED_USES = (OIDC, REQUESTS)
TOPIC = "signing_keys"
PUBLISHED_FOR = timedelta(minutes=5)


class KeyNotReady(Refusal):
    """There is no key in the state that the act needs."""

    code, status, title = "key-not-ready", 409, Text("没有可用的密钥。", "No key is ready for this.")


class SigningKey(Base):
    """A key of the ring. `chain` is its X.509 chain as `x5c` carries it, leaf first, the root left out."""

    __tablename__ = "signing_keys"
    kid: Mapped[str] = mapped_column(primary_key=True)
    use: Mapped[str] = mapped_column(index=True)
    suite: Mapped[str]
    state: Mapped[str]
    public_jwk: Mapped[dict[str, Any]]
    wrapped: Mapped[bytes | None]
    chain: Mapped[list[str] | None]
    made_at: Mapped[datetime]
    changed_at: Mapped[datetime]
    __table_args__ = (Index("uq_signing_keys_active", "use", unique=True, postgresql_where=text("state = 'active'")),)


@dataclass(frozen=True, slots=True)
class Signer:
    """An active key, ready to sign."""

    kid: str
    suite: str
    key: suites.PrivateKey
    chain: list[str] | None

    def sign(self, payload: dict[str, Any], *, typ: str, headers: dict[str, Any] | None = None) -> str:
        """Return the payload as a compact JWS with this key's `alg` and `kid` (and `x5c`, where it has a chain)."""
        header = {"typ": typ, "kid": self.kid, **({"x5c": self.chain} if self.chain else {}), **(headers or {})}
        return jwt.encode(payload, self.key, algorithm=self.suite, headers=header)


@dataclass(frozen=True, slots=True)
class VerifyingKey:
    """A published key: what it is for and what it verifies."""

    kid: str
    use: str
    suite: str
    key: suites.PublicKey
    jwk: dict[str, Any]


def signer(use: str) -> Signer:
    """Return the active key of a use; raises KeyNotReady."""
    found = cache.get(TOPIC, ("signer", use), lambda: _load_signer(use))
    if found is None:
        raise KeyNotReady(f"no active key for {use}")
    return found


def verifying_keys(use: str) -> dict[str, VerifyingKey]:
    """Return the published keys of a use, by `kid`."""
    return cache.get(TOPIC, ("verifying", use), lambda: _load_verifying(use)) or {}


def verify(unverified_token: str, *, use: str, typ: str, audience: str | None, issuer: str | None = None, leeway: int = 0) -> dict[str, Any]:
    """Return the claims of a token that this service signed for a use.

    The algorithm is the key's own. `exp` is checked where present. Raises jwt.InvalidTokenError, whatever is wrong.
    """
    header = jwt.get_unverified_header(unverified_token)
    known = verifying_keys(use).get(str(header.get("kid")))
    if known is None or header.get("typ") != typ:
        raise jwt.InvalidTokenError("unknown key or another type of token")
    claims: dict[str, Any] = jwt.decode(
        unverified_token,
        known.key,
        algorithms=[known.suite],
        audience=audience,
        issuer=issuer,
        leeway=leeway,
        options={"verify_aud": audience is not None, "verify_iat": False},
    )
    return claims


def add(
    session: Session,
    settings: Settings,
    *,
    use: str,
    suite: suites.Suite,
    state: str,
    now: datetime,
    key: suites.PrivateKey | None = None,
    chain: list[str] | None = None,
) -> SigningKey:
    """Put a key in the ring, a fresh one unless given."""
    key = key or suite.generate()
    jwk = suites.public_jwk(key.public_key())
    kid = suites.thumbprint(jwk)
    row = SigningKey(kid=kid, use=use, suite=suite.name, state=state, public_jwk=jwk, chain=chain, made_at=now, changed_at=now)
    row.wrapped = wrap(settings, suites.to_der(key), name=kid)
    session.add(row)
    ledger.record(session, "key.added", actor="operator", object_id=kid, now=now, use=use, suite=suite.name, state=state)
    cache.changed(session, TOPIC)
    return row


def activate_next(session: Session, use: str, *, now: datetime) -> SigningKey:
    """Let the `next` key of a use sign from now on and retire the one before it.

    Raises KeyNotReady if there is none, or it was published less than `PUBLISHED_FOR` ago: verifiers would not know it yet.
    """
    rows = {
        row.state: row
        for row in session.scalars(select(SigningKey).where(SigningKey.use == use, SigningKey.state.in_([NEXT, ACTIVE])).with_for_update())
    }
    if NEXT not in rows:
        raise KeyNotReady(f"no next key for {use}; run: kabao keys publish {use}")
    if now - rows[NEXT].made_at < PUBLISHED_FOR:
        raise KeyNotReady("the next key was published less than five minutes ago; wait until caches of the key set have run out")
    if ACTIVE in rows:
        _move(session, rows[ACTIVE], RETIRED, now=now)
        session.flush()
    _move(session, rows[NEXT], ACTIVE, now=now)
    return rows[NEXT]


def forget(session: Session, kid: str, *, now: datetime) -> None:
    """Withdraw a retired key and erase its private part; raises KeyNotReady if it is not retired."""
    row = session.get(SigningKey, kid, with_for_update=True)
    if row is None or row.state != RETIRED:
        raise KeyNotReady("only a retired key can go", field="kid")
    row.wrapped = None
    _move(session, row, GONE, now=now)


def listed(session: Session) -> Iterable[SigningKey]:
    """Return every key, by use and age."""
    return session.scalars(select(SigningKey).order_by(SigningKey.use, SigningKey.made_at))


def load_private(session: Session, settings: Settings, use: str) -> tuple[SigningKey, suites.PrivateKey]:
    """Return the active key of a use with its private part; for `keys/` alone."""
    row = session.scalars(select(SigningKey).where(SigningKey.use == use, SigningKey.state == ACTIVE)).one_or_none()
    if row is None or row.wrapped is None:
        raise KeyNotReady(f"no active key for {use}")
    return row, suites.from_der(unwrap(settings, row.wrapped, name=row.kid))


def _move(session: Session, row: SigningKey, state: str, *, now: datetime) -> None:
    ledger.record(session, "key.moved", actor="operator", object_id=row.kid, now=now, use=row.use, before=row.state, after=state)
    row.state, row.changed_at = state, now
    cache.changed(session, TOPIC)


def _load_signer(use: str) -> Signer | None:
    settings: Settings = current_app.extensions["kabao_settings"]
    with transaction() as session:
        try:
            row, key = load_private(session, settings, use)
        except KeyNotReady:
            return None
    return Signer(row.kid, row.suite, key, row.chain)


def _load_verifying(use: str) -> dict[str, VerifyingKey]:
    with transaction() as session:
        rows = session.scalars(select(SigningKey).where(SigningKey.use == use, SigningKey.state != GONE)).all()
    return {row.kid: VerifyingKey(row.kid, row.use, row.suite, suites.key_from_jwk(row.public_jwk), row.public_jwk) for row in rows}
