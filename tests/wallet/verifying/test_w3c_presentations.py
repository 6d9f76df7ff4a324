"""W3C presentations: the same list of checks as for every form, of what the issuer signed and of what its holder signs around it."""

import dataclasses
from typing import Any

import jwt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keys import suites
from tests.wallet.verifying.failing import Made, expect_just, run
from tests.wallet.verifying.presented import ACT, EXPECTED, ISSUER, NOW, VCT, certificate, key
from tests.wallet.verifying.shown import BOUND, TIME, VcJwt, VpJwt
from wallet.issuing.w3c_types import EXPANDED
from wallet.presenting import holder_names
from wallet.presenting.dcql import read_query
from wallet.verifying.checks import CHECKS, Expected, NotVerified
from wallet.verifying.outcomes import Reason, Result
from wallet.verifying.presentations import Presentation
from wallet.verifying.vc_jwt_reading import VcJwtPresentation
from wallet.verifying.vp_jwt_reading import read_jwt

UNBOUND = dataclasses.replace(EXPECTED, binding=False)
CONFIRMING = dataclasses.replace(EXPECTED, confirming=(ACT,))
GOOD = VcJwt(is_1_1=True, claims=BOUND).text()
OF_ED = {"cnf": {"jwk": suites.public_jwk(key("ed holder").public_key())}}
OF_HOLDER = holder_names.name_of(BOUND["cnf"]["jwk"])
OF_THIEF = holder_names.name_of(suites.public_jwk(key("thief").public_key()))
SELF_SIGNED, OTHER_ROOT = certificate(subject="leaf", issuer="leaf"), certificate(issuer="other root")
OVER = NOW.strftime("%Y-%m-%dT%H:%M:%SZ")
COPY = {"type": "MarkedCopy", "madeFor": "示例局", "cause": "办事", "madeAt": "2020-01-01T00:00:00Z", "validUntil": OVER}
W3C: dict[str, Any] = {"id": "q", "format": "jwt_vc_json", "meta": {"type_values": [["DrivingLicence"]]}}


def wrong(check: str, reason: Reason, made: Made, *, what: str, expected: Expected = EXPECTED) -> Any:
    return pytest.param(check, reason, made, expected, id=what)


def vp(*, credential: dict[str, Any] | None = None, subject: dict[str, Any] | None = None, **changes: Any) -> Made:
    """A presentation, something of it changed; `credential`, `subject` and what begins with `vc_` change what the issuer signed."""
    of_vc = {name.removeprefix("vc_"): changes.pop(name) for name in list(changes) if name.startswith("vc_")}
    claims = {**BOUND, **of_vc.pop("claims", {})}
    made = VcJwt(is_1_1=True, claims=claims, credential=credential or {}, subject=subject or {}, **of_vc)
    return VpJwt(credential=made, **changes).shown


def forged_vp() -> Presentation:
    """The holder signs again around a credential of which the payload is another."""
    header, _, signature = GOOD.split(".")
    payload = VcJwt(is_1_1=True, claims=BOUND, subject={"vehicle_class": "A1"}).text().split(".")[1]
    return VpJwt(credentials=[f"{header}.{payload}.{signature}"]).shown()


def asking(**changes: Any) -> Expected:
    return dataclasses.replace(EXPECTED, query=read_query({"credentials": [{**W3C, **changes}]}).credentials[0])


