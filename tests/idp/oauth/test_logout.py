"""A portal signs a person out, and every other portal hears of it."""

import json
import secrets
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import Any
from urllib.parse import parse_qs

import jwt
import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import text
from werkzeug.test import TestResponse

from idp.oauth import portal_sessions
from keys import ring
from runtime.database import transaction
from tests.idp.oauth.journeys import Journey
from tests.world_clients import ISSUER, System, new_portal
from tests.world_people import BROWSER, csrf_token, new_person, open_account, post_form, sign_in

AFTERWARDS = "https://portal.example.gov.cn/afterwards?from=kabao"


class Listener(HTTPServer):
    """A portal's back-channel endpoint, which keeps what it hears and answers as it is told."""

    heard: list[dict[str, Any]]
    status = 200
    promised_length: int | None = None


@pytest.fixture
def listener() -> Iterator[Listener]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            server.heard.append(parse_qs(body))
            self.send_response(server.status)
            self.send_header("Location", "http://127.0.0.1:1/")
            if server.promised_length is not None:
                self.send_header("Content-Length", str(server.promised_length))
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    server = Listener(("127.0.0.1", 0), Handler)
    server.heard = []
    Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def logout_portal(app: Flask, listener: Listener) -> System:
    with app.app_context(), transaction() as session:
        uri = f"http://127.0.0.1:{listener.server_port}/backchannel"
        return new_portal(session, backchannel_logout_uri=uri, post_logout_redirect_uris=[AFTERWARDS])


def waiting(app: Flask, client_id: str) -> list[dict[str, str]]:
    with app.app_context(), transaction() as session:
        rows = session.execute(text("SELECT args FROM procrastinate_jobs WHERE task_name = 'kabao:send_logout_token'")).scalars()
        return [row for row in (json.loads(each) if isinstance(each, str) else each for each in rows) if row["client_id"] == client_id]


def is_signed_in(browser: FlaskClient) -> bool:
    return browser.get("/account", headers=BROWSER).status_code == 200


def logout(browser: FlaskClient, **parameters: str) -> TestResponse:
    return browser.get("/logout", query_string=parameters, headers=BROWSER)


def test_a_hint_ends_the_session_and_the_browser_goes_where_the_portal_wants(app: Flask, browser: FlaskClient, logout_portal: System) -> None:
    tokens = Journey(logout_portal).tokens(browser)
    back = logout(browser, id_token_hint=tokens["id_token"], post_logout_redirect_uri=AFTERWARDS, state="s 1")
    assert (back.status_code, back.location) == (303, AFTERWARDS + "&state=s+1")
    assert not is_signed_in(browser)
    assert len(waiting(app, logout_portal.client_id)) == 1


def test_every_portal_of_the_session_is_told_once_with_its_own_sid(
    app: Flask, browser: FlaskClient, logout_portal: System, listener: Listener
) -> None:
    Journey(logout_portal).tokens(browser)
    tokens = Journey(logout_portal).tokens(browser)
    assert post_form(browser, "/signout", {}, form_at="/account").status_code == 303
    (job,) = waiting(app, logout_portal.client_id)
    with app.app_context():
        portal_sessions.send_logout_token(**job)
        (heard,) = listener.heard
        claims = ring.verify(heard["logout_token"][0], use=ring.OIDC, typ="logout+jwt", audience=logout_portal.client_id, issuer=ISSUER)
    assert claims["sid"] == jwt.decode(tokens["id_token"], options={"verify_signature": False})["sid"]
    assert claims["events"] == {"http://schemas.openid.net/event/backchannel-logout": {}}
    assert not {"nonce", "sub"} & set(claims)
    assert claims["exp"] - claims["iat"] == 120
    assert claims["jti"]


@pytest.mark.parametrize(
    ("status", "is_retried"), [(200, False), (204, False), (302, False), (400, False), (408, True), (429, True), (500, True), (503, True)]
)
def test_a_portal_that_fails_is_told_again(
    app: Flask, browser: FlaskClient, logout_portal: System, listener: Listener, status: int, is_retried: bool
) -> None:
    listener.status = status
    Journey(logout_portal).tokens(browser)
    post_form(browser, "/signout", {}, form_at="/account")
    (job,) = waiting(app, logout_portal.client_id)
    with app.app_context():
        if is_retried:
            with pytest.raises(portal_sessions.LogoutNotDelivered):
                portal_sessions.send_logout_token(**job)
        else:
            portal_sessions.send_logout_token(**job)
    assert len(listener.heard) == 1


