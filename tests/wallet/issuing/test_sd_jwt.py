"""The vectors are those of RFC 9901: sections 4.2.2 and 4.2.3 (digests), 5.1 (issuance), 5.2 (presentation and its sd_hash)."""

import base64
import json
from contextlib import suppress
from typing import Any

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keys import suites
from wallet.issuing import sd_jwt
from wallet.issuing.sd_jwt import Disclosure, MalformedSdJwt, combine, conceal, parse, reveal, sd_hash

GIVEN_NAME = "WyIyR0xDNDJzS1F2ZUNmR2ZyeU5STjl3IiwgImdpdmVuX25hbWUiLCAiSm9obiJd"
FAMILY_NAME = "WyJlbHVWNU9nM2dTTklJOEVZbnN4QV9BIiwgImZhbWlseV9uYW1lIiwgIkRvZSJd"
ADDRESS = (
    "WyJBSngtMDk1VlBycFR0TjRRTU9xUk9BIiwgImFkZHJlc3MiLCB7InN0cmVldF9hZGRyZXNzIjogIjEyMyBNYWluIFN0IiwgImxvY2FsaXR5IjogIkFueXRvd24iLCAicmVnaW9u"
    "IjogIkFueXN0YXRlIiwgImNvdW50cnkiOiAiVVMifV0"
)
NATIONALITY_US = "WyJsa2x4RjVqTVlsR1RQVW92TU5JdkNBIiwgIlVTIl0"
ISSUED = (
    "eyJhbGciOiAiRVMyNTYiLCAidHlwIjogImV4YW1wbGUrc2Qtand0In0."
    "eyJfc2QiOiBbIkNyUWU3UzVrcUJBSHQtbk1ZWGdjNmJkdDJTSDVhVFkxc1VfTS1QZ2tqUEkiLCAiSnpZakg0c3ZsaUgwUjNQeUVNZmVadTZKdDY5dTVxZWhabzdGN0VQWWxTRSIsICJQb3JG"
    "YnBLdVZ1Nnh5bUphZ3ZrRnNGWEFiUm9jMkpHbEFVQTJCQTRvN2NJIiwgIlRHZjRvTGJnd2Q1SlFhSHlLVlFaVTlVZEdFMHc1cnREc3JaemZVYW9tTG8iLCAiWFFfM2tQS3QxWHlYN0tBTmtx"
    "VlI2eVoyVmE1TnJQSXZQWWJ5TXZSS0JNTSIsICJYekZyendzY002R242Q0pEYzZ2Vks4QmtNbmZHOHZPU0tmcFBJWmRBZmRFIiwgImdiT3NJNEVkcTJ4Mkt3LXc1d1BFemFrb2I5aFYxY1JE"
    "MEFUTjNvUUw5Sk0iLCAianN1OXlWdWx3UVFsaEZsTV8zSmx6TWFTRnpnbGhRRzBEcGZheVF3TFVLNCJdLCAiaXNzIjogImh0dHBzOi8vaXNzdWVyLmV4YW1wbGUuY29tIiwgImlhdCI6IDE2"
    "ODMwMDAwMDAsICJleHAiOiAxODgzMDAwMDAwLCAic3ViIjogInVzZXJfNDIiLCAibmF0aW9uYWxpdGllcyI6IFt7Ii4uLiI6ICJwRm5kamtaX1ZDem15VGE2VWpsWm8zZGgta284YUlLUWM5"
    "RGxHemhhVllvIn0sIHsiLi4uIjogIjdDZjZKa1B1ZHJ5M2xjYndIZ2VaOGtoQXYxVTFPU2xlclAwVmtCSnJXWjAifV0sICJfc2RfYWxnIjogInNoYS0yNTYiLCAiY25mIjogeyJqd2siOiB7"
    "Imt0eSI6ICJFQyIsICJjcnYiOiAiUC0yNTYiLCAieCI6ICJUQ0FFUjE5WnZ1M09IRjRqNFc0dmZTVm9ISVAxSUxpbERsczd2Q2VHZW1jIiwgInkiOiAiWnhqaVdXYlpNUUdIVldLVlE0aGJT"
    "SWlyc1ZmdWVjQ0U2dDRqVDlGMkhaUSJ9fX0."
    "MczwjBFGtzf-6WMT-hIvYbkb11NrV1WMO-jTijpMPNbswNzZ87wY2uHz-CXo6R04b7jYrpj9mNRAvVssXou1iw"
)
KEY_BINDING = (
    "eyJhbGciOiAiRVMyNTYiLCAidHlwIjogImtiK2p3dCJ9."
    "eyJub25jZSI6ICIxMjM0NTY3ODkwIiwgImF1ZCI6ICJodHRwczovL3ZlcmlmaWVyLmV4YW1wbGUub3JnIiwgImlhdCI6IDE3NDg1MzcyNDQsICJzZF9oYXNoIjogIjBfQWYtMkItRWhMV1g1"
    "eWRoX3cyeHp3bU82aU02NkJfMlFDRWFuSTRmVVkifQ."
    "T3SIus2OidNl41nmVkTZVCKKhOAX97aOldMyHFiYjHm261eLiJ1YiuONFiMN8QlCmYzDlBLAdPvrXh52KaLgUQ"
)
ISSUER_KEY = {"kty": "EC", "crv": "P-256", "x": "b28d4MwZMjw8-00CG4xfnn9SLMVMM19SlqZpVb_uNtQ", "y": "Xv5zWwuoaTgdS6hV43yI6gBwTnjukmFQQnJ_kCxzqk8"}
PRESENTED = "~".join([ISSUED, FAMILY_NAME, ADDRESS, GIVEN_NAME, NATIONALITY_US, KEY_BINDING])


