"""Clients read, change and take back their registrations (RFC 7592)."""

from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select
from sqlalchemy.orm import Session

from idp.oauth import clients
from idp.oauth.registration import policies
from idp.oauth.registration.registering import ClientRegistration
from runtime import clock
from runtime.clock import now
from runtime.database import transaction
from runtime.ledger import LedgerEntry
from tests.idp.oauth.registration.world import keyed_document, manage, new_policy, new_token, register, registered, update_of

WEB = "https://portal.example.gov.cn"


@pytest.fixture
def told(app: Flask, client: FlaskClient) -> dict[str, Any]:
    with app.app_context(), transaction() as session:
        token = new_token(session)
    return registered(client, token)


def policy_of(session: Session, told: dict[str, Any]) -> str:
    registration = session.get(ClientRegistration, told["client_id"])
    assert registration is not None
    return registration.policy


def test_a_client_reads_what_is_registered_of_it(client: FlaskClient, told: dict[str, Any]) -> None:
    answer = manage(client, told)
    assert (answer.status_code, answer.headers["Cache-Control"]) == (200, "no-store")
    assert answer.json == {name: value for name, value in told.items() if name != "client_secret"}, "a secret is told once"


def test_an_update_replaces_all_and_gives_a_new_token(client: FlaskClient, told: dict[str, Any]) -> None:
    said = update_of(told, redirect_uris=[f"{WEB}/elsewhere"], contacts=["a@example.gov.cn"])
    changed = manage(client, told, "PUT", json=said).json
    assert (changed["redirect_uris"], changed["contacts"]) == ([f"{WEB}/elsewhere"], ["a@example.gov.cn"])
    assert changed["registration_access_token"] != told["registration_access_token"]
    assert changed["client_id_issued_at"] == told["client_id_issued_at"]
    assert "client_secret" not in changed, "the secret is not changed by changing something else"
    again = manage(
        client, changed, "PUT", json=update_of(changed, contacts=None, client_name=None, **{"client_name#zh": None, "client_name#en": None})
    )
    assert "contacts" not in again.json, "what is left out is taken away"
    assert again.json["client_name"] == told["client_id"]


def test_the_token_before_is_good_until_the_new_one_was_used(client: FlaskClient, told: dict[str, Any]) -> None:
    changed = manage(client, told, "PUT", json=update_of(told)).json
    assert manage(client, told).status_code == 200, "the answer may have been lost"
    assert manage(client, changed).status_code == 200
    assert manage(client, told).status_code == 401
    assert manage(client, changed).status_code == 200


def test_however_many_answers_are_lost_the_token_in_hand_is_good(client: FlaskClient, told: dict[str, Any]) -> None:
    lost = [manage(client, told, "PUT", json=update_of(told)).json for _ in range(3)]
    assert [manage(client, one).status_code for one in lost] == [401, 401, 200]
    assert manage(client, told).status_code == 401


def test_what_an_operator_set_stays_through_an_update(app: Flask, client: FlaskClient, told: dict[str, Any]) -> None:
    with app.app_context(), transaction() as session:
        row = clients.get_row(session, told["client_id"])
        row.sector, row.first_party, row.levels = "set-apart.example.gov.cn", True, {"openid": {"ial": 3, "aal": 2}}
        row.client_metadata = {
            **row.client_metadata,
            "resources": ["https://api.example.gov.cn"],
            "may_exchange_from": ["a"],
            "may_exchange_for": ["b"],
        }
    asked = {"sector": "x", "first_party": False, "levels": {}, "resources": ["https://x.example"], "may_exchange_from": ["x"], "owner": "x"}
    assert manage(client, told, "PUT", json=update_of(told, redirect_uris=[f"{WEB}/elsewhere"], **asked)).status_code == 200
    with app.app_context(), transaction() as session:
        row = clients.get_row(session, told["client_id"])
        assert (row.sector, row.first_party, row.levels) == ("set-apart.example.gov.cn", True, {"openid": {"ial": 3, "aal": 2}})
        kept = {"resources": ["https://api.example.gov.cn"], "may_exchange_from": ["a"], "may_exchange_for": ["b"]}
        assert {name: row.client_metadata.get(name) for name in kept} == kept


