"""Authorization requests and codes that are refused, and where the refusal goes."""

import secrets
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from structlog.testing import capture_logs

from idp.oauth import clients
from runtime.clock import now, shifted
from runtime.database import transaction
from runtime.languages import Text
from tests.idp.oauth.conftest import SCOPES
from tests.idp.oauth.journeys import Journey, answer_of
from tests.idp.oauth.test_client_credentials import assert_plain
from tests.world_clients import ISSUER, System, new_portal, new_system
from tests.world_people import BROWSER, csrf_token

TO_A_PAGE = {
    "no client": {"client_id": None},
    "unknown client": {"client_id": "nobody"},
    "strange client": {"client_id": '"\1证'},
    "two clients": {"client_id": ["a", "b"]},
    "no redirect_uri": {"redirect_uri": None},
    "another redirect_uri": {"redirect_uri": "https://evil.example/"},
    "strange redirect_uri": {"redirect_uri": '"\\\1证'},
    "unclosed redirect_uri": {"redirect_uri": "http://[::1"},
    "script": {"redirect_uri": "javascript:alert(1)"},
}


@pytest.mark.parametrize("changes", TO_A_PAGE.values(), ids=TO_A_PAGE)
def test_what_cannot_be_answered_to_the_portal_is_a_page(browser: FlaskClient, portal: System, changes: dict[str, Any]) -> None:
    with capture_logs() as said:
        response = Journey(portal).authorize(browser, **changes)
    assert response.status_code == 400
    assert "Location" not in response.headers
    assert "门户发来的登录请求有误" in response.text
    reason = next(line["reason"] for line in said if line["event"] == "refused")
    assert " " in reason.removeprefix("invalid_request: ").removeprefix("invalid_client: "), "the operator reads why, not only that"
    assert "evil" not in reason, "and nothing that a stranger wrote"


@pytest.mark.parametrize("tail", ["?x=1", "/", "#x", "/../evil", "%2f", "\n", " ", "@evil.example"])
def test_the_redirect_uri_is_compared_exactly(browser: FlaskClient, portal: System, tail: str) -> None:
    assert Journey(portal).authorize(browser, redirect_uri=portal.redirect_uri + tail).status_code == 400


@pytest.mark.parametrize("name", ["client_id", "redirect_uri", "scope", "state", "nonce", "code_challenge", "prompt"])
def test_a_request_with_nul_is_refused_at_the_door(browser: FlaskClient, portal: System, name: str) -> None:
    response = Journey(portal).authorize(browser, **{name: "a\0b"})
    assert response.status_code == 400
    assert "Location" not in response.headers


def test_two_redirect_uris_are_a_page(browser: FlaskClient, portal: System) -> None:
    response = Journey(portal).authorize(browser, redirect_uri=[portal.redirect_uri, "https://evil.example/"])
    assert response.status_code == 400


LOOPBACKS = {
    "another host": "http://127.0.0.2:8001/callback",
    "a name": "http://localhost:8001/callback",
    "another path": "http://127.0.0.1:8001/callback/x",
    "https": "https://127.0.0.1:8001/callback",
    "a user": "http://127.0.0.1:8001@evil.example/callback",
    "no port and host after": "http://127.0.0.1.evil.example/callback",
    "a fragment": "http://127.0.0.1:8001/callback#x",
}


@pytest.mark.parametrize("uri", LOOPBACKS.values(), ids=LOOPBACKS)
def test_only_the_port_of_a_loopback_address_is_free(app: Flask, browser: FlaskClient, uri: str) -> None:
    with app.app_context(), transaction() as session:
        portal = new_portal(session, redirect_uris=["http://127.0.0.1:7999/callback"])
    assert Journey(portal).authorize(browser, redirect_uri=uri).status_code == 400


