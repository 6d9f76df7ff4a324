"""Signature suites: what an algorithm name stands for. The algorithm comes from the key, never from a token."""

import base64
import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePrivateKey, EllipticCurvePublicKey, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_der_private_key
from jwt.algorithms import ECAlgorithm, OKPAlgorithm

PrivateKey = EllipticCurvePrivateKey | Ed25519PrivateKey
PublicKey = EllipticCurvePublicKey | Ed25519PublicKey


@dataclass(frozen=True, slots=True)
class Suite:
    """An algorithm by its JOSE name and how to make a key for it."""

    name: str
    generate: Callable[[], PrivateKey]


ES256 = Suite("ES256", lambda: generate_private_key(SECP256R1()))
EDDSA = Suite("EdDSA", Ed25519PrivateKey.generate)
SUITES = {suite.name: suite for suite in (ES256, EDDSA)}


def suite_of(key: PrivateKey | PublicKey) -> Suite:
    """Return the suite that a key belongs to; raises ValueError for any other kind of key."""
    if isinstance(key, (Ed25519PrivateKey, Ed25519PublicKey)):
        return EDDSA
    if isinstance(key, (EllipticCurvePrivateKey, EllipticCurvePublicKey)) and isinstance(key.curve, SECP256R1):
        return ES256
    raise ValueError("a key of a kind that is not supported")


def public_jwk(key: PublicKey) -> dict[str, str]:
    """Return the public key as a bare JWK: only the members that its kind requires."""
    jwk = OKPAlgorithm.to_jwk(key, as_dict=True) if isinstance(key, Ed25519PublicKey) else ECAlgorithm.to_jwk(key, as_dict=True)
    return {name: jwk[name] for name in ("kty", "crv", "x", "y") if name in jwk}


def key_from_jwk(unverified_jwk: Any) -> PublicKey:
    """Read a public key from a JWK that someone sent.

    Raises ValueError for what is not a P-256 or Ed25519 public key, one with private members included.
    """
    if not isinstance(unverified_jwk, dict) or "d" in unverified_jwk:
        raise ValueError("not a public JWK")
    members = {name: unverified_jwk[name] for name in ("kty", "crv", "x", "y") if name in unverified_jwk}
    try:
        key = OKPAlgorithm.from_jwk(members) if members.get("kty") == "OKP" else ECAlgorithm.from_jwk(members)
    except (jwt.InvalidKeyError, KeyError, TypeError, AttributeError) as error:
        raise ValueError("not a usable JWK") from error
    if not isinstance(key, (EllipticCurvePublicKey, Ed25519PublicKey)):
        raise ValueError("a key of a kind that is not supported")
    suite_of(key)
    return key


def thumbprint(jwk: dict[str, str]) -> str:
    """Return the JWK thumbprint (RFC 7638), SHA-256, base64url."""
    canonical = json.dumps(jwk, sort_keys=True, separators=(",", ":"))
    return base64.urlsafe_b64encode(hashlib.sha256(canonical.encode()).digest()).rstrip(b"=").decode()


def to_der(key: PrivateKey) -> bytes:
    """Return the private key as PKCS #8, to be sealed."""
    return key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())


def from_der(der: bytes) -> PrivateKey:
    """Read a private key back from PKCS #8."""
    key = load_der_private_key(der, password=None)
    if not isinstance(key, (EllipticCurvePrivateKey, Ed25519PrivateKey)):
        raise ValueError("a key of a kind that is not supported")
    return key
