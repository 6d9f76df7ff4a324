"""The wallet here answers in mobile documents: ours and others verify them, each under its own session."""

import base64
import json
from typing import Any

import cbor2
import pytest
from cryptography.exceptions import InvalidSignature
from flask import Flask
from isomdoc.verify.verify_mdoc import verify_device_response
from joserfc import jwe
from joserfc.jwk import ECKey

from keys import suites
from runtime.clock import now
from tests.wallet.holding.test_wallet_pages import SLUG
from tests.wallet.presenting.answering.steps import Holder, approve, open_link, opened, page_of, reply
from tests.wallet.presenting.answering.test_our_own_doors import query_of, state_of
from tests.wallet.presenting.answering.test_statements_asked import Scene, signed_in
from tests.wallet.verifying.openid4vp.wallets import asked
from tests.world_asking import Asking, Signing, shown_in
from tests.world_verifying import new_browser, new_counter
from wallet.presenting.handovers import transcript
from wallet.register.catalogue import get_type
from wallet.verifying.checks import Expected, verify
from wallet.verifying.mdoc_reading import read_mdoc
from wallet.verifying.trusting import current_trust

FIELD, OTHER = "vehicle_class", "file_number"
ACT = {"type": "urn:kabao:transaction:confirmation", "credential_ids": ["licence"], "text": "同意"}


@pytest.fixture
def doctype(app: Flask) -> str:
    with app.app_context():
        return get_type(SLUG).doctype


def query(doctype: str, *names: str, optional: tuple[str, ...] = (), **values: list[Any]) -> dict[str, Any]:
    """Return a query for one mobile document."""
    given = {name: {"values": values[name]} if name in values else {} for name in (*names, *optional)}
    claims = [{"id": name, "path": [doctype, name], **more} for name, more in given.items()]
    sets = {"claim_sets": [[*names, *optional], list(names)]} if optional else {}
    wanted = {"id": "licence", "format": "mso_mdoc", "meta": {"doctype_value": doctype}, **({"claims": claims} if claims else {}), **sets}
    return {"credentials": [wanted]}


