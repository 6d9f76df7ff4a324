"""Answers that are wrong in one thing, by name: each fails by just that check, has a receipt that says so, and tells no field."""

import json
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import cbor2
import jwt
import pytest
from flask import Flask

from keys import certificates, ring, suites
from runtime.clock import now, shifted
from runtime.database import transaction
from tests.wallet.verifying.openid4vp.test_asking import FIELDS, read
from tests.wallet.verifying.openid4vp.wallets import MDOC, Got, Wallet, asked, decoded, encoded, encrypt, fetch_licence
from tests.wallet.verifying.presented import certificate, encode, encode_json, key
from tests.world_verifying import Counter
from wallet.issuing import sd_jwt, status_lists
from wallet.issuing.status_lists import INVALID
from wallet.register.catalogue import get_type
from wallet.verifying.outcomes import Reason

Present = Callable[[Counter, Wallet, Got], str]


def bound(**changes: Any) -> Present:
    """The binding says something else."""

    def present(counter: Counter, wallet: Wallet, got: Got) -> str:
        wallet.binding = changes
        return wallet.present(got, FIELDS)

    return present


def issued(
    header: dict[str, Any] | None = None, *, payload: Callable[[dict[str, Any]], dict[str, Any]] = dict, own_key: str | None = None
) -> Present:
    """The issuer signed something else; with a key of one's own, somebody else did."""

    def present(counter: Counter, wallet: Wallet, got: Got) -> str:
        parts = sd_jwt.parse(str(wallet.held.credential))
        claims, head = payload(json.loads(decoded(parts.jwt.split(".")[1]))), {"typ": "dc+sd-jwt", **(header or {})}
        if own_key is None:
            signer = ring.signer(certificates.department_use(counter.issuer))
            signed = signer.sign(claims, typ="dc+sd-jwt", headers=header)
        else:
            signed = jwt.encode(claims, key(own_key), algorithm="ES256", headers=head)
        wallet.held.credential = sd_jwt.combine(signed, parts.disclosures)
        return wallet.present(got, FIELDS)

    return present


def forged(counter: Counter, wallet: Wallet, got: Got) -> str:
    """One letter of the issuer's signature is another."""
    head, tilde, rest = wallet.present(got, FIELDS).partition("~")
    signed, dot, signature = head.rpartition(".")
    return signed + dot + ("A" if signature[0] != "A" else "B") + signature[1:] + tilde + rest


def symmetric(counter: Counter, wallet: Wallet, got: Got) -> str:
    """The public certificate as the secret of a MAC."""
    head, tilde, rest = wallet.present(got, FIELDS).partition("~")
    header, payload, _ = head.split(".")
    changed = {**json.loads(decoded(header)), "alg": "HS256"}
    mac = jwt.get_algorithm_by_name("HS256").sign(f"{encode_json(changed)}.{payload}".encode(), changed["x5c"][0].encode())
    return f"{encode_json(changed)}.{payload}.{encoded(mac)}{tilde}{rest}"


def by_a_thief(counter: Counter, wallet: Wallet, got: Got) -> str:
    wallet.held.key = suites.ES256.generate()
    return wallet.present(got, FIELDS)


def unbound(counter: Counter, wallet: Wallet, got: Got) -> str:
    return wallet.present(got, FIELDS).rpartition("~")[0] + "~"


def with_a_stranger(counter: Counter, wallet: Wallet, got: Got) -> str:
    parts = sd_jwt.parse(str(wallet.held.credential))
    more = sd_jwt.Disclosure.of("holder_name", "别人")
    wallet.held.credential = sd_jwt.combine(parts.jwt, [*(one for one in parts.disclosures if one.name != "holder_name"), more])
    return wallet.present(got, (*FIELDS, "holder_name"))


def of_another_request(counter: Counter, wallet: Wallet, got: Got) -> str:
    return wallet.present(wallet.get(asked(counter)["link"]), FIELDS)


def less(counter: Counter, wallet: Wallet, got: Got) -> str:
    return wallet.present(got, ("licence_identifier",))


