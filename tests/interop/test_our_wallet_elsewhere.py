"""What our wallet answers to a verifier that it does not know, @sd-jwt/sd-jwt-vc, @owf/mdoc and did-jwt-vc (npm) read and verify."""

import json

import pytest
from flask import Flask
from joserfc import jwe
from joserfc.jwk import ECKey

from keys import certificates, suites
from runtime.clock import now
from runtime.settings import Settings
from tests.at_address import AddressedKabao
from tests.interop.conftest import Program
from tests.wallet.holding.test_wallet_pages import SLUG, licensed, signed_in, someone
from tests.wallet.presenting.answering.steps import approve, opened
from tests.world_asking import asking, of_stranger, sd_jwt_query, shown_in
from wallet.issuing.contents import type_uri
from wallet.register.catalogue import get_type

pytestmark = pytest.mark.interop


@pytest.mark.parametrize("mode", ["direct_post", "direct_post.jwt"])
def test_an_answer_of_our_wallet_is_believed_elsewhere(kabao: AddressedKabao, node: Program, mode: str) -> None:
    app: Flask = kabao.app
    settings: Settings = app.extensions["kabao_settings"]
    person = someone(app)
    licence = licensed(app, person.number, SLUG)[0]
    client, stranger, key = signed_in(app, person), of_stranger(), suites.ES256.generate()
    metadata = {"jwks": {"keys": [{**suites.public_jwk(key.public_key()), "kid": "1", "alg": "ECDH-ES"}]}}
    with app.app_context():
        query, root = sd_jwt_query(type_uri(settings, get_type(SLUG)), "vehicle_class", "holder_name"), certificates.root_pem().decode()
    with asking() as verifier:
        link = verifier.link(stranger, query, nonce="n-0S6_WzA2Mj", response_mode=mode, client_metadata=metadata)
        assert approve(client, opened(client, link), licence, understood="yes").status_code == 303
        (form,) = verifier.received
    if mode == "direct_post.jwt":
        opened_up = jwe.decrypt_compact(form["response"], ECKey.import_key(key), algorithms=["ECDH-ES", "A128GCM"])
        form = {"vp_token": json.dumps(json.loads(opened_up.plaintext or b"")["vp_token"])}
    found = node("verifier", presented=shown_in(form), root=root, required=["vehicle_class", "holder_name"], nonce="n-0S6_WzA2Mj")
    assert "refused" not in found, found
    assert (found["payload"]["vehicle_class"], found["payload"]["holder_name"]) == ("C1", person.name)
    assert "address" not in found["payload"]
    assert found["kb"]["payload"]["aud"] == stranger.by_hash


@pytest.mark.parametrize("mode", ["direct_post", "direct_post.jwt"])
def test_a_mobile_document_of_our_wallet_is_believed_elsewhere_for_its_session_alone(kabao: AddressedKabao, node: Program, mode: str) -> None:
    person = someone(kabao.app)
    licence = licensed(kabao.app, person.number, SLUG)[0]
    client, stranger, key = signed_in(kabao.app, person), of_stranger(), suites.ES256.generate()
    jwk = suites.public_jwk(key.public_key())
    with kabao.app.app_context():
        doctype, root = get_type(SLUG).doctype, certificates.root_pem().decode()
    claims = [{"path": [doctype, name]} for name in ("vehicle_class", "holder_name")]
    query = {"credentials": [{"id": "licence", "format": "mso_mdoc", "meta": {"doctype_value": doctype}, "claims": claims}]}
    with asking() as verifier:
        metadata = {"jwks": {"keys": [{**jwk, "kid": "1", "alg": "ECDH-ES"}]}}
        link = verifier.link(stranger, query, nonce="n-0S6_WzA2Mj", response_mode=mode, client_metadata=metadata)
        assert approve(client, opened(client, link), licence, understood="yes").status_code == 303
        (form,) = verifier.received
    if mode == "direct_post.jwt":
        opened_up = jwe.decrypt_compact(form["response"], ECKey.import_key(key), algorithms=["ECDH-ES", "A128GCM"])
        form = {"vp_token": json.dumps(json.loads(opened_up.plaintext or b"")["vp_token"])}
    session = {"client_id": stranger.by_hash, "nonce": "n-0S6_WzA2Mj", "response_uri": f"{verifier.url}/answers"}
    session |= {"thumbprint": suites.thumbprint(jwk)} if mode == "direct_post.jwt" else {}
    told = {"response": shown_in(form), "root": root, "namespace": doctype}
    found = node("mdoc", **told, session=session)
    assert "refused" not in found, found
    assert (found["doctype"], found["claims"]) == (doctype, {"vehicle_class": "C1", "holder_name": person.name})
    assert "refused" in node("mdoc", **told, session={**session, "nonce": "another-nonce"})


@pytest.mark.parametrize("mode", ["direct_post", "direct_post.jwt"])
def test_a_w3c_presentation_of_our_wallet_is_believed_elsewhere_for_its_verifier_and_request_alone(
    kabao: AddressedKabao, node: Program, mode: str
) -> None:
    person = someone(kabao.app)
    licence = licensed(kabao.app, person.number, SLUG)[0]
    client, stranger, key = signed_in(kabao.app, person), of_stranger(), suites.ES256.generate()
    with kabao.app.app_context():
        root = certificates.root_pem().decode()
    claims = [{"path": ["credentialSubject", name]} for name in ("vehicle_class", "holder_name")]
    wanted = {"id": "licence", "format": "jwt_vc_json", "meta": {"type_values": [["DrivingLicence"]]}, "claims": claims}
    with asking() as verifier:
        metadata = {"jwks": {"keys": [{**suites.public_jwk(key.public_key()), "kid": "1", "alg": "ECDH-ES"}]}}
        link = verifier.link(stranger, {"credentials": [wanted]}, nonce="n-0S6_WzA2Mj", response_mode=mode, client_metadata=metadata)
        assert approve(client, opened(client, link), licence, understood="yes", **{f"whole-licence-{licence.id}": "yes"}).status_code == 303
        (form,) = verifier.received
    if mode == "direct_post.jwt":
        opened_up = jwe.decrypt_compact(form["response"], ECKey.import_key(key), algorithms=["ECDH-ES", "A128GCM"])
        form = {"vp_token": json.dumps(json.loads(opened_up.plaintext or b"")["vp_token"])}
    shown = shown_in(form)
    right = {"presented": shown, "root": root, "client_id": stranger.by_hash, "nonce": "n-0S6_WzA2Mj", "query": {"credentials": [wanted]}}
    found = node("w3c_shown", **right)
    assert "refused" not in found, found
    assert (found["subject"]["vehicle_class"], found["subject"]["holder_name"], found["satisfies"]) == ("C1", person.name, True)
    assert not node("w3c_shown", **right | {"query": {"credentials": [{**wanted, "meta": {"type_values": [["Diploma"]]}}]}})["satisfies"]
    signed, _, signature = shown.rpartition(".")
    for wrong, why in (
        ({"client_id": "x509_hash:another"}, "audience"),
        ({"nonce": "another"}, "challenge"),
        ({"presented": f"{signed}.{signature[:10]}{'B' if signature[10] == 'A' else 'A'}{signature[11:]}"}, "signature"),
        ({"at": int(now().timestamp()) + 1000}, "expired"),
    ):
        assert why in node("w3c_shown", **right | wrong)["refused"].lower()