TO_THE_PORTAL = {
    "no response_type": ({"response_type": None}, "invalid_request"),
    "implicit": ({"response_type": "token"}, "unsupported_response_type"),
    "hybrid": ({"response_type": "code id_token"}, "unsupported_response_type"),
    "strange response_type": ({"response_type": '"\\证'}, "unsupported_response_type"),
    "two response_types": ({"response_type": ["code", "code"]}, "invalid_request"),
    "no scope": ({"scope": None}, "invalid_scope"),
    "unknown scope": ({"scope": "openid all"}, "invalid_scope"),
    "a scope of systems": ({"scope": "openid draws"}, "invalid_scope"),
    "strange scope": ({"scope": '"\1证'}, "invalid_scope"),
    "two scopes": ({"scope": ["openid", "profile"]}, "invalid_request"),
    "two states": ({"state": ["a", "b"]}, "invalid_request"),
    "no challenge": ({"code_challenge": None}, "invalid_request"),
    "no method": ({"code_challenge_method": None}, "invalid_request"),
    "no PKCE": ({"code_challenge": None, "code_challenge_method": None}, "invalid_request"),
    "plain": ({"code_challenge_method": "plain"}, "invalid_request"),
    "short challenge": ({"code_challenge": "x" * 42}, "invalid_request"),
    "strange challenge": ({"code_challenge": "证" * 43}, "invalid_request"),
    "strange nonce": ({"nonce": "a\1b"}, "invalid_request"),
    "long nonce": ({"nonce": "x" * 600}, "invalid_request"),
    "prompt": ({"prompt": "none login"}, "invalid_request"),
    "max_age": ({"max_age": "soon"}, "invalid_request"),
    "request object": ({"request": "x.y.z"}, "invalid_request_object"),
    "request_uri": ({"request_uri": "https://portal.example/r"}, "invalid_request_uri"),
    "response_mode": ({"response_mode": "web_message"}, "invalid_request"),
    "two response_modes": ({"response_mode": ["query", "fragment"]}, "invalid_request"),
    "a hint of nobody's": ({"id_token_hint": "x.y.z"}, "invalid_request"),
}


@pytest.mark.parametrize(("changes", "error"), TO_THE_PORTAL.values(), ids=TO_THE_PORTAL)
def test_other_errors_go_to_the_portal(browser: FlaskClient, portal: System, changes: dict[str, Any], error: str) -> None:
    journey = Journey(portal)
    response = journey.authorize(browser, **changes)
    answer = answer_of(response)
    assert response.location.startswith(
        portal.redirect_uri + ("#" if "response_type" in changes and "token" in str(changes["response_type"]) else "?")
    )
    assert (answer["error"], answer["iss"]) == (error, ISSUER)
    assert answer["state"] == (journey.state if "state" not in changes else "a")
    assert_plain(answer.get("error_description", ""))
    assert "code" not in answer
    if error == "unsupported_response_type":
        assert answer["error_description"] == "response_type=anything but code is not supported"


def test_a_strange_state_comes_back_as_it_was(browser: FlaskClient, portal: System) -> None:
    state = 'a b&c=d"\\证\r\nX: y%00'
    assert answer_of(Journey(portal, state=state).approve(browser))["state"] == state


@pytest.mark.parametrize("path", ["/authorize", "/logout"])
def test_a_posted_request_that_fits_no_address_is_refused(client: FlaskClient, path: str) -> None:
    assert client.post(path, data={"state": "x" * 9000}, headers=BROWSER).status_code == 414
    assert client.post(path, data={"state": "x" * 2_000_000}, headers=BROWSER).status_code == 413


def test_a_system_signs_nobody_in(app: Flask, browser: FlaskClient) -> None:
    with app.app_context(), transaction() as session:
        system = new_system(session, scopes=["draws"])
    assert Journey(System(system.client_id, system.private_key, "https://x.example/")).authorize(browser).status_code == 400


def test_an_answer_from_another_site_is_refused(browser: FlaskClient, portal: System) -> None:
    response = browser.post("/authorize/consent", query_string=Journey(portal).parameters(), data={"answer": "approve"}, headers=BROWSER)
    assert response.status_code == 400
    assert "Location" not in response.headers
    assert f'id="again" href="/authorize?response_type=code&amp;client_id={portal.client_id}' in response.text, "whose page has expired gets another"


def test_an_answer_without_a_session_goes_to_the_sign_in(client: FlaskClient, portal: System) -> None:
    token = csrf_token(client.get("/signin", headers=BROWSER).text)
    form = {"answer": "approve", "csrf_token": token}
    response = client.post("/authorize/consent", query_string=Journey(portal).parameters(), data=form, headers=BROWSER)
    assert response.location.startswith("/signin")