def revoked(counter: Counter, wallet: Wallet, got: Got) -> str:
    with transaction() as session:
        status_lists.set_statuses(session, [wallet.held.place], INVALID)
    return wallet.present(got, FIELDS)


def mobile(present: Present) -> Present:
    """The same licence as a mobile document."""

    def presented(counter: Counter, wallet: Wallet, got: Got) -> str:
        wallet.held = fetch_licence(wallet.app, counter.licence, MDOC)
        return present(counter, wallet, got)

    return presented


def changed(change: Callable[[dict[str, Any]], None]) -> Present:
    """Something in the device's response is something else."""

    def present(counter: Counter, wallet: Wallet, got: Got) -> str:
        response = cbor2.loads(decoded(wallet.present(got, FIELDS)))
        change(response["documents"][0])
        return encoded(cbor2.dumps(response))

    return mobile(present)


def by_mac(document: dict[str, Any]) -> None:
    """The device made a MAC in place of its signature."""
    document["deviceSigned"]["deviceAuth"] = {"deviceMac": [cbor2.dumps({1: 5}), {}, None, bytes(32)]}


def spoil_element(document: dict[str, Any]) -> None:
    (items,) = document["issuerSigned"]["nameSpaces"].values()
    content = cbor2.loads(items[0].value)
    items[0] = cbor2.CBORTag(24, cbor2.dumps({**content, "elementValue": "A1"}))


def spoil_signature(document: dict[str, Any]) -> None:
    auth = document["issuerSigned"]["issuerAuth"]
    auth[3] = bytes(64)


def in_another_session(counter: Counter, wallet: Wallet, got: Got) -> str:
    wallet.transcript = [None, None, ["OpenID4VPHandover", bytes(32)]]
    return wallet.present(got, FIELDS)


def twice(payload: dict[str, Any]) -> dict[str, Any]:
    return {**payload, "_sd": [payload["_sd"][0], *payload["_sd"]]}


def out_of_range(payload: dict[str, Any]) -> dict[str, Any]:
    return {**payload, "status": {"status_list": {**payload["status"]["status_list"], "idx": 2**40}}}


def ended(payload: dict[str, Any]) -> dict[str, Any]:
    return {**payload, "exp": int(time.time()) - 1}


def retyped(payload: dict[str, Any]) -> dict[str, Any]:
    return {**payload, "vct": payload["vct"] + "-other"}


def by_certificate(**made: Any) -> dict[str, Any]:
    return {"x5c": [encode(certificate(begins=now() - timedelta(days=1), ends=now() + timedelta(days=1), uri="http://127.0.0.1:8000/x", **made))]}


