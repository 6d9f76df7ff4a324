"""A portal signs a person in."""

import base64
import hashlib
import re
import secrets
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import jwt
import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select

from idp.oauth import clients
from idp.oauth.access_tokens import verify_access_token
from idp.oauth.codes import AuthorizationCode
from idp.oauth.pairwise import NotPairwise, subject_of
from keys import ring, suites
from runtime.clock import now, shifted
from runtime.database import transaction
from runtime.languages import Text
from tests.idp.oauth.journeys import Journey, answer_consent, answer_of
from tests.world_clients import ISSUER, System, ask, bearer, new_portal
from tests.world_people import Person, csrf_token, new_organisation, new_person, open_account, post_form, sign_in


def id_token_of(app: Flask, tokens: dict[str, Any], portal: System) -> dict[str, Any]:
    with app.app_context():
        return ring.verify(tokens["id_token"], use=ring.OIDC, typ="JWT", audience=portal.client_id, issuer=ISSUER)


def test_a_portal_learns_who_signed_in(app: Flask, browser: FlaskClient, portal: System) -> None:
    journey = Journey(portal)
    page = journey.authorize(browser)
    assert page.status_code == 200
    assert "测试门户" in page.text
    assert f"form-action 'self' https://{portal.client_id}.example.gov.cn" in page.headers["Content-Security-Policy"]
    back = answer_consent(browser, page)
    answer = answer_of(back)
    assert back.location.startswith(portal.redirect_uri + "?")
    assert back.headers["Cache-Control"] == "no-store"
    assert (answer["state"], answer["iss"]) == (journey.state, ISSUER)
    response = journey.exchange(browser, answer["code"])
    assert response.headers["Cache-Control"] == "no-store"
    tokens = dict(response.json or {})
    assert set(tokens) == {"access_token", "token_type", "expires_in", "scope", "id_token"}
    claims = id_token_of(app, tokens, portal)
    assert (claims["nonce"], claims["sub_type"], claims["amr"]) == (journey.nonce, "person", ["pwd"])
    assert (claims["ial"], claims["aal"]) == ("2", "1")
    assert claims["at_hash"] == base64.urlsafe_b64encode(hashlib.sha256(tokens["access_token"].encode()).digest()[:16]).rstrip(b"=").decode()
    assert claims["auth_time"] <= claims["iat"]
    assert claims["sid"]
    assert not {"name", "number", "act"} & set(claims)


def test_a_second_portal_needs_no_second_sign_in_and_consent_is_asked_once(browser: FlaskClient, portal: System, app: Flask) -> None:
    Journey(portal).tokens(browser)
    assert Journey(portal).authorize(browser).status_code == 303
    with app.app_context(), transaction() as session:
        second = new_portal(session)
    assert Journey(second).authorize(browser).status_code == 200


def test_more_scopes_ask_again(browser: FlaskClient, portal: System) -> None:
    Journey(portal).tokens(browser)
    assert Journey(portal, scope="openid profile number").authorize(browser).status_code == 200
    assert Journey(portal, scope="openid").authorize(browser).status_code == 303


@pytest.mark.parametrize("scope", ["number", "licences"])
def test_a_first_party_portal_asks_consent_for_the_number_and_for_licences_only(browser: FlaskClient, app: Flask, scope: str) -> None:
    with app.app_context(), transaction() as session:
        portal = new_portal(session, scopes=("openid", "profile", scope), first_party=True)
    assert Journey(portal).authorize(browser).status_code == 303
    page = Journey(portal, scope=f"openid profile {scope}").authorize(browser)
    assert page.status_code == 200
    assert f'id="scope-{scope}"' in page.text


