"""Encrypted tokens (RFC 7516): what is written for a client's eyes alone, and what a client writes for ours.

Public keys only: RSA-OAEP-256, and ECDH-ES by itself or with an AES key wrap, over P-256
(a client's key may be of another curve). No symmetric keys (`dir`, AES wraps under a client
secret, PBES2): secrets are kept as hashes. No compression: a few bytes could stand for a great many, and lengths would tell what is inside
(RFC 8725 section 3.6). The key decides the family of the algorithm, never the token.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from flask import current_app
from joserfc import jwe
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, OKPKey, RSAKey
from joserfc.util import json_b64decode
from sqlalchemy import select

from keys import ring, suites
from runtime import cache
from runtime.database import transaction
from runtime.settings import Settings

RSA_ALGS = ("RSA-OAEP-256",)
EC_ALGS = ("ECDH-ES", "ECDH-ES+A128KW", "ECDH-ES+A256KW")
ALGS = (*RSA_ALGS, *EC_ALGS)
ENCS = ("A128CBC-HS256", "A128GCM", "A256CBC-HS512", "A256GCM")
USUAL_ENC = "A128CBC-HS256"
NEVER_IN_HEADER = frozenset({"crit", "zip"})  # what else is not understood is ignored (RFC 7516 section 4), as are claims that stand there too
LONGEST = 64 * 1024
PARTS = 5
KINDS: Mapping[str, type[RSAKey] | type[ECKey] | type[OKPKey]] = MappingProxyType({"RSA": RSAKey, "EC": ECKey, "OKP": OKPKey})


class NotDecrypted(ValueError):
    """The token is not one that was written to us, or not as it may be."""


@dataclass(frozen=True, slots=True)
class DecryptionKey:
    """A key of ours by which others write to us."""

    kid: str
    suite: str
    is_active: bool
    jwk: dict[str, Any]
    key: suites.PrivateKey

    @property
    def algs(self) -> tuple[str, ...]:
        """By which algorithms one can write to it."""
        return RSA_ALGS if isinstance(self.key, RSAPrivateKey) else EC_ALGS


class _Registry(jwe.JWERegistry):
    """The library's own bounds, but for the ciphertext's, which is drawn to what the caller takes."""


def encrypt(plain: bytes, *, jwk: Mapping[str, str], alg: str, enc: str, headers: Mapping[str, Any]) -> str:
    """Return a compact JWE for whoever has the private part of a key; raises ValueError if it cannot be written to by this algorithm."""
    kind = jwk["kty"]
    if alg not in (RSA_ALGS if kind == "RSA" else EC_ALGS) or enc not in ENCS:
        raise ValueError("the key cannot be written to by this algorithm")
    try:
        return jwe.encrypt_compact({**headers, "alg": alg, "enc": enc}, plain, KINDS[kind].import_key(dict(jwk)), registry=_registry())
    except (JoseError, KeyError) as error:
        raise ValueError("the key cannot be written to") from error


def decrypt(unverified: str, *, algs: tuple[str, ...] = ALGS, encs: tuple[str, ...] = ENCS) -> bytes:
    """Return what is inside a compact JWE that was written to one of our published keys.

    Nothing of what is inside is to be believed for that: whoever knows our public key can write one. A token that names no `kid` is tried
    with every key of its family. Raises NotDecrypted, whatever is wrong, in the same words.
    """
    header = _read_header(unverified)
    if header["alg"] not in algs or header["enc"] not in encs:
        raise NotDecrypted("not decrypted")
    named = header.get("kid")
    for known in decryption_keys().values():
        if header["alg"] in known.algs and named in (None, known.kid):
            try:
                found = jwe.decrypt_compact(unverified, _private(known.key), registry=_registry())
            except (JoseError, ValueError, TypeError, KeyError, AssertionError):
                continue
            return found.plaintext or b""
    raise NotDecrypted("not decrypted")


def decrypt_for(unverified: str, key: suites.PrivateKey, *, kid: str, algs: tuple[str, ...], encs: tuple[str, ...], longest: int = LONGEST) -> bytes:
    """Return what is inside a compact JWE that was written to one key, which it must name; raises NotDecrypted, in the same words."""
    header = _read_header(unverified, longest=longest)
    if header["alg"] not in algs or header["enc"] not in encs or header.get("kid") != kid:
        raise NotDecrypted("not decrypted")
    try:
        found = jwe.decrypt_compact(unverified, _private(key), registry=_registry(longest))
    except (JoseError, ValueError, TypeError, KeyError, AssertionError) as error:
        raise NotDecrypted("not decrypted") from error
    return found.plaintext or b""


def is_jwe(unverified: str) -> bool:
    """Whether a text has the parts of a compact JWE rather than those of a JWS."""
    return unverified.count(".") == PARTS - 1


def decryption_keys() -> dict[str, DecryptionKey]:
    """Return the keys by which others may still write to us, by `kid`, the last made first."""
    return cache.get(ring.TOPIC, "decryption", _load) or {}


def published() -> list[dict[str, Any]]:
    """Return the public halves that others are to write to from now on (RFC 7517); a retired one still opens, and is not shown."""
    return [_jwk(known) for known in decryption_keys().values() if known.is_active]


def _jwk(known: DecryptionKey) -> dict[str, Any]:
    named = {"alg": known.suite} if known.suite in RSA_ALGS else {}
    return {**known.jwk, "kid": known.kid, "use": "enc", **named}


def _read_header(unverified: str, *, longest: int = LONGEST) -> dict[str, Any]:
    if len(unverified) > longest or not unverified.isascii() or not is_jwe(unverified):
        raise NotDecrypted("not decrypted")
    try:
        header = json_b64decode(unverified.split(".", 1)[0].encode())
    except (ValueError, TypeError, RecursionError) as error:
        raise NotDecrypted("not decrypted") from error
    named = [header.get(name) for name in ("alg", "enc")] if isinstance(header, dict) else []
    if not named or not all(isinstance(value, str) for value in named) or not NEVER_IN_HEADER.isdisjoint(header):
        raise NotDecrypted("not decrypted")
    return dict(header)


def _private(key: suites.PrivateKey) -> RSAKey | ECKey:
    if isinstance(key, RSAPrivateKey):
        return RSAKey.import_key(key)
    assert isinstance(key, EllipticCurvePrivateKey)
    return ECKey.import_key(key)


def _registry(longest: int = LONGEST) -> jwe.JWERegistry:
    registry = _Registry(algorithms=[*ALGS, *ENCS], strict_check_header=False)
    registry.max_ciphertext_length = longest
    return registry


def _load() -> dict[str, DecryptionKey]:
    settings: Settings = current_app.extensions["kabao_settings"]
    mine = select(ring.SigningKey).where(ring.SigningKey.use == ring.ENCRYPTION, ring.SigningKey.state != ring.GONE)
    with transaction() as session:
        rows = session.scalars(mine.order_by(ring.SigningKey.made_at.desc())).all()
        return {row.kid: _opened(settings, row) for row in rows}


def _opened(settings: Settings, row: ring.SigningKey) -> DecryptionKey:
    return DecryptionKey(row.kid, row.suite, row.state == ring.ACTIVE, row.public_jwk, ring.open_private(settings, row))