CASES: dict[str, tuple[str, Reason, Present]] = {
    "bad signature": ("signature", Reason.BAD_SIGNATURE, forged),
    "algorithm confusion": ("signature", Reason.BAD_SIGNATURE, symmetric),
    "no algorithm": ("signature", Reason.BAD_SIGNATURE, issued({"alg": "none"})),
    "no certificate": ("signature", Reason.NO_CERTIFICATE, issued(own_key="leaf")),
    "wrong type": ("type_header", Reason.WRONG_TYPE, issued(payload=retyped)),
    "wrong chain": ("issuer", Reason.UNTRUSTED, issued(by_certificate(issuer="other root"), own_key="leaf")),
    "self-signed leaf": ("issuer", Reason.UNTRUSTED, issued(by_certificate(issuer="leaf"), own_key="leaf")),
    "unreferenced disclosure": ("disclosures", Reason.BAD_DISCLOSURES, with_a_stranger),
    "duplicate digest": ("disclosures", Reason.BAD_DISCLOSURES, issued(payload=twice)),
    "less than asked": ("asked", Reason.NOT_AS_ASKED, less),
    "expired": ("validity", Reason.EXPIRED, issued(payload=ended)),
    "no key binding": ("holder_binding", Reason.NOT_BOUND, unbound),
    "key-binding signature": ("holder_binding", Reason.BAD_BINDING, by_a_thief),
    "sd_hash": ("holder_binding", Reason.BAD_BINDING, bound(sd_hash="A" * 43)),
    "iat past": ("holder_binding", Reason.STALE_BINDING, bound(iat=int(time.time()) - 3600)),
    "iat future": ("holder_binding", Reason.STALE_BINDING, bound(iat=int(time.time()) + 7200)),
    "aud": ("audience", Reason.WRONG_AUDIENCE, bound(aud="x509_hash:" + "A" * 43)),
    "aud without its prefix": ("audience", Reason.WRONG_AUDIENCE, bound(aud="127.0.0.1")),
    "nonce": ("nonce", Reason.WRONG_NONCE, bound(nonce="n" * 43)),
    "made for another request": ("nonce", Reason.WRONG_NONCE, of_another_request),
    "another act": ("transaction", Reason.NOT_CONFIRMED, bound(transaction_data_hashes=["A" * 43])),
    "no act": ("transaction", Reason.NOT_CONFIRMED, bound(transaction_data_hashes=None)),
    "out-of-range index": ("status", Reason.STATUS_UNKNOWN, issued(payload=out_of_range)),
    "revoked": ("status", Reason.REVOKED, revoked),
}
MOBILE: dict[str, tuple[str, Reason, Present]] = {
    "transcript": ("holder_binding", Reason.BAD_BINDING, mobile(in_another_session)),
    "device signature": ("holder_binding", Reason.BAD_BINDING, mobile(by_a_thief)),
    "mdoc of another request": ("holder_binding", Reason.BAD_BINDING, mobile(of_another_request)),
    "no device signature": ("holder_binding", Reason.NOT_BOUND, changed(lambda document: document.pop("deviceSigned"))),
    "issuer's signature": ("signature", Reason.BAD_SIGNATURE, changed(spoil_signature)),
    "changed element": ("disclosures", Reason.BAD_DISCLOSURES, changed(spoil_element)),
    "another name": ("type_header", Reason.WRONG_TYPE, changed(lambda document: document.update(docType="org.iso.18013.5.1.mDL"))),
    "element missing": ("asked", Reason.NOT_AS_ASKED, mobile(less)),
    "mdoc by a MAC": ("holder_binding", Reason.BOUND_BY_MAC, changed(by_mac)),
    "mdoc revoked": ("status", Reason.REVOKED, mobile(revoked)),
    "no mdoc at all": ("form", Reason.MALFORMED, lambda counter, wallet, got: "AAAA"),
}


def outcome(counter: Counter, wallet: Wallet, present: Present, **asking: Any) -> dict[str, Any]:
    made = asked(counter, **asking)
    got = wallet.get(made["link"])
    (query,) = got.payload["dcql_query"]["credentials"]
    response = wallet.answer(got, {query["id"]: [present(counter, wallet, got)]})
    assert response.status_code == 200, response.text
    found: dict[str, Any] = read(counter, made["id"])["result"]
    return found


def check(result: dict[str, Any], name: str, reason: Reason) -> None:
    (one,) = result["presentations"]
    failed = [(row["check"], row["reason"]) for row in one["checks"] if row["outcome"] == "failed"]
    assert failed == [(name, reason.value)]
    assert (result["verdict"], one["verdict"], one["fields"], result["confirmed"]) == ("invalid", "invalid", {}, None)
    assert one["receipt"]["jws"]


@pytest.mark.parametrize(("name", "reason", "present"), CASES.values(), ids=CASES)
def test_a_wrong_sd_jwt_fails_by_just_that_check(counter: Counter, wallet: Wallet, name: str, reason: Reason, present: Present) -> None:
    check(outcome(counter, wallet, present, confirm="同意"), name, reason)


@pytest.mark.parametrize(("name", "reason", "present"), MOBILE.values(), ids=MOBILE)
def test_a_wrong_mobile_document_fails_by_just_that_check(counter: Counter, wallet: Wallet, name: str, reason: Reason, present: Present) -> None:
    wanted = [{"type": "driving-licence", "fields": ["vehicle_class"], "formats": [MDOC]}]
    check(outcome(counter, wallet, present, credentials=wanted), name, reason)


