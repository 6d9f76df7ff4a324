"""A portal goes on after the person has left."""

import secrets
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import jwt
import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select
from structlog.testing import capture_logs
from werkzeug.test import TestResponse

from idp.oauth import clients
from idp.oauth.refresh_tokens import RefreshFamily
from runtime import cache
from runtime.clock import shifted
from runtime.database import transaction
from tests.idp.oauth.conftest import SCOPES
from tests.idp.oauth.journeys import Journey
from tests.world_clients import System, ask, new_portal
from tests.world_people import post_form

OFFLINE = "openid profile offline_access"


def refresh(browser: FlaskClient, portal: System, token: str, **more: str) -> TestResponse:
    response: TestResponse = ask(browser, portal, grant_type="refresh_token", refresh_token=token, **more)
    return response


@pytest.fixture
def tokens(browser: FlaskClient, portal: System) -> dict[str, Any]:
    return Journey(portal, scope=OFFLINE).tokens(browser)


def test_a_refresh_token_needs_its_scope(browser: FlaskClient, portal: System, tokens: dict[str, Any]) -> None:
    assert "refresh_token" not in Journey(portal, scope="openid").tokens(browser)
    assert "refresh_token" in tokens


def test_a_client_that_may_not_go_on_afterwards_any_more_does_not(app: Flask, browser: FlaskClient, portal: System, tokens: dict[str, Any]) -> None:
    """What people allowed lasts no longer than its client is registered for lasting uses; what else it lost is left out of its tokens."""
    for kept, status, scope in ((["openid", "offline_access"], 200, "openid offline_access"), (["openid", "profile"], 400, None)):
        with app.app_context(), transaction() as session:
            session.get_one(clients.RegisteredClient, portal.client_id).scopes = kept
            cache.changed(session, clients.TOPIC)
        answer = refresh(browser, portal, tokens["refresh_token"])
        assert (answer.status_code, answer.json.get("scope")) == (status, scope)
    assert answer.json["error"] == "invalid_grant"


def test_each_use_gives_a_new_token(browser: FlaskClient, portal: System, tokens: dict[str, Any]) -> None:
    first = refresh(browser, portal, tokens["refresh_token"])
    assert (first.headers["Cache-Control"], first.headers["Pragma"]) == ("no-store", "no-cache"), "RFC 6749 section 5.1"
    second = refresh(browser, portal, first.json["refresh_token"])
    assert len({tokens["refresh_token"], first.json["refresh_token"], second.json["refresh_token"]}) == 3
    before, after = (jwt.decode(each["id_token"], options={"verify_signature": False}) for each in (tokens, second.json))
    assert all(before[name] == after[name] for name in ("iss", "sub", "aud", "auth_time", "sid"))
    assert "nonce" not in after


def test_a_second_tab_gets_the_same_answer_for_ten_seconds(browser: FlaskClient, portal: System, tokens: dict[str, Any]) -> None:
    first, second = (refresh(browser, portal, tokens["refresh_token"]) for _ in range(2))
    assert first.json["refresh_token"] == second.json["refresh_token"]
    assert refresh(browser, portal, first.json["refresh_token"]).status_code == 200


def test_a_reused_token_ends_its_family(browser: FlaskClient, portal: System, tokens: dict[str, Any]) -> None:
    successor = refresh(browser, portal, tokens["refresh_token"]).json["refresh_token"]
    with shifted(timedelta(seconds=11)):
        assert refresh(browser, portal, tokens["refresh_token"]).json["error"] == "invalid_grant"
        assert refresh(browser, portal, successor).json["error"] == "invalid_grant"


def test_a_token_two_generations_old_ends_its_family_at_once(browser: FlaskClient, portal: System, tokens: dict[str, Any]) -> None:
    second = refresh(browser, portal, tokens["refresh_token"]).json["refresh_token"]
    third = refresh(browser, portal, second).json["refresh_token"]
    assert refresh(browser, portal, tokens["refresh_token"]).json["error"] == "invalid_grant"
    assert refresh(browser, portal, third).json["error"] == "invalid_grant"


def test_scopes_may_be_narrowed_and_come_back(browser: FlaskClient, portal: System, tokens: dict[str, Any]) -> None:
    narrow = refresh(browser, portal, tokens["refresh_token"], scope="profile")
    assert narrow.json["scope"] == "profile"
    assert "id_token" not in narrow.json
    assert refresh(browser, portal, narrow.json["refresh_token"]).json["scope"] == OFFLINE


def test_wider_scopes_are_refused_and_use_nothing_up(browser: FlaskClient, portal: System, tokens: dict[str, Any]) -> None:
    assert refresh(browser, portal, tokens["refresh_token"], scope="openid number").json["error"] == "invalid_scope"
    with shifted(timedelta(seconds=20)):
        assert refresh(browser, portal, tokens["refresh_token"]).status_code == 200


def test_a_replayed_code_ends_what_it_began(browser: FlaskClient, portal: System) -> None:
    journey = Journey(portal, scope=OFFLINE)
    code = journey.code(browser)
    tokens = journey.exchange(browser, code).json
    assert journey.exchange(browser, code).json["error"] == "invalid_grant"
    assert refresh(browser, portal, tokens["refresh_token"]).json["error"] == "invalid_grant"


