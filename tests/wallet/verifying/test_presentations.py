"""One list of checks for every form: in each, a licence right but for one thing fails by just that check."""

import dataclasses
import zlib
from datetime import timedelta
from typing import Any

import cbor2
import pytest
from cryptography import x509
from hypothesis import given, settings
from hypothesis import strategies as st

from keys.paths import fingerprint_of
from tests.wallet.verifying.failing import Made, expect_just, run
from tests.wallet.verifying.presented import ACT, EXPECTED, ISSUER, NOW, VCT, Presented, certificate, trust
from tests.wallet.verifying.shown import DOCTYPE, TIME, Compact, Mdoc, VcJwt, embedded, moment
from wallet.issuing import compact_text
from wallet.presenting.dcql import read_query
from wallet.verifying.checks import CHECKS, Expected, NotVerified, StatusUnknown, Trust, verify
from wallet.verifying.compact_reading import CompactPresentation
from wallet.verifying.listed import Granted, Listed
from wallet.verifying.mdoc_reading import MalformedMdoc, read_device_response, read_mdoc
from wallet.verifying.outcomes import Reason, Result
from wallet.verifying.presentations import Presentation
from wallet.verifying.sd_jwt_reading import SdJwtPresentation
from wallet.verifying.vc_jwt_reading import VcJwtPresentation

OF_A_VCT = dataclasses.replace(EXPECTED, vcts=frozenset({VCT}))
OF_ANOTHER = dataclasses.replace(EXPECTED, binding=False, vcts=frozenset({VCT + "-2"}))
UNBOUND = dataclasses.replace(EXPECTED, binding=False)
STRANGER = embedded({"digestID": 99, "random": bytes(32), "elementIdentifier": "stranger", "elementValue": "别人"})
AGAIN = embedded({"digestID": 1, "random": bytes(32), "elementIdentifier": "holder_name", "elementValue": "欧阳试"})
BOMB = compact_text.PREFIX + compact_text.to_base45(zlib.compress(bytes(2 * 1024 * 1024), 9))
NOTHING_MORE: dict[str, Any] = {"id": "q", "format": "mso_mdoc", "meta": {}}
ASKED = dataclasses.replace(EXPECTED, query=read_query({"credentials": [{**NOTHING_MORE, "claims": [{"path": ["space", "none"]}]}]}).credentials[0])
OF_MDOCS = dataclasses.replace(UNBOUND, query=read_query({"credentials": [NOTHING_MORE]}).credentials[0])
CONFIRMING = dataclasses.replace(EXPECTED, confirming=(ACT,))
UNBOUND_CONFIRMING = dataclasses.replace(UNBOUND, confirming=(ACT,))


def wrong(check: str, reason: Reason, made: Made, *, what: str, expected: Expected = UNBOUND) -> Any:
    return pytest.param(check, reason, made, expected, id=what)


def vc(**changes: Any) -> Made:
    return VcJwt(**changes).shown


def mobile(**changes: Any) -> Made:
    return Mdoc(**changes).shown


def small(**changes: Any) -> Made:
    return Compact(**changes).shown


END = (NOW + timedelta(seconds=100)).strftime("%Y-%m-%dT%H:%M:%SZ")
OVER = NOW.strftime("%Y-%m-%dT%H:%M:%SZ")


def terms(**changes: Any) -> dict[str, Any]:
    """What a marked copy says of itself, some of it changed."""
    return {"type": "MarkedCopy", "madeFor": "示例局", "cause": "办事", "madeAt": "2020-01-01T00:00:00Z", "validUntil": END, **changes}


def copied(*found: Any) -> Made:
    return vc(credential={"termsOfUse": list(found)})


def small_copy(**changes: Any) -> Made:
    return small(claims={-70002: {"f": "示例局", "c": "办事", "a": TIME - 9, "u": TIME + 100, **changes}})


def forged_vc() -> Presentation:
    header, _, signature = VcJwt().text().split(".")
    return VcJwtPresentation(f"{header}.{VcJwt(subject={'vehicle_class': 'A1'}).text().split('.')[1]}.{signature}")