@pytest.mark.parametrize("first_party", [False, True])
def test_a_program_that_others_can_pose_as_asks_each_time(browser: FlaskClient, app: Flask, first_party: bool) -> None:
    with app.app_context(), transaction() as session:
        clients.register_client(
            session,
            client_id=(client_id := f"program-{secrets.token_hex(6)}"),
            name=Text("程序", "Program"),
            owner="11379999MB1A0001X8",
            auth_method=clients.NONE,
            redirect_uris=["http://127.0.0.1/callback"],
            grant_types=[clients.AUTHORIZATION_CODE],
            scopes=["openid"],
            first_party=first_party,
            now=now(),
        )
    program = System(client_id, suites.ES256.generate(), "http://127.0.0.1:50123/callback")
    for _ in range(2):
        journey = Journey(program, scope="openid")
        page = journey.authorize(browser)
        assert page.status_code == 200
        assert "code" in answer_of(answer_consent(browser, page))
    assert answer_of(Journey(program, scope="openid").authorize(browser, prompt="none"))["error"] == "consent_required"


def test_portals_of_two_sectors_know_a_person_by_two_names(app: Flask, browser: FlaskClient, portal: System) -> None:
    with app.app_context(), transaction() as session:
        second = new_portal(session)
        twin = new_portal(session, sector=f"{portal.client_id}.example.gov.cn")
    subs = [id_token_of(app, Journey(each).tokens(browser), each)["sub"] for each in (portal, second, twin)]
    assert subs[0] == subs[2] != subs[1]
    with app.app_context(), pytest.raises(NotPairwise):
        subject_of(subs[0], second.client_id)


def test_name_and_number_are_told_by_userinfo_and_never_by_an_id_token(app: Flask, browser: FlaskClient, portal: System, person: Person) -> None:
    tokens = Journey(portal, scope="openid profile number offline_access").tokens(browser)
    again = ask(browser, portal, grant_type="refresh_token", refresh_token=tokens["refresh_token"]).json or {}
    for one in (tokens, again):
        claims = id_token_of(app, one, portal)
        assert set(claims) - {"nonce"} == {"iss", "aud", "sub", "sub_type", "iat", "exp", "auth_time", "acr", "amr", "ial", "aal", "sid", "at_hash"}
    told = browser.get("/userinfo", headers=bearer(tokens["access_token"]))
    assert told.json == {"sub": claims["sub"], "sub_type": "person", "ial": "2", "name": person.name, "number": person.number, "number_type": "111"}
    assert told.headers["Cache-Control"] == "no-store"


def test_userinfo_without_openid_is_refused(browser: FlaskClient, portal: System) -> None:
    tokens = Journey(portal, scope="profile").tokens(browser)
    assert "id_token" not in tokens
    refused = browser.get("/userinfo", headers=bearer(tokens["access_token"]))
    assert refused.status_code == 403
    assert 'error="insufficient_scope"' in refused.headers["WWW-Authenticate"]
    assert refused.json["error"] == "insufficient_scope"


def test_whoever_presses_the_button_of_the_consent_page_twice_is_led_to_the_portal_twice(browser: FlaskClient, portal: System) -> None:
    """Without JavaScript the browser follows the second answer alone: it must lead on as the first would have."""
    journey = Journey(portal)
    page = journey.authorize(browser)
    answers = [answer_of(answer_consent(browser, page)) for _ in range(2)]
    assert {answer["state"] for answer in answers} == {journey.state}
    assert journey.exchange(browser, answers[1]["code"]).status_code == 200


@pytest.mark.parametrize("header", [{}, {"Authorization": "Bearer x.y.z"}, {"Authorization": "Basic eDp5"}, {"Authorization": "Bearer 证"}])
def test_userinfo_without_a_good_token_is_refused(client: FlaskClient, header: dict[str, str]) -> None:
    refused = client.get("/userinfo", headers={name: value.encode().decode("latin-1") for name, value in header.items()})
    assert refused.status_code == 401
    assert refused.headers["WWW-Authenticate"].startswith("Bearer")


