"""Offers: made by a holder on a card and by a department, fetched by wallets, taken up once (OpenID4VCI 1.0 section 4)."""

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from threading import Barrier
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from flask import Flask
from flask.testing import FlaskClient

from idp.oauth.clients import AUTHORIZATION_CODE, PRE_AUTHORIZED_CODE
from idp.subjects import changes
from idp.subjects.directory import get_subject
from idp.subjects.history import Told
from idp.subjects.records import DECEASED
from runtime.clock import now, shifted
from runtime.database import transaction
from tests.idp.oauth.journeys import Journey
from tests.wallet.issuing.oid4vci.wallets import TYPE, Holder, error_of, new_holder, new_wallet, proof, wallet_of
from tests.world_clients import ISSUER, bearer, new_system, token_of
from tests.world_people import BROWSER, csrf_token, new_person, sign_in
from tests.world_wallet import example_fields, new_department, new_licence
from wallet.issuing.holders import HolderRequest
from wallet.issuing.life import issue_licence, revoke_licence
from wallet.issuing.oid4vci import offers
from wallet.issuing.oid4vci.offers import Made
from wallet.issuing.requests import LicenceRequest
from wallet.register.licences import get_licence

THREADS = 40


def made(app: Flask, holder: Holder, *, pre_authorize: bool = True) -> Made:
    with app.app_context(), transaction() as session:
        licence, settings = get_licence(session, holder.licence.id), app.extensions["kabao_settings"]
        return offers.make(session, licence, holder.grantee, pre_authorize=pre_authorize, settings=settings, actor="operator", now=now())


def fetch(http: FlaskClient, offer: Made) -> Any:
    return http.get(f"/offers/{offer.reference}")


def take(http: FlaskClient, document: dict[str, Any], client_id: str, **more: Any) -> Any:
    grant = document["grants"][PRE_AUTHORIZED_CODE]
    form = {"grant_type": PRE_AUTHORIZED_CODE, "pre-authorized_code": grant["pre-authorized_code"], "client_id": client_id, **more}
    return http.post("/token", data=form)


def test_an_offer_is_fetched_by_its_reference(app: Flask, client: FlaskClient, holder: Holder) -> None:
    offer = made(app, holder)
    answer = fetch(client, offer)
    assert (answer.status_code, answer.mimetype, answer.headers["Cache-Control"]) == (200, "application/json", "no-store")
    document = answer.json
    assert document == offer.document
    assert document["credential_issuer"] == ISSUER
    assert TYPE in document["credential_configuration_ids"]
    assert document["grants"][PRE_AUTHORIZED_CODE]["tx_code"]["length"] == 6
    assert len(document["grants"][PRE_AUTHORIZED_CODE]["tx_code"]["description"]) <= 300
    tokens = take(client, document, (wallet := new_wallet(app)).client_id, tx_code=offer.tx_code)
    assert tokens.status_code == 200, tokens.text
    mine = wallet_of(client, wallet.client_id, tokens.json)
    assert mine.identifiers[TYPE] == [str(holder.licence.id)]
    assert mine.ask(proof(mine.nonce())).status_code == 200


def test_the_links_carry_the_offer_or_where_it_is(app: Flask, holder: Holder) -> None:
    offer = made(app, holder)
    settings = app.extensions["kabao_settings"]
    by_reference, by_value = urlsplit(offer.link(settings)), urlsplit(offer.link_by_value())
    assert by_reference.scheme == by_value.scheme == "openid-credential-offer"
    assert parse_qs(by_reference.query)["credential_offer_uri"] == [f"{ISSUER}/offers/{offer.reference}"]
    assert json.loads(parse_qs(by_value.query)["credential_offer"][0]) == offer.document
    assert offer.tx_code not in offer.link(settings) + offer.link_by_value()
    assert offer.link(settings, "https://wallet.example/offer").startswith("https://wallet.example/offer?credential_offer_uri=")


@pytest.mark.parametrize("reference", ["a", "A" * 43, "A" * 44, "..", "证照"])
def test_what_is_no_reference_is_not_found(client: FlaskClient, reference: str) -> None:
    assert client.get(f"/offers/{reference}").status_code == 404


