"""DPoP: a client proves with every request that it has the key which its tokens are bound to (RFC 9449).

The checks stand in `check`, in the order in which they are made: first what costs nothing, then the signature, then what it covers; that the
proof is used for the first time comes last, as it is written down.
"""

import hashlib
import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

from authlib.oauth2 import OAuth2Error

from idp.oauth import assertions
from idp.oauth.binding import addresses, nonces
from idp.oauth.compact import Compact, NotCompact, is_moment, take_apart
from keys import suites
from runtime import base64url
from runtime.settings import Settings

HEADER = "DPoP"
TYP = "dpop+jwt"
ALGORITHMS = tuple(sorted(suites.SUITES))
OLDEST, AHEAD = timedelta(seconds=90), timedelta(seconds=30)
LONGEST, LONGEST_JTI, LONGEST_NONCE = 4096, 256, 256


class InvalidProof(OAuth2Error):
    """The proof is not valid (RFC 9449 section 5); the description says what was wrong, as it helps nobody but its maker."""

    error = "invalid_dpop_proof"


class UseNonce(OAuth2Error):
    """The proof must carry the nonce that goes with this answer (sections 8 and 9)."""

    error = "use_dpop_nonce"
    description = "Send a proof with the nonce of the DPoP-Nonce header."


@dataclass(frozen=True, slots=True)
class Proved:
    """A proof that was checked: the thumbprint of its key, and whether it carried a nonce of ours."""

    jkt: str
    had_nonce: bool


@dataclass(frozen=True, slots=True)
class Expected:
    """What a proof must be for: the request, by its method and decoded path, and the access token that comes with it; whether it needs a nonce,
    and which algorithms the client may sign by."""

    method: str
    path: str
    token: str | None = None
    needs_nonce: bool = False
    algorithms: tuple[str, ...] = ALGORITHMS


def check(unverified: str, *, expected: Expected, settings: Settings, now: datetime) -> Proved:
    """Run the checks of section 4.3; raises InvalidProof or UseNonce. Whether the token is bound to this key is left to the caller."""
    try:
        proof = take_apart(unverified, longest=LONGEST)  # (1), (2): one header field with one well-formed JWT
    except NotCompact as error:
        raise InvalidProof("The proof is not one well-formed JWT.") from error
    _check_claims(proof.claims)  # (3)
    _check_type(proof.header)  # (4)
    key, jkt = _read_key(proof.header.get("jwk"))  # (7): public, of a kind that is supported
    _check_signature(proof, key, expected.algorithms)  # (5), (6)
    _check_request(proof.claims, expected, settings)  # (8), (9)
    had_nonce = _check_nonce(proof.claims, settings, needs_nonce=expected.needs_nonce, now=now)  # (10)
    if not had_nonce:
        _check_time(proof.claims["iat"], now=now)  # (11): a nonce tells the time by our own clock, whatever the client's says
    _check_own_times(proof.claims, now=now)
    _check_token(proof.claims, expected)  # (12)
    if not assertions.use_once(
        f"dpop:{jkt}", proof.claims["jti"], expires_at=now + (nonces.LONGEST if had_nonce else OLDEST + 2 * AHEAD)
    ):  # section 11.1
        raise InvalidProof("The proof was used before.")
    return Proved(jkt, had_nonce)


def check_nonce(unverified: str, *, needs_nonce: bool, settings: Settings, now: datetime) -> bool:
    """Check the nonce alone and return whether there is one, for whoever must know before anything is used up; raises UseNonce.

    A proof that cannot be read is left to `check`.
    """
    try:
        claims = take_apart(unverified, longest=LONGEST).claims
    except NotCompact:
        return False
    return _check_nonce(claims, settings, needs_nonce=needs_nonce, now=now)