@pytest.mark.parametrize("path", ["/userinfo", "/credential"])
def test_whoever_shows_no_token_hears_how_and_of_no_error(client: FlaskClient, path: str) -> None:
    """RFC 6750 section 3.1: without any authentication information there is no error code and no other error information."""
    refused = client.post(path, headers={"Accept": "application/json"})
    assert (refused.status_code, refused.data, refused.headers.get("Content-Type")) == (401, b"", None)
    assert refused.headers["WWW-Authenticate"].startswith('Bearer realm="kabao", DPoP realm="kabao"')
    assert "error" not in refused.headers["WWW-Authenticate"]
    assert refused.headers["Cache-Control"] == "no-store"


def test_userinfo_says_the_same_in_the_body_as_in_the_challenge(client: FlaskClient) -> None:
    """Core section 5.3.3, RFC 6750 section 3.1: a token that is no good is `invalid_token`."""
    refused = client.get("/userinfo", headers=bearer("x.y.z"))
    assert 'error="invalid_token"' in refused.headers["WWW-Authenticate"]
    assert refused.json["error"] == "invalid_token"


def test_an_id_token_or_a_logout_token_is_no_access_token(browser: FlaskClient, portal: System) -> None:
    tokens = Journey(portal).tokens(browser)
    assert browser.get("/userinfo", headers=bearer(tokens["id_token"])).status_code == 401


def test_an_access_token_ends_after_ten_minutes(browser: FlaskClient, portal: System) -> None:
    token = Journey(portal).tokens(browser)["access_token"]
    assert browser.get("/userinfo", headers=bearer(token)).status_code == 200
    with shifted(timedelta(minutes=11)):
        assert browser.get("/userinfo", headers=bearer(token)).status_code == 401


def test_who_acts_for_an_organisation_signs_it_in(app: Flask, client: FlaskClient, portal: System) -> None:
    with app.app_context(), transaction() as session:
        boss = new_person(session)
        organisation = new_organisation(session, representative=boss)
        person_id = open_account(session, boss)
    sign_in(client, boss)
    own = id_token_of(app, Journey(portal).tokens(client), portal)
    act_for_first_organisation(client)
    tokens = Journey(portal, scope="openid profile number").tokens(client)
    claims = id_token_of(app, tokens, portal)
    assert claims["sub_type"] == "organisation"
    assert claims["act"] == {"sub": own["sub"]}
    assert claims["sub"] != own["sub"]
    with app.app_context():
        token = verify_access_token(tokens["access_token"], settings=app.extensions["kabao_settings"], now=now())
    assert token.acting_person == person_id
    assert token.holder_id == token.subject_id != person_id
    told = client.get("/userinfo", headers=bearer(tokens["access_token"])).json
    assert (told["name"], told["number"], told["act"]) == (organisation.name, organisation.number, {"sub": own["sub"], "name": boss.name})


def act_for_first_organisation(client: FlaskClient) -> None:
    page = client.get("/account", headers={"Accept": "text/html"}).text
    found = re.search(r'name="organisation"[^>]*value="([0-9a-f-]{36})"', page) or re.search(r'value="([0-9a-f-]{36})"', page)
    assert found, page
    assert post_form(client, "/account/acting", {"organisation": found[1]}, form_at="/account").status_code in (302, 303)


def test_a_browser_that_is_not_signed_in_is_sent_to_sign_in_and_back(client: FlaskClient, portal: System, person: Person) -> None:
    journey = Journey(portal)
    sent = journey.authorize(client)
    assert sent.status_code == 303
    assert urlsplit(sent.location).path == "/signin"
    page = client.get(sent.location, headers={"Accept": "text/html"})
    assert f"https://{portal.client_id}.example.gov.cn" in page.headers["Content-Security-Policy"]
    goal = parse_qs(urlsplit(sent.location).query)["next"][0]
    back = sign_in(client, person, next=goal)
    assert back.location == goal
    consent = client.get(back.location, headers={"Accept": "text/html"})
    assert answer_of(answer_consent(client, consent))["state"] == journey.state


def test_a_refusal_goes_to_the_portal(browser: FlaskClient, portal: System) -> None:
    journey = Journey(portal)
    answer = answer_of(journey.approve(browser, answer="refuse"))
    assert (answer["error"], answer["state"], answer["iss"]) == ("access_denied", journey.state, ISSUER)
    assert journey.authorize(browser).status_code == 200


