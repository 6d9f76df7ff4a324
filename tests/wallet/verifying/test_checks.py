"""Each check has a presentation, right but for one thing, that fails by just that check."""

import ast
import base64
import dataclasses
import json
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography import x509
from hypothesis import given, settings
from hypothesis import strategies as st

from keys import suites
from tests.wallet.verifying.presented import (
    ACT,
    EXPECTED,
    ISSUER,
    NOW,
    VCT,
    YEAR,
    Presented,
    certificate,
    encode,
    encode_json,
    key,
    leaf,
    root,
    trust,
)
from wallet.issuing import sd_jwt
from wallet.issuing.sd_jwt import Disclosure
from wallet.presenting.dcql import read_query
from wallet.verifying import (
    checks,
    compact_reading,
    mdoc_reading,
    outcomes,
    presentations,
    sd_jwt_reading,
    short_lives,
    vc_jwt_reading,
    vp_jwt_reading,
)
from wallet.verifying.checks import CHECKS, Expected, NotVerified, StatusUnknown, Verified, verify
from wallet.verifying.outcomes import Reason, Result

QUERY = read_query(
    {
        "credentials": [
            {
                "id": "q",
                "format": "dc+sd-jwt",
                "meta": {"vct_values": [VCT]},
                "claims": [{"path": ["licence_identifier"], "values": ["1.2.156.3005.2.test"]}],
            }
        ]
    }
).credentials[0]
ASKED = dataclasses.replace(EXPECTED, query=QUERY, confirming=(ACT,))


def run(text: str, *, expected: Expected = ASKED, state: str = "valid", shift: timedelta = timedelta(0)) -> Verified:
    return verify(text, expected=expected, trust=trust(), status_of=lambda claims: state, now=NOW + shift)


def failure(text: str, **how: Any) -> NotVerified:
    with pytest.raises(NotVerified) as caught:
        run(text, **how)
    return caught.value


def spoilt(**changes: Any) -> str:
    return Presented(**changes).text()


def forged() -> str:
    """The payload exchanged under a signature made for another."""
    text = Presented().text()
    head, _, rest = text.partition("~")
    header, _, signature = head.split(".")
    return f"{header}.{encode_json({'iss': ISSUER, 'vct': VCT})}.{signature}~{rest}"


def resigned_symmetrically() -> str:
    """HS256 with the public certificate as its secret: the old confusion of algorithms."""
    head, _, rest = Presented().text().partition("~")
    payload = jwt.decode(head, options={"verify_signature": False})
    return jwt.encode(payload, "x" * 64, algorithm="HS256", headers={"typ": "dc+sd-jwt", "x5c": jwt.get_unverified_header(head)["x5c"]}) + "~" + rest


def dropped() -> str:
    """One disclosure fewer than the holder signed."""
    parts = sd_jwt.parse(Presented().text())
    return sd_jwt.combine(parts.jwt, parts.disclosures[:1], parts.key_binding)


def another_payload() -> str:
    return Presented(payload={"_sd": [A.digest, A.digest]}, shown=(), more=(A,)).text()


def altered(was: bytes, becomes: bytes) -> str:
    """The leaf with some of its bytes exchanged, as only someone who hopes for a crash writes it."""
    assert was in base64.b64decode(encode(leaf()))
    return base64.b64encode(base64.b64decode(encode(leaf())).replace(was, becomes, 1)).decode()


