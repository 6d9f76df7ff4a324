"""A wallet of another house is asked, in each mode and form, and answers."""

import base64
import hashlib
from typing import Any

import jwt
import pytest
from cryptography import x509
from flask import Flask

from keys import certificates, paths, suites
from tests.wallet.verifying.openid4vp.wallets import MDOC, SD_JWT, VC_JWT, Wallet, ask, asked, encoded, fetch_licence
from tests.world_clients import bearer
from tests.world_verifying import CAUSE, Counter
from wallet.presenting.handovers import transcript
from wallet.register.catalogue import get_type

FIELDS = ("vehicle_class", "licence_identifier")


def read(counter: Counter, request_id: str, **query: str) -> dict[str, Any]:
    response = counter.client.get(f"/api/v1/requests/{request_id}", headers=bearer(counter.token), query_string=query)
    assert response.status_code == 200, response.text
    found: dict[str, Any] = response.get_json()
    return found


@pytest.mark.parametrize("mode", ["direct_post", "direct_post.jwt"])
@pytest.mark.parametrize("form", [SD_JWT, MDOC, VC_JWT])
def test_a_wallet_elsewhere_shows_what_was_asked_for_and_the_department_has_a_receipt(app: Flask, counter: Counter, form: str, mode: str) -> None:
    wallet = Wallet(app, fetch_licence(app, counter.licence, form))
    made = asked(counter, credentials=[{"type": "driving-licence", "fields": ["vehicle_class"], "formats": [form]}], response_mode=mode)
    assert made["state"] == "waiting"
    got = wallet.get(made["link"])
    assert read(counter, made["id"])["state"] == "fetched"
    (query,) = got.payload["dcql_query"]["credentials"]
    answered = wallet.answer(got, {query["id"]: [wallet.present(got, (*FIELDS, "holder_name"))]})
    assert (answered.status_code, answered.get_json()) == (200, {})
    assert answered.headers["Cache-Control"] == "no-store"
    found = read(counter, made["id"])
    result = found["result"]
    assert (found["state"], result["verdict"]) == ("answered", "valid")
    (one,) = result["presentations"]
    assert one["fields"] == {"vehicle_class": "C1"}, "what came besides is left behind"
    assert one["licence"]["identifier"] == counter.licence.identifier
    assert {check["outcome"] for check in one["checks"]} == {"passed"}
    assert "asked" in [check["check"] for check in one["checks"]]
    receipt = counter.client.get(f"/api/v1/receipts/{one['receipt']['id']}", headers=bearer(counter.token))
    assert receipt.status_code == 200
    assert jwt.decode(one["receipt"]["jws"], options={"verify_signature": False})["format"] == form


def test_a_request_object_is_signed_by_the_department_and_says_who_asks_for_what_and_why(counter: Counter, wallet: Wallet) -> None:
    made = asked(counter, confirm="同意过户")
    response = wallet.fetch(made["link"])
    assert response.headers["Content-Type"] == "application/oauth-authz-req+jwt"
    assert response.headers["Cache-Control"] == "no-store"
    header = jwt.get_unverified_header(response.text)
    leaf = paths.read_certificate(header["x5c"][0])
    payload = jwt.decode(response.text, leaf.public_key(), algorithms=[header["alg"]], audience="https://self-issued.me/v2")
    assert header["typ"] == "oauth-authz-req+jwt"
    assert paths.check_path(header["x5c"], roots=certificates.anchors().roots).root not in [paths.read_certificate(one) for one in header["x5c"]]
    assert payload["client_id"] == "x509_hash:" + encoded(hashlib.sha256(base64.b64decode(header["x5c"][0])).digest()) == made["client_id"]
    assert counter.department in str(leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value)
    assert payload["response_type"] == "vp_token"
    assert payload["response_uri"].startswith("http://127.0.0.1:8000/responses/")
    assert len(payload["nonce"]) >= 22
    assert len(payload["state"]) >= 22
    assert payload["verifier_info"][0]["data"]["text"] == CAUSE["text"]
    assert "iss" not in payload
    assert set(payload["client_metadata"]["vp_formats_supported"]) == {SD_JWT, MDOC, "jwt_vc_json"}
    (key,) = payload["client_metadata"]["jwks"]["keys"]
    assert (key["alg"], key["use"], key["crv"]) == ("ECDH-ES", "enc", "P-256")
    assert payload["client_metadata"]["encrypted_response_enc_values_supported"] == ["A128GCM", "A256GCM"]


def test_each_request_has_secrets_of_its_own(counter: Counter, wallet: Wallet) -> None:
    first, second = (wallet.get(asked(counter)["link"]) for _ in range(2))
    assert first.encryption_key != second.encryption_key
    assert first.payload["nonce"] != second.payload["nonce"]
    assert first.payload["state"] != second.payload["state"]
    assert first.payload["response_uri"] != second.payload["response_uri"]


