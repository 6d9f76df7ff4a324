"""What anyone may send, at every door that takes it: told wrong in the words of the check that it fails, and no fault of ours."""

import hashlib
from collections.abc import Mapping
from typing import Any

import cbor2
import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from keys import cose
from runtime import base64url
from tests.wallet.verifying import presented
from tests.wallet.verifying.shown import DEPARTMENT, DOCTYPE, TRANSCRIPT, Compact, Mdoc, VcJwt, VpJwt, embedded
from tests.world_people import BROWSER, csrf_token
from tests.world_verifying import Counter
from wallet.verifying import checks
from wallet.verifying.mdoc_reading import read_mdoc

HOSTILE = {
    "nothing": None,
    "a yes": True,
    "a great number": 2**64 - 1,
    "no number": float("nan"),
    "a zero byte": "\x00",
    "bytes": b"\xff",
    "a list": [],
    "lists in lists": [[[]]],
    "a map": {1: {2: 3}},
    "a map by bytes": {b"x": float("inf")},
    "CBOR in CBOR that is none": cbor2.CBORTag(24, b"\xff"),
    "a tag that nobody knows": cbor2.CBORTag(99, {}),
    "the first moment": cbor2.CBORTag(0, "0001-01-01T00:00:00+23:59"),
    "undefined": cbor2.undefined,
    "a simple value": cbor2.CBORSimpleValue(99),
}


def of_no_version() -> bytes:
    """A certificate of a version that there is not."""
    der = presented.leaf().public_bytes(Encoding.DER)
    assert der.count(bytes.fromhex("a003020102")) == 1
    return der.replace(bytes.fromhex("a003020102"), bytes.fromhex("a003020107"))


def judged(raw: bytes) -> str:
    """Return by which check a document fails, `form` for one that cannot be read at all, `none` for one that is believed."""
    try:
        shown = read_mdoc(raw, transcript=TRANSCRIPT)
    except ValueError:
        return "form"
    try:
        checks.verify(shown, expected=presented.EXPECTED, trust=presented.trust(), status_of=None, now=presented.NOW)
    except checks.NotVerified as failed:
        return failed.check
    return "none"


MEMBERS = ("version", "digestAlgorithm", "valueDigests", "deviceKeyInfo", "docType", "validityInfo")


@pytest.mark.parametrize("value", HOSTILE.values(), ids=HOSTILE)
@pytest.mark.parametrize("member", MEMBERS)
def test_a_security_object_with_anything_in_it_fails_a_check(member: str, value: Any) -> None:
    expected = {"docType": "type_header", "valueDigests": "disclosures", "deviceKeyInfo": "holder_binding"}.get(member, "form")
    assert judged(Mdoc(mso={member: value}).response()) in {expected, "form"}


def with_items(*items: Any) -> bytes:
    """A document of just these elements, each of which its issuer signed."""
    found = [embedded(one) for one in items]
    numbers = [one["digestID"] if isinstance(one, dict) else 0 for one in items]
    digests = {number: hashlib.sha256(cbor2.dumps(one)).digest() for number, one in zip(numbers, found, strict=True)}
    response = cbor2.loads(Mdoc(mso={"valueDigests": {DOCTYPE: digests}}).response())
    (document,) = response["documents"]
    signed = {**document["issuerSigned"], "nameSpaces": {DOCTYPE: found}}
    return cbor2.dumps({**response, "documents": [{**document, "issuerSigned": signed}]})


def item(number: Any = 0, **changes: Any) -> dict[str, Any]:
    told = {"digestID": number, "random": bytes(32), "elementIdentifier": "holder_name", "elementValue": "欧阳试", **changes}
    return {name: one for name, one in told.items() if one is not None}


@pytest.mark.parametrize(
    ("items", "check"),
    [
        pytest.param([item()], "none", id="as it must be"),
        pytest.param([item(), item(1)], "disclosures", id="one name twice"),
        pytest.param([item(random=None)], "disclosures", id="no salt"),
        pytest.param([item(True)], "disclosures", id="a number that is a yes"),
        pytest.param([item(elementIdentifier="exp")], "disclosures", id="a registered name"),
        pytest.param([item(elementValue=float("nan"))], "disclosures", id="no number"),
        pytest.param([item(elementValue=float("inf"))], "disclosures", id="a number without end"),
        pytest.param([item(elementValue={1: 2})], "disclosures", id="a map by numbers"),
        pytest.param([[1]], "form", id="no element"),
        pytest.param([item(at) for at in range(257)], "form", id="too many"),
    ],
)
def test_an_element_that_its_issuer_signed_is_not_taken_whatever_it_is(items: list[Any], check: str) -> None:
    assert judged(with_items(*items)) == check


