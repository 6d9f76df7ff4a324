"""How far a sign-out goes: one portal's part of a session, or the session; and who hears of it in the browser."""

import re
from html import unescape
from typing import Any

import jwt
import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from idp.oauth.clients import ClientRefused
from runtime.database import transaction
from tests.idp.oauth.journeys import Journey, signed_in_browser
from tests.idp.oauth.test_logout import is_signed_in, logout
from tests.world_clients import ISSUER, System, ask, bearer, new_portal
from tests.world_people import BROWSER, Person, csrf_token, new_person, open_account, post_form

AFTERWARDS = "https://portal.example.gov.cn/afterwards"
SCOPE = "openid offline_access"
HERE = "https://front.example.gov.cn"


def portal_with(app: Flask, **rest: Any) -> System:
    with app.app_context(), transaction() as session:
        return new_portal(session, scopes=SCOPE.split(), post_logout_redirect_uris=[AFTERWARDS], **rest)


@pytest.fixture
def one(app: Flask) -> System:
    return portal_with(app)


@pytest.fixture
def other(app: Flask) -> System:
    return portal_with(app)


def framed(app: Flask, host: str = HERE) -> System:
    """Return a portal that wants to be told through the browser."""
    uris = {"redirect_uris": [f"{host}/callback"], "metadata": {"frontchannel_logout_uri": f"{host}/out?from=kabao"}}
    made = portal_with(app, **uris)
    return System(made.client_id, made.private_key, f"{host}/callback")


def answers(browser: FlaskClient, portal: System, tokens: dict[str, Any]) -> tuple[int, int]:
    """Return what a portal's tokens are worth: the status of userinfo, and that of a refresh."""
    userinfo = browser.get("/userinfo", headers=bearer(tokens["access_token"])).status_code
    return userinfo, ask(browser, portal, grant_type="refresh_token", refresh_token=tokens["refresh_token"]).status_code


def confirm(browser: FlaskClient, page: TestResponse, reach: str) -> TestResponse:
    goal = re.search(r'action="(/logout/confirmed[^"]*)"', page.text)
    assert goal is not None
    return browser.post(unescape(goal[1]), data={"csrf_token": csrf_token(page.text), "reach": reach}, headers=BROWSER)


def frames(page: TestResponse) -> list[str]:
    return [unescape(address) for address in re.findall(r'<iframe class="told" src="([^"]+)"', page.text)]


def test_a_portal_that_leaves_leaves_alone_what_others_were_given(browser: FlaskClient, one: System, other: System) -> None:
    left, kept = (Journey(portal, scope=SCOPE).tokens(browser) for portal in (one, other))
    page = logout(browser, id_token_hint=left["id_token"], post_logout_redirect_uri=AFTERWARDS, state="s")
    assert page.status_code == 200
    assert answers(browser, one, left) == (401, 400)
    assert answers(browser, other, kept) == (200, 200)
    done = confirm(browser, page, "portal")
    assert (done.status_code, done.location) == (303, AFTERWARDS + "?state=s")
    assert is_signed_in(browser)
    assert "code" in Journey(one, scope=SCOPE).approve(browser).location, "and one comes back without a sign-in"


def test_a_person_signs_out_of_everything_where_they_are_asked(browser: FlaskClient, one: System, other: System) -> None:
    left, kept = (Journey(portal, scope=SCOPE).tokens(browser) for portal in (one, other))
    page = logout(browser, id_token_hint=left["id_token"], post_logout_redirect_uri=AFTERWARDS)
    assert confirm(browser, page, "everywhere").location == AFTERWARDS
    assert not is_signed_in(browser)
    assert answers(browser, one, left) == (401, 400)
    assert answers(browser, other, kept)[1] == 200, "what was allowed beyond the session goes on (Back-Channel Logout 2.7)"


def test_the_only_portal_of_a_session_ends_it_without_a_question(browser: FlaskClient, one: System) -> None:
    tokens = Journey(one, scope=SCOPE).tokens(browser)
    assert logout(browser, id_token_hint=tokens["id_token"], post_logout_redirect_uri=AFTERWARDS).location == AFTERWARDS
    assert not is_signed_in(browser)
    assert answers(browser, one, tokens) == (401, 400)


def test_a_code_on_its_way_to_the_portal_that_leaves_is_worth_nothing(browser: FlaskClient, one: System, other: System) -> None:
    Journey(other, scope=SCOPE).tokens(browser)
    hint, journey = Journey(one, scope=SCOPE).tokens(browser)["id_token"], Journey(one, scope=SCOPE)
    code = journey.code(browser)
    logout(browser, id_token_hint=hint)
    assert journey.exchange(browser, code).json == {**dict(journey.exchange(browser, code).json or {}), "error": "invalid_grant"}


def test_what_the_portal_was_given_in_another_session_goes_on(app: Flask, browser: FlaskClient, person: Person, one: System) -> None:
    elsewhere = signed_in_browser(app.test_client(), person)
    kept = Journey(one, scope=SCOPE).tokens(elsewhere)
    tokens = Journey(one, scope=SCOPE).tokens(browser)
    logout(browser, id_token_hint=tokens["id_token"])
    assert answers(elsewhere, one, kept) == (200, 200)