def test_a_wallet_that_fetches_by_post_has_its_nonce_again(counter: Counter, wallet: Wallet) -> None:
    got = wallet.get(asked(counter)["link"], wallet_nonce="n-1234", wallet_metadata='{"request_object_signing_alg_values_supported":["ES256"]}')
    assert got.payload["wallet_nonce"] == "n-1234"


def test_a_transcript_is_as_the_specification_has_it() -> None:
    """The example of appendix B.2.6.1."""
    thumbprint = encoded(bytes.fromhex("4283ec927ae0f208daaa2d026a814f2b22dca52cf85ffa8f3f8626c6bd669047"))
    found = transcript("x509_san_dns:example.com", "exc7gBkxjx1rdc9udRrveKvSsJIq80avlXeLHhGwqtA", thumbprint, "https://example.com/response")
    assert found.hex() == "83f6f682714f70656e494434565048616e646f7665725820048bc053c00442af9b8eed494cefdd9d95240d254b046b11b68013722aad38ac"
    jwk = {
        "kty": "EC",
        "crv": "P-256",
        "x": "DxiH5Q4Yx3UrukE2lWCErq8N8bqC9CHLLrAwLz5BmE0",
        "y": "XtLM4-3h5o3HUH0MHVJV0kyq0iBlrBwlh8qEDMZ4-Pc",
    }
    assert suites.thumbprint(jwk) == thumbprint


def test_an_act_is_confirmed_by_the_holder_s_key_and_stands_in_the_receipt(counter: Counter, wallet: Wallet) -> None:
    made = asked(counter, confirm="同意将车辆转移登记给李某")
    got = wallet.get(made["link"])
    (query,) = got.payload["dcql_query"]["credentials"]
    wallet.answer(got, {query["id"]: [wallet.present(got, FIELDS)]})
    result = read(counter, made["id"])["result"]
    assert (result["verdict"], result["confirmed"]) == ("valid", "同意将车辆转移登记给李某")
    jws = result["presentations"][0]["receipt"]["jws"]
    claims = jwt.decode(jws, options={"verify_signature": False})
    assert claims["confirmed"] == [
        {"text": "同意将车辆转移登记给李某", "sha-256": encoded(hashlib.sha256(got.payload["transaction_data"][0].encode()).digest())}
    ]
    assert claims["request"] == made["id"]


def test_optional_fields_may_be_left_out(counter: Counter, wallet: Wallet) -> None:
    wanted = [{"type": "driving-licence", "fields": ["vehicle_class"], "optional": ["holder_name", "file_number"]}]
    for shown, fields in ((("holder_name",), {"holder_name"}), ((), set())):
        made = asked(counter, credentials=wanted)
        got = wallet.get(made["link"])
        (query,) = got.payload["dcql_query"]["credentials"]
        assert len(query["claim_sets"]) == 4
        wallet.answer(got, {query["id"]: [wallet.present(got, (*FIELDS, *shown))]})
        result = read(counter, made["id"])["result"]
        assert result["verdict"] == "valid"
        assert set(result["presentations"][0]["fields"]) == {"vehicle_class", *fields}


def test_one_of_two_forms_will_do(app: Flask, counter: Counter) -> None:
    wallet = Wallet(app, fetch_licence(app, counter.licence, MDOC))
    made = asked(counter, credentials=[{"type": "driving-licence", "formats": [SD_JWT, MDOC]}])
    got = wallet.get(made["link"])
    second = got.payload["dcql_query"]["credentials"][1]
    assert second["format"] == MDOC
    wallet.answer(got, {second["id"]: [wallet.present(got, ("licence_identifier",))]})
    assert read(counter, made["id"])["result"]["verdict"] == "valid"


def test_a_query_as_it_stands_with_values_and_authorities(counter: Counter, wallet: Wallet) -> None:
    root = certificates.anchors().roots[0].extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest
    document = {
        "credentials": [
            {
                "id": "any",
                "format": SD_JWT,
                "meta": {"vct_values": [f"http://127.0.0.1:8000/types/{get_type('driving-licence').slug}"]},
                "claims": [{"path": ["licence_identifier"]}, {"path": ["vehicle_class"], "values": ["C1", "C2"]}],
                "trusted_authorities": [{"type": "aki", "values": [encoded(root)]}],
            }
        ]
    }
    made = asked(counter, dcql_query=document)
    got = wallet.get(made["link"])
    assert got.payload["dcql_query"] == document
    wallet.answer(got, {"any": [wallet.present(got, FIELDS)]})
    (one,) = read(counter, made["id"])["result"]["presentations"]
    assert one["fields"] == {"vehicle_class": "C1"}