BAD_EXCHANGES = {
    "no code": ({"code": None}, "invalid_request"),
    "unknown code": ({"code": "x" * 43}, "invalid_grant"),
    "strange code": ({"code": '"\1证'}, "invalid_grant"),
    "two codes": ({"code": ["x", "y"]}, "invalid_request"),
    "no redirect_uri": ({"redirect_uri": None}, "invalid_grant"),
    "another redirect_uri": ({"redirect_uri": "https://evil.example/"}, "invalid_grant"),
    "no verifier": ({"code_verifier": None}, "invalid_grant"),
    "another verifier": ({"code_verifier": "x" * 43}, "invalid_grant"),
    "short verifier": ({"code_verifier": "x" * 42}, "invalid_request"),
    "strange verifier": ({"code_verifier": "证" * 43}, "invalid_request"),
    "another client": ({"client_id": "nobody"}, "invalid_client"),
    "no proof": ({"client_assertion": None}, "invalid_client"),
}


@pytest.mark.parametrize(("changes", "error"), BAD_EXCHANGES.values(), ids=BAD_EXCHANGES)
def test_a_bad_exchange_is_refused(browser: FlaskClient, portal: System, changes: dict[str, Any], error: str) -> None:
    journey = Journey(portal)
    code = journey.code(browser)
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": portal.redirect_uri, "code_verifier": journey.verifier}
    whole = {**portal.proof(), **form, **changes}
    response = browser.post("/token", data={name: value for name, value in whole.items() if value is not None})
    assert response.status_code == (401 if error == "invalid_client" else 400)
    assert response.json["error"] == error
    assert response.headers["Cache-Control"] == "no-store"
    assert_plain(response.json.get("error_description", ""))


def test_the_challenge_itself_is_no_verifier(browser: FlaskClient, portal: System) -> None:
    journey = Journey(portal)
    code = journey.code(browser)
    assert journey.exchange(browser, code, code_verifier=journey.parameters()["code_challenge"]).json["error"] == "invalid_grant"


def test_anothers_code_is_refused_and_not_harmed(app: Flask, browser: FlaskClient, portal: System) -> None:
    with app.app_context(), transaction() as session:
        other = new_portal(session, scopes=SCOPES)
    journey = Journey(portal)
    code = journey.code(browser)
    thief = Journey(System(other.client_id, other.private_key, portal.redirect_uri), verifier=journey.verifier)
    assert thief.exchange(browser, code).json["error"] == "invalid_grant"
    assert journey.exchange(browser, code).status_code == 200


def test_a_public_client_proves_itself_by_pkce_alone(app: Flask, browser: FlaskClient) -> None:
    with app.app_context(), transaction() as session:
        uri = "https://public.example.gov.cn/cb"
        row = clients.register_client(
            session,
            client_id=f"public-{secrets.token_hex(4)}",
            name=Text("公共", "Public"),
            owner="x",
            auth_method="none",
            redirect_uris=[uri],
            grant_types=["authorization_code"],
            scopes=["openid"],
            now=now(),
        )
    journey = Journey(System(row.client_id, None, uri), scope="openid")  # type: ignore[arg-type]
    form = {"grant_type": "authorization_code", "code": journey.code(browser), "redirect_uri": uri, "code_verifier": journey.verifier}
    assert browser.post("/token", data={**form, "client_id": row.client_id}).status_code == 200


def test_the_log_tells_the_operator_why_a_code_was_not_redeemed(app: Flask, browser: FlaskClient, portal: System) -> None:
    with app.app_context(), transaction() as session:
        other = new_portal(session)
    journey, stranger = Journey(portal), Journey(other)
    used, late = journey.code(browser), journey.code(browser)
    journey.exchange(browser, used)
    with capture_logs() as said:
        journey.exchange(browser, used)
        stranger.exchange(browser, late)
        journey.exchange(browser, "x" * 43)
        with shifted(timedelta(seconds=61)):
            browser.post(
                "/token",
                data={
                    **portal.proof(exp=int(now().timestamp()) + 60),
                    "grant_type": "authorization_code",
                    "code": late,
                    "redirect_uri": portal.redirect_uri,
                    "code_verifier": journey.verifier,
                },
            )
    lines = [(one["why"], one["client_id"]) for one in said if one["event"] == "code not redeemed"]
    mine, theirs = portal.client_id, other.client_id
    assert lines == [("used before, or taken back", mine), ("another client's", theirs), ("unknown, or long forgotten", mine), ("expired", mine)]
    assert late not in str(said)
