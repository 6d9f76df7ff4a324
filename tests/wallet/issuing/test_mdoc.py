import hashlib
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import cbor2
import pytest
from flask import Flask

from keys import certificates, cose, ring, suites
from runtime.settings import Settings
from tests.wallet.issuing.licence_contents import PLACE, new_content, new_key, some_days_on
from wallet.issuing import mdoc
from wallet.issuing.contents import Content

PLAIN = frozenset({0, 1004})


@pytest.fixture(scope="module")
def content(app: Flask) -> Content:
    return new_content(app)


def made(app: Flask, settings: Settings, content: Content, **changes: Any) -> bytes:
    given: dict[str, Any] = {"holder_key": new_key()[1], "place": PLACE, "now": some_days_on(), **changes}
    with app.app_context():
        return mdoc.make(settings, content, **given)


def security_object(app: Flask, content: Content, signed: dict[str, Any]) -> dict[str, Any]:
    """Verify the issuer's signature with the department's own key, and return what it signed."""
    with app.app_context():
        key = ring.signer(certificates.department_use(content.department)).key.public_key()
    wrapped = cose.read_cbor(cose.verify1(cose.read_sign1(signed["issuerAuth"]), key))
    assert wrapped.tag == 24
    found: dict[str, Any] = cbor2.loads(wrapped.value)
    return found


def test_an_mdoc_says_all_of_a_licence_each_element_salted_and_by_itself(app: Flask, settings: Settings, content: Content) -> None:
    key, jwk = new_key()
    signed = cbor2.loads(made(app, settings, content, holder_key=jwk))
    told = security_object(app, content, signed)
    assert set(told) == {"version", "digestAlgorithm", "valueDigests", "deviceKeyInfo", "docType", "validityInfo", "status"}
    assert (told["version"], told["digestAlgorithm"]) == ("1.0", "SHA-256")
    assert told["docType"] == "1.2.156.3005.2.11100000000013127D011"
    assert told["status"] == {"status_list": {"idx": 4711, "uri": "http://127.0.0.1:8000/status/0123456789ab"}}
    numbers = key.public_key().public_numbers()  # type: ignore[union-attr]
    assert told["deviceKeyInfo"]["deviceKey"] == {1: 2, -1: 1, -2: numbers.x.to_bytes(32, "big"), -3: numbers.y.to_bytes(32, "big")}  # type: ignore[union-attr]
    items = signed["nameSpaces"][told["docType"]]
    assert all(item.tag == 24 for item in items)
    digests = told["valueDigests"][told["docType"]]
    opened = {}
    for item in items:
        inner = cbor2.loads(item.value)
        assert digests[inner["digestID"]] == hashlib.sha256(cbor2.dumps(item)).digest()
        assert len(inner["random"]) >= 16
        opened[inner["elementIdentifier"]] = inner["elementValue"]
    assert len(digests) == len(items) == len(opened)
    assert opened["holder_name"] == "林晓月"
    assert opened["licence_identifier"] == content.identifier


def test_dates_and_moments_have_the_tags_of_the_standard(app: Flask, settings: Settings, content: Content) -> None:
    assert mdoc.elements_of(content)["first_issued"] == cbor2.CBORTag(1004, "2012-07-01")
    raw = made(app, settings, content)
    assert b"\xd9\x03\xec\x6a2012-07-01" in raw, "tag 1004 over the text"
    wrapped = cbor2.loads(cose.read_sign1(cbor2.loads(raw)["issuerAuth"]).payload or b"").value
    assert wrapped.count(b"\xc0\x74") == 3, "tag 0 over twenty letters: no fraction, no offset but Z"
    validity = cbor2.loads(wrapped)["validityInfo"]
    assert set(validity) == {"signed", "validFrom", "validUntil"}
    assert all(isinstance(value, datetime) for value in validity.values())
    assert validity["signed"] <= validity["validFrom"] < validity["validUntil"] <= some_days_on() + settings.credential_lifetime


def test_the_signature_names_its_algorithm_in_the_protected_header_alone_and_brings_the_certificate(
    app: Flask, settings: Settings, content: Content
) -> None:
    message = cose.read_sign1(cbor2.loads(made(app, settings, content))["issuerAuth"])
    assert dict(message.protected) == {1: -7}
    assert set(message.unprotected) == {33}
    with app.app_context():
        message.chain[0].verify_directly_issued_by(certificates.root_certificate())


def test_digest_numbers_tell_neither_order_nor_element(app: Flask, settings: Settings, content: Content) -> None:
    def numbers() -> list[int]:
        signed = cbor2.loads(made(app, settings, content))
        return [cbor2.loads(item.value)["digestID"] for item in signed["nameSpaces"][content.licence_type.doctype]]

    first, second = numbers(), numbers()
    assert not set(first) & set(second)
    assert sorted(first) != first
    assert max(first + second) < 2**31, "ISO/IEC 18013-5 section 9.1.2.5"
    digests = security_object(app, content, cbor2.loads(made(app, settings, content)))["valueDigests"][content.licence_type.doctype]
    assert list(digests) == sorted(digests), "nor does the order of the digests"


def test_an_ed25519_key_binds_as_well_and_another_kind_does_not() -> None:
    assert set(mdoc.cose_key(suites.public_jwk(suites.ED25519.generate().public_key()))) == {1, -1, -2}
    with pytest.raises(ValueError, match="a kind that no mobile document has"):
        mdoc.cose_key(suites.public_jwk(suites.RS256.generate().public_key()))


def test_without_a_key_of_the_holders_there_is_none(app: Flask, settings: Settings, content: Content) -> None:
    with pytest.raises(mdoc.NoHolderKey):
        made(app, settings, content, holder_key=None)


def test_one_changed_byte_anywhere_in_what_is_signed_fails(app: Flask, settings: Settings, content: Content) -> None:
    """The signature is over the whole security object; each element is under its digest."""
    signed = cbor2.loads(made(app, settings, content))
    body, unprotected, payload, signature = signed["issuerAuth"]
    for place in range(0, len(payload), 97):
        spoilt = bytearray(payload)
        spoilt[place] ^= 1
        with pytest.raises(cose.BadCose):
            security_object(app, content, {"issuerAuth": [body, unprotected, bytes(spoilt), signature]})
    digests = security_object(app, content, signed)["valueDigests"][content.licence_type.doctype].values()
    for item in signed["nameSpaces"][content.licence_type.doctype]:
        spoilt = bytearray(item.value)
        spoilt[-1] ^= 1
        assert hashlib.sha256(cbor2.dumps(cbor2.CBORTag(24, bytes(spoilt)))).digest() not in digests


def test_it_never_outlives_its_licence(app: Flask, settings: Settings, content: Content) -> None:
    ending = replace(content, valid_until=some_days_on().date() + timedelta(days=1))
    told = security_object(app, content, cbor2.loads(made(app, settings, ending)))
    assert told["validityInfo"]["validUntil"] == ending.expires_at


def test_it_never_outlives_its_signers_certificate(app: Flask, settings: Settings, content: Content) -> None:
    lasting = replace(settings, credential_lifetime=timedelta(days=20 * 365))
    message = cbor2.loads(made(app, lasting, replace(content, valid_until=None)))
    ends = cose.read_sign1(message["issuerAuth"]).chain[0].not_valid_after_utc
    assert security_object(app, content, message)["validityInfo"]["validUntil"] == ends