def test_a_consent_page_shown_to_one_and_answered_by_another_is_shown_again(app: Flask, browser: FlaskClient, portal: System) -> None:
    page = Journey(portal).authorize(browser)
    with app.app_context(), transaction() as session:
        other = new_person(session)
        open_account(session, other)
    browser.delete_cookie("kabao_session")
    sign_in(browser, other)
    fresh = Journey(portal).authorize(browser)
    stale = page.text.replace(csrf_token(page.text), csrf_token(fresh.text))
    again = answer_consent(browser, type("Page", (), {"text": stale})())  # type: ignore[arg-type]
    assert again.status_code == 200
    assert 'id="consent"' in again.text


@pytest.mark.parametrize("answer", ["", "yes", "Approve", "approve "])
def test_a_consent_page_sent_without_one_of_its_answers_is_shown_again(browser: FlaskClient, portal: System, answer: str) -> None:
    again = Journey(portal).approve(browser, answer=answer)
    assert again.status_code == 200
    assert 'id="consent"' in again.text
    assert Journey(portal).authorize(browser).status_code == 200, "nothing was consented to"


def test_a_posted_request_goes_on_as_a_get(browser: FlaskClient, portal: System) -> None:
    sent = browser.post("/authorize", data=Journey(portal).parameters())
    assert sent.status_code == 303
    assert browser.get(sent.location, headers={"Accept": "text/html"}).status_code == 200


def test_a_code_is_good_for_a_minute(browser: FlaskClient, portal: System) -> None:
    journey = Journey(portal)
    code = journey.code(browser)
    with shifted(timedelta(seconds=61)):
        response = journey.exchange(browser, code)
    assert (response.status_code, response.json["error"]) == (400, "invalid_grant")
    fresh = journey.code(browser)
    with shifted(timedelta(seconds=55)):
        assert journey.exchange(browser, fresh).status_code == 200


def test_a_code_is_worth_nothing_once_the_session_has_ended(browser: FlaskClient, portal: System) -> None:
    journey = Journey(portal)
    code = journey.code(browser)
    assert post_form(browser, "/signout", {}, form_at="/account").status_code == 303
    assert journey.exchange(browser, code).json["error"] == "invalid_grant"


def test_a_code_is_kept_only_as_its_hash(browser: FlaskClient, portal: System, app: Flask) -> None:
    code = Journey(portal).code(browser)
    with app.app_context(), transaction() as session:
        row = session.scalars(select(AuthorizationCode).where(AuthorizationCode.client_id == portal.client_id)).one()
    assert row.code_hash == hashlib.sha256(code.encode()).digest()
    assert len(base64.urlsafe_b64decode(code + "=")) == 32


def test_a_portal_on_a_loopback_address_may_choose_its_port(app: Flask, browser: FlaskClient) -> None:
    with app.app_context(), transaction() as session:
        portal = new_portal(session, redirect_uris=["http://127.0.0.1:8001/callback"])
    journey = Journey(System(portal.client_id, portal.private_key, "http://127.0.0.1:49152/callback"))
    assert journey.tokens(browser)["id_token"]


def test_the_access_token_is_read_as_the_persons(app: Flask, browser: FlaskClient, portal: System) -> None:
    token = Journey(portal, scope="openid licences").tokens(browser)["access_token"]
    claims = jwt.decode(token, options={"verify_signature": False})
    assert claims["scope"] == "openid licences"
    assert claims["aud"] == f"{ISSUER}/api"
    assert "name" not in claims


def test_consent_that_is_asked_for_again_is_asked_for_once(browser: FlaskClient, portal: System) -> None:
    journey = Journey(portal)
    journey.code(browser)
    page = journey.authorize(browser, prompt="consent")
    assert page.status_code == 200
    assert "code" in answer_of(answer_consent(browser, page))