def test_an_update_may_prove_the_secret_but_not_choose_one(client: FlaskClient, told: dict[str, Any]) -> None:
    assert manage(client, told, "PUT", json=update_of(told)).status_code == 200
    answer = manage(client, told, "PUT", json=update_of(told, client_secret="of-my-own-choice"))
    assert (answer.status_code, answer.json["error"]) == (400, "invalid_client_metadata")


BAD_UPDATES: dict[str, dict[str, Any]] = {
    "no client_id": {"client_id": None},
    "another client_id": {"client_id": "portal-of-another"},
    "the token": {"registration_access_token": "x"},
    "the address": {"registration_client_uri": "https://evil.example/"},
    "the end of the secret": {"client_secret_expires_at": 0},
    "the day of the registration": {"client_id_issued_at": 1},
    "a grant beyond the policy": {"grant_types": ["authorization_code", "urn:ietf:params:oauth:grant-type:token-exchange"]},
    "a scope beyond the policy": {"scope": "openid number"},
    "a host beyond the policy": {"redirect_uris": ["https://elsewhere.example/cb"]},
    "a statement that nobody signed": {"software_statement": "e30.e30."},
}


@pytest.mark.parametrize("changes", BAD_UPDATES.values(), ids=BAD_UPDATES)
def test_a_bad_update_is_refused_and_changes_nothing(client: FlaskClient, told: dict[str, Any], changes: dict[str, Any]) -> None:
    said = {name: value for name, value in {**update_of(told), **changes}.items() if value is not None}
    answer = manage(client, told, "PUT", json=said)
    assert answer.status_code == 400
    assert answer.json["error"] in ("invalid_client_metadata", "invalid_redirect_uri", "invalid_software_statement")
    assert manage(client, told).json["redirect_uris"] == told["redirect_uris"]


def test_a_policy_that_was_narrowed_holds_for_updates(app: Flask, client: FlaskClient, told: dict[str, Any]) -> None:
    with app.app_context(), transaction() as session:
        name = policy_of(session, told)
        policies.apply(session, policies.as_json(policies.get_policy(session, name)) | {"scopes": ["openid"]}, now=now())
    answer = manage(client, told, "PUT", json=update_of(told))
    assert (answer.status_code, answer.json["error_description"].partition(":")[0]) == (400, "scope")


def test_what_operators_decided_outlives_an_update(app: Flask, client: FlaskClient, told: dict[str, Any]) -> None:
    with app.app_context(), transaction() as session:
        row = clients.get_row(session, told["client_id"])
        row.first_party, row.client_metadata = True, {**row.client_metadata, "resources": ["https://api.example.gov.cn"]}
    assert manage(client, told, "PUT", json=update_of(told)).status_code == 200
    with app.app_context(), transaction() as session:
        row = clients.get_row(session, told["client_id"])
        assert (row.first_party, row.client_metadata["resources"]) == (True, ["https://api.example.gov.cn"])


def test_a_client_that_turns_to_keys_loses_its_secret(client: FlaskClient, told: dict[str, Any]) -> None:
    changed = manage(client, told, "PUT", json=keyed_document(client_id=told["client_id"])).json
    assert changed["token_endpoint_auth_method"] == "private_key_jwt"
    assert not {"client_secret", "client_secret_expires_at"} & set(changed)
    proof = (told["client_id"], told["client_secret"])
    assert client.post("/token", data={"grant_type": "client_credentials"}, auth=proof).status_code == 401