ANOTHER_TYPE = asking(meta={"type_values": [["DegreeCertificate"]]})
ANOTHER_CLASS = asking(claims=[{"path": ["credentialSubject", "vehicle_class"], "values": ["A1"]}])
NO_SUCH_CLAIM = asking(claims=[{"path": ["credentialSubject", "address"]}])
OF_PRESENTATION = asking(claims=[{"path": ["verifiableCredential"]}])
CASES = [
    wrong("form", Reason.MALFORMED, vp(header={"crit": ["x"], "x": 1}), what="presentation that marks something critical"),
    wrong("form", Reason.MALFORMED, vp(vc_header={"crit": ["x"], "x": 1}), what="presentation of what marks it"),
    wrong("form", Reason.MALFORMED, vp(vp={"type": ["VerifiableCredential"]}), what="presentation that says it is none"),
    wrong("form", Reason.MALFORMED, vp(claims={"vp": "text"}), what="presentation that is a text"),
    wrong("form", Reason.MALFORMED, vp(claims={"vp": []}), what="presentation that is a list"),
    wrong("form", Reason.MALFORMED, vp(credentials=[]), what="presentation of nothing"),
    wrong("form", Reason.MALFORMED, vp(credentials=[GOOD, GOOD]), what="presentation of one credential twice"),
    wrong("form", Reason.MALFORMED, vp(credentials=[GOOD, "a.b.c"]), what="presentation of two credentials"),
    wrong("form", Reason.MALFORMED, vp(credentials=[{"type": "VerifiableCredential"}]), what="presentation of an object"),
    wrong("form", Reason.MALFORMED, vp(credentials=[VpJwt().text()]), what="presentation of a presentation"),
    wrong("form", Reason.MALFORMED, vp(credentials=["a." + "A" * 200_000 + ".c"]), what="presentation that is too long"),
    wrong("signature", Reason.BAD_SIGNATURE, vp(vc_signed_by="holder"), what="presentation of what its holder signed"),
    wrong("signature", Reason.BAD_SIGNATURE, forged_vp, what="presentation of another payload"),
    wrong("signature", Reason.BAD_SIGNATURE, vp(vc_header={"alg": "none"}), what="presentation of what nobody signed"),
    wrong("signature", Reason.NO_CERTIFICATE, vp(vc_chain=[]), what="presentation without a certificate"),
    wrong("type_header", Reason.WRONG_TYPE, vp(credential={"credentialSchema": None}), what="presentation of no licence"),
    wrong("issuer", Reason.UNTRUSTED, vp(vc_chain=[OTHER_ROOT]), what="presentation of another root's"),
    wrong("issuer", Reason.UNTRUSTED, vp(vc_chain=[SELF_SIGNED]), what="presentation of what signed itself"),
    wrong("disclosures", Reason.BAD_DISCLOSURES, vp(subject={"cnf": {}}), what="presentation with a registered name"),
    wrong("asked", Reason.NOT_AS_ASKED, vp(), what="presentation of another type than asked for", expected=ANOTHER_TYPE),
    wrong("asked", Reason.NOT_AS_ASKED, vp(), what="presentation with another value", expected=ANOTHER_CLASS),
    wrong("asked", Reason.NOT_AS_ASKED, vp(), what="presentation without a field asked for", expected=NO_SUCH_CLAIM),
    wrong("asked", Reason.NOT_AS_ASKED, vp(), what="presentation, into which no path leads", expected=OF_PRESENTATION),
    wrong("marked_copy", Reason.COPY_EXPIRED, vp(credential={"termsOfUse": COPY}), what="a copy's"),
    wrong("validity", Reason.EXPIRED, vp(vc_claims={"exp": TIME}), what="presentation of what expired"),
    wrong("validity", Reason.NOT_YET_VALID, vp(vc_claims={"nbf": TIME + 100}), what="presentation of what begins later"),
    wrong("holder_binding", Reason.UNEXPECTED_BINDING, vp(), what="presentation where a credential is asked for", expected=UNBOUND),
    wrong("holder_binding", Reason.BAD_BINDING, vp(bound_by="thief"), what="presentation by a thief"),
    wrong("holder_binding", Reason.BAD_BINDING, vp(bound_by="ed thief"), what="presentation by another kind of key"),
    wrong("holder_binding", Reason.BAD_BINDING, vp(bound_by="leaf"), what="presentation by the issuer"),
    wrong("holder_binding", Reason.BAD_BINDING, vp(header={"alg": "none"}), what="presentation under no algorithm"),
    wrong("holder_binding", Reason.BAD_BINDING, vp(header={"alg": "HS256"}), what="presentation under a MAC"),
    wrong("holder_binding", Reason.BAD_BINDING, vp(header={"typ": "kb+jwt"}), what="presentation of another type"),
    wrong("holder_binding", Reason.BAD_BINDING, vp(header={"typ": "openid4vci-proof+jwt"}), what="a proof for an issuer"),
    wrong("holder_binding", Reason.BAD_BINDING, vp(vc_claims={"cnf": None}), what="presentation of what is bound to nobody"),
    wrong("holder_binding", Reason.BAD_BINDING, vp(vc_claims={"cnf": {"jwk": []}}), what="presentation of no key"),
    wrong("holder_binding", Reason.BAD_BINDING, vp(claims={"iss": OF_THIEF}), what="presentation in another key's name"),
    wrong("holder_binding", Reason.BAD_BINDING, vp(vp={"holder": OF_THIEF}), what="presentation for another holder"),
    wrong("holder_binding", Reason.BAD_BINDING, vp(claims={"iss": "a"}, vp={"holder": "b"}), what="presentation by two"),
    wrong("holder_binding", Reason.BAD_BINDING, vp(claims={"iss": ["a"]}), what="presentation by a list"),
    wrong("holder_binding", Reason.BAD_BINDING, vp(claims={"iss": "did:jwk:e30"}), what="presentation by no key"),
    wrong("holder_binding", Reason.STALE_BINDING, vp(claims={"iat": TIME - 301}), what="presentation too old"),
    wrong("holder_binding", Reason.STALE_BINDING, vp(claims={"iat": TIME + 61}), what="presentation of the future"),
    wrong("holder_binding", Reason.STALE_BINDING, vp(claims={"iat": "now"}), what="presentation whose time is none"),
    wrong("holder_binding", Reason.STALE_BINDING, vp(claims={"nbf": TIME + 61}), what="presentation that begins later"),
    wrong("holder_binding", Reason.STALE_BINDING, vp(claims={"exp": TIME}), what="presentation that is over"),
    wrong("holder_binding", Reason.STALE_BINDING, vp(claims={"exp": "late"}), what="presentation whose end is no time"),
    wrong("audience", Reason.WRONG_AUDIENCE, vp(claims={"aud": "https://other.example"}), what="presentation for another"),
    wrong("audience", Reason.WRONG_AUDIENCE, vp(claims={"aud": [EXPECTED.audience, "x"]}), what="presentation for two"),
    wrong("audience", Reason.WRONG_AUDIENCE, vp(claims={"aud": []}), what="presentation for an empty list"),
    wrong("audience", Reason.WRONG_AUDIENCE, vp(claims={"aud": None}), what="presentation for nobody"),
    wrong("nonce", Reason.WRONG_NONCE, vp(claims={"nonce": "another"}), what="presentation of another occasion"),
    wrong("nonce", Reason.WRONG_NONCE, vp(claims={"nonce": [EXPECTED.nonce]}), what="presentation whose nonce is a list"),
    wrong("nonce", Reason.WRONG_NONCE, vp(claims={"nonce": None}), what="presentation of no occasion"),
    wrong("transaction", Reason.NOT_CONFIRMED, vp(), what="presentation, which cannot confirm", expected=CONFIRMING),
    wrong("status", Reason.NO_STATUS, vp(vc_claims={"status": None}), what="presentation whose status nobody keeps"),
]  # fmt: skip


