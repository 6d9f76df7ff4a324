"""The key ring: every key of the service, by use, with its state.

A key is `next` (published, not yet signing), `active` (the one that signs for its use), `retired` (published, verifying only)
or `gone` (its private part erased). Rotation publishes before it signs, so that a verifier with a cached key set never
meets a key that it does not know. Private parts rest sealed under the master key.

What clients are answered with (`oidc`) is signed by whichever suite a client registered, so that use has an active key of each suite, and each
suite rotates by itself; so has `encryption`, by whose keys others write to us. Of every other use one key is active, whatever its suite.
"""

import base64
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import jwt
import structlog
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1
from flask import current_app
from jwt.utils import raw_to_der_signature
from sqlalchemy import Index, event, func, select, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, Session, SessionTransaction, mapped_column

from keys import suites, token_keys
from keys.sealing import unwrap, wrap
from keys.token_keys import TokenEllipticKey
from runtime import base64url, cache, compact_json, ledger
from runtime.database import Base, transaction
from runtime.languages import Text
from runtime.problems import Refusal
from runtime.security_module import ModuleAway
from runtime.settings import Settings

log = structlog.get_logger(__name__)
NEXT, ACTIVE, RETIRED, GONE = "next", "active", "retired", "gone"
OIDC, RECEIPT, LEDGER, STATUS, ROOT, REQUESTS, ENCRYPTION = "oidc", "receipt", "ledger", "status", "root", "requests", "encryption"
TRUST_LIST, METADATA, ANSWERS, IDENTITY = "trust-list", "metadata", "answers", "identity"
TIME_STAMPING = "time-stamping"
CERTIFIED_USES = (RECEIPT, STATUS, LEDGER, TRUST_LIST, TIME_STAMPING, METADATA, ANSWERS, IDENTITY)
PUBLISHED_USES = (OIDC, *CERTIFIED_USES, REQUESTS)
ROTATED_USES = (OIDC, REQUESTS, ENCRYPTION)
MANY_SUITES = (OIDC, ENCRYPTION)
USUAL_SUITES = {OIDC: tuple(suites.SUITES), REQUESTS: (suites.ES256.name,), ENCRYPTION: tuple(suites.ENCRYPTION_SUITES)}
POSSIBLE_SUITES = {**USUAL_SUITES, REQUESTS: (suites.ES256.name, *suites.EDWARDS)}
PREFERRED = {name: place for place, name in enumerate((*suites.SUITES, *suites.ENCRYPTION_SUITES))}
TOPIC = "signing_keys"
OPERATOR = "operator"
PUBLISHED_FOR = timedelta(minutes=5)
LOCK = int.from_bytes(b"keysched", "big") >> 1


class KeyNotReady(Refusal):
    """There is no key in the state that the act needs."""

    code, status, title = "key-not-ready", 409, Text("没有可用的密钥。", "No key is ready for this.")


class SigningKey(Base):
    """A key of the ring. `chain` is its X.509 chain as `x5c` carries it, leaf first, the root left out.

    Its private part rests `wrapped`, or lives in a token (`token` is the reference, see `token_keys`), or is gone.
    """

    __tablename__ = "signing_keys"
    kid: Mapped[str] = mapped_column(primary_key=True)
    use: Mapped[str] = mapped_column(index=True)
    suite: Mapped[str]
    state: Mapped[str]
    public_jwk: Mapped[dict[str, Any]]
    wrapped: Mapped[bytes | None]
    token: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    chain: Mapped[list[str] | None]
    made_at: Mapped[datetime]
    changed_at: Mapped[datetime]
    __table_args__ = (
        Index("uq_signing_keys_active", "use", "suite", unique=True, postgresql_where=text("state = 'active'")),
        Index("uq_signing_keys_alone", "use", unique=True, postgresql_where=text("state = 'active' AND use NOT IN ('oidc', 'encryption')")),
    )


