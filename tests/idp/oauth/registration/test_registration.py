"""Clients register themselves (RFC 7591, OpenID Connect Dynamic Client Registration 1.0)."""

import time
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select
from sqlalchemy.orm import Session

from idp.oauth import clients
from idp.oauth.registration import initial_tokens, policies
from idp.oauth.registration.registering import ClientRegistration
from runtime import clock
from runtime.clock import now
from runtime.database import transaction
from runtime.ledger import LedgerEntry
from tests.idp.oauth.registration.world import keyed_document, new_policy, new_token, portal_document, register, registered
from tests.world_clients import bearer

WEB = "https://portal.example.gov.cn"


@pytest.fixture
def token(app: Flask) -> str:
    with app.app_context(), transaction() as session:
        return new_token(session)


def test_a_client_is_told_all_that_is_registered_of_it(client: FlaskClient, token: str) -> None:
    answer = register(
        client,
        token,
        portal_document(contacts=["ops@example.gov.cn"], initiate_login_uri=f"{WEB}/login", logo_uri=f"{WEB}/logo.png", unheard_of={"x": 1}),
    )
    assert answer.status_code == 201
    assert answer.mimetype == "application/json"
    assert (answer.headers["Cache-Control"], answer.headers["Pragma"]) == ("no-store", "no-cache")
    told = answer.json
    assert told["client_id_issued_at"] == pytest.approx(time.time(), abs=10)
    assert told["client_secret_expires_at"] == 0
    assert len(told["client_secret"]) >= 43
    assert told["registration_client_uri"] == f"http://127.0.0.1:8000/register/{told['client_id']}"
    assert told["registration_access_token"] != told["client_secret"]
    expected = {
        "client_name": "示例门户",
        "client_name#zh": "示例门户",
        "client_name#en": "Example portal",
        "redirect_uris": [f"{WEB}/callback"],
        "initiate_login_uri": f"{WEB}/login",
        "grant_types": ["authorization_code", "refresh_token"],
        "response_types": ["code"],
        "token_endpoint_auth_method": "client_secret_basic",
        "scope": "openid profile",
        "application_type": "web",
        "subject_type": "pairwise",
        "contacts": ["ops@example.gov.cn"],
        "logo_uri": f"{WEB}/logo.png",
        "require_auth_time": False,
    }
    assert {name: told.get(name) for name in expected} == expected
    assert "unheard_of" not in told, "what is not understood is ignored (section 2)"


def test_what_is_left_out_has_its_default(client: FlaskClient, token: str) -> None:
    told = register(client, token, {"redirect_uris": [f"{WEB}/cb"], "client_name": None}).json
    assert told["grant_types"] == ["authorization_code"]
    assert told["response_types"] == ["code"]
    assert told["token_endpoint_auth_method"] == "client_secret_basic"
    assert told["scope"] == "openid profile offline_access"
    assert told["client_name"] == told["client_id"]


def test_a_client_with_a_key_is_told_no_secret(client: FlaskClient, token: str) -> None:
    told = register(client, token, keyed_document()).json
    assert not {"client_secret", "client_secret_expires_at"} & set(told)
    assert told["jwks"]["keys"]


def test_a_registered_client_is_never_first_party_and_belongs_to_the_policys_owner(client: FlaskClient, token: str, session: Session) -> None:
    told = register(
        client, token, portal_document(first_party=True, owner="91379999000000001A", security_profile="fapi2", levels={"openid": "ial1"})
    ).json
    row = clients.get_row(session, told["client_id"])
    assert (row.first_party, row.owner, row.levels) == (False, "11379999000000035T", {})
    assert "security_profile" not in row.client_metadata


def test_neither_token_nor_secret_is_kept(client: FlaskClient, token: str, session: Session) -> None:
    told = registered(client, token)
    row, registration = clients.get_row(session, told["client_id"]), session.get(ClientRegistration, told["client_id"])
    assert registration is not None
    kept = repr((row.__dict__, registration.__dict__, list(session.scalars(select(LedgerEntry).where(LedgerEntry.object_id == told["client_id"])))))
    assert not any(secret in kept for secret in (told["client_secret"], told["registration_access_token"], token))


def test_the_ledger_says_under_which_policy(client: FlaskClient, token: str, session: Session) -> None:
    told = registered(client, token)
    row = session.scalars(select(LedgerEntry).where(LedgerEntry.object_id == told["client_id"])).one()
    assert row.act == "client.registered"
    assert row.actor.startswith("registration-policy:policy-")


def test_a_registered_client_gets_tokens_at_once(client: FlaskClient, token: str) -> None:
    document = portal_document(grant_types=["client_credentials"], redirect_uris=None, scope="profile")
    told = register(client, token, document).json
    assert told["response_types"] == []
    asked = client.post("/token", data={"grant_type": "client_credentials"}, auth=(told["client_id"], told["client_secret"]))
    assert asked.status_code in (200, 400)
    assert asked.json.get("error") != "invalid_client"


BAD_TOKENS: dict[str, tuple[dict[str, str], str | None]] = {
    "none": ({}, None),
    "another scheme": ({"Authorization": "Basic eDp5"}, "invalid_token"),
    "unknown": ({"Authorization": "Bearer nothing-of-ours"}, "invalid_token"),
    "empty": ({"Authorization": "Bearer "}, "invalid_token"),
    "far too long": ({"Authorization": "Bearer " + "x" * 5000}, "invalid_token"),
    "no ASCII": ({"Authorization": "Bearer é"}, "invalid_token"),
}


@pytest.mark.parametrize(("headers", "error"), BAD_TOKENS.values(), ids=BAD_TOKENS)
def test_nobody_registers_without_a_good_token(client: FlaskClient, headers: dict[str, str], error: str | None) -> None:
    answer = client.post("/register", json=portal_document(), headers=headers)
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"].startswith("Bearer ")
    assert ("error=" in answer.headers["WWW-Authenticate"]) is (error is not None)