SELF_SIGNED, OTHER_ROOT = certificate(subject="leaf", issuer="leaf"), certificate(issuer="other root")
FORMATS: dict[str, tuple[Any, list[Any]]] = {
    "mso_mdoc": (mobile(), [
        wrong("form", Reason.MALFORMED, mobile(mso={"version": "9"}), what="mdoc of another version", expected=EXPECTED),
        wrong("form", Reason.MALFORMED, mobile(mso={"digestAlgorithm": "MD5"}), what="mdoc under a weak hash", expected=EXPECTED),
        wrong("form", Reason.MALFORMED, mobile(validity={"validUntil": "soon"}), what="mdoc without an end", expected=EXPECTED),
        wrong("signature", Reason.BAD_SIGNATURE, mobile(signed_by="thief"), what="mdoc signed by another", expected=EXPECTED),
        wrong("signature", Reason.BAD_SIGNATURE, mobile(protected={1: -8}), what="mdoc under another algorithm", expected=EXPECTED),
        wrong("signature", Reason.BAD_SIGNATURE, mobile(protected={1: 5}), what="mdoc under a MAC", expected=EXPECTED),
        wrong("type_header", Reason.WRONG_TYPE, mobile(doctype="org.iso.18013.5.1.mDL"), what="mdoc under another name", expected=EXPECTED),
        wrong("type_header", Reason.WRONG_TYPE, mobile(), what="mdoc of a type not asked for", expected=OF_A_VCT),
        wrong("issuer", Reason.UNTRUSTED, mobile(chain=[OTHER_ROOT]), what="mdoc of another root", expected=EXPECTED),
        wrong("issuer", Reason.UNTRUSTED, mobile(chain=[SELF_SIGNED]), what="mdoc by a leaf that signed itself", expected=EXPECTED),
        wrong("disclosures", Reason.BAD_DISCLOSURES, mobile(tampered={"holder_name": "别人"}), what="mdoc with a changed element", expected=EXPECTED),
        wrong("disclosures", Reason.BAD_DISCLOSURES, mobile(extra=(STRANGER,)), what="mdoc with an element of no digest", expected=EXPECTED),
        wrong("disclosures", Reason.BAD_DISCLOSURES, mobile(extra=(AGAIN,)), what="mdoc with an element twice", expected=EXPECTED),
        wrong("disclosures", Reason.BAD_DISCLOSURES, mobile(elements={"iss": "x"}), what="mdoc with a reserved name", expected=EXPECTED),
        wrong("asked", Reason.NOT_AS_ASKED, mobile(), what="mdoc without an element that was asked for", expected=ASKED),
        wrong("transaction", Reason.NOT_CONFIRMED, mobile(), what="mdoc, which cannot confirm", expected=CONFIRMING),
        wrong("validity", Reason.EXPIRED, mobile(validity={"validUntil": moment(0)}), what="mdoc that expired", expected=EXPECTED),
        wrong("validity", Reason.NOT_YET_VALID, mobile(validity={"validFrom": moment(100)}), what="mdoc not valid yet", expected=EXPECTED),
        wrong("holder_binding", Reason.NOT_BOUND, mobile(bound_by=None), what="mdoc without a device", expected=EXPECTED),
        wrong("holder_binding", Reason.NOT_BOUND, mobile(transcript=None), what="mdoc of an unknown session", expected=EXPECTED),
        wrong("holder_binding", Reason.BAD_BINDING, mobile(bound_by="thief"), what="mdoc by another device", expected=EXPECTED),
        wrong("holder_binding", Reason.BAD_BINDING, mobile(bound_by="ed thief"), what="mdoc by another kind of key", expected=EXPECTED),
        wrong("holder_binding", Reason.BAD_BINDING, mobile(bound_to=cbor2.dumps([1])), what="mdoc for another session", expected=EXPECTED),
        wrong("holder_binding", Reason.BAD_BINDING, mobile(mso={"deviceKeyInfo": {}}), what="mdoc that names no device", expected=EXPECTED),
        wrong("holder_binding", Reason.UNEXPECTED_BINDING, mobile(), what="mdoc with a device not asked for"),
        wrong("status", Reason.NO_STATUS, mobile(mso={"status": None}), what="mdoc whose status nobody keeps", expected=EXPECTED),
    ]),
    "vc+jwt": (vc(), [
        wrong("form", Reason.MALFORMED, vc(header={"crit": ["x"], "x": 1}), what="credential that marks something critical"),
        wrong("form", Reason.MALFORMED, vc(credential={"issuer": "https://other.example"}), what="credential of two issuers"),
        wrong("form", Reason.MALFORMED, vc(credential={"credentialSubject": []}), what="credential without a subject"),
        wrong("signature", Reason.BAD_SIGNATURE, vc(signed_by="thief"), what="credential signed by another"),
        wrong("signature", Reason.BAD_SIGNATURE, forged_vc, what="credential with another payload"),
        wrong("signature", Reason.BAD_SIGNATURE, vc(header={"alg": "none"}), what="credential under no algorithm"),
        wrong("signature", Reason.BAD_SIGNATURE, vc(header={"alg": "HS256"}), what="credential under a symmetric algorithm"),
        wrong("signature", Reason.NO_CERTIFICATE, vc(chain=[]), what="credential without a certificate"),
        wrong("type_header", Reason.WRONG_TYPE, vc(header={"typ": "dc+sd-jwt"}), what="credential of another type of token"),
        wrong("type_header", Reason.WRONG_TYPE, vc(credential={"credentialSchema": None}), what="credential of no type of licence"),
        wrong("issuer", Reason.UNTRUSTED, vc(chain=[OTHER_ROOT]), what="credential of another root"),
        wrong("issuer", Reason.UNTRUSTED, vc(chain=[SELF_SIGNED]), what="credential by a leaf that signed itself"),
        wrong("issuer", Reason.WRONG_ISSUER, vc(claims={"iss": VCT}, credential={"issuer": VCT}), what="credential in another's name"),
        wrong("disclosures", Reason.BAD_DISCLOSURES, vc(subject={"status": "valid"}), what="credential with a field of a registered name"),
        wrong("asked", Reason.NOT_AS_ASKED, vc(), what="credential where an mdoc is asked for", expected=OF_MDOCS),
        wrong("transaction", Reason.NOT_CONFIRMED, vc(), what="credential, which cannot confirm", expected=UNBOUND_CONFIRMING),
        wrong("marked_copy", Reason.COPY_EXPIRED, copied(terms(validUntil=OVER)), what="copy that is over"),
        wrong("marked_copy", Reason.MALFORMED, copied(terms(), terms()), what="copy marked twice"),
        wrong("marked_copy", Reason.MALFORMED, copied(terms(madeFor=None)), what="copy for nobody"),
        wrong("marked_copy", Reason.MALFORMED, copied(terms(madeFor=["示例局"])), what="copy for a list"),
        wrong("marked_copy", Reason.MALFORMED, copied(terms(cause="")), what="copy without a cause"),
        wrong("marked_copy", Reason.MALFORMED, copied(terms(cause="长" * 61)), what="copy with a long cause"),
        wrong("marked_copy", Reason.MALFORMED, copied(terms(validUntil=TIME + 9)), what="copy whose end is a number"),
        wrong("marked_copy", Reason.MALFORMED, copied(terms(validUntil="soon")), what="copy whose end is no time"),
        wrong("marked_copy", Reason.MALFORMED, copied(terms(madeAt=None)), what="copy made at no time"),
        wrong("validity", Reason.EXPIRED, vc(claims={"exp": TIME}), what="credential that expired"),
        wrong("validity", Reason.NOT_YET_VALID, vc(claims={"nbf": TIME + 100}), what="credential not valid yet"),
        wrong("validity", Reason.MALFORMED, vc(claims={"exp": "tomorrow"}), what="credential whose end is no time"),
        wrong("holder_binding", Reason.NOT_BOUND, vc(), what="credential where a holder's proof is asked for", expected=EXPECTED),
        wrong("audience", Reason.WRONG_AUDIENCE, vc(claims={"aud": "https://other.example"}), what="credential for somebody else"),
        wrong("status", Reason.NO_STATUS, vc(claims={"status": None}), what="credential whose status nobody keeps"),
    ]),
    "compact": (small(), [
        wrong("form", Reason.MALFORMED, lambda: CompactPresentation(BOMB, chains_of=lambda *_: []), what="code that opens into too much"),
        wrong("form", Reason.MALFORMED, small(claims={4: True}), what="code whose end is no time"),
        wrong("form", Reason.MALFORMED, small(fields={"status": "x"}), what="code with a field of a registered name"),
        wrong("signature", Reason.BAD_SIGNATURE, small(signed_by="thief"), what="code signed by another"),
        wrong("signature", Reason.BAD_SIGNATURE, small(protected={1: -8}), what="code under another algorithm"),
        wrong("signature", Reason.NO_CERTIFICATE, small(known=()), what="code of a key that nobody knows"),
        wrong("signature", Reason.NO_CERTIFICATE, small(claims={1: "11379999MB1A0009X9"}), what="code of another department"),
        wrong("type_header", Reason.WRONG_TYPE, small(), what="code of a type not asked for", expected=OF_ANOTHER),
        wrong("issuer", Reason.UNTRUSTED, small(known=(OTHER_ROOT,)), what="code of another root"),
        wrong("issuer", Reason.WRONG_ISSUER, small(known=(certificate(uri=f"{ISSUER}0"),)), what="code by another's certificate"),
        wrong("asked", Reason.NOT_AS_ASKED, small(), what="code where an mdoc is asked for", expected=OF_MDOCS),
        wrong("transaction", Reason.NOT_CONFIRMED, small(), what="code, which cannot confirm", expected=UNBOUND_CONFIRMING),
        wrong("marked_copy", Reason.COPY_EXPIRED, small_copy(u=TIME), what="code of a copy that is over"),
        wrong("marked_copy", Reason.MALFORMED, small(claims={-70002: "示例局"}), what="code of a copy with a text alone"),
        wrong("marked_copy", Reason.MALFORMED, small_copy(f=7), what="code of a copy for a number"),
        wrong("marked_copy", Reason.MALFORMED, small_copy(u=True), what="code of a copy whose end is true"),
        wrong("marked_copy", Reason.MALFORMED, small_copy(u=2**40), what="code of a copy without end"),
        wrong("validity", Reason.EXPIRED, small(claims={4: TIME}), what="code no longer fresh"),
        wrong("validity", Reason.NOT_YET_VALID, small(claims={6: TIME + 100}), what="code of the future"),
        wrong("holder_binding", Reason.NOT_BOUND, small(), what="code where a holder's proof is asked for", expected=EXPECTED),
        wrong("status", Reason.NO_STATUS, small(claims={65535: None}), what="code without a place"),
    ]),
}  # fmt: skip
CASES = [case for _, cases in FORMATS.values() for case in cases]
CANNOT_FAIL = {
    "mso_mdoc": {"marked_copy", "audience", "nonce"},  # both stand in the session transcript, which the device's proof is over
    "vc+jwt": {"nonce"},  # it brings no proof of its holder
    "compact": {"disclosures", "audience", "nonce"},  # nothing in it is hidden, nobody is bound
}