NAMES = [check.__name__ for check in CHECKS if check.__name__ != "marked_copy"]  # which an SD-JWT never is
A = Disclosure.of("vehicle_class", "A1")
STRANGER = Disclosure.of("holder_name", "别人")
EXP = Disclosure.of("exp", 9999999999)
TIME = int(NOW.timestamp())
TWICE = encode_json('{"iss":"a","iss":"b"}')
CASES: dict[str, tuple[str, Reason, str]] = {
    "no tilde": ("form", Reason.MALFORMED, "abc"),
    "a header that marks something critical": ("form", Reason.MALFORMED, spoilt(header={"crit": ["exp"], "exp": 1})),
    "a payload that is a list": ("form", Reason.MALFORMED, f"{encode_json({'alg': 'ES256'})}.{encode_json([])}.AAAA~"),
    "a header that is not JSON": ("form", Reason.MALFORMED, f"{encode_json('{')}.{encode_json({})}.AAAA~"),
    "a payload with a member twice": ("form", Reason.MALFORMED, f"{encode_json({'alg': 'ES256'})}.{TWICE}.AAAA~"),
    "a forged payload": ("signature", Reason.BAD_SIGNATURE, forged()),
    "signed by another key": ("signature", Reason.BAD_SIGNATURE, spoilt(signed_by="holder")),
    "an algorithm that is not the key's": ("signature", Reason.BAD_SIGNATURE, spoilt(header={"alg": "EdDSA"})),
    "no algorithm": ("signature", Reason.BAD_SIGNATURE, spoilt(header={"alg": "none"})),
    "a symmetric algorithm": ("signature", Reason.BAD_SIGNATURE, resigned_symmetrically()),
    "no certificate": ("signature", Reason.NO_CERTIFICATE, spoilt(header={"x5c": None})),
    "an empty chain": ("signature", Reason.NO_CERTIFICATE, spoilt(header={"x5c": []})),
    "a chain that is a text": ("signature", Reason.NO_CERTIFICATE, spoilt(header={"x5c": "abc"})),
    "a certificate that is a number": ("signature", Reason.NO_CERTIFICATE, spoilt(header={"x5c": [7]})),
    "a certificate that is junk": ("signature", Reason.NO_CERTIFICATE, spoilt(header={"x5c": ["AAAA"]})),
    "a certificate without end": ("signature", Reason.NO_CERTIFICATE, spoilt(header={"x5c": ["A" * 20_000]})),
    "a certificate of no version": ("signature", Reason.NO_CERTIFICATE, spoilt(header={"x5c": [altered(b"\x02\x01\x02", b"\x02\x01\x05")]})),
    "an issuer made of bits": ("signature", Reason.NO_CERTIFICATE, spoilt(header={"x5c": [altered(b"\x0c\x04root", b"\x03\x04\0oot")]})),
    "a certificate that names nobody": ("issuer", Reason.WRONG_ISSUER, spoilt(chain=[certificate(uri=None)])),
    "another type of token": ("type_header", Reason.WRONG_TYPE, spoilt(header={"typ": "JWT"})),
    "a key binding in the issuer's place": ("type_header", Reason.WRONG_TYPE, spoilt(header={"typ": "kb+jwt"})),
    "no type of licence": ("type_header", Reason.WRONG_TYPE, spoilt(claims={"vct": None})),
    "a type of licence that is a list": ("type_header", Reason.WRONG_TYPE, spoilt(claims={"vct": [VCT]})),
    "a self-signed leaf": ("issuer", Reason.UNTRUSTED, spoilt(chain=[certificate(subject="leaf", issuer="leaf")])),
    "a leaf of another root": ("issuer", Reason.UNTRUSTED, spoilt(chain=[certificate(issuer="other root")])),
    "the root in the chain": ("issuer", Reason.UNTRUSTED, spoilt(chain=[leaf(), root()])),
    "a leaf that is an authority": ("issuer", Reason.UNTRUSTED, spoilt(chain=[certificate(ca=True)])),
    "a leaf that may not sign": ("issuer", Reason.UNTRUSTED, spoilt(chain=[certificate(signs=False)])),
    "a leaf whose period is over": ("issuer", Reason.UNTRUSTED, spoilt(chain=[certificate(ends=NOW - timedelta(days=1))])),
    "a leaf whose period is to come": ("issuer", Reason.UNTRUSTED, spoilt(chain=[certificate(begins=NOW + timedelta(days=1))])),
    "a leaf with a critical extension that is unknown": ("issuer", Reason.UNTRUSTED, spoilt(chain=[certificate(extra=x509.OCSPNoCheck())])),
    "another department's name": ("issuer", Reason.WRONG_ISSUER, spoilt(claims={"iss": ISSUER + "1"})),
    "no issuer": ("issuer", Reason.WRONG_ISSUER, spoilt(claims={"iss": None})),
    "an issuer that is a number": ("issuer", Reason.WRONG_ISSUER, spoilt(claims={"iss": 5})),
    "a disclosure of another credential": ("disclosures", Reason.BAD_DISCLOSURES, spoilt(more=(STRANGER,))),
    "a digest twice": ("disclosures", Reason.BAD_DISCLOSURES, another_payload()),
    "another hash": ("disclosures", Reason.BAD_DISCLOSURES, spoilt(payload={"_sd_alg": "sha-1"})),
    "the hash named within": ("disclosures", Reason.BAD_DISCLOSURES, spoilt(claims={"place": {"_sd_alg": "sha-256"}})),
    "a hidden expiry": ("disclosures", Reason.BAD_DISCLOSURES, spoilt(payload={"_sd": [EXP.digest]}, shown=(), more=(EXP,))),
    "less than was asked for": ("asked", Reason.NOT_AS_ASKED, spoilt(claims={"licence_identifier": None})),
    "another value than was asked for": ("asked", Reason.NOT_AS_ASKED, spoilt(claims={"licence_identifier": "1.2.156.3005.2.other"})),
    "expired": ("validity", Reason.EXPIRED, spoilt(claims={"exp": TIME})),
    "not yet valid": ("validity", Reason.NOT_YET_VALID, spoilt(claims={"nbf": TIME + 100})),
    "issued in the future": ("validity", Reason.NOT_YET_VALID, spoilt(claims={"iat": TIME + 100})),
    "an expiry that is a text": ("validity", Reason.MALFORMED, spoilt(claims={"exp": "tomorrow"})),
    "an expiry that is true": ("validity", Reason.MALFORMED, spoilt(claims={"exp": True})),
    "no binding": ("holder_binding", Reason.NOT_BOUND, spoilt(bound=False)),
    "bound by another": ("holder_binding", Reason.BAD_BINDING, spoilt(bound_by="thief")),
    "bound by another kind of key": ("holder_binding", Reason.BAD_BINDING, spoilt(bound_by="ed thief")),
    "a binding with another algorithm": ("holder_binding", Reason.BAD_BINDING, spoilt(binding_header={"alg": "none"})),
    "a binding of another type": ("holder_binding", Reason.BAD_BINDING, spoilt(binding_header={"typ": "JWT"})),
    "a binding that marks something critical": ("holder_binding", Reason.BAD_BINDING, spoilt(binding_header={"crit": ["x"], "x": 1})),
    "a binding of other disclosures": ("holder_binding", Reason.BAD_BINDING, dropped()),
    "a binding without its hash": ("holder_binding", Reason.BAD_BINDING, spoilt(binding={"sd_hash": None})),
    "a binding too old": ("holder_binding", Reason.STALE_BINDING, spoilt(binding={"iat": TIME - 301})),
    "a binding of the future": ("holder_binding", Reason.STALE_BINDING, spoilt(binding={"iat": TIME + 61})),
    "a binding without a time": ("holder_binding", Reason.STALE_BINDING, spoilt(binding={"iat": None})),
    "a binding that is over by its own word": ("holder_binding", Reason.STALE_BINDING, spoilt(binding={"exp": TIME})),
    "a binding that says it begins later": ("holder_binding", Reason.STALE_BINDING, spoilt(binding={"nbf": TIME + 100})),
    "a binding whose end is a text": ("holder_binding", Reason.STALE_BINDING, spoilt(binding={"exp": "later"})),
    "a credential that names no holder's key": ("holder_binding", Reason.BAD_BINDING, spoilt(claims={"cnf": None})),
    "a holder's key that is a text": ("holder_binding", Reason.BAD_BINDING, spoilt(claims={"cnf": {"jwk": "key"}})),
    "another audience": ("audience", Reason.WRONG_AUDIENCE, spoilt(binding={"aud": "https://other.example"})),
    "an audience that is a list": ("audience", Reason.WRONG_AUDIENCE, spoilt(binding={"aud": [EXPECTED.audience]})),
    "no audience": ("audience", Reason.WRONG_AUDIENCE, spoilt(binding={"aud": None})),
    "a credential that is for somebody else": ("audience", Reason.WRONG_AUDIENCE, spoilt(claims={"aud": "https://other.example"})),
    "another nonce": ("nonce", Reason.WRONG_NONCE, spoilt(binding={"nonce": "another"})),
    "no nonce": ("nonce", Reason.WRONG_NONCE, spoilt(binding={"nonce": None})),
    "a nonce that is a number": ("nonce", Reason.WRONG_NONCE, spoilt(binding={"nonce": 1})),
    "no act": ("transaction", Reason.NOT_CONFIRMED, spoilt(binding={"transaction_data_hashes": None})),
    "another act": ("transaction", Reason.NOT_CONFIRMED, spoilt(binding={"transaction_data_hashes": [sd_jwt.sd_hash(ACT + "A")]})),
    "one act more": ("transaction", Reason.NOT_CONFIRMED, spoilt(binding={"transaction_data_hashes": [sd_jwt.sd_hash(ACT)] * 2})),
    "an act that is no text": ("transaction", Reason.NOT_CONFIRMED, spoilt(binding={"transaction_data_hashes": [7]})),
    "acts under another hash": ("transaction", Reason.NOT_CONFIRMED, spoilt(binding={"transaction_data_hashes_alg": "sha-512"})),
    "nobody keeps its status": ("status", Reason.NO_STATUS, spoilt(claims={"status": None})),
}  # fmt: skip