def test_a_secret_near_its_end_is_renewed_by_an_update_and_both_are_good_meanwhile(app: Flask, client: FlaskClient) -> None:
    with app.app_context(), transaction() as session:
        token = new_token(session, secret_days=30)
    told = registered(client, token, grant_types=["client_credentials"], redirect_uris=None)
    with clock.shifted(timedelta(days=25)):
        renewed = manage(client, told, "PUT", json=update_of(told)).json
        assert renewed["client_secret"] != told["client_secret"]
        for secret in (told["client_secret"], renewed["client_secret"]):
            assert client.post("/token", data={"grant_type": "client_credentials"}, auth=(told["client_id"], secret)).status_code != 401
    with clock.shifted(timedelta(days=31)):
        former, present = (
            client.post("/token", data={"grant_type": "client_credentials"}, auth=(told["client_id"], secret)).status_code
            for secret in (told["client_secret"], renewed["client_secret"])
        )
    assert (former, present == 401) == (401, False)


def test_a_client_takes_its_registration_back(app: Flask, client: FlaskClient, told: dict[str, Any]) -> None:
    answer = manage(client, told, "DELETE")
    assert (answer.status_code, answer.data, answer.headers["Cache-Control"]) == (204, b"", "no-store")
    assert manage(client, told).status_code == 401, "a client that is gone: 401 (section 2.1)"
    with app.app_context(), transaction() as session:
        assert clients.find_client(told["client_id"]) is None
        acts = [row.act for row in session.scalars(select(LedgerEntry).where(LedgerEntry.object_id == told["client_id"]).order_by(LedgerEntry.id))]
    assert acts == ["client.registered", "client.deleted"]


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
@pytest.mark.parametrize("token", ["", "nonsense", "the secret", "another client's"])
def test_another_token_than_the_registrations_own_is_refused(app: Flask, client: FlaskClient, told: dict[str, Any], method: str, token: str) -> None:
    if token == "another client's":
        with app.app_context(), transaction() as session:
            initial = new_token(session)
        token = registered(client, initial)["registration_access_token"]
    headers = {"Authorization": f"Bearer {told['client_secret'] if token == 'the secret' else token}"} if token else {}
    answer = client.open(f"/register/{told['client_id']}", method=method, headers=headers, json=update_of(told) if method == "PUT" else None)
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"].startswith("Bearer ")


@pytest.mark.parametrize("client_id", ["nobody", "x" * 300, "含汉字", "a%00b", "../token"])
def test_a_client_that_there_is_not_is_401(client: FlaskClient, told: dict[str, Any], client_id: str) -> None:
    answer = client.get(f"/register/{client_id}", headers={"Authorization": f"Bearer {told['registration_access_token']}"})
    assert answer.status_code in (400, 401, 404)
    assert client_id != "nobody" or answer.status_code == 401


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_a_client_that_an_operator_closed_may_not_manage_itself(app: Flask, client: FlaskClient, told: dict[str, Any], method: str) -> None:
    with app.app_context(), transaction() as session:
        clients.disable_client(session, told["client_id"], now=now())
    assert manage(client, told, method, json=update_of(told) if method == "PUT" else None).status_code == 403


def test_without_its_policy_a_registration_can_be_read_but_not_changed(app: Flask, client: FlaskClient, told: dict[str, Any]) -> None:
    with app.app_context(), transaction() as session:
        policies.remove(session, policy_of(session, told), now=now())
    assert manage(client, told).status_code == 200
    assert manage(client, told, "PUT", json=update_of(told)).status_code == 403


def test_a_client_of_an_operator_has_no_registration_to_manage(app: Flask, client: FlaskClient, told: dict[str, Any]) -> None:
    from tests.world_clients import new_portal

    with app.app_context(), transaction() as session:
        portal = new_portal(session)
        new_policy(session)
    answer = client.get(f"/register/{portal.client_id}", headers={"Authorization": f"Bearer {told['registration_access_token']}"})
    assert answer.status_code == 401


def test_post_is_not_for_one_registration(client: FlaskClient, told: dict[str, Any]) -> None:
    assert manage(client, told, "POST", json=update_of(told)).status_code == 405
    assert register(client, None, {}).status_code == 401