@pytest.mark.parametrize(("check", "reason", "made", "expected"), CASES)
def test_a_presentation_wrong_in_one_thing_fails_by_just_that_check(check: str, reason: Reason, made: Made, expected: Expected) -> None:
    expect_just(check, reason, made, expected=expected)


def test_every_check_has_a_case() -> None:
    assert {case.values[0] for case in CASES} == {check.__name__ for check in CHECKS}


@pytest.mark.parametrize(("made", "expected"), [
    pytest.param(vp(), EXPECTED, id="presentation"),
    pytest.param(vp(), asking(), id="presentation of a type that was asked for"),
    pytest.param(vp(), asking(meta={"type_values": [[EXPANDED, "DrivingLicence"]]}), id="presentation of a type by its IRI"),
    pytest.param(vp(header={"typ": None}), EXPECTED, id="presentation without typ"),
    pytest.param(vp(claims={"iat": None}), EXPECTED, id="presentation without a time, by its nonce alone"),
    pytest.param(vp(claims={"aud": [EXPECTED.audience]}), EXPECTED, id="presentation for a list of one"),
    pytest.param(vp(claims={"iss": OF_HOLDER}, vp={"holder": {"id": OF_HOLDER}}), EXPECTED, id="presentation in its key's name"),
    pytest.param(vp(claims={"iss": "did:example:1"}), EXPECTED, id="presentation in a name that is nobody's"),
    pytest.param(vp(claims={"nbf": TIME, "exp": TIME + 1}), EXPECTED, id="presentation of a second"),
    pytest.param(vp(credentials=GOOD), EXPECTED, id="presentation of a text alone"),
    pytest.param(vp(vc_claims=OF_ED, bound_by="ed holder"), EXPECTED, id="presentation by an Ed25519 key"),
])  # fmt: skip
def test_what_the_standards_allow_is_believed_and_shows_all_fields(made: Made, expected: Expected) -> None:
    verified = run(made(), expected=expected)
    assert {one.result for one in verified.outcomes} == {Result.PASSED}
    assert (verified.claims["iss"], verified.claims["vct"], verified.disclosed) == (ISSUER, VCT, ("holder_name", "vehicle_class"))