def raw(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


@pytest.mark.parametrize("mode", ["direct_post", "direct_post.jwt"])
def test_a_verifier_elsewhere_and_ours_believe_it_for_this_session_alone(
    app: Flask, holder: Holder, signing: Signing, verifier: Asking, doctype: str, mode: str
) -> None:
    client, licence = holder
    key = suites.ES256.generate()
    jwk = suites.public_jwk(key.public_key())
    metadata = {"jwks": {"keys": [{**jwk, "kid": "1", "alg": "ECDH-ES"}]}}
    payload = verifier.payload(query(doctype, FIELD, "licence_identifier"), client_id=signing.by_hash, response_mode=mode, client_metadata=metadata)
    at = opened(client, f"openid4vp://?client_id={signing.by_hash}&request_uri={verifier.serve(signing.sign(payload))}")
    assert "准驾车型" in page_of(client, at)
    assert approve(client, at, licence).status_code == 303
    (form,) = verifier.received
    if mode == "direct_post.jwt":
        plain = jwe.decrypt_compact(form["response"], ECKey.import_key(key), algorithms=["ECDH-ES", "A128GCM"]).plaintext
        form = {"vp_token": json.dumps(json.loads(plain or b"")["vp_token"])}
    response = raw(shown_in(form))
    thumbprint = suites.thumbprint(jwk) if mode == "direct_post.jwt" else None
    session = transcript(signing.by_hash, payload["nonce"], thumbprint, payload["response_uri"])
    (document,) = verify_device_response(response, cbor2.loads(session)).documents  # type: ignore[attr-defined]
    assert document.doctype == doctype
    assert document.issuer_signed.get_element_value(doctype, FIELD) == "C1"
    expected = Expected(binding=True, audience=signing.by_hash, nonce=payload["nonce"], vcts=None, binding_age=now() - now())
    with app.app_context():
        found = verify(read_mdoc(response, transcript=session), expected=expected, trust=current_trust(), status_of=None, now=now())
    assert sorted(found.disclosed) == ["licence_identifier", FIELD], "nothing else is in it"
    other = transcript(signing.by_hash, payload["nonce"], thumbprint, payload["response_uri"] + "x")
    with pytest.raises(InvalidSignature):
        verify_device_response(response, cbor2.loads(other))


def test_two_answers_share_no_key_no_salt_and_no_digest(holder: Holder, signing: Signing, verifier: Asking, doctype: str) -> None:
    client, licence = holder
    for _ in range(2):
        assert approve(client, opened(client, verifier.link(signing, query(doctype, FIELD))), licence).status_code == 303
    first, second = (raw(shown_in(form)) for form in verifier.received)
    signed = [cbor2.loads(one)["documents"][0]["issuerSigned"] for one in (first, second)]
    objects = [cbor2.loads(cbor2.loads(one["issuerAuth"][2]).value) for one in signed]
    assert objects[0]["deviceKeyInfo"] != objects[1]["deviceKeyInfo"]
    assert not {*objects[0]["valueDigests"][doctype].values()} & {*objects[1]["valueDigests"][doctype].values()}


@pytest.mark.parametrize(
    ("asked_for", "shown"),
    [
        pytest.param({"names": (), "optional": ()}, set(), id="no element at all"),
        pytest.param({"names": (FIELD,), "optional": (OTHER,)}, {FIELD}, id="the least"),
        pytest.param({"names": (FIELD,), "vehicle_class": ["C1", "C2"]}, {FIELD}, id="one of some values"),
        pytest.param({"names": (FIELD,), "vehicle_class": ["A1"]}, None, id="another value"),
        pytest.param({"names": ("no_such",)}, None, id="an element that there is not"),
    ],
)
def test_just_what_was_asked_for_is_in_it(
    holder: Holder, signing: Signing, verifier: Asking, doctype: str, asked_for: dict[str, Any], shown: set[str] | None
) -> None:
    client, licence = holder
    at = opened(client, verifier.link(signing, query(doctype, *asked_for.pop("names"), **asked_for)))
    answered = approve(client, at, licence)
    if shown is None:
        assert (answered.status_code, verifier.received) == (422, [])
        return
    (document,) = cbor2.loads(raw(shown_in(verifier.received[0])))["documents"]
    items = document["issuerSigned"].get("nameSpaces", {}).get(doctype, [])
    assert {cbor2.loads(one.value)["elementIdentifier"] for one in items} == shown


def test_a_mobile_document_confirms_no_act_and_the_verifier_is_told(holder: Holder, signing: Signing, verifier: Asking, doctype: str) -> None:
    act = base64.urlsafe_b64encode(json.dumps(ACT).encode()).rstrip(b"=").decode()
    refused = open_link(holder[0], verifier.link(signing, query(doctype, FIELD), transaction_data=[act]))
    assert refused.status_code == 422
    assert [form["error"] for form in verifier.received] == ["invalid_transaction_data"]


@pytest.mark.parametrize("mode", ["direct_post", "direct_post.jwt"])
@pytest.mark.parametrize("forms", [["mso_mdoc"], ["mso_mdoc", "dc+sd-jwt"], ["dc+sd-jwt", "mso_mdoc"]], ids=["mdoc", "mdoc first", "mdoc last"])
def test_a_department_of_ours_takes_it_and_no_form_is_asked_about_twice(app: Flask, forms: list[str], mode: str) -> None:
    with app.app_context():
        counter = new_counter(new_browser(app))
        made = asked(counter, credentials=[{"type": SLUG, "fields": [FIELD], "formats": forms}], response_mode=mode)
    scene = Scene(counter, signed_in(app, counter.person))
    at = scene.open(made)
    page = page_of(scene.client, at)
    assert page.count('id="wanted-') == 1, "the same licence in another form is no question"
    assert reply(scene.client, at, answer="approve", **{f"licence-{query_of(page)}": str(counter.licence.id)}).status_code == 303
    result = state_of(counter, made["id"])["result"]
    (one,) = result["presentations"]
    assert (result["verdict"], one["fields"], one["licence"]["identifier"]) == ("valid", {FIELD: "C1"}, counter.licence.identifier)
    assert {check["outcome"] for check in one["checks"]} == {"passed"}
    assert one["receipt"]["id"] in page_of(scene.client, "/wallet/history")
