"""The text of a compact code: base45 over a compressed CWT. Pure: reading is bounded, and proves nothing.

However little is read, nothing that it opens into may be great.
"""

import zlib
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from keys import cose

PREFIX = "KBL1:"
ISSUER, EXPIRES, ISSUED, STATUS, LICENCE, MARKED = 1, 4, 6, 65535, -70001, -70002  # claims: RFC 8392, the Token Status List draft, two of our own
KID_BYTES = 8
LONGEST_TEXT, LONGEST_MESSAGE = 4296, 8 * 1024  # the most letters that any QR code holds; the most bytes that come out of it
MOST_CLAIMS, LONGEST_VALUE = 60, 2000
ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:"
VALUES = {letter: place for place, letter in enumerate(ALPHABET)}
LATEST = 2**33  # the year 2242


class NotCompact(ValueError):
    """The text is not such a code, or cannot be believed. The message repeats nothing of it."""


@dataclass(frozen=True, slots=True)
class Read:
    """What a code says, its signature verified: the department's code, the type's short name, the fields, until when, and what marks a copy."""

    department: str
    type: str
    fields: dict[str, Any] = field(repr=False)
    issued_at: datetime
    fresh_until: datetime
    status: dict[str, Any] | None
    marked: Any = field(default=None, repr=False)


def to_text(message: list[Any]) -> str:
    """Return the code of a signed message."""
    return PREFIX + to_base45(zlib.compress(cose.to_bytes(message), 9))


def open_message(unverified: str) -> cose.Sign1:
    """Return the message in a code; nothing is proven. Raises NotCompact."""
    if len(unverified) > LONGEST_TEXT or not unverified.startswith(PREFIX):
        raise NotCompact("not a code of ours")
    try:
        return cose.read_sign1(_decompress(from_base45(unverified.removeprefix(PREFIX))))
    except (cose.BadCose, zlib.error) as error:
        raise NotCompact("a code that cannot be read") from error


def told(message: cose.Sign1) -> Read:
    """Return what a message says; nothing is proven. Raises NotCompact."""
    try:
        return _told(cose.read_cbor(message.payload or b""))
    except cose.BadCose as error:
        raise NotCompact("a code that cannot be read") from error


def to_base45(raw: bytes) -> str:
    """Return bytes in base45 (RFC 9285): two bytes in three letters, a last one in two."""
    letters = []
    for at in range(0, len(raw) - 1, 2):
        third, rest = divmod(raw[at] * 256 + raw[at + 1], 45 * 45)
        second, first = divmod(rest, 45)
        letters += [ALPHABET[first], ALPHABET[second], ALPHABET[third]]
    if len(raw) % 2:
        second, first = divmod(raw[-1], 45)
        letters += [ALPHABET[first], ALPHABET[second]]
    return "".join(letters)


def from_base45(unverified: str) -> bytes:
    """Return the bytes of a text in base45; raises NotCompact for any that is none."""
    values = [VALUES.get(letter, -1) for letter in unverified]
    if -1 in values or len(values) % 3 == 1:
        raise NotCompact("not base45")
    raw = bytearray()
    for at in range(0, len(values), 3):
        group = values[at : at + 3]
        value = sum(one * 45**place for place, one in enumerate(group))
        if value >= 256 ** (len(group) - 1):
            raise NotCompact("not base45")
        raw += value.to_bytes(len(group) - 1, "big")
    return bytes(raw)


def _decompress(raw: bytes) -> bytes:
    """Open what was compressed, but no more of it than a message may have."""
    opening = zlib.decompressobj()
    message = opening.decompress(raw, LONGEST_MESSAGE)
    if not opening.eof or opening.unused_data:
        raise NotCompact("it opens into too much, or into more than one")
    return message


def _told(claims: Any) -> Read:
    if not isinstance(claims, dict):
        raise NotCompact("no claims")
    licence, issuer = claims.get(LICENCE), claims.get(ISSUER)
    if not isinstance(licence, dict) or not isinstance(issuer, str):
        raise NotCompact("claims that are missing")
    fields = {name: value for name, value in licence.items() if name != "t"}
    if len(fields) > MOST_CLAIMS or not all(isinstance(name, str) and _is_plain(value) for name, value in fields.items()):
        raise NotCompact("fields of a kind that licences have not")
    issued, expires = _moment(claims.get(ISSUED)), _moment(claims.get(EXPIRES))
    status = claims.get(STATUS)
    return Read(issuer, str(licence.get("t")), fields, issued, expires, status if isinstance(status, dict) else None, claims.get(MARKED))


def _moment(unverified: Any) -> datetime:
    if type(unverified) is not int or not 0 <= unverified < LATEST:
        raise NotCompact("a time that is missing or none")
    return datetime.fromtimestamp(unverified, UTC)


def _is_plain(value: Any) -> bool:
    return (isinstance(value, str) and len(value) <= LONGEST_VALUE) or type(value) is int
