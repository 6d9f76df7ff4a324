"""A signed token in its compact form, taken apart strictly: whatever two readers could read differently is no token. Pure.

RFC 7515 sections 2, 4 and 5.2, RFC 8725. Nothing that a header carries is ever used as a key or fetched here; extensions (`crit`, `b64`) are
not understood and so refused. A member that comes twice, a number that is none, half a character, an alphabet that is not base64url: refused.
"""

from dataclasses import dataclass
from typing import Any, TypeGuard

import jwt

from keys import suites
from runtime import base64url, strict_json

HMAC = {"HS256": jwt.get_algorithm_by_name("HS256")}
NUMBERS = frozenset({int, float})
LAST = {2: frozenset("AQgw"), 3: frozenset("AEIMQUYcgkosw048")}  # of so many letters beyond fours, those that hold no bits to throw away


class NotCompact(ValueError):
    """The text is not one well-formed signed token."""


@dataclass(frozen=True, slots=True)
class Compact:
    """The parts of a token, none of them verified."""

    header: dict[str, Any]
    claims: dict[str, Any]
    signed: bytes
    signature: bytes

    @property
    def algorithm(self) -> str:
        """The algorithm that the header names, empty if that is no text."""
        named = self.header.get("alg")
        return named if isinstance(named, str) else ""

    @property
    def kind(self) -> str:
        """The media type that the header names, in small letters and without what may be left out (RFC 7515 section 4.1.9); `jwt` if none."""
        named = self.header.get("typ", "jwt")
        return named.lower().removeprefix("application/") if isinstance(named, str) else ""

    def is_signed_by(self, key: suites.PublicKey, algorithm: str) -> bool:
        """Whether the signature is the key's, under an algorithm that was chosen for the key."""
        return suites.verify(key, self.signed, self.signature, suite=algorithm)

    def is_authenticated_by(self, secret: bytes) -> bool:
        """Whether the token carries the HMAC (HS256) of a secret, in constant time."""
        return bool(HMAC["HS256"].verify(self.signed, secret, self.signature))


def take_apart(unverified: str, *, longest: int) -> Compact:
    """Return the parts of a token; raises NotCompact."""
    parts = unverified.split(".") if len(unverified) <= longest else ()
    if len(parts) != 3 or not all(parts):
        raise NotCompact("not three parts, or too long")
    head, payload, signature = parts
    header, claims = read_object(_decode(head)), read_object(_decode(payload))
    if "crit" in header or "b64" in header:
        raise NotCompact("an extension that is not understood")
    return Compact(header, claims, f"{head}.{payload}".encode(), _decode(signature))


def read_object(document: bytes) -> dict[str, Any]:
    """Read one JSON object; raises NotCompact."""
    try:
        read = strict_json.read(document)
    except strict_json.NotStrict as error:
        raise NotCompact("not one JSON object") from error
    if not isinstance(read, dict):
        raise NotCompact("not a JSON object")
    return read


def is_moment(value: object) -> TypeGuard[float]:
    """Whether a claim is a NumericDate: a number, which true and false are not, and neither is what is beyond all numbers."""
    return type(value) in NUMBERS and abs(value) < 2**53  # type: ignore[arg-type]


def _decode(segment: str) -> bytes:
    """Decode base64url whose last character holds no bits that are thrown away: each value has one spelling."""
    beyond = len(segment) % 4
    if beyond in LAST and segment[-1] not in LAST[beyond]:
        raise NotCompact("not base64url")
    try:
        return base64url.read(segment)
    except ValueError as error:
        raise NotCompact("not base64url") from error