def test_the_token_in_an_address_is_none(client: FlaskClient, token: str) -> None:
    assert client.post(f"/register?access_token={token}", json=portal_document()).status_code == 401


def test_a_token_counts_down_and_a_refused_registration_gives_its_use_back(app: Flask, client: FlaskClient) -> None:
    with app.app_context(), transaction() as session:
        token = new_token(session, uses=2)
    assert register(client, token, portal_document(redirect_uris=["javascript:alert(1)"])).status_code == 400
    assert [register(client, token, portal_document()).status_code for _ in range(3)] == [201, 201, 401]


def test_an_expired_or_revoked_token_is_refused(app: Flask, client: FlaskClient) -> None:
    with app.app_context(), transaction() as session:
        policy = new_policy(session)
        row, token = initial_tokens.issue(session, policy=policy, uses=5, expires_at=now() + timedelta(hours=1), now=now())
    with clock.shifted(timedelta(hours=2)):
        assert register(client, token, portal_document()).status_code == 401
    assert register(client, token, portal_document()).status_code == 201
    with app.app_context(), transaction() as session:
        initial_tokens.revoke(session, row.id, now=now())
    assert register(client, token, portal_document()).status_code == 401


def test_a_token_whose_policy_is_gone_is_refused(app: Flask, client: FlaskClient) -> None:
    with app.app_context(), transaction() as session:
        policy = new_policy(session)
        token = initial_tokens.issue(session, policy=policy, uses=5, expires_at=now() + timedelta(hours=1), now=now())[1]
        policies.remove(session, policy, now=now())
    assert register(client, token, portal_document()).status_code == 401


BAD_BODIES: dict[str, dict[str, Any]] = {
    "a form": {"data": {"redirect_uris": f"{WEB}/cb"}},
    "no JSON": {"data": "{", "content_type": "application/json"},
    "a list": {"json": []},
    "nothing": {"data": b"", "content_type": "application/json"},
    "a member twice": {"data": '{"client_name": "a", "client_name": "b"}', "content_type": "application/json"},
    "nested deeply": {"data": '{"jwks": ' + "[" * 5000 + "]" * 5000 + "}", "content_type": "application/json"},
    "far too long": {"json": {"client_name": "x" * 70_000}},
    "NUL": {"data": '{"client_name": "a\\u0000"}', "content_type": "application/json"},
}


@pytest.mark.parametrize("body", BAD_BODIES.values(), ids=BAD_BODIES)
def test_a_body_that_is_no_document_is_refused(client: FlaskClient, token: str, body: dict[str, Any]) -> None:
    answer = client.post("/register", headers=bearer(token), **body)
    assert (answer.status_code, answer.json["error"]) == (400, "invalid_client_metadata")


def test_a_policy_bounds_how_many_clients_there_are(app: Flask, client: FlaskClient) -> None:
    with app.app_context(), transaction() as session:
        token = new_token(session, client_limit=1)
    registered(client, token)
    answer = register(client, token, portal_document())
    assert (answer.status_code, answer.json["error"]) == (400, "invalid_client_metadata")


def test_a_policy_forces_its_profile_on_a_client(app: Flask, client: FlaskClient, session: Session) -> None:
    with app.app_context(), transaction() as own:
        token = new_token(own, security_profile="fapi2", auth_methods=["private_key_jwt"])
    document = keyed_document(dpop_bound_access_tokens=True, require_pushed_authorization_requests=True)
    answer = register(client, token, document)
    assert answer.status_code == 201, answer.text
    assert clients.get_row(session, answer.json["client_id"]).client_metadata["security_profile"] == "fapi2"


def test_a_policy_lets_old_portals_leave_pkce_out_which_none_gives_itself(app: Flask, client: FlaskClient, session: Session) -> None:
    with app.app_context(), transaction() as writing:
        lenient, strict = new_token(writing, pkce_optional=True), new_token(writing)
    told = [registered(client, token, pkce_optional=True) for token in (lenient, strict)]
    said = [clients.get_row(session, one["client_id"]).client_metadata.get("pkce_optional") for one in told]
    assert said == [True, None]


def test_secrets_end_where_the_policy_says(app: Flask, client: FlaskClient) -> None:
    with app.app_context(), transaction() as session:
        token = new_token(session, secret_days=30)
    told = registered(client, token, grant_types=["client_credentials"], redirect_uris=None)
    assert told["client_secret_expires_at"] == pytest.approx(time.time() + 30 * 86400, abs=10)
    proof = (told["client_id"], told["client_secret"])
    assert client.post("/token", data={"grant_type": "client_credentials"}, auth=proof).status_code != 401
    with clock.shifted(timedelta(days=31)):
        assert client.post("/token", data={"grant_type": "client_credentials"}, auth=proof).status_code == 401


def test_a_native_application_has_a_scheme_of_its_own_or_a_loopback(app: Flask, client: FlaskClient) -> None:
    with app.app_context(), transaction() as session:
        token = new_token(session, native=True)
    for uri in ("cn.gov.example.app:/callback", "http://127.0.0.1/callback", "http://[::1]:8080/cb"):
        document = portal_document(application_type="native", token_endpoint_auth_method="none", redirect_uris=[uri])
        answer = register(client, token, document)
        assert answer.status_code == 201, answer.text
        assert answer.json["redirect_uris"] == [uri]
        assert "client_secret" not in answer.json


def test_the_metadata_announces_where_to_register(client: FlaskClient) -> None:
    assert client.get("/.well-known/openid-configuration").json["registration_endpoint"] == "http://127.0.0.1:8000/register"