def encode(content: Any) -> str:
    text = content if isinstance(content, str) else json.dumps(content)
    return base64.urlsafe_b64encode(text.encode()).rstrip(b"=").decode()


@pytest.mark.parametrize(
    ("encoded", "digest", "name", "value"),
    [
        (GIVEN_NAME, "jsu9yVulwQQlhFlM_3JlzMaSFzglhQG0DpfayQwLUK4", "given_name", "John"),
        ("WyJsa2x4RjVqTVlsR1RQVW92TU5JdkNBIiwgIkZSIl0", "w0I8EKcdCtUPkGCNUrfwVp2xEgNjtoIDlOxc9-PlOhs", None, "FR"),
    ],
    ids=["section 4.2.3", "array element"],
)
def test_the_digests_are_those_of_the_rfc(encoded: str, digest: str, name: str | None, value: str) -> None:
    disclosure = Disclosure.read(encoded)
    assert (disclosure.digest, disclosure.name, disclosure.value) == (digest, name, value)


def test_the_presentation_of_the_rfc_is_revealed_as_it_says() -> None:
    parts = parse(PRESENTED)
    payload = jwt.decode(parts.jwt, suites.key_from_jwk(ISSUER_KEY), algorithms=["ES256"], options={"verify_exp": False})
    assert reveal(payload, parts.disclosures) == {
        "iss": "https://issuer.example.com",
        "iat": 1683000000,
        "exp": 1883000000,
        "sub": "user_42",
        "nationalities": ["US"],
        "cnf": payload["cnf"],
        "family_name": "Doe",
        "given_name": "John",
        "address": {"street_address": "123 Main St", "locality": "Anytown", "region": "Anystate", "country": "US"},
    }


def test_the_key_binding_of_the_rfc_covers_what_it_says() -> None:
    parts = parse(PRESENTED)
    holder_key = suites.key_from_jwk(jwt.decode(parts.jwt, options={"verify_signature": False})["cnf"]["jwk"])
    bound = jwt.decode(parts.key_binding, holder_key, ["ES256"], audience="https://verifier.example.org")
    assert bound["sd_hash"] == "0_Af-2B-EhLWX5ydh_w2xzwmO6iM66B_2QCEanI4fUY" == sd_hash(parts.bound_text)
    assert combine(parts.jwt, parts.disclosures, parts.key_binding) == PRESENTED


