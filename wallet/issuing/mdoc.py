"""Mobile documents (ISO/IEC 18013-5): the `IssuerSigned` of a licence, whose elements its holder shows one by one.

Each element is salted and its digest stands in the mobile security object, which the department's key signs; its certificate goes
along (`x5chain`). The document's name is the type's, and so is its one name space: no licence of ours passes for an mDL, for none has the
portrait, the split name and the privileges by ISO 18013-1 that one must have.
"""

import base64
import hashlib
import os
import secrets
from datetime import UTC, datetime
from typing import Any

import cbor2

from keys import certificates, cose, ring
from runtime.settings import Settings
from wallet.issuing import status_lists, times
from wallet.issuing.contents import Content
from wallet.issuing.status_lists import Place
from wallet.issuing.times import Times

FORMAT = "mso_mdoc"
VERSION, HASH = "1.0", "SHA-256"
RANDOM_BYTES = 32
DATE_TIME, EMBEDDED, FULL_DATE = 0, 24, 1004  # tags: RFC 8949 3.4.1 and 3.4.5.1, RFC 8943
LARGEST_DIGEST_ID = 2**31
CURVES = {"P-256": 1, "Ed25519": 6}


class NoHolderKey(ValueError):
    """A mobile document is always bound to a key of its holder's; none was given."""


def make(settings: Settings, content: Content, *, holder_key: dict[str, Any] | None, place: Place, now: datetime) -> bytes:
    """Return the `IssuerSigned` of a licence, in CBOR; raises NoHolderKey, and KeyNotReady if the department has no key."""
    if holder_key is None:
        raise NoHolderKey("a mobile document needs a device key")
    signer = ring.signer(certificates.department_use(content.department))
    moments = times.passing(content, chain=signer.chain, lifetime=settings.credential_lifetime, now=now)
    name = content.licence_type.doctype
    items = _items(content)
    security_object = {
        "version": VERSION,
        "digestAlgorithm": HASH,
        "valueDigests": {name: {number: hashlib.sha256(cbor2.dumps(item)).digest() for number, item in sorted(items)}},
        "deviceKeyInfo": {"deviceKey": cose_key(holder_key)},
        "docType": name,
        "validityInfo": _validity(moments),
        "status": {"status_list": {"idx": place.index, "uri": status_lists.uri_of(settings, place.list_id)}},
    }
    signed = cose.sign1(signer, cbor2.dumps(_embedded(security_object)))
    return cbor2.dumps({"nameSpaces": {name: [item for _, item in items]}, "issuerAuth": signed})


def elements_of(content: Content) -> dict[str, Any]:
    """Return the elements of a licence by their names: what an SD-JWT VC hides or shows, with dates as CBOR has them."""
    dates = {one.name for one in content.licence_type.fields if one.type == "date"} | {*content.dates}
    told = {**content.values, "licence_identifier": content.identifier, **content.dates}
    return {name: cbor2.CBORTag(FULL_DATE, value) if name in dates else value for name, value in told.items()}


def cose_key(jwk: dict[str, Any]) -> dict[int, Any]:
    """Return a public JWK as a COSE_Key (RFC 9052 section 7, RFC 9053 section 7.1); raises ValueError for a kind that mdoc has not."""
    curve = CURVES.get(jwk.get("crv", ""))
    if curve is None:
        raise ValueError("a key of a kind that no mobile document has")
    point = [base64.urlsafe_b64decode(jwk[name] + "=" * (-len(jwk[name]) % 4)) for name in ("x", "y") if name in jwk]
    return {1: len(point), -1: curve, **{-2 - place: coordinate for place, coordinate in enumerate(point)}}


def _items(content: Content) -> list[tuple[int, cbor2.CBORTag]]:
    """Return each element under a digest number of its own, drawn at random: neither order nor number tells which element it is."""
    elements = elements_of(content)
    numbers: set[int] = set()
    while len(numbers) < len(elements):
        numbers.add(secrets.randbelow(LARGEST_DIGEST_ID))
    drawn = sorted(numbers, key=lambda _: secrets.randbits(64))
    return [(number, _item(number, name, value)) for number, (name, value) in zip(drawn, elements.items(), strict=True)]


def _item(number: int, name: str, value: Any) -> cbor2.CBORTag:
    return _embedded({"digestID": number, "random": os.urandom(RANDOM_BYTES), "elementIdentifier": name, "elementValue": value})


def _embedded(content: Any) -> cbor2.CBORTag:
    return cbor2.CBORTag(EMBEDDED, cbor2.dumps(content))


def _validity(moments: Times) -> dict[str, cbor2.CBORTag]:
    assert moments.ends_at is not None, "a passing credential ends"
    told = {"signed": moments.made_at, "validFrom": moments.begins_at, "validUntil": moments.ends_at}
    return {name: cbor2.CBORTag(DATE_TIME, moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")) for name, moment in told.items()}