@pytest.mark.parametrize(("check", "reason", "made", "expected"), CASES)
def test_what_is_wrong_in_one_thing_fails_by_just_that_check(check: str, reason: Reason, made: Made, expected: Expected) -> None:
    expect_just(check, reason, made, expected=expected)


@pytest.mark.parametrize("name", FORMATS)
def test_every_check_has_a_case_in_every_form_that_can_fail_by_it(name: str) -> None:
    seen = {case.values[0] for case in FORMATS[name][1]}
    assert seen | CANNOT_FAIL[name] == {check.__name__ for check in CHECKS}
    assert not seen & CANNOT_FAIL[name]


@pytest.mark.parametrize(
    ("made", "expected", "disclosed"),
    [
        pytest.param(mobile(), EXPECTED, ("licence_identifier", "holder_name", "birth_date"), id="mdoc with its device"),
        pytest.param(Mdoc().alone, UNBOUND, ("licence_identifier", "holder_name", "birth_date"), id="mdoc alone"),
        pytest.param(mobile(chain=[certificate(subject="ed leaf")], signed_by="ed leaf"), EXPECTED, None, id="mdoc by an Ed25519 issuer"),
        pytest.param(vc(), UNBOUND, ("holder_name", "vehicle_class"), id="credential of the data model 2.0"),
        pytest.param(vc(is_1_1=True), UNBOUND, ("holder_name", "vehicle_class"), id="credential of the data model 1.1"),
        pytest.param(vc(claims={"exp": None}), UNBOUND, None, id="credential without an end"),
        pytest.param(small(), UNBOUND, ("holder_name",), id="compact code"),
        pytest.param(small(known=(certificate(subject="other"), certificate())), UNBOUND, None, id="compact code with a short id of several"),
    ],
)  # fmt: skip
def test_what_is_right_passes_and_shows_its_fields(made: Made, expected: Expected, disclosed: tuple[str, ...] | None) -> None:
    verified = run(made(), expected=expected)
    assert {one.result for one in verified.outcomes} <= {Result.PASSED, Result.NOT_ASKED}
    assert verified.claims["iss"] == ISSUER
    assert verified.claims["licence_identifier"]
    assert verified.claims["vct"] in (VCT, DOCTYPE)
    assert disclosed is None or verified.disclosed == disclosed


