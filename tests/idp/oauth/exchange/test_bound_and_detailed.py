"""What a token was bound or limited to stays so when it is exchanged (RFC 9449, RFC 9396)."""

import json
from typing import Any

from flask import Flask
from flask.testing import FlaskClient

from idp.oauth.clients import AUTHORIZATION_CODE, NONE, PRE_AUTHORIZED_CODE, TOKEN_EXCHANGE
from idp.oauth.exchange import pre_authorized
from idp.oauth.grantees import Grantee
from runtime.clock import now
from runtime.database import transaction
from tests.idp.oauth.exchange.conftest import ACCESS_TOKEN, claims_of, exchange, new_exchanger
from tests.idp.oauth.journeys import Journey
from tests.world_clients import System, new_portal
from tests.world_people import new_person, open_account
from tests.world_proofs import Prover
from tests.world_wallet import apply_catalogue

LICENCE = {"type": "licence", "actions": ["read"], "licence_types": ["driving-licence"], "cause": "办理过户"}


def bring(http_client: FlaskClient, system: System, token: str, prover: Prover | None) -> Any:
    form = {"grant_type": TOKEN_EXCHANGE, "subject_token": token, "subject_token_type": ACCESS_TOKEN, **system.proof()}
    return http_client.post("/token", data=form, headers=prover.headers() if prover is not None else {})


def bound_portal_and_token(app: Flask, browser: FlaskClient, prover: Prover) -> tuple[System, str]:
    with app.app_context(), transaction() as session:
        portal = new_portal(session, grant_types=[AUTHORIZATION_CODE, TOKEN_EXCHANGE])
    journey = Journey(portal)
    form = {"grant_type": "authorization_code", "redirect_uri": portal.redirect_uri, "code_verifier": journey.verifier, "code": journey.code(browser)}
    tokens = browser.post("/token", data={**form, **portal.proof()}, headers=prover.headers()).json
    assert tokens is not None
    assert tokens["token_type"] == "DPoP"
    return portal, tokens["access_token"]


def test_a_bound_token_is_exchanged_by_whoever_has_its_key_and_stays_bound(app: Flask, browser: FlaskClient) -> None:
    prover = Prover()
    portal, token = bound_portal_and_token(app, browser, prover)
    narrowed = bring(browser, portal, token, prover)
    assert narrowed.status_code == 200, narrowed.text
    assert narrowed.json["token_type"] == "DPoP"
    assert claims_of(narrowed.json["access_token"])["cnf"] == {"jkt": prover.jkt}
    for wrong in (None, Prover()):
        assert bring(browser, portal, token, wrong).json["error"] == "invalid_request"


def test_a_bound_token_cannot_be_passed_on_by_a_system_without_its_key(app: Flask, browser: FlaskClient) -> None:
    portal, token = bound_portal_and_token(app, browser, Prover())
    with app.app_context(), transaction() as session:
        system = new_exchanger(session, metadata={"may_exchange_from": [portal.client_id]})
    for wrong in (None, Prover()):
        assert bring(browser, system, token, wrong).json["error"] == "invalid_request"


def test_a_free_token_may_be_bound_when_it_is_passed_on(client: FlaskClient, system: System, token: str) -> None:
    prover = Prover()
    passed = bring(client, system, token, prover).json
    assert (passed["token_type"], claims_of(passed["access_token"])["cnf"]) == ("DPoP", {"jkt": prover.jkt})


def test_details_are_carried_over_and_scopes_that_go_only_with_them_are_not_given_without(app: Flask, browser: FlaskClient) -> None:
    with app.app_context(), transaction() as session:
        apply_catalogue()
        portal = new_portal(session, metadata={"authorization_details_types": ["licence"]})
    with app.app_context(), transaction() as session:
        other = new_exchanger(session)
        metadata = {"may_exchange_from": [portal.client_id], "may_exchange_for": [other.client_id]}
        system = new_exchanger(session, metadata=metadata)
    details = json.dumps([LICENCE])
    token = Journey(portal, scope="openid licences").tokens(browser, authorization_details=details)["access_token"]
    ours = exchange(browser, system, token).json
    assert (ours["scope"], ours["authorization_details"]) == ("openid licences", [LICENCE])
    assert claims_of(ours["access_token"])["authorization_details"] == [LICENCE]
    theirs = exchange(browser, system, token, audience=other.client_id).json
    assert (theirs["scope"], "authorization_details" in theirs) == ("openid", False)
    assert exchange(browser, system, token, audience=other.client_id, scope="licences").json["error"] == "invalid_scope"


def test_an_offer_is_redeemed_with_a_proof_of_a_key(app: Flask, client: FlaskClient) -> None:
    details = [{"type": "openid_credential", "credential_configuration_id": "driving-licence", "credential_identifiers": ["one"]}]
    with app.app_context(), transaction() as session:
        me = open_account(session, new_person(session))
        wallet = new_portal(session, scopes=[], auth_method=NONE, grant_types=[PRE_AUTHORIZED_CODE], redirect_uris=[])
        code, _ = pre_authorized.issue(session, Grantee(me, me), client_id=None, authorization_details=details, tx_code=False, now=now())
    prover = Prover()
    form = {"grant_type": PRE_AUTHORIZED_CODE, "pre-authorized_code": code, "client_id": wallet.client_id}
    answer = client.post("/token", data=form, headers=prover.headers()).json
    assert answer is not None
    assert (answer["token_type"], answer["authorization_details"]) == ("DPoP", details)
    assert claims_of(answer["access_token"])["cnf"] == {"jkt": prover.jkt}
