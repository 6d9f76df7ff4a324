"""Suites: what an algorithm name stands for. The algorithm comes from the key, never from a token.

An Ed25519 key signs under one of two names: `Ed25519`, the fully specified one (RFC 9864), and `EdDSA`, which that document deprecates and
which most clients still send. Each key of ours keeps to the name that it was made under; of others' keys both are taken.
"""

import base64
import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import jwt
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, SECP256R1, EllipticCurvePrivateKey, EllipticCurvePublicKey, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_der_private_key
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

from runtime import base64url

PrivateKey = EllipticCurvePrivateKey | Ed25519PrivateKey | RSAPrivateKey
PublicKey = EllipticCurvePublicKey | Ed25519PublicKey | RSAPublicKey
RSA_BITS, LEAST_RSA_BITS, MOST_RSA_BITS = 2048, 2048, 4096
EXPONENT, MOST_EXPONENT = 65537, 2**32
PUBLIC_MEMBERS = {"EC": ("kty", "crv", "x", "y"), "OKP": ("kty", "crv", "x"), "RSA": ("kty", "n", "e")}
PRIVATE_MEMBERS = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})
P256, P256_BYTES, UNCOMPRESSED = SECP256R1(), 32, b"\x04"
ED25519_FIELD = 2**255 - 19
OF_ORDER_8 = 0x05FC536D880238B13933C6D305ACDFD5F098EFF289F4C345B027B2C28F95E826
LONGEST_MEMBER = 700  # a modulus of 4096 bits in base64url has 683 characters


@dataclass(frozen=True, slots=True)
class Suite:
    """An algorithm by its JOSE name and how to make a key for it."""

    name: str
    generate: Callable[[], PrivateKey]


def _rsa() -> RSAPrivateKey:
    return rsa.generate_private_key(EXPONENT, RSA_BITS)


def _p256() -> EllipticCurvePrivateKey:
    return generate_private_key(SECP256R1())


ES256 = Suite("ES256", _p256)
EDDSA = Suite("EdDSA", Ed25519PrivateKey.generate)
ED25519 = Suite("Ed25519", Ed25519PrivateKey.generate)
RS256 = Suite("RS256", _rsa)
PS256 = Suite("PS256", _rsa)
SUITES = {suite.name: suite for suite in (ES256, EDDSA, ED25519, PS256, RS256)}
RSA_OAEP_256 = Suite("RSA-OAEP-256", _rsa)
ECDH_ES = Suite("ECDH-ES", _p256)
ENCRYPTION_SUITES = {suite.name: suite for suite in (ECDH_ES, RSA_OAEP_256)}
ALL_SUITES = {**SUITES, **ENCRYPTION_SUITES}
EDWARDS = (EDDSA.name, ED25519.name)
ECDSA_SHA256 = ECDSA(SHA256())
jwt.register_algorithm(ED25519.name, OKPAlgorithm())
ALGORITHMS = {name: jwt.get_algorithm_by_name(name) for name in SUITES}


def suite_of(key: PrivateKey | PublicKey) -> Suite:
    """Return the suite that a key belongs to, the one to take where it could be of several; raises ValueError for any other kind of key."""
    return SUITES[algorithms_of(key)[0]]


def algorithms_of(key: PrivateKey | PublicKey) -> tuple[str, ...]:
    """Return the names under which a key may sign, the usual one first; raises ValueError for a kind of key that is not supported."""
    names = _names_of(type(key))
    if not names or (names[0] == ES256.name and not isinstance(key.curve, SECP256R1)):  # type: ignore[union-attr]
        raise ValueError("a key of a kind that is not supported")
    return names


@lru_cache(maxsize=64)
def _names_of(kind: type[Any]) -> tuple[str, ...]:
    """Return the names of a kind of key, of elliptic ones if they are on P-256; to ask of what kind a key is takes as long as to hash a page."""
    if issubclass(kind, (Ed25519PrivateKey, Ed25519PublicKey)):
        return EDDSA.name, ED25519.name
    if issubclass(kind, (RSAPrivateKey, RSAPublicKey)):
        return PS256.name, RS256.name
    return (ES256.name,) if issubclass(kind, (EllipticCurvePrivateKey, EllipticCurvePublicKey)) else ()


def sign(key: PrivateKey, data: bytes, *, suite: str) -> bytes:
    """Return the raw signature by a key under the name of its suite: of ECDSA r and s, one after the other (RFC 7518 section 3.4)."""
    if suite == ES256.name and suite in _names_of(type(key)):
        r, s = decode_dss_signature(key.sign(data, ECDSA_SHA256))  # type: ignore[call-arg, arg-type]
        return r.to_bytes(32, "big") + s.to_bytes(32, "big")
    signature: bytes = jwt.get_algorithm_by_name(suite).sign(data, key)
    return signature