def test_it_outlives_the_session_and_ends_after_thirty_days(browser: FlaskClient, portal: System, tokens: dict[str, Any]) -> None:
    assert post_form(browser, "/signout", {}, form_at="/account").status_code == 303
    successor = refresh(browser, portal, tokens["refresh_token"])
    assert successor.status_code == 200
    with shifted(timedelta(days=31)):
        form = {"grant_type": "refresh_token", "refresh_token": successor.json["refresh_token"]}
        proof = portal.proof(exp=int(time.time()) + 31 * 86400 + 60)
        assert browser.post("/token", data={**proof, **form}).json["error"] == "invalid_grant"


def test_nothing_of_a_token_is_stored(app: Flask, portal: System, tokens: dict[str, Any]) -> None:
    with app.app_context(), transaction() as session:
        row = session.scalars(select(RefreshFamily).where(RefreshFamily.client_id == portal.client_id)).one()
        assert tokens["refresh_token"] not in str({column.name: getattr(row, column.name) for column in row.__table__.columns})


@pytest.mark.parametrize(
    "token", ["", "x", "=" * 70, "证", "A" * 70, "\0", "x" * 100_000], ids=["empty", "x", "padding", "chinese", "forged", "nul", "huge"]
)
def test_a_token_that_is_not_ours_is_refused(browser: FlaskClient, portal: System, token: str) -> None:
    response = refresh(browser, portal, token)
    assert (response.status_code, response.json["error"]) in ((400, "invalid_grant"), (400, "invalid_request"))


def test_anothers_token_is_refused_and_not_harmed(app: Flask, browser: FlaskClient, portal: System, tokens: dict[str, Any]) -> None:
    with app.app_context(), transaction() as session:
        other = new_portal(session, scopes=SCOPES)
    assert refresh(browser, other, tokens["refresh_token"]).json["error"] == "invalid_grant"
    assert browser.post("/revoke", data={**other.proof(), "token": tokens["refresh_token"]}).json == {
        "error": "invalid_grant",
        "error_description": "The token was issued to another client.",
    }
    assert refresh(browser, portal, tokens["refresh_token"]).status_code == 200


def test_a_token_given_back_ends_its_family(browser: FlaskClient, portal: System, tokens: dict[str, Any]) -> None:
    successor = refresh(browser, portal, tokens["refresh_token"]).json["refresh_token"]
    assert browser.post("/revoke", data={**portal.proof(), "token": tokens["refresh_token"]}).status_code == 200
    assert refresh(browser, portal, successor).json["error"] == "invalid_grant"


BAD_REVOCATIONS = {
    "no token": ({}, 400, "invalid_request"),
    "twice": ({"token": ["x", "y"]}, 400, "invalid_request"),
    "no proof": ({"token": "x", "client_assertion": None}, 401, "invalid_client"),
    "huge": ({"token": "x" * 2_000_000}, 413, "invalid_request"),
}


@pytest.mark.parametrize(("changes", "status", "error"), BAD_REVOCATIONS.values(), ids=BAD_REVOCATIONS)
def test_a_bad_revocation_is_refused(client: FlaskClient, portal: System, changes: dict[str, Any], status: int, error: str) -> None:
    form = {name: value for name, value in {**portal.proof(), **changes}.items() if value is not None}
    response = client.post("/revoke", data=form)
    assert (response.status_code, response.json["error"]) == (status, error)


def test_an_unknown_token_is_revoked_without_a_word(client: FlaskClient, portal: System) -> None:
    assert client.post("/revoke", data={**portal.proof(), "token": secrets.token_urlsafe(52)}).status_code == 200


def test_tabs_that_race_all_get_the_one_successor(app: Flask, portal: System, tokens: dict[str, Any]) -> None:
    with ThreadPoolExecutor(12) as pool:
        answers = list(pool.map(lambda _: refresh(app.test_client(), portal, tokens["refresh_token"]), range(24)))
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.json["refresh_token"] for answer in answers}) == 1


def test_the_log_tells_the_operator_why_a_token_was_refused(app: Flask, browser: FlaskClient, portal: System, tokens: dict[str, Any]) -> None:
    with app.app_context(), transaction() as session:
        other = new_portal(session, scopes=SCOPES)
    first = tokens["refresh_token"]
    with capture_logs() as said:
        refresh(browser, portal, "A" * 70)
        refresh(browser, other, first)
        second = refresh(browser, portal, first).json["refresh_token"]
        refresh(browser, portal, second)
        refresh(browser, portal, first)
        refresh(browser, portal, second)
    assert [(one["why"], one["client_id"]) for one in said if one["event"] == "refresh token refused"] == [
        ("none of ours, or long forgotten", portal.client_id),
        ("another client's", other.client_id),
        ("used before", portal.client_id),
        ("ended, expired, or not used for too long", portal.client_id),
    ]
    assert first not in str(said)