def test_one_presentation_for_somebody_else_spoils_the_whole(app: Flask, counter: Counter, wallet: Wallet) -> None:
    slug = get_type("driving-licence").slug
    one = {"format": "dc+sd-jwt", "meta": {"vct_values": [f"http://127.0.0.1:8000/types/{slug}"]}, "claims": [{"path": ["licence_identifier"]}]}
    document = {
        "credentials": [{**one, "id": "needed"}, {**one, "id": "extra"}],
        "credential_sets": [{"options": [["needed"]]}, {"options": [["extra"]], "required": False}],
    }
    made = asked(counter, dcql_query=document)
    got = wallet.get(made["link"])
    good = wallet.present(got, FIELDS)
    wallet.binding = {"nonce": "n" * 43}
    wallet.answer(got, {"needed": [good], "extra": [wallet.present(got, FIELDS)]})
    result = read(counter, made["id"])["result"]
    assert result["verdict"] == "invalid"
    assert [one["verdict"] for one in result["presentations"]] == ["valid", "invalid"]


def with_another_tag(token: str) -> str:
    head, _, tag = token.rpartition(".")
    return f"{head}.{'B' if tag[0] == 'A' else 'A'}{tag[1:]}"


def body_of(got: Got, wallet: Wallet) -> dict[str, Any]:
    (query,) = got.payload["dcql_query"]["credentials"]
    return {"vp_token": {query["id"]: [wallet.present(got, FIELDS)]}, "state": got.payload["state"]}


OPEN: dict[str, Callable[[dict[str, Any]], Any]] = {
    "no state": lambda right: {"vp_token": json.dumps(right["vp_token"])},
    "another state": lambda right: {**right, "vp_token": json.dumps(right["vp_token"]), "state": "x" * 43},
    "no answer": lambda right: {"state": right["state"]},
    "an encrypted one": lambda right: {"state": right["state"], "response": "a.b.c.d.e"},
    "not JSON": lambda right: {**right, "vp_token": "{"},
    "deep JSON": lambda right: {**right, "vp_token": "[" * 100_000},
    "a list": lambda right: {**right, "vp_token": json.dumps(list(right["vp_token"].values()))},
    "nothing in it": lambda right: {**right, "vp_token": "{}"},
    "what was not asked": lambda right: {**right, "vp_token": json.dumps({"other": ["x"]})},
    "two presentations": lambda right: {**right, "vp_token": json.dumps({name: one * 2 for name, one in right["vp_token"].items()})},
    "a second presentation": lambda right: {**right, "vp_token": json.dumps({name: [*one, "a~"] for name, one in right["vp_token"].items()})},
    "an encrypted one beside it": lambda right: {**right, "vp_token": json.dumps(right["vp_token"]), "response": "a.b.c.d.e"},
    "an object for a presentation": lambda right: {**right, "vp_token": json.dumps({name: [{}] for name in right["vp_token"]})},
    "an id twice": lambda right: {**right, "vp_token": '{"a":["x"],"a":["y"]}'},
    "oversize": lambda right: {**right, "vp_token": json.dumps({name: ["A" * 600_000] for name in right["vp_token"]})},
    "an answer and an error": lambda right: {**right, "vp_token": json.dumps(right["vp_token"]), "error": "access_denied"},
    "an error of another kind": lambda right: {"state": right["state"], "error": "<script>"},
    "a parameter twice": lambda right: {"state": [right["state"]] * 2, "vp_token": json.dumps(right["vp_token"])},
}
SECRET: dict[str, Callable[[Got, dict[str, Any]], Any]] = {
    "in the open": lambda got, right: {**right, "vp_token": json.dumps(right["vp_token"])},
    "in the open beside it": lambda got, right: {"response": encrypt(got, right), "vp_token": json.dumps(right["vp_token"])},
    "no JWE": lambda got, right: {"response": "abc"},
    "another algorithm": lambda got, right: {"response": encrypt(got, right, alg="ECDH-ES+A128KW")},
    "another content algorithm": lambda got, right: {"response": encrypt(got, right, enc="A128CBC-HS256")},
    "another key's name": lambda got, right: {"response": encrypt(got, right, kid="other")},
    "zip bomb": lambda got, right: {"response": encrypt(got, b"A" * 5_000_000, zip="DEF")},
    "a part of it changed": lambda got, right: {"response": with_another_tag(encrypt(got, right))},
    "no object": lambda got, right: {"response": encrypt(got, [right])},
    "without its state": lambda got, right: {"response": encrypt(got, {"vp_token": right["vp_token"]})},
    "oversize": lambda got, right: {"response": encrypt(got, {**right, "more": "A" * 700_000})},
}