def test_dates_of_a_mobile_document_are_told_as_they_are_written() -> None:
    assert run(Mdoc().shown(), expected=EXPECTED).claims["birth_date"] == "1990-05-18"


def test_a_mobile_document_whose_certificate_names_nobody_can_be_read_and_is_nobodys() -> None:
    """As driving licences from abroad are signed: the standard wants no alternative name in the certificate of a document's signer."""
    expect_just("issuer", Reason.WRONG_ISSUER, Mdoc(chain=[certificate(uri=None)]).shown, expected=EXPECTED)


NAMELESS = certificate(uri=None, constrained=False, extra=x509.ExtendedKeyUsage([x509.ObjectIdentifier("1.0.18013.5.1.2")]))
THEIRS = "https://elsewhere.example/departments/1"


def listing(signer: x509.Certificate, doctype: str = DOCTYPE) -> Trust:
    """A trust list that names a certificate, and no root of ours."""
    granted = {doctype: Granted("11100000000013127D011", ((0.0, TIME + 1.0),))}
    one = Listed(THEIRS, "", {"zh": "虚构局"}, "虚构省", 0.0, TIME + 9.0, TIME + 9.0, granted)
    return Trust((), listed={fingerprint_of(signer): one})


def test_a_trust_list_names_the_issuer_of_a_mobile_document_whose_certificate_names_nobody() -> None:
    """Such a certificate as ISO/IEC 18013-5 annex B has it: for mobile documents, without a name, and of no authority by saying nothing of one."""
    verified = run(Mdoc(chain=[NAMELESS]).shown(), expected=EXPECTED, trust=listing(NAMELESS))
    assert (verified.claims["iss"], verified.claims["holder_name"]) == (THEIRS, "欧阳试")
    with pytest.raises(NotVerified, match="status: revoked") as caught:
        run(Mdoc(chain=[NAMELESS]).shown(), expected=EXPECTED, trust=listing(NAMELESS), state="revoked")
    assert caught.value.claims is not None
    assert caught.value.claims["iss"] == THEIRS


