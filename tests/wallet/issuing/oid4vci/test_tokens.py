"""Which tokens open the endpoints at which credentials are issued (OpenID4VCI 1.0 sections 6, 8.3.1.1; RFC 6750, RFC 9449)."""

import base64
import json
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from idp.oauth import clients
from runtime.clock import now, shifted
from runtime.database import transaction
from tests.idp.oauth.journeys import Journey, answer_of, signed_in_browser
from tests.idp.oauth.proving import claims_of
from tests.wallet.issuing.oid4vci.wallets import (
    DETAIL,
    TYPE,
    Holder,
    Wallet,
    error_of,
    new_holder,
    new_wallet,
    proof,
    wallet_of,
    with_token,
)
from tests.world_clients import ISSUER, System, new_system, token_of
from tests.world_proofs import Prover

ENDPOINTS = ("/credential", "/deferred", "/notification")
CONFIGURATIONS = [TYPE, f"{TYPE}.mso_mdoc", f"{TYPE}.jwt_vc_json"]


def walk(http: FlaskClient, wallet: System, holder: Holder, **changes: Any) -> dict[str, Any]:
    """Let the holder allow a wallet something, and return its tokens."""
    signed_in_browser(http, holder.person)
    journey = Journey(wallet, scope=f"licence:{TYPE}")
    code = journey.code(http, **changes)
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": wallet.redirect_uri, "code_verifier": journey.verifier}
    answer = http.post("/token", data={**form, "client_id": wallet.client_id})
    assert answer.status_code == 200, answer.text
    return dict(answer.json or {})


@pytest.mark.parametrize("path", ENDPOINTS)
def test_nobody_comes_in_without_a_token(client: FlaskClient, path: str) -> None:
    answer = client.post(path, json={})
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")


@pytest.mark.parametrize("path", ENDPOINTS)
def test_a_token_that_is_none_is_refused(client: FlaskClient, path: str) -> None:
    answer = client.post(path, json={}, headers={"Authorization": "Bearer a.b.c"})
    assert error_of(answer) == (401, "invalid_token")
    assert 'error="invalid_token"' in answer.headers["WWW-Authenticate"]


def test_a_token_for_our_other_interfaces_is_for_another_audience(app: Flask, client: FlaskClient) -> None:
    with app.app_context(), transaction() as session:
        system = new_system(session, scopes=["licences:issue"])
    token = token_of(client, system, "licences:issue")
    assert error_of(client.post("/credential", json={}, headers={"Authorization": f"Bearer {token}"})) == (401, "invalid_token")


def test_a_token_for_credentials_opens_nothing_else(client: FlaskClient, wallet: Wallet) -> None:
    assert claims_of(wallet.token)["aud"] == ISSUER
    assert client.get("/userinfo", headers={"Authorization": f"Bearer {wallet.token}"}).status_code == 401
    assert client.get("/api/v1/events", headers={"Authorization": f"Bearer {wallet.token}"}).status_code == 401


def test_a_token_expires(wallet: Wallet) -> None:
    with shifted(timedelta(minutes=11)):
        assert error_of(wallet.ask("a.b.c")) == (401, "invalid_token")


def test_a_disabled_wallet_is_refused_at_once(app: Flask, wallet: Wallet) -> None:
    with app.app_context(), transaction() as session:
        clients.disable_client(session, wallet.client_id, now=now())
    assert error_of(wallet.ask("a.b.c"))[0] == 401


def test_a_scope_stands_for_a_type_in_all_its_forms(app: Flask, client: FlaskClient, holder: Holder) -> None:
    wallet = new_wallet(app)
    tokens = walk(client, wallet, holder)
    assert tokens["scope"] == f"licence:{TYPE}"
    assert [one["credential_configuration_id"] for one in tokens["authorization_details"]] == CONFIGURATIONS
    mine = wallet_of(client, wallet.client_id, tokens)
    assert mine.identifiers[TYPE] == [str(holder.licence.id)]
    assert claims_of(mine.token)["aud"] == ISSUER
    for configuration in CONFIGURATIONS:
        assert mine.ask(proof(mine.nonce()), configuration=configuration).status_code == 200


def test_details_are_followed_where_both_are_there(app: Flask, client: FlaskClient, holder: Holder) -> None:
    asked = f'[{{"type":"{DETAIL}","credential_configuration_id":"{TYPE}"}}]'
    tokens = walk(client, new_wallet(app), holder, authorization_details=asked)
    assert [one["credential_configuration_id"] for one in tokens["authorization_details"]] == [TYPE]


def test_details_alone_are_enough(app: Flask, client: FlaskClient, holder: Holder) -> None:
    asked = f'[{{"type":"{DETAIL}","credential_configuration_id":"{TYPE}.mso_mdoc"}}]'
    tokens = walk(client, new_wallet(app), holder, authorization_details=asked, scope=None)
    assert [one["credential_identifiers"] for one in tokens["authorization_details"]] == [[f"{holder.licence.id}.mso_mdoc"]]