def test_an_offer_is_fetched_five_times_at_most(app: Flask, client: FlaskClient, holder: Holder) -> None:
    offer = made(app, holder)
    assert [fetch(client, offer).status_code for _ in range(offers.MOST_FETCHES + 1)] == [200] * offers.MOST_FETCHES + [404]


def test_of_many_who_fetch_at_once_five_are_served(app: Flask, holder: Holder) -> None:
    offer, ready = made(app, holder), Barrier(THREADS)

    def one(_: int) -> int:
        ready.wait()
        return int(fetch(app.test_client(), offer).status_code)

    with ThreadPoolExecutor(THREADS) as threads:
        assert sorted(threads.map(one, range(THREADS))) == [200] * offers.MOST_FETCHES + [404] * (THREADS - offers.MOST_FETCHES)


def test_an_offer_ends(app: Flask, client: FlaskClient, holder: Holder) -> None:
    offer = made(app, holder)
    with shifted(offers.LIFETIME):
        assert fetch(client, offer).status_code == 404


def test_a_new_offer_withdraws_the_one_before_and_its_code(app: Flask, client: FlaskClient, holder: Holder) -> None:
    first = made(app, holder)
    document = fetch(client, first).json
    second = made(app, holder)
    assert fetch(client, first).status_code == 404
    assert error_of(take(client, document, new_wallet(app).client_id, tx_code=first.tx_code)) == (400, "invalid_grant")
    assert take(client, second.document, new_wallet(app).client_id, tx_code=second.tx_code).status_code == 200


def test_an_offer_to_sign_in_narrows_what_is_allowed_to_its_licence(app: Flask, client: FlaskClient, holder: Holder) -> None:
    with app.app_context(), transaction() as session:
        new_licence(session, type=TYPE, department=holder.department, number=holder.person.number)
    offer, wallet = made(app, holder, pre_authorize=False), new_wallet(app)
    state = fetch(client, offer).json["grants"][AUTHORIZATION_CODE]["issuer_state"]
    sign_in(client, holder.person)
    assert identifiers_of(client, wallet, issuer_state=state) == [str(holder.licence.id)]
    assert len(identifiers_of(client, wallet, issuer_state=state)) == 2, "an offer is taken up once"
    assert len(identifiers_of(client, wallet, issuer_state="A" * 43)) == 2, "and what is none is passed over"


def test_an_offer_that_is_over_or_has_a_code_of_its_own_narrows_nothing(app: Flask, client: FlaskClient, holder: Holder) -> None:
    with app.app_context(), transaction() as session:
        new_licence(session, type=TYPE, department=holder.department, number=holder.person.number)
    with shifted(-offers.LIFETIME):
        late = made(app, holder, pre_authorize=False)
    sign_in(client, holder.person)
    for offer in (late, made(app, holder)):
        assert len(identifiers_of(client, new_wallet(app), issuer_state=offer.reference)) == 2


def test_an_offer_to_another_gives_nothing(app: Flask, client: FlaskClient, holder: Holder) -> None:
    other = made(app, new_holder(app), pre_authorize=False)
    sign_in(client, holder.person)
    assert identifiers_of(client, new_wallet(app), issuer_state=other.reference) == [str(holder.licence.id)]


def identifiers_of(http: FlaskClient, wallet: Any, **more: str) -> list[str]:
    journey = Journey(wallet, scope=f"licence:{TYPE}")
    form = {"code": journey.code(http, **more), "redirect_uri": wallet.redirect_uri, "code_verifier": journey.verifier}
    tokens = http.post("/token", data={"grant_type": "authorization_code", "client_id": wallet.client_id, **form}).json
    assert tokens is not None
    found: list[str] = next(one["credential_identifiers"] for one in tokens["authorization_details"] if one["credential_configuration_id"] == TYPE)
    return found


def department(app: Flask, http: FlaskClient, code: str) -> dict[str, str]:
    with app.app_context(), transaction() as session:
        system = new_system(session, department=code, scopes=["licences:issue"])
    return bearer(token_of(http, system, "licences:issue"))


def test_a_department_offers_what_it_issued(app: Flask, client: FlaskClient, holder: Holder) -> None:
    answer = client.post(f"/api/v1/licences/{holder.licence.id}/offers", json={}, headers=department(app, client, holder.department))
    assert answer.status_code == 201, answer.text
    body = answer.json
    assert client.get(urlsplit(body["credential_offer_uri"]).path).json == body["credential_offer"]
    assert take(client, body["credential_offer"], new_wallet(app).client_id, tx_code=body["tx_code"]).status_code == 200