def verify(key: PublicKey, data: bytes, signature: bytes, *, suite: str) -> bool:
    """Whether a raw signature is a key's, under the name of its suite."""
    if suite != ES256.name or suite not in _names_of(type(key)):
        return bool(ALGORITHMS[suite].verify(data, key, signature))
    if len(signature) != 64:
        return False
    r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")
    try:
        key.verify(encode_dss_signature(r, s), data, ECDSA_SHA256)  # type: ignore[call-arg, arg-type]
    except InvalidSignature:
        return False
    return True


def public_jwk(key: PublicKey) -> dict[str, str]:
    """Return the public key as a bare JWK: only the members that its kind requires."""
    if isinstance(key, RSAPublicKey):
        jwk = RSAAlgorithm.to_jwk(key, as_dict=True)
    else:
        jwk = OKPAlgorithm.to_jwk(key, as_dict=True) if isinstance(key, Ed25519PublicKey) else ECAlgorithm.to_jwk(key, as_dict=True)
    return {name: jwk[name] for name in PUBLIC_MEMBERS[jwk["kty"]]}


def key_from_jwk(unverified_jwk: Any) -> PublicKey:
    """Read a public key from a JWK that someone sent.

    Raises ValueError for what is not a P-256, Ed25519 or RSA public key, one with private members included. An RSA key has 2048 to 4096
    bits and an odd exponent from 65537 up to 32 bits: smaller ones are weak, greater ones cost more than a signature should (RFC 8725 section 3.5).
    """
    if not isinstance(unverified_jwk, dict) or PRIVATE_MEMBERS & unverified_jwk.keys():
        raise ValueError("not a public JWK")
    kind = unverified_jwk.get("kty")
    if not isinstance(kind, str) or kind not in PUBLIC_MEMBERS:
        raise ValueError("a key of a kind that is not supported")
    members = {name: unverified_jwk.get(name) for name in PUBLIC_MEMBERS[kind]}
    if not all(isinstance(value, str) and len(value) <= LONGEST_MEMBER for value in members.values()):
        raise ValueError("not a usable JWK")
    try:
        return READERS[kind](members)
    except (jwt.InvalidKeyError, KeyError, TypeError, AttributeError) as error:
        raise ValueError("not a usable JWK") from error


def _read_p256(members: dict[str, Any]) -> EllipticCurvePublicKey:
    """Return the key of a JWK on P-256, as PyJWT reads it in twice the time; raises ValueError for a point that is not on the curve, too."""
    x, y = (base64.urlsafe_b64decode((raw := members[name].encode()) + b"=" * (-len(raw) % 4)) for name in ("x", "y"))
    if members["crv"] != "P-256" or not len(x) == len(y) == P256_BYTES:
        raise ValueError("not a point of P-256")
    return EllipticCurvePublicKey.from_encoded_point(P256, UNCOMPRESSED + x + y)


def _read_ed25519(members: dict[str, Any]) -> Ed25519PublicKey:
    key = OKPAlgorithm.from_jwk(members)
    if not isinstance(key, Ed25519PublicKey):
        raise ValueError("a key of a kind that is not supported")
    if _is_of_small_order(key):
        raise ValueError("an Ed25519 key that anybody can sign for")
    return key


def _read_rsa(members: dict[str, Any]) -> RSAPublicKey:
    key = RSAAlgorithm.from_jwk(members)
    if not isinstance(key, RSAPublicKey):
        raise ValueError("a key of a kind that is not supported")
    _check_sizes(key)
    return key


READERS: dict[str, Callable[[dict[str, Any]], PublicKey]] = {"EC": _read_p256, "OKP": _read_ed25519, "RSA": _read_rsa}


def thumbprint(jwk: dict[str, str]) -> str:
    """Return the JWK thumbprint (RFC 7638), SHA-256, base64url."""
    canonical = json.dumps(jwk, sort_keys=True, separators=(",", ":"))
    return base64url.write(hashlib.sha256(canonical.encode()).digest())


def to_der(key: PrivateKey) -> bytes:
    """Return the private key as PKCS #8, to be sealed."""
    return key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())


def from_der(der: bytes) -> PrivateKey:
    """Read a private key back from PKCS #8."""
    key = load_der_private_key(der, password=None)
    if not isinstance(key, (EllipticCurvePrivateKey, Ed25519PrivateKey, RSAPrivateKey)):
        raise ValueError("a key of a kind that is not supported")
    return key


def _is_of_small_order(key: Ed25519PublicKey) -> bool:
    """Whether the point is one of the eight whose multiples are few: a signature of zeros would be good for one message in eight, or for all."""
    y = int.from_bytes(key.public_bytes_raw(), "little") % 2**255 % ED25519_FIELD
    return y in (0, 1, ED25519_FIELD - 1, OF_ORDER_8, ED25519_FIELD - OF_ORDER_8)


def _check_sizes(key: RSAPublicKey) -> None:
    numbers = key.public_numbers()
    if not LEAST_RSA_BITS <= key.key_size <= MOST_RSA_BITS:
        raise ValueError("an RSA key of fewer than 2048 or more than 4096 bits")
    if not EXPONENT <= numbers.e < MOST_EXPONENT or numbers.e % 2 == 0:
        raise ValueError("an RSA key with an exponent that is not acceptable")