def test_a_credential_says_no_more_than_was_allowed(app: Flask, client: FlaskClient, holder: Holder) -> None:
    claims = [{"path": ["holder_name"]}, {"path": ["vehicle_class"]}]
    asked = json.dumps([{"type": DETAIL, "credential_configuration_id": TYPE, "claims": claims}])
    wallet = new_wallet(app)
    mine = wallet_of(client, wallet.client_id, walk(client, wallet, holder, authorization_details=asked, scope=None))
    text = mine.ask(proof(mine.nonce())).json["credentials"][0]["credential"]
    parts = text.rstrip("~").split("~")[1:]
    told = {json.loads(base64.urlsafe_b64decode(part + "=="))[1] for part in parts}
    assert {"holder_name", "vehicle_class"} <= told
    assert told.isdisjoint({"holder_number", "licence_number", "address", "birth_date"})


def test_unknown_scopes_of_a_wallet_are_left_out(app: Flask, client: FlaskClient, holder: Holder) -> None:
    tokens = walk(client, new_wallet(app), holder, scope=f"moon licence:{TYPE} licence:moon")
    assert tokens["scope"] == f"licence:{TYPE}"


def test_a_portal_may_not_ask_for_credentials(app: Flask, client: FlaskClient, holder: Holder) -> None:
    portal = new_wallet(app, metadata={"authorization_details_types": []})
    signed_in_browser(client, holder.person)
    assert answer_of(Journey(portal, scope=f"licence:{TYPE}").authorize(client))["error"] == "invalid_scope"


def test_the_consent_says_what_goes_where(app: Flask, client: FlaskClient, holder: Holder) -> None:
    signed_in_browser(client, holder.person)
    page = Journey(new_wallet(app), scope=f"licence:{TYPE}").authorize(client).text
    assert "机动车驾驶证" in page
    assert "自动换领" in page


def test_a_token_with_openid_beside_serves_both(app: Flask, client: FlaskClient, holder: Holder) -> None:
    wallet = new_wallet(app)
    tokens = walk(client, wallet, holder, scope=f"openid profile licence:{TYPE}")
    assert client.get("/userinfo", headers={"Authorization": f"Bearer {tokens['access_token']}"}).status_code == 200
    mine = wallet_of(client, wallet.client_id, tokens)
    assert mine.ask(proof(mine.nonce())).status_code == 200


def test_a_configuration_that_was_not_allowed_is_beyond_the_scope(wallet: Wallet) -> None:
    answer = wallet.ask(proof(wallet.nonce()), credential_identifier=..., credential_configuration_id="marriage-certificate")
    assert error_of(answer) == (403, "insufficient_scope")
    assert 'scope="licence:marriage-certificate"' in answer.headers["WWW-Authenticate"]


def test_another_holders_licence_is_unknown(app: Flask, wallet: Wallet) -> None:
    other = new_holder(app)
    assert error_of(wallet.ask(proof(wallet.nonce()), credential_identifier=str(other.licence.id))) == (400, "unknown_credential_identifier")


def test_a_bound_token_wants_its_key(app: Flask, client: FlaskClient, holder: Holder) -> None:
    prover, other = Prover(), Prover()
    bound = new_wallet(app)
    signed_in_browser(client, holder.person)
    journey = Journey(bound, scope=f"licence:{TYPE}")
    form = {"grant_type": "authorization_code", "code": journey.code(client), "redirect_uri": bound.redirect_uri, "code_verifier": journey.verifier}
    tokens = client.post("/token", data={**form, "client_id": bound.client_id}, headers=prover.headers()).json
    assert tokens["token_type"] == "DPoP"
    mine = wallet_of(client, bound.client_id, tokens)
    body = {"credential_identifier": mine.identifiers[TYPE][0], "proofs": {"jwt": [proof(mine.nonce())]}}
    assert client.post("/credential", json=body, headers=other.show(mine.token, "POST", "/credential")).status_code == 401
    assert mine.send("/credential", body).status_code == 401
    answer = client.post("/credential", json=body, headers=prover.show(mine.token, "POST", "/credential"))
    assert answer.status_code == 200, answer.text


def test_a_wallet_comes_again_by_its_refresh_token_for_what_there_is_now(app: Flask, client: FlaskClient, holder: Holder) -> None:
    wallet = new_wallet(app)
    tokens = walk(client, wallet, holder)
    form = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"], "client_id": wallet.client_id}
    refreshed = client.post("/token", data=form).json
    mine = wallet_of(client, wallet.client_id, refreshed)
    assert mine.ask(proof(mine.nonce())).status_code == 200


def test_an_offer_taken_up_is_refreshed_too(app: Flask, client: FlaskClient, holder: Holder) -> None:
    wallet = new_wallet(app)
    mine = with_token(app, client, holder, wallet)
    assert mine.identifiers[TYPE] == [str(holder.licence.id)]