def test_what_cannot_be_read_is_refused_and_leaves_the_request_as_it_was(counter: Counter, wallet: Wallet) -> None:
    made = asked(counter, response_mode="direct_post")
    got = wallet.get(made["link"])
    right = body_of(got, wallet)
    for name, wrong in OPEN.items():
        response = wallet.post(got, wrong(right))
        assert (response.status_code, response.get_json()["error"]) == (400, "invalid_request"), name
        assert right["state"] not in response.text
    assert wallet.answer(got, right["vp_token"]).status_code == 200
    assert read(counter, made["id"])["result"]["verdict"] == "valid"


def test_what_cannot_be_decrypted_is_refused_and_leaves_the_request_as_it_was(counter: Counter, wallet: Wallet) -> None:
    made = asked(counter)
    got = wallet.get(made["link"])
    right = body_of(got, wallet)
    other = wallet.get(asked(counter)["link"])
    for name, wrong in {**SECRET, "to another request's key": lambda _, right: {"response": encrypt(other, right)}}.items():
        response = wallet.post(got, wrong(got, right))
        assert (response.status_code, response.get_json()["error"]) == (400, "invalid_request"), name
    assert wallet.post(got, {"response": encrypt(got, right, enc="A256GCM")}).status_code == 200
    assert read(counter, made["id"])["result"]["verdict"] == "valid"


def test_a_request_is_fetched_once_and_nobody_uses_it_up_by_looking(counter: Counter, wallet: Wallet) -> None:
    made = asked(counter)
    path = made["request_uri"].removeprefix("http://127.0.0.1:8000")
    assert counter.client.head(path).status_code == 405
    algorithms = [f'{{"request_object_signing_alg_values_supported":{value}}}' for value in ("null", '"ES256"', '["EdDSA",{}]')]
    twice = '{"vp_formats_supported":{},"vp_formats_supported":{}}'
    metadata = [{"wallet_metadata": text} for text in ("[]", "{", twice, *algorithms)]
    for form in ({"wallet_nonce": ""}, {"wallet_nonce": "x" * 600}, *metadata):
        assert wallet.fetch(made["link"], **form).status_code == 400
    unsupported = json.dumps({"request_object_signing_alg_values_supported": ["PS256"]})
    assert wallet.fetch(made["link"], wallet_metadata=unsupported).status_code == 400
    assert wallet.fetch(made["link"]).status_code == 200
    again = wallet.fetch(made["link"])
    assert (again.status_code, again.get_json()["error"]) == (400, "invalid_request")


def test_a_name_that_is_none_of_ours_opens_nothing(counter: Counter, wallet: Wallet) -> None:
    reference = asked(counter)["request_uri"].rpartition("/")[2]
    other = reference[:10] + ("A" if reference[10] != "A" else "B") + reference[11:]
    for name in (other, reference[:-2] + ("AA" if reference[-2:] != "AA" else "BA"), "x", "A" * 43):
        assert counter.client.get(f"/requests/{name}").status_code == 404
        assert counter.client.post(f"/responses/{name}", data={"state": "x"}).status_code == 404


def test_a_request_is_not_answered_before_it_was_fetched_nor_after_its_time(counter: Counter, wallet: Wallet) -> None:
    made = asked(counter)
    reference = made["request_uri"].rpartition("/")[2]
    assert counter.client.post(f"/responses/{reference}", data={"state": "x"}).status_code == 400
    got = wallet.get(made["link"])
    right = body_of(got, wallet)
    with shifted(timedelta(minutes=6)):
        assert wallet.answer(got, right["vp_token"]).status_code == 400
        assert wallet.fetch(asked(counter)["link"]).status_code == 200
    late = asked(counter)
    with shifted(timedelta(minutes=6)):
        assert wallet.fetch(late["link"]).status_code == 400
