"""COSE_Sign1 (RFC 9052): the CBOR counterpart of a JWS, for mdocs and for status lists as CWT; and the reading of others' CBOR.

An algorithm comes from the key, never from the message: what the protected header names must be one of the key's own. What is read comes from
anyone, so it is read strictly: one whole item, no member twice, no deep nesting, and no tag that would make more of it than plain values.
"""

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any, Protocol

import cbor2
import jwt
from cryptography import x509

from keys import paths, suites

ALGORITHM, CRITICAL, CONTENT_TYPE, KEY_ID, TYPE, X5CHAIN = 1, 2, 3, 4, 16, 33  # header labels: RFC 9052, RFC 9596 and RFC 9360
SIGN1_TAG = 18
MAX_DEPTH = 32
ALGORITHMS = {"ES256": -7, "EdDSA": -8, "Ed25519": -19, "PS256": -37, "RS256": -257}
FULLY_SPECIFIED = {-9: "ES256"}  # ESP256 (RFC 9864) is ES256 with the curve in its name
NAMES = {number: name for name, number in ALGORITHMS.items()} | FULLY_SPECIFIED
INTERPRETED_TAGS = (0, 1, 2, 3, 4, 5, 25, 28, 29, 30, 35, 36, 37, 52, 54, 100, 256, 258, 260, 261, 1004, 43000)


class BadCose(ValueError):
    """The CBOR cannot be read, the message is malformed, or its signature does not fit."""


class Signer(Protocol):
    """Whatever signs: a key of the ring, or a key with its suite."""

    @property
    def suite(self) -> str:
        """The JOSE name of the algorithm."""

    @property
    def chain(self) -> list[str] | None:
        """The X.509 chain as `x5c` carries it, if there is one."""

    def sign_bytes(self, signed: bytes) -> bytes:
        """Return the signature as JOSE and COSE carry it."""


@dataclass(frozen=True, slots=True)
class KeySigner:
    """A private key that stands for itself, such as a holder's."""

    key: suites.PrivateKey = field(repr=False)
    suite: str = suites.ES256.name
    chain: list[str] | None = None

    def sign_bytes(self, signed: bytes) -> bytes:
        """Return the signature over any bytes."""
        return jwt.get_algorithm_by_name(self.suite).sign(signed, self.key)


@dataclass(frozen=True, slots=True)
class Sign1:
    """A message as it was read; nothing of it is proven. `body` is the protected header as it was signed over; a detached payload is None."""

    body: bytes
    protected: Mapping[Any, Any]
    unprotected: Mapping[Any, Any]
    payload: bytes | None = field(repr=False)
    signature: bytes = field(repr=False)

    @property
    def chain(self) -> list[x509.Certificate]:
        """The certificates of `x5chain`, the leaf first; raises BadCose."""
        found = self.protected.get(X5CHAIN, self.unprotected.get(X5CHAIN, []))
        try:
            return [x509.load_der_x509_certificate(one) for one in ([found] if isinstance(found, bytes) else found)]
        except paths.UNREADABLE as error:
            raise BadCose("not a chain of certificates") from error


def sign1(
    signer: Signer,
    payload: bytes,
    *,
    protected: Mapping[Any, Any] | None = None,
    unprotected: Mapping[Any, Any] | None = None,
    external: bytes = b"",
    is_detached: bool = False,
) -> list[Any]:
    """Return a COSE_Sign1 as the array that others embed; `to_bytes` makes a message of it that stands alone.

    The signer's algorithm is put in the protected header and its chain, if any, in the unprotected one, where ISO 18013-5 wants it.
    """
    body = cbor2.dumps({ALGORITHM: ALGORITHMS[signer.suite], **(protected or {})})
    signature = signer.sign_bytes(_to_be_signed(body, payload, external))
    return [body, {**_x5chain(signer.chain), **(unprotected or {})}, None if is_detached else payload, signature]


def to_bytes(message: list[Any]) -> bytes:
    """Return a COSE_Sign1 as bytes, tagged (RFC 9052 section 2)."""
    return cbor2.dumps(cbor2.CBORTag(SIGN1_TAG, message))


def read_sign1(unverified: Any) -> Sign1:
    """Read a COSE_Sign1, given as bytes, or as the array or tag that was found in other CBOR; raises BadCose. Nothing is proven yet."""
    found = read_cbor(unverified) if isinstance(unverified, bytes) else unverified
    found = found.value if isinstance(found, cbor2.CBORTag) and found.tag == SIGN1_TAG else found
    match found:
        case [bytes(body), Mapping() as unprotected, (bytes() | None) as payload, bytes(signature)]:
            protected = read_cbor(body) if body else {}
        case _:
            raise BadCose("not a COSE_Sign1")
    if not isinstance(protected, Mapping) or protected.keys() & unprotected.keys() or CRITICAL in {*protected, *unprotected}:
        raise BadCose("headers that are malformed, stand twice, or must be understood and are not")
    return Sign1(body, protected, unprotected, payload, signature)


def verify1(unverified: Sign1, key: suites.PublicKey, *, payload: bytes | None = None, external: bytes = b"") -> bytes:
    """Return the payload (the one given, where it is detached) if the key signed it; raises BadCose."""
    if (unverified.payload is None) == (payload is None):
        raise BadCose("a payload that is missing, or is there twice")
    signed = unverified.payload if payload is None else payload
    assert signed is not None
    named = unverified.protected.get(ALGORITHM)
    name = NAMES.get(named) if isinstance(named, int) else None
    if name is None or name not in suites.algorithms_of(key):
        raise BadCose("the algorithm is not the key's")
    algorithm = jwt.get_algorithm_by_name(name)
    if not algorithm.verify(_to_be_signed(unverified.body, signed, external), key, unverified.signature):
        raise BadCose("the signature does not fit")
    return signed


def read_cbor(unverified: bytes, *, tags: frozenset[int] = frozenset()) -> Any:
    """Read one whole CBOR item that anyone may have sent; raises BadCose.

    Of the tags that stand for more than plain values (dates, numbers without end, patterns, references) only `tags` are read.
    """
    refused = {tag: _refuse for tag in INTERPRETED_TAGS if tag not in tags}
    file = BytesIO(unverified)
    decoder = cbor2.CBORDecoder(file, semantic_decoders=refused, max_depth=MAX_DEPTH, allow_duplicate_keys=False, read_size=len(unverified) or 1)
    try:
        found = decoder.decode()
    except (cbor2.CBORError, ValueError, TypeError, OverflowError, MemoryError, RecursionError) as error:
        raise BadCose("not CBOR that can be read") from error
    if file.tell() != len(unverified):
        raise BadCose("there is more than one item")
    return found


def _refuse(_: Any) -> Any:
    raise BadCose("a tag that has no place here")


def _to_be_signed(body: bytes, payload: bytes, external: bytes) -> bytes:
    return cbor2.dumps(["Signature1", body, external, payload])


def _x5chain(chain: list[str] | None) -> dict[int, Any]:
    """Return the `x5chain` header: one certificate as a byte string, several as an array (RFC 9360 section 2)."""
    encoded = [base64.b64decode(one) for one in chain or ()]
    return {X5CHAIN: encoded[0] if len(encoded) == 1 else encoded} if encoded else {}