def test_what_is_concealed_shows_neither_its_name_nor_its_value_nor_its_order() -> None:
    payload, disclosures = conceal({"iss": "https://a.example", "surname": "欧阳", "plate": "鲁C"}, hidden=["surname", "plate"])
    assert payload.keys() == {"iss", "_sd", "_sd_alg"}
    assert payload["_sd"] == sorted(disclosure.digest for disclosure in disclosures)
    assert "欧阳" not in json.dumps(payload, ensure_ascii=False) + repr(disclosures)


def test_decoys_are_digests_like_any_other_and_open_nothing() -> None:
    claims = {"iss": "x", "a": 1, "b": 2}
    payload, disclosures = conceal(claims, hidden=["a", "b"], decoys=5)
    assert (len(payload["_sd"]), len(disclosures)) == (7, 2)
    assert payload["_sd"] == sorted(payload["_sd"])
    assert {len(digest) for digest in payload["_sd"]} == {43}
    assert reveal(payload, disclosures) == claims


def test_the_same_value_never_has_the_same_digest() -> None:
    assert len({Disclosure.of("name", "value").digest for _ in range(100)}) == 100


@pytest.mark.parametrize("name", [*sorted(sd_jwt.NEVER_HIDDEN), "_sd", "...", "absent"])
def test_some_claims_cannot_be_hidden(name: str) -> None:
    claims = {"name": "value"} if name == "absent" else {name: "value"}
    with pytest.raises(ValueError, match="cannot be hidden"):
        conceal(claims, hidden=[name])


def with_disclosure(content: Any) -> str:
    return f"{ISSUED}~{encode(content)}~"


MALFORMED = {
    "empty": "",
    "no tilde": ISSUED,
    "no JWT": f"~{GIVEN_NAME}~",
    "JWT of two parts": f"{ISSUED.rpartition('.')[0]}~",
    "spaces": f" {ISSUED}~",
    "an empty disclosure": f"{ISSUED}~~",
    "a disclosure twice": f"{ISSUED}~{GIVEN_NAME}~{GIVEN_NAME}~",
    "closing tilde forgotten": f"{ISSUED}~{GIVEN_NAME}",
    "padding": f"{ISSUED}~{GIVEN_NAME}=~",
    "not base64url": f"{ISSUED}~a+b/~",
    "a length that base64 cannot have": f"{ISSUED}~abcde~",
    "not JSON": with_disclosure("{"),
    "not an array": with_disclosure({"salt": 1}),
    "too short": with_disclosure(["salt"]),
    "too long": with_disclosure(["salt", "name", 1, 2]),
    "a salt that is a number": with_disclosure([1, "name", "value"]),
    "a name that is a number": with_disclosure(["salt", 1, "value"]),
    "a name that is a list": with_disclosure(["salt", [], "value"]),
    "the name _sd": with_disclosure(["salt", "_sd", []]),
    "the name ...": with_disclosure(["salt", "...", "value"]),
    "NaN": with_disclosure('["salt", "name", NaN]'),
    "half a character": with_disclosure('["salt", "name", "\\ud800"]'),
    "not UTF-8": f"{ISSUED}~WyJzIiwibiIsIv8iXQ~",
    "a member twice": with_disclosure('["salt", "name", {"a": 1, "a": 2}]'),
    "a number of a million digits": with_disclosure('["salt", "name", ' + "9" * 50_000 + "]"),
    "a bottomless array": with_disclosure("[" * 60_000),
    "a thousand disclosures": f"{ISSUED}~" + "".join(f"{encode(['salt', f'n{i}', i])}~" for i in range(1000)),
    "a text without end": f"{ISSUED}~" + "A" * sd_jwt.MAX_TEXT + "~",
    "a key binding that is no JWS": f"{ISSUED}~{GIVEN_NAME}~a.b.",
    "letters beyond ASCII": f"{ISSUED}~{GIVEN_NAME}～~",
}


@pytest.mark.parametrize("unverified", MALFORMED.values(), ids=MALFORMED)
def test_a_malformed_text_is_refused(unverified: str) -> None:
    with pytest.raises(MalformedSdJwt):
        parse(unverified)


def claim(name: Any, value: Any) -> Disclosure:
    return Disclosure.read(encode(["salt", name, value]))


def element(value: Any) -> Disclosure:
    return Disclosure.read(encode(["salt", value]))