OURS, TWO_NAMES = (
    certificate(),
    certificate(uri=None, extra=x509.SubjectAlternativeName([x509.UniformResourceIdentifier(one) for one in ("a:b", THEIRS)])),
)


@pytest.mark.parametrize(
    ("check", "reason", "made", "trust"),
    [
        pytest.param("issuer", Reason.UNTRUSTED, mobile(chain=[NAMELESS]), listing(certificate(uri=None)), id="another certificate of the key"),
        pytest.param("issuer", Reason.NOT_GRANTED, mobile(chain=[NAMELESS]), listing(NAMELESS, "other"), id="another type"),
        pytest.param("issuer", Reason.WRONG_ISSUER, mobile(chain=[OURS]), listing(OURS), id="a certificate that names another"),
        pytest.param("issuer", Reason.WRONG_ISSUER, mobile(chain=[TWO_NAMES]), listing(TWO_NAMES), id="a certificate that names two"),
        pytest.param("signature", Reason.BAD_SIGNATURE, mobile(chain=[NAMELESS], signed_by="thief"), listing(NAMELESS), id="another key"),
        pytest.param("holder_binding", Reason.BAD_BINDING, mobile(chain=[NAMELESS], bound_by="thief"), listing(NAMELESS), id="a thief"),
    ],
)
def test_a_list_names_the_issuer_of_just_what_its_certificate_signed(check: str, reason: Reason, made: Made, trust: Trust) -> None:
    expect_just(check, reason, made, expected=EXPECTED, trust=trust)