def test_a_holder_who_refuses_is_not_asked_why(counter: Counter, wallet: Wallet) -> None:
    made = asked(counter)
    got = wallet.get(made["link"])
    assert wallet.post(got, {"error": "access_denied", "error_description": "家里有事", "state": got.payload["state"]}).status_code == 200
    found = read(counter, made["id"])
    assert (found["state"], found["result"]) == ("declined", None)
    got = wallet.get(asked(counter, return_to="https://hall.example.gov.cn/back")["link"])
    told = wallet.post(got, {"error": "access_denied", "state": got.payload["state"]}).get_json()
    assert told["redirect_uri"].startswith("https://hall.example.gov.cn/back?response_code=")


def test_on_one_device_the_result_waits_for_the_code_that_comes_back_with_the_browser(counter: Counter, wallet: Wallet) -> None:
    made = asked(counter, return_to="https://hall.example.gov.cn/back?matter=1")
    got = wallet.get(made["link"])
    (query,) = got.payload["dcql_query"]["credentials"]
    goal = wallet.answer(got, {query["id"]: [wallet.present(got, FIELDS)]}).get_json()["redirect_uri"]
    address, _, code = goal.partition("&response_code=")
    assert address == "https://hall.example.gov.cn/back?matter=1"
    for wrong in ({}, {"response_code": "x" * len(code)}):
        found = read(counter, made["id"], **wrong)
        assert (found["state"], found["needs_response_code"], found["result"]) == ("answered", True, None)
    assert read(counter, made["id"], response_code=code)["result"]["verdict"] == "valid"


def test_a_w3c_credential_is_asked_for_last_whatever_the_order_and_no_form_twice(app: Flask, counter: Counter) -> None:
    made = asked(counter, credentials=[{"type": "driving-licence", "fields": ["vehicle_class"], "formats": [VC_JWT, SD_JWT, VC_JWT]}])
    query = Wallet(app, fetch_licence(app, counter.licence)).get(made["link"]).payload["dcql_query"]
    assert [one["format"] for one in query["credentials"]] == [SD_JWT, VC_JWT]
    assert [names for (names,) in query["credential_sets"][0]["options"]] == [one["id"] for one in query["credentials"]]
    w3c = query["credentials"][1]
    assert w3c["meta"] == {"type_values": [["DrivingLicence"]]}
    assert [one["path"] for one in w3c["claims"]] == [["credentialSubject", "licence_identifier"], ["credentialSubject", "vehicle_class"]]


def test_a_query_for_a_w3c_presentation_may_name_its_type_by_iri(app: Flask, counter: Counter) -> None:
    wallet = Wallet(app, fetch_licence(app, counter.licence, VC_JWT))
    meta = {"type_values": [["Another"], ["https://www.w3.org/2018/credentials#VerifiableCredential", "DrivingLicence"]]}
    refused = ask(counter, dcql_query={"credentials": [{"id": "w3c", "format": VC_JWT, "meta": meta}]})
    assert (refused.status_code, refused.get_json()["field"]) == (422, "dcql_query.credentials.0.meta"), "every type must be known here"
    meta["type_values"].pop(0)
    claims = [{"path": ["credentialSubject", "vehicle_class"]}, {"path": ["credentialSubject", "licence_identifier"]}]
    made = asked(counter, dcql_query={"credentials": [{"id": "w3c", "format": VC_JWT, "meta": meta, "claims": claims}]})
    got = wallet.get(made["link"])
    wallet.answer(got, {"w3c": [wallet.present(got, ())]})
    result = read(counter, made["id"])["result"]
    assert (result["verdict"], result["presentations"][0]["fields"]) == ("valid", {"vehicle_class": "C1"})


def test_an_act_is_never_confirmed_by_a_w3c_credential(counter: Counter) -> None:
    wanted = [{"type": "driving-licence", "formats": [VC_JWT]}]
    refused = ask(counter, credentials=wanted, confirm="同意")
    assert (refused.status_code, refused.get_json()["field"]) == (422, "confirm")


def test_a_w3c_credential_will_do_where_no_proof_of_its_holder_is_asked_for(app: Flask, counter: Counter) -> None:
    wallet = Wallet(app, fetch_licence(app, counter.licence, VC_JWT))
    document = {
        "credentials": [
            {
                "id": "w3c",
                "format": VC_JWT,
                "meta": {"type_values": [["VerifiableCredential", "DrivingLicence"]]},
                "require_cryptographic_holder_binding": False,
                "claims": [{"path": ["credentialSubject", "vehicle_class"], "values": ["C1"]}],
            }
        ]
    }
    made = asked(counter, dcql_query=document)
    got = wallet.get(made["link"])
    assert wallet.answer(got, {"w3c": [str(wallet.held.credential)]}).status_code == 200
    result = read(counter, made["id"])["result"]
    assert result["verdict"] == "valid", result
    assert result["presentations"][0]["fields"] == {"vehicle_class": "C1"}