def nested(depth: int) -> Any:
    return {"a": nested(depth - 1)} if depth else 1


A, ELEMENT = claim("a", 1), element("x")
REFUSED: dict[str, tuple[dict[str, Any], list[Disclosure]]] = {
    "a disclosure that no digest refers to": ({"_sd": [A.digest]}, [A, claim("b", 2)]),
    "the only disclosure is not referred to": ({"iss": "x"}, [A]),
    "a digest twice at one level": ({"_sd": [A.digest, A.digest]}, [A]),
    "a digest twice at two levels": ({"_sd": [A.digest], "b": {"_sd": [A.digest]}}, [A]),
    "a decoy digest twice": ({"_sd": ["decoy", "decoy"]}, []),
    "a digest that comes again in a disclosure": ({"_sd": [A.digest, (B := claim("b", {"_sd": [A.digest]})).digest]}, [A, B]),
    "a name that is there already": ({"a": 0, "_sd": [A.digest]}, [A]),
    "two disclosures of one name": ({"_sd": [A.digest, (TWIN := claim("a", 2)).digest]}, [A, TWIN]),
    "an element where a claim belongs": ({"_sd": [ELEMENT.digest]}, [ELEMENT]),
    "a claim where an element belongs": ({"list": [{"...": A.digest}]}, [A]),
    "another hash": ({"_sd": [A.digest], "_sd_alg": "md5"}, [A]),
    "a hash that is a list": ({"_sd": [A.digest], "_sd_alg": []}, [A]),
    "a hash that is named within": ({"a": {"_sd_alg": "sha-256"}}, []),
    "digests that are no list": ({"_sd": A.digest}, [A]),
    "a digest that is a number": ({"_sd": [1]}, []),
    "an element's digest that is a number": ({"list": [{"...": 1}]}, []),
    "an element's digest outside an array": ({"a": {"...": "x"}}, []),
    "a disclosed value that is too deep": ({"_sd": [(DEEP := claim("deep", nested(40))).digest]}, [DEEP]),
    **{f"{name} disclosed": ({"_sd": [(one := claim(name, "x")).digest]}, [one]) for name in sorted(sd_jwt.NEVER_HIDDEN)},
}


@pytest.mark.parametrize(("payload", "disclosures"), REFUSED.values(), ids=REFUSED)
def test_disclosures_that_do_not_fit_are_refused(payload: dict[str, Any], disclosures: list[Disclosure]) -> None:
    with pytest.raises(MalformedSdJwt):
        reveal(payload, disclosures)


def test_disclosures_may_open_further_digests_and_decoys_leave_no_trace() -> None:
    street, us = claim("street", "1 Main"), element("US")
    address = claim("address", {"_sd": [street.digest, "decoy"], "nations": [{"...": us.digest}, {"...": "decoy 2"}]})
    payload = {"iss": "x", "empty": {"_sd": ["decoy 3"]}, "_sd": [address.digest], "_sd_alg": "sha-256"}
    assert reveal(payload, [us, address, street]) == {"iss": "x", "empty": {}, "address": {"street": "1 Main", "nations": ["US"]}}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(min_size=1).filter(lambda name: name not in sd_jwt.RESERVED), inner, max_size=3)
    ),
    max_leaves=8,
)
NAMES = st.text(min_size=1).filter(lambda name: name not in sd_jwt.RESERVED | sd_jwt.NEVER_HIDDEN)


@given(st.dictionaries(NAMES, JSON, max_size=5), st.data())
def test_whatever_is_concealed_is_revealed_again_and_the_rest_stays_hidden(claims: dict[str, Any], data: st.DataObject) -> None:
    payload, disclosures = conceal(claims, hidden=list(claims))
    chosen = [disclosure for disclosure in disclosures if data.draw(st.booleans())]
    parsed = parse(combine(ISSUED, chosen))
    assert reveal(payload, parsed.disclosures) == {disclosure.name: claims[str(disclosure.name)] for disclosure in chosen}


@given(st.text(alphabet="eyJ.~ab_-W=é", max_size=60))
def test_no_text_makes_anything_but_a_refusal(text: str) -> None:
    with suppress(MalformedSdJwt):
        parse(text)