@dataclass(frozen=True, slots=True)
class Signer:
    """An active key, ready to sign, wherever it lives. What signs may raise ModuleAway, where that is a token which is away."""

    kid: str
    suite: str
    key: suites.PrivateKey
    chain: list[str] | None
    heads: dict[str, str] = field(default_factory=dict, repr=False, compare=False)

    @property
    def certificates(self) -> list[x509.Certificate]:
        """The chain, leaf first; empty for a key without one."""
        return [x509.load_der_x509_certificate(base64.b64decode(one)) for one in self.chain or []]

    def sign_bytes(self, signed: bytes) -> bytes:
        """Return the raw signature over any bytes, as JOSE and COSE have it: of ECDSA, r and s one after the other."""
        if type(self.key) is TokenEllipticKey:
            return self.key.sign_raw(signed)
        return suites.sign(self.key, signed, suite=self.suite)

    def sign_der(self, signed: bytes) -> bytes:
        """Return the signature as CMS (so a PDF) and certificates have it: of ECDSA, a DER sequence of r and s."""
        raw = self.sign_bytes(signed)
        return raw_to_der_signature(raw, SECP256R1()) if self.suite == suites.ES256.name else raw

    def sign(self, payload: dict[str, Any], *, typ: str, headers: dict[str, Any] | None = None) -> str:
        """Return the payload as a compact JWS with this key's `alg` and `kid` (and `x5c`, where it has a chain)."""
        head = self._head(typ, headers) if headers else self.heads.get(typ)
        if head is None:
            head = self.heads[typ] = self._head(typ, {})
        signed = f"{head}.{base64url.write(compact_json.write(payload))}"
        return f"{signed}.{base64url.write(self.sign_bytes(signed.encode()))}"

    def _head(self, typ: str, headers: dict[str, Any]) -> str:
        """Return the encoded header; without members of one's own it is the same each time."""
        header = {"typ": typ, "alg": self.suite, "kid": self.kid, **({"x5c": self.chain} if self.chain else {}), **headers}
        return base64url.write(compact_json.write(header))


@dataclass(frozen=True, slots=True)
class VerifyingKey:
    """A published key: what it is for and what it verifies."""

    kid: str
    use: str
    suite: str
    key: suites.PublicKey
    jwk: dict[str, Any]


def signer(use: str, suite: str | None = None) -> Signer:
    """Return the active key of a use and suite, of the usual one (ES256 where there is a choice) unless named; raises KeyNotReady."""
    found = cache.get(TOPIC, ("signer", use, suite), lambda: _load_signer(use, suite))
    if found is None:
        raise KeyNotReady(f"no active key for {use}" + (f" by {suite}" if suite else ""))
    return found


def signing_suites(use: str) -> tuple[str, ...]:
    """Return the suites by which a use can sign now, the usual one first."""
    return cache.get(TOPIC, ("suites", use), lambda: _load_suites(use)) or ()


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
    in_token: bool = False,
    actor: str = OPERATOR,
) -> SigningKey:
    """Put a key in the ring, a fresh one unless given; `in_token` makes it in the security module. Raises ModuleAway, NotInToken."""
    made = make_key(session, settings, use=use, suite=suite, in_token=in_token, now=now) if key is None else MadeKey(key)
    return keep(session, settings, made, use=use, suite=suite, state=state, chain=chain, now=now, actor=actor)


@dataclass(frozen=True, slots=True)
class MadeKey:
    """A private key that is not in the ring yet, with its reference if it is in a token."""

    key: suites.PrivateKey
    token: dict[str, Any] | None = None


def make_key(session: Session, settings: Settings, *, use: str, suite: suites.Suite, in_token: bool, now: datetime) -> MadeKey:
    """Make a key here, or in the token, from which it goes again if this transaction is undone."""
    if not in_token:
        return MadeKey(suite.generate())
    key, reference = token_keys.generate(settings, use=use, suite=suite, now=now)
    made_within = list(_around(session))

    def leave_none(_: Session, undone: SessionTransaction) -> None:
        if undone in made_within:
            _destroy(settings, reference)

    event.listen(session, "after_soft_rollback", leave_none)
    return MadeKey(key, reference)


def keep(
    session: Session,
    settings: Settings,
    made: MadeKey,
    *,
    use: str,
    suite: suites.Suite,
    state: str,
    chain: list[str] | None,
    now: datetime,
    actor: str = OPERATOR,
) -> SigningKey:
    """Put a made key in the ring."""
    jwk = suites.public_jwk(made.key.public_key())
    kid = suites.thumbprint(jwk)
    row = SigningKey(kid=kid, use=use, suite=suite.name, state=state, public_jwk=jwk, chain=chain, token=made.token, made_at=now, changed_at=now)
    row.wrapped = wrap(settings, suites.to_der(made.key), name=kid) if made.token is None else None
    session.add(row)
    ledger.record(session, "key.added", actor=actor, object_id=kid, now=now, use=use, suite=suite.name, state=state)
    cache.changed(session, TOPIC)
    return row


def alone(session: Session) -> None:
    """Let nobody else add keys or move them until the transaction ends; taken before one looks which there are."""
    session.execute(select(func.pg_advisory_xact_lock(LOCK)))