def test_without_a_proof_nothing_ends_before_the_person_has_said_so(browser: FlaskClient, one: System, other: System) -> None:
    kept = [Journey(portal, scope=SCOPE).tokens(browser) for portal in (one, other)]
    page = logout(browser, client_id=one.client_id)
    assert 'id="leave"' in page.text
    assert [answers(browser, portal, tokens)[0] for portal, tokens in zip((one, other), kept, strict=True)] == [200, 200]
    done = confirm(browser, page, "portal")
    assert done.location == "/logout/left"
    assert browser.get(done.location, headers=BROWSER).status_code == 200
    assert is_signed_in(browser)
    assert browser.get("/userinfo", headers=bearer(kept[0]["access_token"])).status_code == 401


def test_who_asks_without_having_been_signed_in_to_may_not_leave_alone(browser: FlaskClient, one: System, other: System) -> None:
    Journey(other, scope=SCOPE).tokens(browser)
    assert 'id="leave"' not in logout(browser, client_id=one.client_id).text


@pytest.mark.parametrize("member", ["sub", "sid", "else"])
def test_a_portal_that_means_somebody_else_is_told_so_on_the_page(browser: FlaskClient, one: System, member: str) -> None:
    claims = jwt.decode(Journey(one, scope=SCOPE).tokens(browser)["id_token"], options={"verify_signature": False})
    page = logout(browser, client_id=one.client_id, logout_hint=claims.get(member, "x" * 43))
    assert ('id="another"' in page.text) == (member == "else")


def test_the_page_speaks_the_language_that_the_portal_asks_for(app: Flask, browser: FlaskClient, one: System) -> None:
    assert "Sign out of Kabao?" in logout(browser, client_id=one.client_id, ui_locales="en-GB zh").text


def test_portals_are_told_through_the_browser(app: Flask, browser: FlaskClient, one: System) -> None:
    portals = [framed(app), framed(app, "https://elsewhere.example.gov.cn")]
    tokens = [Journey(portal, scope="openid").tokens(browser) for portal in portals]
    last = Journey(one, scope="openid").tokens(browser)
    page = logout(browser, id_token_hint=last["id_token"], post_logout_redirect_uri=AFTERWARDS)
    told = confirm(browser, page, "everywhere")
    assert told.status_code == 200
    assert told.headers["Refresh"] == f"4; url={AFTERWARDS}"
    policy = told.headers["Content-Security-Policy"]
    assert policy.endswith("; frame-src https://elsewhere.example.gov.cn https://front.example.gov.cn")
    assert "frame-ancestors 'none'" in policy
    sids = [jwt.decode(each["id_token"], options={"verify_signature": False})["sid"] for each in tokens]
    addresses = [
        f"{host}/out?from=kabao&iss={ISSUER.replace(':', '%3A').replace('/', '%2F')}&sid={sid}"
        for host, sid in zip((HERE, "https://elsewhere.example.gov.cn"), sids, strict=True)
    ]
    assert sorted(frames(told)) == sorted(addresses)
    assert f'id="go-on" href="{AFTERWARDS}"' in told.text
    assert 'id="nav-signin"' in told.text, "nobody is signed in any more"
    assert not is_signed_in(browser)


def test_the_portal_that_asks_is_told_through_the_browser_too(app: Flask, browser: FlaskClient) -> None:
    portal = framed(app)
    hint = Journey(portal, scope="openid").tokens(browser)["id_token"]
    told = logout(browser, id_token_hint=hint)
    assert len(frames(told)) == 1
    assert "Refresh" not in told.headers, "there is nowhere to go on to"
    assert logout(browser, id_token_hint=hint).location == "/logout/ended", "once"


def test_one_portal_that_is_left_is_told_alone(app: Flask, browser: FlaskClient) -> None:
    portal, kept = framed(app), framed(app, "https://elsewhere.example.gov.cn")
    hint = Journey(portal, scope="openid").tokens(browser)["id_token"]
    Journey(kept, scope="openid").tokens(browser)
    told = confirm(browser, logout(browser, id_token_hint=hint), "portal")
    assert [address.partition("/out")[0] for address in frames(told)] == [HERE]
    assert is_signed_in(browser)


def test_portals_are_told_when_a_person_signs_out_here(app: Flask, browser: FlaskClient) -> None:
    portal = framed(app)
    Journey(portal, scope="openid").tokens(browser)
    told = post_form(browser, "/signout", {}, form_at="/account")
    assert (told.status_code, len(frames(told))) == (200, 1)
    assert not is_signed_in(browser)


def test_somebody_elses_portals_are_not_told(app: Flask, browser: FlaskClient, client: FlaskClient) -> None:
    portal = framed(app)
    with app.app_context(), transaction() as session:
        stranger = new_person(session)
        open_account(session, stranger)
    Journey(portal, scope="openid").tokens(signed_in_browser(app.test_client(), stranger))
    assert post_form(browser, "/signout", {}, form_at="/account").status_code == 303


BAD_FRAMES = {
    "another origin": "https://evil.example/out",
    "another port": f"{HERE}:8443/out",
    "http": HERE.replace("https", "http") + "/out",
    "a fragment": f"{HERE}/out#x",
    "a script": "javascript:alert(1)",
    "a name that is none": "https://",
    "words for a policy": f"{HERE}/out; script-src *",
}


@pytest.mark.parametrize("uri", BAD_FRAMES.values(), ids=BAD_FRAMES)
def test_a_frame_is_of_the_portals_own_origin(app: Flask, uri: str) -> None:
    with pytest.raises(ClientRefused) as refused:
        portal_with(app, redirect_uris=[f"{HERE}/callback"], metadata={"frontchannel_logout_uri": uri})
    assert refused.value.field == "frontchannel_logout_uri"