def test_what_a_portal_answers_beyond_its_status_is_not_read(app: Flask, browser: FlaskClient, logout_portal: System, listener: Listener) -> None:
    listener.promised_length = 10**12  # and it never comes: whoever waits for it fails
    Journey(logout_portal).tokens(browser)
    post_form(browser, "/signout", {}, form_at="/account")
    (job,) = waiting(app, logout_portal.client_id)
    with app.app_context():
        portal_sessions.send_logout_token(**job)
    assert len(listener.heard) == 1


def test_a_portal_that_is_away_is_told_again(app: Flask, browser: FlaskClient) -> None:
    with app.app_context(), transaction() as session:
        portal = new_portal(session, backchannel_logout_uri="http://127.0.0.1:9/backchannel")
    Journey(portal).tokens(browser)
    post_form(browser, "/signout", {}, form_at="/account")
    (job,) = waiting(app, portal.client_id)
    with app.app_context(), pytest.raises(portal_sessions.LogoutNotDelivered):
        portal_sessions.send_logout_token(**job)


def test_a_portal_that_is_silent_keeps_no_other_waiting(
    app: Flask, browser: FlaskClient, logout_portal: System, listener: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    with app.app_context(), transaction() as session:
        silent = new_portal(session, backchannel_logout_uri=f"http://127.0.0.1:9/{secrets.token_hex(4)}")
    for portal in (silent, logout_portal):
        Journey(portal).tokens(browser)
    post_form(browser, "/signout", {}, form_at="/account")
    tell, asked = portal_sessions._tell, list[str]()
    monkeypatch.setattr(portal_sessions, "_tell", lambda uri, *rest, **named: asked.append(uri) or tell(uri, *rest, **named))
    (job,) = waiting(app, silent.client_id)
    with app.app_context():
        for _ in range(9):
            with pytest.raises(portal_sessions.LogoutNotDelivered):
                portal_sessions.send_logout_token(**job)
        assert len(asked) == 5
        portal_sessions.send_logout_token(**waiting(app, logout_portal.client_id)[0])
    assert len(listener.heard) == 1


def test_without_a_hint_the_person_is_asked(browser: FlaskClient, logout_portal: System) -> None:
    Journey(logout_portal).tokens(browser)
    page = logout(browser, client_id=logout_portal.client_id, post_logout_redirect_uri=AFTERWARDS)
    assert page.status_code == 200
    assert "form-action 'self' https://portal.example.gov.cn" in page.headers["Content-Security-Policy"]
    assert is_signed_in(browser)
    query = {"client_id": logout_portal.client_id, "post_logout_redirect_uri": AFTERWARDS}
    done = browser.post("/logout/confirmed", query_string=query, data={"csrf_token": csrf_token(page.text)}, headers=BROWSER)
    assert (done.status_code, done.location) == (303, AFTERWARDS)
    assert not is_signed_in(browser)


def test_a_hint_of_another_session_asks_first(app: Flask, browser: FlaskClient, logout_portal: System) -> None:
    tokens = Journey(logout_portal).tokens(browser)
    with app.app_context(), transaction() as session:
        other = new_person(session)
        open_account(session, other)
    second = app.test_client()
    sign_in(second, other)
    assert logout(second, id_token_hint=tokens["id_token"]).status_code == 200
    assert is_signed_in(second)
    assert is_signed_in(browser)


def test_another_site_cannot_confirm(browser: FlaskClient, logout_portal: System) -> None:
    assert browser.post("/logout/confirmed", headers=BROWSER).status_code == 400
    assert is_signed_in(browser)


def test_a_posted_request_goes_on_as_a_get(browser: FlaskClient, logout_portal: System) -> None:
    tokens = Journey(logout_portal).tokens(browser)
    sent = browser.post("/logout", data={"id_token_hint": tokens["id_token"]})
    assert sent.status_code == 303
    assert browser.get(sent.location, headers=BROWSER).location == "/logout/ended"
    assert browser.get("/logout/ended", headers=BROWSER).status_code == 200


def test_who_is_not_signed_in_is_sent_on(client: FlaskClient, logout_portal: System) -> None:
    back = logout(client, client_id=logout_portal.client_id, post_logout_redirect_uri=AFTERWARDS, state="x")
    assert back.location == AFTERWARDS + "&state=x"


BAD_LOGOUTS = {
    "another address": {"post_logout_redirect_uri": "https://evil.example/"},
    "an address that begins alike": {"post_logout_redirect_uri": AFTERWARDS + "x"},
    "no client": {"client_id": None},
    "unknown client": {"client_id": "nobody"},
    "client with nul": {"client_id": "\0"},
}


@pytest.mark.parametrize("changes", BAD_LOGOUTS.values(), ids=BAD_LOGOUTS)
def test_a_bad_logout_request_sends_nobody_anywhere(browser: FlaskClient, logout_portal: System, changes: dict[str, Any]) -> None:
    asked = {"client_id": logout_portal.client_id, "post_logout_redirect_uri": AFTERWARDS, **changes}
    response = logout(browser, **{name: value for name, value in asked.items() if value is not None})
    assert response.status_code == 400
    assert is_signed_in(browser)


def test_a_hint_of_another_client_is_refused(browser: FlaskClient, portal: System, logout_portal: System) -> None:
    tokens = Journey(portal).tokens(browser)
    assert logout(browser, id_token_hint=tokens["id_token"], client_id=logout_portal.client_id).status_code == 400
    assert is_signed_in(browser)


@pytest.mark.parametrize("hint", ["x", "a.b.c", "x" * 10_000, "证"])
def test_a_hint_that_is_not_ours_counts_for_nothing(browser: FlaskClient, hint: str) -> None:
    assert logout(browser, id_token_hint=hint).status_code == 200
    assert is_signed_in(browser)


def test_after_a_hint_that_is_not_ours_the_browser_goes_nowhere_though_the_address_is_the_client_s(
    app: Flask, browser: FlaskClient, logout_portal: System
) -> None:
    """Sections 3 and 4: where something in a request does not hold, there is no redirect afterwards, neither at once nor after the question."""
    head, body, signature = Journey(logout_portal).tokens(browser)["id_token"].split(".")
    query = {"client_id": logout_portal.client_id, "post_logout_redirect_uri": AFTERWARDS, "id_token_hint": f"{head}.{body}.{signature[::-1]}"}
    page = logout(browser, **query)
    assert page.status_code == 200
    assert "portal.example.gov.cn" not in page.headers["Content-Security-Policy"]
    done = browser.post("/logout/confirmed", query_string=query, data={"csrf_token": csrf_token(page.text)}, headers=BROWSER)
    assert (done.status_code, done.location) == (303, "/logout/ended")
    assert not is_signed_in(browser)
    assert logout(app.test_client(), **query).location == "/logout/ended"


def test_a_hint_is_an_id_token_that_we_issued_however_old(app: Flask, browser: FlaskClient, logout_portal: System) -> None:
    """Section 2: we MUST have issued it, and take it after its time; what the same key signed otherwise or as something else is none."""
    claims = jwt.decode(Journey(logout_portal).tokens(browser)["id_token"], options={"verify_signature": False})
    with app.app_context():
        signer = ring.signer(ring.OIDC)
        theirs, other = signer.sign({**claims, "iss": "https://elsewhere.example"}, typ="JWT"), signer.sign(claims, typ="at+jwt")
        old = signer.sign({**claims, "iat": 1_700_000_000, "exp": 1_700_000_600}, typ="JWT")
    for none in (theirs, other):
        assert logout(browser, id_token_hint=none).status_code == 200
        assert is_signed_in(browser)
    assert logout(browser, id_token_hint=old).status_code == 303
    assert not is_signed_in(browser)


def test_an_access_token_is_no_hint(browser: FlaskClient, logout_portal: System) -> None:
    tokens = Journey(logout_portal).tokens(browser)
    assert logout(browser, id_token_hint=tokens["access_token"]).status_code == 200
    assert is_signed_in(browser)