@pytest.mark.parametrize(("check", "reason", "text"), CASES.values(), ids=CASES)
def test_a_presentation_wrong_in_one_thing_fails_by_just_that_check(check: str, reason: Reason, text: str) -> None:
    failed = failure(text)
    assert (failed.check, failed.reason) == (check, reason)
    results = {outcome.check: outcome.result for outcome in failed.outcomes}
    names = NAMES
    at = names.index(check)
    assert list(results) == names
    assert {results[name] for name in names[:at]} <= {Result.PASSED}
    assert {results[name] for name in names[at + 1 :]} <= {Result.NOT_REACHED}
    assert (failed.claims is not None) == (at > names.index("issuer"))


def test_every_check_has_a_case() -> None:
    assert {check for check, _, _ in CASES.values()} == set(NAMES)


def test_a_right_presentation_passes_every_check_and_shows_only_what_was_chosen() -> None:
    verified = run(spoilt())
    assert {outcome.result for outcome in verified.outcomes} == {Result.PASSED}
    assert verified.disclosed == ("holder_name", "vehicle_class")
    assert (verified.claims["holder_name"], verified.claims["iss"]) == ("欧阳试", ISSUER)
    assert "address" not in verified.claims
    assert "_sd" not in verified.claims


@pytest.mark.parametrize(
    "text",
    [
        spoilt(header={"typ": "vc+sd-jwt"}),
        spoilt(claims={"exp": None}),
        spoilt(claims={"nbf": None}),
        spoilt(shown=()),
        spoilt(chain=[certificate(subject="ed leaf")], signed_by="ed leaf"),
        spoilt(claims={"cnf": {"jwk": suites.public_jwk(key("ed holder").public_key())}}, bound_by="ed holder"),
        spoilt(binding={"iat": TIME - 299}),
        spoilt(binding={"exp": TIME + 1, "nbf": TIME}),
        spoilt(claims={"aud": ["https://other.example", EXPECTED.audience]}),
    ],
    ids=[
        "older typ",
        "no expiry",
        "no nbf",
        "nothing shown",
        "an Ed25519 issuer",
        "an Ed25519 holder",
        "a binding almost too old",
        "a binding with times of its own",
        "an issuer that names us",
    ],
)
def test_what_the_standards_allow_is_accepted(text: str) -> None:
    assert run(text).claims["iss"] == ISSUER