def test_a_department_offers_nothing_of_anothers(app: Flask, client: FlaskClient, holder: Holder) -> None:
    other = department(app, client, new_holder(app).department)
    assert client.post(f"/api/v1/licences/{holder.licence.id}/offers", json={}, headers=other).status_code == 404


def test_a_licence_that_is_over_is_not_offered(app: Flask, client: FlaskClient, holder: Holder) -> None:
    with app.app_context(), transaction() as session:
        licence = get_licence(session, holder.licence.id)
        revoke_licence(session, licence, reason="测试", legal_basis="测试", department=holder.department, now=now())
    answer = client.post(f"/api/v1/licences/{holder.licence.id}/offers", json={}, headers=department(app, client, holder.department))
    assert (answer.status_code, answer.json["code"]) == (409, "licence-not-offerable")


def test_who_has_died_is_offered_nothing(app: Flask, client: FlaskClient, holder: Holder) -> None:
    with app.app_context(), transaction() as session:
        changes.set_state(session, get_subject(session, holder.grantee.holder_id), DECEASED, told=Told("registry", now()))
    answer = client.post(f"/api/v1/licences/{holder.licence.id}/offers", json={}, headers=department(app, client, holder.department))
    assert (answer.status_code, answer.json["code"]) == (422, "subject-ended")


def test_what_several_hold_is_offered_only_to_who_signs_in(app: Flask, client: FlaskClient) -> None:
    with app.app_context(), transaction() as session:
        code, (first, second) = new_department(issue=["marriage-certificate"]), (new_person(session), new_person(session))
        fields = example_fields("marriage-certificate")
        request = LicenceRequest("marriage-certificate", first.number, fields, date(2024, 2, 1), co_holders=(HolderRequest(second.number),))
        licence = issue_licence(session, app.extensions["kabao_settings"], request, department=code, now=now(), seconded=True)
    at, headers = f"/api/v1/licences/{licence.id}/offers", department(app, client, code)
    refused = client.post(at, json={"grant": "pre-authorized"}, headers=headers)
    assert (refused.status_code, refused.json["code"], refused.json["field"]) == (409, "licence-not-offerable", "grant")
    assert client.post(at, json={"grant": "sign-in"}, headers=headers).status_code == 201


@pytest.mark.parametrize("body", [{"grant": "moon"}, {"grant": 7}, {"more": 1}, []])
def test_a_department_that_asks_wrongly_is_told_what(app: Flask, client: FlaskClient, holder: Holder, body: Any) -> None:
    headers = department(app, client, holder.department)
    assert client.post(f"/api/v1/licences/{holder.licence.id}/offers", json=body, headers=headers).status_code == 422


def test_expired_offers_are_forgotten(app: Flask, holder: Holder) -> None:
    offer = made(app, holder)
    with shifted(offers.REMEMBERED + timedelta(minutes=1)), app.app_context():
        offers.forget(now=now())
        with transaction() as session:
            assert offers.find(session, offer.id, holder_id=holder.grantee.holder_id) is None


def test_a_stranger_sees_no_offer_page(client: FlaskClient, holder: Holder) -> None:
    page = client.get(f"/wallet/cards/{holder.licence.id}/wallets", headers=BROWSER)
    assert (page.status_code, urlsplit(page.location).path) == (303, "/signin") or page.status_code == 302


def test_a_holder_makes_an_offer_on_the_card(app: Flask, client: FlaskClient, holder: Holder) -> None:
    sign_in(client, holder.person)
    at = f"/wallet/cards/{holder.licence.id}/wallets"
    token = csrf_token(client.get(at, headers=BROWSER).text)
    made_at = client.post(at, data={"csrf_token": token, "way": "code"}, headers=BROWSER)
    page = client.get(made_at.location, headers=BROWSER).text
    assert "openid-credential-offer://" in page
    assert 'id="tx-code"' in page
    assert client.get(made_at.location + "/state").json == {"state": "waiting"}
    with shifted(offers.LIFETIME):
        assert client.get(made_at.location + "/state").json == {"state": "over"}