def test_a_security_object_stands_in_its_own_tag() -> None:
    response = cbor2.loads(Mdoc().response())
    (document,) = response["documents"]
    body, unprotected, payload, signature = document["issuerSigned"]["issuerAuth"]
    other = cbor2.dumps(cbor2.CBORTag(99, cbor2.loads(payload).value))
    signed = {**document["issuerSigned"], "issuerAuth": [body, unprotected, other, signature]}
    assert judged(cbor2.dumps({**response, "documents": [{**document, "issuerSigned": signed}]})) == "form"


DEVICE_KEY = {1: 2, -1: 1, -2: bytes(32), -3: bytes(32)}


@pytest.mark.parametrize("value", HOSTILE.values(), ids=HOSTILE)
@pytest.mark.parametrize("label", DEVICE_KEY)
def test_a_device_key_with_anything_in_it_binds_no_holder(label: int, value: Any) -> None:
    key = {"deviceKey": {**DEVICE_KEY, label: value}}
    assert judged(Mdoc(mso={"deviceKeyInfo": key}).response()) in {"holder_binding", "form"}


@pytest.mark.parametrize("value", [one for name, one in HOSTILE.items() if name != "the first moment"])
@pytest.mark.parametrize("member", ["signed", "validFrom", "validUntil"])
def test_dates_that_are_none_fail_a_check(member: str, value: Any) -> None:
    assert judged(Mdoc(validity={member: value}).response()) == "form"


def test_moments_at_the_ends_of_the_calendar_break_nothing() -> None:
    first, last = (cbor2.CBORTag(0, one) for one in ("0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59"))
    assert judged(Mdoc(validity={"signed": first}).response()) == "issuer"
    assert judged(Mdoc(validity={"validUntil": first}).response()) == "validity"
    assert judged(Mdoc(validity={"validFrom": last}).response()) == "validity"


def test_a_certificate_of_no_version_is_no_chain() -> None:
    message = cose.read_sign1(cose.sign1(cose.KeySigner(presented.key("leaf")), b"content", unprotected={cose.X5CHAIN: of_no_version()}))
    with pytest.raises(cose.BadCose, match="chain"):
        _ = message.chain
    assert judged(with_chain(of_no_version())) == "form"


def with_chain(chain: Any) -> bytes:
    response = cbor2.loads(Mdoc().response())
    (document,) = response["documents"]
    body, _, payload, signature = document["issuerSigned"]["issuerAuth"]
    signed = {**document["issuerSigned"], "issuerAuth": [body, {cose.X5CHAIN: chain}, payload, signature]}
    return cbor2.dumps({**response, "documents": [{**document, "issuerSigned": signed}]})


def shown_at_the_doors() -> Mapping[str, str]:
    licence = {"t": "driving-licence", "licence_identifier": "\x00"}
    return {
        "a certificate of no version": base64url.write(with_chain(of_no_version())),
        "a hash that is a list": base64url.write(Mdoc(mso={"digestAlgorithm": []}).response()),
        "a document's name with a zero byte": base64url.write(Mdoc(mso={"docType": "\x00"}, doctype="\x00").response()),
        "a department with a zero byte": Compact(claims={1: "\x00"}).text(),
        "a department without end": Compact(claims={1: "1" * 2000}).text(),
        "a type with a zero byte": Compact(fields={**licence, "t": "\x00"}).text(),
        "an identifier with a zero byte": Compact(claims={1: DEPARTMENT}, fields=licence).text(),
        "a credential about nobody": VcJwt(credential={"credentialSubject": None}).text(),
        "a credential about several": VcJwt(credential={"credentialSubject": [{}, {}]}).text(),
        "a presentation of nothing": VpJwt(credentials=[]).text(),
        "a presentation that is none": VpJwt(claims={"vp": True}).text(),
        "a presentation of half a letter": VpJwt(claims={"nonce": "\ud800", "aud": "\ud800"}).text(),
        "a status that is elsewhere": Compact(claims={65535: {"status_list": {"idx": 2**64 - 1, "uri": "\x00"}}}).text(),
    }


@pytest.mark.parametrize("which", shown_at_the_doors())
def test_no_door_breaks_on_it(counter: Counter, which: str) -> None:
    text = shown_at_the_doors()[which]
    for given in ({"binding": "none"}, {"session_transcript": base64url.write(TRANSCRIPT)}):
        answer = counter.verify(text, **given)
        assert answer.status_code == 422 or answer.json["verdict"] == "invalid", answer.text
    form = {"shown": text, "csrf_token": csrf_token(counter.client.get("/check", headers=BROWSER).text)}
    page = counter.client.post("/check", data=form, content_type="multipart/form-data", headers=BROWSER)
    assert page.status_code < 500
    assert "verdict--valid" not in page.text