@pytest.mark.parametrize(
    "text", [Presented(claims={"iss": None}, chain=[NAMELESS]).text(), Presented(chain=[NAMELESS]).text()], ids=["none", "another"]
)
def test_what_has_a_place_for_its_issuer_s_name_must_have_the_right_one_there(text: str) -> None:
    trusted = listing(NAMELESS, VCT)
    expect_just("issuer", Reason.WRONG_ISSUER, lambda: SdJwtPresentation(text), expected=EXPECTED, trust=trusted)
    expect_just("issuer", Reason.WRONG_ISSUER, vc(chain=[NAMELESS], claims={"iss": None}), expected=UNBOUND, trust=trusted)


@pytest.mark.parametrize("name", FORMATS)
def test_a_status_fails_every_form_alike(name: str) -> None:
    made = FORMATS[name][0]
    expected = EXPECTED if name == "mso_mdoc" else UNBOUND
    with pytest.raises(NotVerified, match=r"status: revoked"):
        run(made(), expected=expected, state="revoked")

    def out_of_range(claims: Any) -> str:
        raise StatusUnknown

    with pytest.raises(NotVerified, match="status_unknown"):
        verify(made(), expected=expected, trust=trust(), status_of=out_of_range, now=NOW)


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"\xa0", id="an empty map"),
        pytest.param(cbor2.dumps({"version": "1.0", "documents": [], "status": 0}), id="no document"),
        pytest.param(cbor2.dumps({"version": "1.0", "documents": [{}, {}], "status": 0}), id="two documents"),
        pytest.param(cbor2.dumps({"version": "1.0", "documents": [{}], "status": 10}), id="an error"),
        pytest.param(bytes(300 * 1024), id="too large"),
        pytest.param(b"\x9f" * 5000, id="too deep"),
        pytest.param(b"\xa1" + b"\x9b" + b"\xff" * 8, id="a length past all memory"),
    ],
)
def test_what_is_no_mobile_document_is_refused(raw: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 (whichever)
        read_mdoc(raw, transcript=None)


def test_a_response_without_a_document_is_said_to_be_none() -> None:
    with pytest.raises(MalformedMdoc):
        read_device_response(cbor2.dumps({"version": "1.0", "status": 0}), transcript=None)


@settings(max_examples=150, deadline=None)
@given(st.integers(min_value=0), st.integers(min_value=1, max_value=255))
def test_no_change_of_one_byte_of_a_mobile_document_shows_anything_else(at: int, flip: int) -> None:
    raw = bytearray(RIGHT)
    raw[at % len(raw)] ^= flip
    try:
        verified = run(read_mdoc(bytes(raw), transcript=Mdoc().transcript), expected=EXPECTED)
    except (NotVerified, ValueError):
        return
    right = run(Mdoc().shown(), expected=EXPECTED).claims
    assert all(right[name] == value for name, value in verified.claims.items())


RIGHT = Mdoc().response()


def test_the_certificate_of_an_sd_jwt_says_nothing_of_other_forms() -> None:
    """A credential of one form never passes for one of another."""
    text = Presented(bound=False).text().partition("~")[0]
    with pytest.raises(NotVerified):
        run(VcJwtPresentation(text), expected=UNBOUND)
    text = VcJwt().text() + "~"
    with pytest.raises(NotVerified):
        verify(text, expected=UNBOUND, trust=trust(), status_of=None, now=NOW)


@pytest.mark.parametrize("made", [copied(terms()), copied({"type": "Another"}, terms()), small_copy()], ids=["terms", "among other terms", "code"])
def test_a_marked_copy_says_for_whom_and_why_until_it_is_over_and_after(made: Made) -> None:
    verified = run(made(), expected=UNBOUND)
    assert next(one.result for one in verified.outcomes if one.check == "marked_copy") is Result.PASSED
    assert verified.marking is not None
    assert (verified.marking.made_for, verified.marking.cause) == ("示例局", "办事")
    with pytest.raises(NotVerified, match="copy_expired") as caught:
        run(made(), expected=UNBOUND, shift=timedelta(seconds=100))
    assert caught.value.marking == verified.marking


@pytest.mark.parametrize("found", [None, "text", 7, [], [None, "x", {"type": "Another"}], {"type": ["MarkedCopy"]}])
def test_other_terms_of_use_mark_no_copy(found: Any) -> None:
    verified = run(vc(credential={"termsOfUse": found})(), expected=UNBOUND)
    assert verified.marking is None
    assert "marked_copy" not in {one.check for one in verified.outcomes}
