"""The wallet here answers in W3C credentials: whole, so only where its holder agrees to that, and last of all forms."""

import base64
import json
from datetime import timedelta
from typing import Any

import jwt
import pytest
from flask import Flask

from keys import suites
from runtime.clock import now
from runtime.database import transaction
from tests.wallet.holding.test_wallet_pages import SLUG
from tests.wallet.presenting.answering.steps import Holder, approve, open_link, opened, page_of, reply
from tests.wallet.presenting.answering.test_our_own_doors import query_of, state_of
from tests.wallet.presenting.answering.test_statements_asked import Scene, signed_in
from tests.wallet.verifying.openid4vp.wallets import asked
from tests.world_asking import Asking, Signing, sd_jwt_query, shown_in
from tests.world_verifying import new_browser, new_counter
from wallet.holding.uses import uses_of
from wallet.issuing.w3c_types import EXPANDED
from wallet.presenting import holder_names
from wallet.verifying.checks import Expected, verify
from wallet.verifying.outcomes import Result
from wallet.verifying.trusting import current_trust
from wallet.verifying.vp_jwt_reading import read_jwt

FIELD = "vehicle_class"
AGREED = "同意出示全部内容"
ACT = {"type": "urn:kabao:transaction:confirmation", "credential_ids": ["licence"], "text": "同意"}


def query(*names: str, types: Any = (("DrivingLicence",),), **more: Any) -> dict[str, Any]:
    """Return a query for one W3C credential."""
    claims = {"claims": [{"path": ["credentialSubject", name]} for name in names]} if names else {}
    meta = {"type_values": [list(one) for one in types]}
    return {"credentials": [{"id": "licence", "format": "jwt_vc_json", "meta": meta, **claims, **more}]}


def agreeing(client: Any, at: str, licence: Any) -> Any:
    return approve(client, at, licence, **{f"whole-licence-{licence.id}": "yes"})


def test_a_verifier_is_shown_the_whole_licence_bound_to_it_and_to_this_request_once_the_holder_agrees(
    app: Flask, holder: Holder, signing: Signing, verifier: Asking
) -> None:
    client, licence = holder
    link = verifier.link(signing, query(FIELD), nonce="n-0S6_WzA2Mj")
    at = opened(client, link)
    page = page_of(client, at)
    assert all(words in page for words in ("只能出示全部内容", "对方没有要，也会一并看到", AGREED, "准驾车型", "档案编号"))
    assert "其余内容对方看不到" not in page
    refused = approve(client, at, licence)
    assert (refused.status_code, verifier.received) == (422, []), "nothing is sent without the tick"
    assert "请先勾选" in refused.text
    assert agreeing(client, at, licence).status_code == 303
    (form,) = verifier.received
    expected = Expected(binding=True, audience=signing.by_hash, nonce="n-0S6_WzA2Mj", vcts=None, binding_age=timedelta(minutes=5))
    with app.app_context():
        found = verify(read_jwt(shown_in(form)), expected=expected, trust=current_trust(), status_of=None, now=now())
    assert {one.result for one in found.outcomes} <= {Result.PASSED, Result.NOT_ASKED}
    assert {"holder_name", "holder_number", FIELD, "file_number"} <= set(found.disclosed)
    assert "file_number" in json.dumps(shown_fields(app, licence)), "the history names what went along unasked"


def shown_fields(app: Flask, licence: Any) -> list[str]:
    with app.app_context(), transaction() as session:
        return uses_of(session, holder_id=licence.holder_id, licence_id=licence.id)[0].fields