def test_the_verifier_alone_decides_whether_a_binding_is_needed() -> None:
    unbound = dataclasses.replace(EXPECTED, binding=False)
    outcomes = {outcome.check: outcome.result for outcome in run(spoilt(bound=False), expected=unbound).outcomes}
    assert {outcomes[name] for name in ("holder_binding", "audience", "nonce")} == {Result.NOT_ASKED}
    assert failure(spoilt(), expected=unbound).reason is Reason.UNEXPECTED_BINDING


@pytest.mark.parametrize("member", ["audience", "nonce"])
def test_a_binding_is_never_accepted_for_nobody_or_for_no_occasion(member: str) -> None:
    claim = {"audience": "aud"}.get(member, member)
    assert failure(spoilt(binding={claim: None}), expected=dataclasses.replace(EXPECTED, **{member: None})).check == member


def test_another_type_of_licence_than_expected_is_refused() -> None:
    assert run(spoilt(), expected=dataclasses.replace(EXPECTED, vcts=frozenset({VCT})))
    assert failure(spoilt(), expected=dataclasses.replace(EXPECTED, vcts=frozenset({VCT + "-2"}))).check == "type_header"


@pytest.mark.parametrize(
    ("state", "reason"),
    [
        ("revoked", Reason.REVOKED),
        ("suspended", Reason.SUSPENDED),
        ("expired", Reason.EXPIRED),
        ("transferred", Reason.NOT_IN_FORCE),
        ("holder-ended", Reason.HOLDER_ENDED),
    ],
)
def test_a_licence_that_is_not_in_force_fails_by_its_status(state: str, reason: Reason) -> None:
    failed = failure(spoilt(), state=state)
    assert (failed.check, failed.reason) == ("status", reason)
    assert failed.claims is not None
    assert "欧阳试" not in str(failed.claims)