def activate_next(session: Session, use: str, *, now: datetime, suite: str | None = None, actor: str = OPERATOR) -> SigningKey:
    """Let the `next` key of a use sign from now on and retire the one before it; of a suite, where the use has several.

    Raises KeyNotReady if there is none, or it was published less than `PUBLISHED_FOR` ago: verifiers would not know it yet.
    """
    alone(session)
    found = select(SigningKey).where(SigningKey.use == use, SigningKey.state.in_([NEXT, ACTIVE])).order_by(SigningKey.made_at.desc())
    rows = list(session.scalars(found.with_for_update()))
    following = next((row for row in rows if row.state == NEXT and suite in (None, row.suite)), None)
    if following is None:
        raise KeyNotReady(f"no next key for {use}; run: kabao keys publish {use}")
    if now - following.made_at < PUBLISHED_FOR:
        raise KeyNotReady("the next key was published less than five minutes ago; wait until caches of the key set have run out")
    for row in rows:
        if row.state == ACTIVE and (use not in MANY_SUITES or row.suite == following.suite):
            _move(session, row, RETIRED, now=now, actor=actor)
    session.flush()
    _move(session, following, ACTIVE, now=now, actor=actor)
    return following


def forget(session: Session, settings: Settings, kid: str, *, now: datetime, actor: str = OPERATOR) -> None:
    """Withdraw a retired key and erase its private part, also in its token; raises KeyNotReady if it is not retired, ModuleAway."""
    alone(session)
    row = session.get(SigningKey, kid, with_for_update=True)
    if row is None or row.state != RETIRED:
        raise KeyNotReady("only a retired key can go", field="kid")
    if row.token is not None:
        token_keys.destroy(settings, row.token)
    row.wrapped = row.token = None
    _move(session, row, GONE, now=now, actor=actor)


def listed(session: Session) -> Iterable[SigningKey]:
    """Return every key, by use and age."""
    return session.scalars(select(SigningKey).order_by(SigningKey.use, SigningKey.made_at))


def load_private(session: Session, settings: Settings, use: str, suite: str | None = None) -> tuple[SigningKey, suites.PrivateKey]:
    """Return the active key of a use (and suite) with its private part; for `keys/` alone."""
    active = select(SigningKey).where(SigningKey.use == use, SigningKey.state == ACTIVE)
    rows = [row for row in session.scalars(active) if suite in (None, row.suite)]
    row = min(rows, key=lambda row: PREFERRED[row.suite], default=None)
    if row is None:
        raise KeyNotReady(f"no active key for {use}")
    return row, open_private(settings, row)


def open_private(settings: Settings, row: SigningKey) -> suites.PrivateKey:
    """Return the private part of a key that is not gone; for `keys/` alone."""
    if row.token is not None:
        return token_keys.open_key(settings, row.token, suite=row.suite, public_jwk=row.public_jwk)
    assert row.wrapped is not None
    return suites.from_der(unwrap(settings, row.wrapped, name=row.kid))


def changed(session: Session, row: SigningKey, act: str, *, now: datetime) -> None:
    """Have what was done to a key on record, and known to every process."""
    ledger.record(session, act, actor=OPERATOR, object_id=row.kid, now=now, use=row.use)
    session.flush()
    cache.changed(session, TOPIC)


def _around(session: Session) -> Iterator[SessionTransaction]:
    """Yield the savepoint or transaction that a session is in, and those around it: of another savepoint's end, this one knows nothing."""
    within = session.get_nested_transaction() or session.get_transaction()
    while within is not None:
        yield within
        within = within.parent


def _destroy(settings: Settings, reference: dict[str, Any]) -> None:
    try:
        token_keys.destroy(settings, reference)
    except ModuleAway as away:  # what undid the transaction is what is to be told
        log.error("a key that is in no row stays in its token", token=reference["token"], key=reference["key"], reason=away.reason)


def _move(session: Session, row: SigningKey, state: str, *, now: datetime, actor: str) -> None:
    ledger.record(session, "key.moved", actor=actor, object_id=row.kid, now=now, use=row.use, before=row.state, after=state)
    row.state, row.changed_at = state, now
    cache.changed(session, TOPIC)


def _load_signer(use: str, suite: str | None) -> Signer | None:
    settings: Settings = current_app.extensions["kabao_settings"]
    with transaction() as session:
        try:
            row, key = load_private(session, settings, use, suite)
        except KeyNotReady:
            return None
    return Signer(row.kid, row.suite, key, row.chain)


def _load_suites(use: str) -> tuple[str, ...]:
    with transaction() as session:
        found = session.scalars(select(SigningKey.suite).where(SigningKey.use == use, SigningKey.state == ACTIVE)).all()
    return tuple(sorted(found, key=PREFERRED.__getitem__))


def _load_verifying(use: str) -> dict[str, VerifyingKey]:
    with transaction() as session:
        rows = session.scalars(select(SigningKey).where(SigningKey.use == use, SigningKey.state != GONE).order_by(SigningKey.made_at)).all()
    return {row.kid: VerifyingKey(row.kid, row.use, row.suite, suites.key_from_jwk(row.public_jwk), row.public_jwk) for row in rows}