def test_a_presentation_names_its_key_is_over_soon_and_shares_nothing_with_the_one_before(holder: Holder, signing: Signing, verifier: Asking) -> None:
    client, licence = holder
    for _ in range(2):
        assert agreeing(client, opened(client, verifier.link(signing, query(FIELD))), licence).status_code == 303
    seen = []
    for form in verifier.received:
        text = shown_in(form)
        header, payload = jwt.get_unverified_header(text), jwt.decode(text, options={"verify_signature": False})
        (held,) = payload["vp"]["verifiableCredential"]
        credential = jwt.decode(held, options={"verify_signature": False})
        jwk = credential["cnf"]["jwk"]
        name = holder_names.name_of(jwk)
        assert (payload["iss"], payload["vp"]["holder"], header["kid"], header["typ"]) == (name, name, f"{name}#0", "JWT")
        assert payload["exp"] - payload["iat"] == 300
        assert jwt.decode(text, suites.key_from_jwk(jwk), algorithms=["ES256"], audience=signing.by_hash)
        seen += [name, payload["jti"], held]
    assert len(set(seen)) == 6


@pytest.mark.parametrize(
    ("wanted", "fits"),
    [
        pytest.param(query(), True, id="no claim at all"),
        pytest.param(query(FIELD, types=[["Unknown"], [EXPANDED, "DrivingLicence"]]), True, id="one of some types, by IRI"),
        pytest.param(query(FIELD, types=[["DrivingLicence", "Unknown"]]), False, id="a type more than it is"),
        pytest.param(query("no_such"), False, id="a field that there is not"),
    ],
)
def test_what_a_query_means_is_what_fits(holder: Holder, signing: Signing, verifier: Asking, wanted: dict[str, Any], fits: bool) -> None:
    client, licence = holder
    at = opened(client, verifier.link(signing, wanted))
    assert (AGREED in page_of(client, at)) == fits
    assert (agreeing(client, at, licence).status_code, len(verifier.received)) == ((303, 1) if fits else (422, 0))


def test_where_no_proof_is_asked_for_the_credential_goes_alone_bound_to_nobody(holder: Holder, signing: Signing, verifier: Asking) -> None:
    client, licence = holder
    at = opened(client, verifier.link(signing, query(FIELD, require_cryptographic_holder_binding=False)))
    assert agreeing(client, at, licence).status_code == 303
    payload = jwt.decode(shown_in(verifier.received[0]), options={"verify_signature": False})
    assert payload["vc"]["credentialSubject"][FIELD] == "C1"
    assert not {"cnf", "vp", "nonce"} & payload.keys()


def test_where_all_is_asked_for_no_tick_is_needed(holder: Holder, signing: Signing, verifier: Asking) -> None:
    client, licence = holder
    wanted = query()
    wanted["credentials"][0]["claims"] = [{"path": ["credentialSubject"]}]
    at = opened(client, verifier.link(signing, wanted))
    page = page_of(client, at)
    assert "只能出示全部内容" in page
    assert AGREED not in page
    assert approve(client, at, licence).status_code == 303


@pytest.mark.parametrize("is_first", [True, False], ids=["asked for first", "asked for last"])
@pytest.mark.parametrize("required", [True, False], ids=["needed", "may be left out"])
def test_of_several_forms_it_is_the_last_and_no_question(
    holder: Holder, signing: Signing, verifier: Asking, vct: str, is_first: bool, required: bool
) -> None:
    client, licence = holder
    (spare,) = sd_jwt_query(vct, FIELD)["credentials"]
    (whole,) = query(FIELD)["credentials"]
    order = [{**whole, "id": "whole"}, spare][:: 1 if is_first else -1]
    sets = [{"options": [[one["id"]] for one in order], "required": required}]
    at = opened(client, verifier.link(signing, {"credentials": order, "credential_sets": sets}))
    page = page_of(client, at)
    assert page.count('id="wanted-') == 1
    assert 'id="wanted-licence"' in page
    assert AGREED not in page
    assert approve(client, at, licence).status_code == 303
    assert list(json.loads(verifier.received[0]["vp_token"])) == ["licence"]


