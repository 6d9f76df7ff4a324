"""A licence small enough for a QR code on a phone or on paper: a few of its fields in a CWT, signed (COSE_Sign1), compressed, in base45.

Whoever has the department's certificate or key can check it without a network. It names its signer by key id, brings no certificate, binds
no holder, and says until when it is fresh: it proves that these words were signed, not who shows them. Reading is pure.
"""

import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import cbor2

from keys import certificates, cose, ring, suites
from runtime.settings import Settings
from wallet.issuing import status_lists
from wallet.issuing.contents import Content
from wallet.issuing.status_lists import Place

PREFIX = "KBL1:"
ISSUER, EXPIRES, ISSUED, STATUS, LICENCE = 1, 4, 6, 65535, -70001  # claims: RFC 8392, the Token Status List draft, and one of our own
KID_BYTES = 8
LONGEST_TEXT, LONGEST_MESSAGE = 4296, 8 * 1024  # the most letters that any QR code holds; the most bytes that come out of it
MOST_CLAIMS, LONGEST_VALUE = 60, 2000
ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:"
VALUES = {letter: place for place, letter in enumerate(ALPHABET)}
LATEST = 2**33  # the year 2242
SKEW = timedelta(seconds=60)


class NotCompact(ValueError):
    """The text is not such a code, or cannot be believed. The message repeats nothing of it."""


@dataclass(frozen=True, slots=True)
class Read:
    """What a code says, its signature verified: the department's code, the type's short name, the fields, and until when."""

    department: str
    type: str
    fields: dict[str, Any] = field(repr=False)
    issued_at: datetime
    fresh_until: datetime
    status: dict[str, Any] | None


KeysOf = Callable[[str, bytes], Iterable[suites.PublicKey]]


def make(settings: Settings, content: Content, *, fields: Iterable[str], fresh_for: timedelta, now: datetime, place: Place | None = None) -> str:
    """Return the code of some fields of a licence, fresh for a while, but no longer than the licence; raises KeyNotReady.

    With a place, a reader who is online can ask whether the licence is still in force.
    """
    signer = ring.signer(certificates.department_use(content.department))
    told = {**content.values, "licence_identifier": content.identifier, **content.dates}
    until = min(now + fresh_for, content.expires_at or now + fresh_for)
    claims: dict[int, Any] = {
        ISSUER: content.department,
        EXPIRES: int(until.timestamp()),
        ISSUED: int(now.timestamp()),
        LICENCE: {"t": content.licence_type.slug, **{name: told[name] for name in fields if name in told}},
    }
    if place is not None:
        claims[STATUS] = {"status_list": {"idx": place.index, "uri": status_lists.uri_of(settings, place.list_id)}}
    message = cose.sign1(_bare(signer), cbor2.dumps(claims), protected={cose.KEY_ID: kid_of(signer.kid)})
    return PREFIX + to_base45(zlib.compress(cose.to_bytes(message), 9))


def kid_of(kid: str) -> bytes:
    """Return the short form of a key's id, by which a code names its signer; a reader tries each key that has it."""
    return kid.encode()[:KID_BYTES]


def read(unverified: str, *, keys_of: KeysOf, now: datetime) -> Read:
    """Return what a code says, once its signature was verified with a key that `keys_of` knows of its issuer, and while it is fresh.

    Raises NotCompact. However little is read, nothing that it opens into may be great.
    """
    if len(unverified) > LONGEST_TEXT or not unverified.startswith(PREFIX):
        raise NotCompact("not a code of ours")
    try:
        message = cose.read_sign1(_decompress(from_base45(unverified.removeprefix(PREFIX))))
        claims = cose.read_cbor(message.payload or b"")
    except (cose.BadCose, zlib.error) as error:
        raise NotCompact("a code that cannot be read") from error
    told = _told(claims)
    kid = message.protected.get(cose.KEY_ID)
    keys = keys_of(told.department, kid) if isinstance(kid, bytes) else ()
    if not any(_is_signed(message, key) for key in keys):
        raise NotCompact("no key that is known signed it")
    if now >= told.fresh_until or told.issued_at > now + SKEW:
        raise NotCompact("it is no longer fresh, or not yet")
    return told


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
    return Read(issuer, str(licence.get("t")), fields, issued, expires, status if isinstance(status, dict) else None)


def _moment(unverified: Any) -> datetime:
    if type(unverified) is not int or not 0 <= unverified < LATEST:
        raise NotCompact("a time that is missing or none")
    return datetime.fromtimestamp(unverified, UTC)


def _is_plain(value: Any) -> bool:
    return (isinstance(value, str) and len(value) <= LONGEST_VALUE) or type(value) is int


def _is_signed(message: cose.Sign1, key: suites.PublicKey) -> bool:
    try:
        cose.verify1(message, key)
    except cose.BadCose:
        return False
    return True


@dataclass(frozen=True, slots=True)
class _Bare:
    """A signer whose certificate stays behind."""

    suite: str
    sign_bytes: Callable[[bytes], bytes]
    chain: None = None


def _bare(signer: ring.Signer) -> _Bare:
    return _Bare(signer.suite, signer.sign_bytes)
