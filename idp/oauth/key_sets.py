"""The public keys of a client, read from a JWK set that somebody else wrote (RFC 7517). Pure.

Keys of kinds that are not known here are passed over (section 5); a set with anything private in it is refused whole.
"""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import jwt
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

from idp.oauth.compact import Compact
from keys import suites

KEY_LIMIT = 10
LONGEST_KID, LONGEST_MEMBER = 256, 2048
PRIVATE = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})
LEAST_RSA, MOST_RSA = 2048, 4096
MEMBERS = {"RSA": ("kty", "n", "e"), "EC": ("kty", "crv", "x", "y"), "OKP": ("kty", "crv", "x")}
ENCRYPTION_CURVES = ("P-256", "P-384", "P-521", "X25519")


@dataclass(frozen=True, slots=True)
class ClientKey:
    """A key that a client signs with, and the algorithms that it is for: those of its kind, or the one that its JWK names."""

    kid: str | None
    algorithms: tuple[str, ...]
    key: suites.PublicKey

    @property
    def algorithm(self) -> str:
        """The algorithm to take where the key could be used with several."""
        return self.algorithms[0]


@dataclass(frozen=True, slots=True)
class EncryptionKey:
    """A key that is encrypted to: its bare public JWK, and the algorithm that it is for if it says one."""

    kid: str | None
    algorithm: str | None
    jwk: Mapping[str, str]

    def fits(self, algorithm: str) -> bool:
        """Whether a JWE `alg` can be used with this key."""
        if self.algorithm not in (None, algorithm):
            return False
        if self.jwk["kty"] == "RSA":
            return algorithm.startswith("RSA-OAEP")
        return algorithm.startswith("ECDH-ES") and self.jwk["crv"] in ENCRYPTION_CURVES


@dataclass(frozen=True, slots=True)
class KeySet:
    """What a set holds: keys to verify with, keys to encrypt to, and the SHA-256 of each public key that a certificate may carry."""

    signing: tuple[ClientKey, ...] = ()
    encryption: tuple[EncryptionKey, ...] = ()
    public_key_hashes: frozenset[bytes] = frozenset()


NO_KEYS = KeySet()


def read_key_set(unverified: Any) -> KeySet:
    """Read a JWK set of at most ten keys, None for no set; raises ValueError if it is none, or holds what is private."""
    if unverified is None:
        return NO_KEYS
    listed = unverified.get("keys") if isinstance(unverified, dict) else None
    if not isinstance(listed, list) or not 0 < len(listed) <= KEY_LIMIT:
        raise ValueError("not a key set of one to ten keys")
    signing: list[ClientKey] = []
    meant: list[EncryptionKey] = []
    usable: list[EncryptionKey] = []
    hashes: set[bytes] = set()
    for jwk, members, key in _known(listed):
        kid, use, algorithm = jwk.get("kid"), jwk.get("use"), jwk.get("alg")
        if use != "enc":
            hashes.add(hash_of(key))
            signing.extend(_signing(kid, algorithm, members))
        if use != "sig" and not isinstance(key, Ed25519PublicKey):
            (meant if use == "enc" else usable).append(EncryptionKey(kid, algorithm, members))
    return KeySet(tuple(signing), (*meant, *usable), frozenset(hashes))


def named(keys: tuple[ClientKey, ...], kid: object) -> tuple[ClientKey, ...]:
    """Return the keys of an id: one, none, or several of which each is for another algorithm (FAPI 2.0 Security Profile section 5.4.3)."""
    return tuple(key for key in keys if kid is not None and key.kid == kid)


def is_signed_by_one_of(keys: tuple[ClientKey, ...], token: Compact) -> bool:
    """Whether a token's signature is by a key that somebody trusted is known by: by one of the id that its header names, if there are any.

    An id only says where to look (RFC 7515 section 4.1.4): each key that the algorithm fits is tried.
    """
    tried = named(keys, token.header.get("kid")) or keys
    return any(token.algorithm in key.algorithms and token.is_signed_by(key.key, token.algorithm) for key in tried)


def hash_of(public_key: Any) -> bytes:
    """Return the SHA-256 of a public key as certificates carry it (SubjectPublicKeyInfo)."""
    return hashlib.sha256(public_key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).digest()


def _known(listed: list[Any]) -> Iterator[tuple[dict[str, Any], dict[str, str], Any]]:
    """Give each key that can be imported: as written, its bare public members, and itself."""
    for jwk in listed:
        if not isinstance(jwk, dict) or PRIVATE & set(jwk):
            raise ValueError("a key set of public keys is wanted")
        if any(not isinstance(jwk.get(name, ""), str) or len(jwk.get(name, "")) > LONGEST_KID for name in ("kid", "use", "alg", "kty", "crv")):
            raise ValueError("a key's description is no short text")
        members = {name: jwk[name] for name in MEMBERS.get(jwk.get("kty", ""), ()) if isinstance(jwk.get(name), str)}
        key = _imported(members)
        if key is not None:
            yield jwk, members, key


def _imported(members: dict[str, str]) -> Any:
    if any(len(value) > LONGEST_MEMBER for value in members.values()):
        return None
    reader = {"RSA": RSAAlgorithm, "EC": ECAlgorithm, "OKP": OKPAlgorithm}.get(members.get("kty", ""))
    try:
        key = reader.from_jwk(members) if reader else None  # type: ignore[attr-defined]
    except (jwt.InvalidKeyError, UnsupportedAlgorithm, ValueError, KeyError, TypeError):
        return None
    if isinstance(key, RSAPublicKey) and not LEAST_RSA <= key.key_size <= MOST_RSA:
        return None
    return key if isinstance(key, (EllipticCurvePublicKey, Ed25519PublicKey, RSAPublicKey, X25519PublicKey)) else None


def _signing(kid: str | None, algorithm: str | None, members: dict[str, str]) -> Iterator[ClientKey]:
    try:
        key = suites.key_from_jwk(members)
    except ValueError:
        return
    algorithms = tuple(name for name in suites.algorithms_of(key) if algorithm in (None, name))
    if algorithms:
        yield ClientKey(kid, algorithms, key)