def _check_claims(claims: dict[str, Any]) -> None:
    for name in ("jti", "htm", "htu"):
        if not isinstance(claims.get(name), str) or not claims[name]:
            raise InvalidProof(f"{name} is missing.")
    if not is_moment(claims.get("iat")):
        raise InvalidProof("iat is missing.")
    if len(claims["jti"]) > LONGEST_JTI or not claims["jti"].isprintable():
        raise InvalidProof("jti is too long, or not printable.")


def _check_type(header: dict[str, Any]) -> None:
    if header.get("typ") != TYP:
        raise InvalidProof("typ is not dpop+jwt.")


def _read_key(unverified_jwk: Any) -> tuple[suites.PublicKey, str]:
    if not isinstance(unverified_jwk, dict):
        raise InvalidProof("jwk is missing.")
    try:
        return _import(json.dumps(unverified_jwk, sort_keys=True))
    except ValueError as error:
        raise InvalidProof("jwk is not a public key of a kind that is supported.") from error


@lru_cache(maxsize=2048)
def _import(jwk: str) -> tuple[suites.PublicKey, str]:
    """Import a key that most likely was seen a moment ago, and compute its thumbprint; raises ValueError."""
    key = suites.key_from_jwk(json.loads(jwk))
    return key, suites.thumbprint(suites.public_jwk(key))


def _check_signature(proof: Compact, key: suites.PublicKey, algorithms: tuple[str, ...]) -> None:
    if proof.algorithm not in suites.algorithms_of(key):
        raise InvalidProof(f"alg is not one of the key's: {' '.join(suites.algorithms_of(key))}.")
    if proof.algorithm not in algorithms:
        raise InvalidProof(f"alg is not one that this client may use: {' '.join(algorithms)}.")
    if not proof.is_signed_by(key, proof.algorithm):
        raise InvalidProof("The signature is not the key's.")


def _check_request(claims: dict[str, Any], expected: Expected, settings: Settings) -> None:
    if claims["htm"] != expected.method:
        raise InvalidProof("htm is another method.")
    path = addresses.escaped(expected.path)
    if addresses.normal(claims["htu"]) not in {f"{base}{path}" for base in bases(settings)}:
        raise InvalidProof("htu is another address.")


def _check_nonce(claims: dict[str, Any], settings: Settings, *, needs_nonce: bool, now: datetime) -> bool:
    nonce = claims.get("nonce")
    if nonce is None and not needs_nonce:
        return False
    if not isinstance(nonce, str) or len(nonce) > LONGEST_NONCE or not nonces.is_recent(nonce, settings, now=now):
        raise UseNonce()
    return True


def _check_time(issued_at: float, *, now: datetime) -> None:
    moment = now.timestamp()
    if not moment - OLDEST.total_seconds() <= issued_at <= moment + AHEAD.total_seconds():
        raise InvalidProof("iat is too long ago, or in the future.")


def _check_own_times(claims: dict[str, Any], *, now: datetime) -> None:
    """Check `exp` and `nbf`, which a proof need not have: one that has them is good then alone (RFC 7519 sections 4.1.4 and 4.1.5)."""
    moment, leeway = now.timestamp(), AHEAD.total_seconds()
    expires, begins = claims.get("exp", moment), claims.get("nbf", moment)
    if not (is_moment(expires) and is_moment(begins)):
        raise InvalidProof("exp or nbf is no time.")
    if expires <= moment - leeway or begins > moment + leeway:
        raise InvalidProof("exp has passed, or nbf has not come.")


def _check_token(claims: dict[str, Any], expected: Expected) -> None:
    ath = claims.get("ath", "")
    if expected.token is not None and ath != hash_of(expected.token):
        raise InvalidProof("ath is not the hash of the access token.")


def hash_of(token: str) -> str:
    """Return the `ath` of an access token."""
    return base64url.write(hashlib.sha256(token.encode()).digest())


def bases(settings: Settings) -> tuple[str, ...]:
    """Return the addresses under which we are reached, in the form in which `htu` is compared."""
    return tuple((addresses.normal(url) or "").rstrip("/") for url in (settings.public_url, settings.mtls_url) if url)