def test_a_status_that_nobody_can_tell_is_a_failure_and_one_not_asked_is_said_to_be_so() -> None:
    def unknown(claims: Any) -> str:
        raise StatusUnknown

    with pytest.raises(NotVerified, match="status_unknown"):
        verify(spoilt(), expected=EXPECTED, trust=trust(), status_of=unknown, now=NOW)
    assert verify(spoilt(), expected=EXPECTED, trust=trust(), status_of=None, now=NOW).outcomes[-1].result is Result.NOT_ASKED


def test_the_root_s_own_period_counts() -> None:
    text = spoilt(chain=[certificate(ends=NOW + 9 * YEAR)], claims={"exp": None, "iat": int((NOW + 5.5 * YEAR).timestamp())})
    assert failure(text, shift=6 * YEAR).reason is Reason.UNTRUSTED


@settings(max_examples=200, deadline=None)
@given(st.integers(min_value=0), st.integers(min_value=0, max_value=63))
def test_no_change_of_one_letter_passes(at: int, letter: int) -> None:
    text = RIGHT
    at %= len(text)
    changed = text[:at] + ALPHABET[letter] + text[at + 1 :]
    if changed != text and not _is_same_signature(changed, text):
        assert failure(changed)


ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
RIGHT = spoilt()


def _is_same_signature(changed: str, text: str) -> bool:
    """The last letter of a signature has four bits that mean nothing; sd_hash covers the first, nothing the last."""
    return changed[:-1] == text[:-1]


@settings(max_examples=100, deadline=None)
@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=5), lambda inner: st.lists(inner, max_size=2), max_leaves=4
    )
)
def test_whatever_stands_in_a_claim_the_answer_is_a_refusal_or_a_pass(value: Any) -> None:
    try:
        json.dumps(value, allow_nan=False).encode()
    except ValueError:
        return
    for name in ("exp", "nbf", "iat", "cnf", "status", "vct", "iss"):
        text = Presented(claims={name: value}).text()
        with suppress(NotVerified):
            run(text)


def test_the_checks_import_nothing_but_what_is_pure() -> None:
    allowed = {
        "abc",
        "base64",
        "cbor2",
        "hashlib",
        "math",
        "binascii",
        "hmac",
        "collections",
        "contextlib",
        "dataclasses",
        "datetime",
        "enum",
        "functools",
        "typing",
        "jwt",
        "cryptography",
        "keys",
        "wallet",
        "runtime.base64url",
    }
    readers = (presentations, sd_jwt_reading, mdoc_reading, vc_jwt_reading, vp_jwt_reading, compact_reading)
    for module in (checks, checks.chains, outcomes, short_lives, *readers):
        tree = ast.parse(Path(str(module.__file__)).read_text())
        from_ = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
        imported = {node.module or "" for node in from_ if node.module != "runtime"}
        imported |= {f"runtime.{alias.name}" for node in from_ if node.module == "runtime" for alias in node.names}
        imported |= {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
        assert {name if name.startswith("runtime.") else name.split(".")[0] for name in imported} <= allowed
