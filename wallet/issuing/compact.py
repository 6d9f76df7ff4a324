"""A licence small enough for a QR code on a phone or on paper: a few of its fields in a CWT, signed (COSE_Sign1), compressed, in base45.

Whoever has the department's certificate or key can check it without a network. It names its signer by key id, brings no certificate, binds
no holder, and says until when it is fresh: it proves that these words were signed, not who shows them. Reading is pure.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import cbor2

from keys import certificates, cose, ring, suites
from runtime.settings import Settings
from wallet.issuing import status_lists
from wallet.issuing.compact_text import EXPIRES, ISSUED, ISSUER, KID_BYTES, LICENCE, MARKED, STATUS, NotCompact, Read, open_message, to_text, told
from wallet.issuing.contents import Content
from wallet.issuing.copy_marks import Marking
from wallet.issuing.status_lists import Place

SKEW = timedelta(seconds=60)
KeysOf = Callable[[str, bytes], Iterable[suites.PublicKey]]


def make(
    settings: Settings,
    content: Content,
    *,
    fields: Iterable[str],
    fresh_for: timedelta,
    now: datetime,
    place: Place | None = None,
    marking: Marking | None = None,
) -> str:
    """Return the code of some fields of a licence, fresh for a while, but no longer than the licence; raises KeyNotReady.

    With a place, a reader who is online can ask whether the licence is still in force; with a marking it is that of a marked copy.
    """
    signer = ring.signer(certificates.department_use(content.department))
    known = {**content.values, "licence_identifier": content.identifier, **content.dates}
    ends = [now + fresh_for, *(one for one in (content.expires_at, marking and marking.ends_at) if one)]
    claims: dict[int, Any] = {
        ISSUER: content.department,
        EXPIRES: int(min(ends).timestamp()),
        ISSUED: int(now.timestamp()),
        LICENCE: {"t": content.licence_type.slug, **{name: known[name] for name in fields if name in known}},
    }
    if place is not None:
        claims[STATUS] = {"status_list": {"idx": place.index, "uri": status_lists.uri_of(settings, place.list_id)}}
    if marking is not None:
        claims[MARKED] = marking.as_compact()
    message = cose.sign1(_bare(signer), cbor2.dumps(claims), protected={cose.KEY_ID: kid_of(signer.kid)})
    return to_text(message)


def kid_of(kid: str) -> bytes:
    """Return the short form of a key's id, by which a code names its signer; a reader tries each key that has it."""
    return kid.encode()[:KID_BYTES]


def read(unverified: str, *, keys_of: KeysOf, now: datetime) -> Read:
    """Return what a code says, once its signature was verified with a key that `keys_of` knows of its issuer, and while it is fresh.

    Raises NotCompact. However little is read, nothing that it opens into may be great.
    """
    message = open_message(unverified)
    said = told(message)
    kid = message.protected.get(cose.KEY_ID)
    keys = keys_of(said.department, kid) if isinstance(kid, bytes) else ()
    if not any(_is_signed(message, key) for key in keys):
        raise NotCompact("no key that is known signed it")
    if now >= said.fresh_until or said.issued_at > now + SKEW:
        raise NotCompact("it is no longer fresh, or not yet")
    return said


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