def test_an_ed25519_key_signs_a_presentation_under_either_of_its_names() -> None:
    for name in suites.EDWARDS:
        text = VpJwt(credential=VcJwt(is_1_1=True, claims=OF_ED), bound_by="ed holder").text()
        payload = jwt.decode(text, options={"verify_signature": False})
        assert run(read_jwt(jwt.encode(payload, key("ed holder"), algorithm=name)), expected=EXPECTED)


@pytest.mark.parametrize(("state", "reason"), [("revoked", Reason.REVOKED), ("suspended", Reason.SUSPENDED)])
def test_a_licence_that_is_not_in_force_fails_however_rightly_it_is_presented(state: str, reason: Reason) -> None:
    with pytest.raises(NotVerified) as caught:
        run(vp()(), expected=EXPECTED, state=state)
    assert (caught.value.check, caught.value.reason) == ("status", reason)


@pytest.mark.parametrize("text", ["", "a.b", "a.b.c", "é.é.é", GOOD + ".x", "A" * 300_000], ids=["nothing", "two", "junk", "letters", "four", "long"])
def test_what_is_no_presentation_is_read_as_a_credential_and_refused_as_one(text: str) -> None:
    shown = read_jwt(text)
    assert type(shown) is VcJwtPresentation
    with pytest.raises(NotVerified, match="form: malformed"):
        run(shown, expected=EXPECTED)


ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
RIGHT = VpJwt().text()


@settings(max_examples=150, deadline=None)
@given(st.integers(min_value=0), st.integers(min_value=0, max_value=63))
def test_no_change_of_one_letter_passes(at: int, letter: int) -> None:
    at %= len(RIGHT) - 1  # the last letter of a signature has bits that mean nothing
    changed = RIGHT[:at] + ALPHABET[letter] + RIGHT[at + 1 :]
    if changed != RIGHT:
        with pytest.raises(NotVerified):
            run(read_jwt(changed), expected=EXPECTED)


def test_a_name_is_one_for_a_key_and_is_compared_by_the_key() -> None:
    jwk = BOUND["cnf"]["jwk"]
    assert holder_names.name_of(dict(reversed(jwk.items()))) == OF_HOLDER
    assert not holder_names.is_of_another(holder_names.name_of({**jwk, "use": "sig"}), jwk)
    assert holder_names.is_of_another(OF_THIEF, jwk)
    assert not holder_names.is_of_another("did:web:example.com", jwk)