@pytest.mark.parametrize(
    ("form", "told"),
    [
        pytest.param("jwt_vc_json", {"alg_values": ["EdDSA", "ES384"]}, id="other algorithms"),
        pytest.param("jwt_vc_json", {"alg_values": []}, id="no algorithm"),
        pytest.param("ldp_vc", {}, id="a form that is not known here"),
    ],
)
def test_a_verifier_that_could_read_nothing_is_told_so_by_name(
    holder: Holder, signing: Signing, verifier: Asking, form: str, told: dict[str, Any]
) -> None:
    wanted = query(FIELD)
    wanted["credentials"][0]["format"] = form
    refused = open_link(holder[0], verifier.link(signing, wanted, client_metadata={"vp_formats_supported": {form: told}}))
    assert refused.status_code == 422
    assert [sent["error"] for sent in verifier.received] == ["vp_formats_not_supported"]


@pytest.mark.parametrize("told", [{"alg_values": ["EdDSA", "ES256", None, {}]}, {"alg_values": "ES256"}, {}, [], None], ids=str)
def test_algorithms_are_heard_where_they_are_listed(holder: Holder, signing: Signing, verifier: Asking, told: Any) -> None:
    client, licence = holder
    at = opened(client, verifier.link(signing, query(FIELD), client_metadata={"vp_formats_supported": {"jwt_vc_json": told}}))
    assert agreeing(client, at, licence).status_code == 303


def test_of_two_forms_the_one_that_its_verifier_reads_is_shown(holder: Holder, signing: Signing, verifier: Asking, vct: str) -> None:
    client, licence = holder
    (spare,) = sd_jwt_query(vct, FIELD)["credentials"]
    (whole,) = query(FIELD)["credentials"]
    both = {"credentials": [{**spare, "id": "spare"}, whole], "credential_sets": [{"options": [["spare"], ["licence"]]}]}
    told = {"vp_formats_supported": {"dc+sd-jwt": {"kb-jwt_alg_values": ["Ed25519"]}, "jwt_vc_json": {"alg_values": ["ES256"]}}}
    at = opened(client, verifier.link(signing, both, client_metadata=told))
    assert AGREED in page_of(client, at)
    assert agreeing(client, at, licence).status_code == 303


def test_a_w3c_credential_confirms_no_act_and_the_verifier_is_told(holder: Holder, signing: Signing, verifier: Asking) -> None:
    act = base64.urlsafe_b64encode(json.dumps(ACT).encode()).rstrip(b"=").decode()
    refused = open_link(holder[0], verifier.link(signing, query(FIELD), transaction_data=[act]))
    assert refused.status_code == 422
    assert [form["error"] for form in verifier.received] == ["invalid_transaction_data"]


@pytest.mark.parametrize("forms", [["jwt_vc_json"], ["jwt_vc_json", "mso_mdoc", "dc+sd-jwt"]], ids=["alone", "among others"])
def test_a_department_of_ours_takes_it_and_is_given_what_it_asked_for_alone(app: Flask, forms: list[str]) -> None:
    with app.app_context():
        counter = new_counter(new_browser(app))
        made = asked(counter, credentials=[{"type": SLUG, "fields": [FIELD], "formats": forms}])
    scene = Scene(counter, signed_in(app, counter.person))
    at = scene.open(made)
    page = page_of(scene.client, at)
    assert page.count('id="wanted-') == 1, "the same licence in another form is no question"
    assert (AGREED in page) == (len(forms) == 1)
    name, key = query_of(page), str(counter.licence.id)
    agreed = {f"whole-{name}-{key}": "yes"} if len(forms) == 1 else {}
    assert reply(scene.client, at, answer="approve", **{f"licence-{name}": key, **agreed}).status_code == 303
    result = state_of(counter, made["id"])["result"]
    (one,) = result["presentations"]
    assert (result["verdict"], one["fields"], one["licence"]["identifier"]) == ("valid", {FIELD: "C1"}, counter.licence.identifier)
    assert {check["outcome"] for check in one["checks"]} == {"passed"}
    assert one["receipt"]["id"] in page_of(scene.client, "/wallet/history")
