import base64
import secrets
from dataclasses import replace
from datetime import timedelta

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import event, select

from idp.signin import callers, sessions
from idp.signin.pruning import prune_signin
from idp.signin.sessions import Lifetimes, SigninSession, on_session_end
from keys import sealing
from runtime.clock import now, shifted
from runtime.database import engine, transaction
from runtime.ids import new_id
from runtime.ledger import LedgerEntry
from tests.world_people import BROWSER, Person, csrf_token, new_person, open_account, post_form, sign_in

COOKIE = "kabao_session"
IDLE = timedelta(minutes=15)
LIFETIMES = Lifetimes(IDLE, timedelta(hours=12))


def token_of(client: FlaskClient) -> str:
    cookie = client.get_cookie(COOKIE)
    assert cookie is not None
    return cookie.value


def is_signed_in(client: FlaskClient) -> bool:
    return client.get("/account", headers=BROWSER).status_code == 200


def row_of(app: Flask, token: str) -> SigninSession | None:
    with app.app_context():
        found = sessions.find(token, lifetimes=LIFETIMES, now=now())
        return found.row if found is not None else None


def test_only_the_hash_of_a_token_is_kept(app: Flask, client: FlaskClient, person: Person) -> None:
    sign_in(client, person)
    raw = base64.urlsafe_b64decode(token_of(client) + "==")
    row = row_of(app, token_of(client))
    assert row is not None
    assert len(raw) == 16 + 32
    assert row.id.bytes == raw[:16]
    assert raw[16:] not in row.secret_hash
    assert row.amr == ["pwd"]


def test_the_cookie_is_read_by_no_script_and_sent_by_no_other_site(client: FlaskClient, person: Person) -> None:
    cookies = sign_in(client, person).headers.getlist("Set-Cookie")
    session = next(cookie for cookie in cookies if cookie.startswith(f"{COOKIE}="))
    assert {part.strip() for part in session.split(";")[1:]} == {"HttpOnly", "Path=/", "SameSite=Lax"}


def test_over_https_the_cookie_is_bound_to_the_host(https_client: FlaskClient, person: Person) -> None:
    cookies = sign_in(https_client, person).headers.getlist("Set-Cookie")
    session = next(cookie for cookie in cookies if "session=" in cookie)
    assert session.startswith("__Host-kabao_session=")
    assert {part.strip() for part in session.split(";")[1:]} == {"HttpOnly", "Path=/", "SameSite=Lax", "Secure"}
    assert all("Secure" in cookie for cookie in cookies)
    assert https_client.get("/account", headers=BROWSER).status_code == 200


def test_a_token_from_before_the_sign_in_is_worthless_after_it(client: FlaskClient, app: Flask, person: Person) -> None:
    planted = base64.urlsafe_b64encode(new_id().bytes + secrets.token_bytes(32)).rstrip(b"=").decode()
    client.set_cookie(COOKIE, planted)
    sign_in(client, person)
    assert token_of(client) != planted
    assert row_of(app, planted) is None


def test_signing_in_again_begins_the_sessions_life_anew(client: FlaskClient, app: Flask, person: Person) -> None:
    sign_in(client, person)
    with shifted(timedelta(minutes=5)):
        sign_in(client, person)
        row = row_of(app, token_of(client))
        assert row is not None
        assert now() - row.began_at < timedelta(minutes=1)


def test_signing_in_again_keeps_the_session_and_changes_its_secret(client: FlaskClient, app: Flask, person: Person) -> None:
    sign_in(client, person)
    first = token_of(client)
    with shifted(timedelta(minutes=2)):
        sign_in(client, person)
        second = token_of(client)
        before, after = row_of(app, first), row_of(app, second)
        assert before is None
        assert after is not None
        assert base64.urlsafe_b64decode(first + "==")[:16] == after.id.bytes
        assert now() - after.auth_time < timedelta(minutes=1)


def test_another_person_at_the_same_browser_ends_the_session_before(app: Flask, client: FlaskClient, person: Person) -> None:
    with app.app_context(), transaction() as session:
        other = new_person(session)
        open_account(session, other)
    sign_in(client, person)
    first = token_of(client)
    sign_in(client, other)
    assert row_of(app, first) is None
    assert other.name in client.get("/account", headers=BROWSER).text


def test_a_session_ends_by_idleness(client: FlaskClient, person: Person) -> None:
    sign_in(client, person)
    with shifted(IDLE - timedelta(seconds=5)):
        assert is_signed_in(client)
    with shifted(IDLE * 2 - timedelta(seconds=15)):
        assert is_signed_in(client)
    with shifted(IDLE * 3):
        assert not is_signed_in(client)


def test_whoever_comes_with_a_session_that_ended_is_told_so_and_nobody_else(app: Flask, client: FlaskClient, person: Person) -> None:
    def said(browser: FlaskClient, language: str = "zh") -> bool:
        page = browser.get(f"/signin?lang={language}", headers=BROWSER).text
        assert person.name not in page
        return {"zh": "您的登录已结束，请重新登录后继续。", "en": "Your session ended: sign in again to go on."}[language] in page

    sign_in(client, person)
    live, stranger = token_of(client), app.test_client()
    assert not said(stranger)
    stranger.set_cookie(COOKIE, "nonsense")
    assert not said(stranger)
    assert not said(client)
    with shifted(IDLE * 2):
        assert client.get("/account", headers=BROWSER).location.startswith("/signin?next=")
        assert (said(client), said(client, "en")) == (True, True)
        sign_in(client, person)
        assert not said(client)
        stranger.set_cookie(COOKIE, live)
        assert said(stranger), "its row is gone by now"


def test_what_was_sent_from_a_session_that_ended_is_told_once(client: FlaskClient, person: Person) -> None:
    sign_in(client, person)
    with shifted(IDLE * 2):
        token = csrf_token(client.get("/signin", headers=BROWSER).text)
        client.post("/account/ways/password", data={"csrf_token": token}, headers=BROWSER)
        page = client.get("/signin", headers=BROWSER).text
    assert ("刚才提交的内容没有办理" in page, 'id="ended"' in page) == (True, False)


def test_a_session_ends_for_all_its_use(client: FlaskClient, person: Person) -> None:
    sign_in(client, person)
    step = timedelta(minutes=14)
    passed = step
    while passed < timedelta(hours=12):
        with shifted(passed):
            assert is_signed_in(client)
        passed += step
    with shifted(timedelta(hours=12, seconds=1)):
        assert not is_signed_in(client)


def test_one_query_a_request_and_a_write_once_a_minute(app: Flask, client: FlaskClient, person: Person) -> None:
    sign_in(client, person)
    statements: list[str] = []

    def hear(*given: object) -> None:
        statements.append(str(given[2]))

    def asked(path: str) -> list[str]:
        statements.clear()
        with app.test_request_context(path, headers={"Cookie": f"{COOKIE}={token_of(client)}"}):
            callers.signed_in.admit()
            assert callers.find_signed_in() is not None
        return [statement.split()[0] for statement in statements]

    with app.app_context():
        connected = engine()
    event.listen(connected, "before_cursor_execute", hear)
    try:
        assert asked("/account") == ["SELECT"]
        with shifted(timedelta(seconds=61)):
            assert asked("/account") == ["SELECT", "UPDATE"]
            assert asked("/account") == ["SELECT"]
    finally:
        event.remove(connected, "before_cursor_execute", hear)


@pytest.mark.parametrize(
    "token",
    ["", "x", "=" * 64, "é" * 64, "A" * 64, "A" * 100_000, "../../etc", base64.urlsafe_b64encode(bytes(48)).decode(), "eyJhbGciOiJub25lIn0.e30."],
)
def test_a_token_that_is_none_signs_nobody_in(context: None, token: str) -> None:
    assert sessions.find(token, lifetimes=LIFETIMES, now=now()) is None


def test_a_wrong_secret_of_a_known_session_signs_nobody_in(app: Flask, client: FlaskClient, person: Person) -> None:
    sign_in(client, person)
    raw = base64.urlsafe_b64decode(token_of(client) + "==")
    for forged in (raw[:16] + bytes(32), raw[:-1] + bytes([raw[-1] ^ 1]), bytes([raw[0] ^ 1]) + raw[1:]):
        client.set_cookie(COOKIE, base64.urlsafe_b64encode(forged).decode().rstrip("="))
        assert not is_signed_in(client)


def test_signing_out_ends_the_session_tells_who_must_hear_and_stands_in_the_ledger(app: Flask, client: FlaskClient, person: Person) -> None:
    heard: list[object] = []

    def hear(_: object, session_id: object) -> None:
        heard.append(session_id)

    sign_in(client, person)
    token, row = token_of(client), row_of(app, token_of(client))
    assert row is not None
    on_session_end.append(hear)
    try:
        assert post_form(client, "/signout", {}, form_at="/account").status_code == 303
        assert client.post("/signout", headers=BROWSER).status_code == 400
    finally:
        on_session_end.remove(hear)
    assert heard == [row.id]
    assert client.get_cookie(COOKIE) is None
    client.set_cookie(COOKIE, token)
    assert not is_signed_in(client)
    with app.app_context(), transaction() as session:
        acts = session.scalars(select(LedgerEntry.act).where(LedgerEntry.object_id == str(row.id)).order_by(LedgerEntry.id)).all()
    assert acts == ["session.begun", "session.ended"]


def test_sessions_past_their_time_are_pruned(app: Flask, client: FlaskClient, person: Person) -> None:
    sign_in(client, person)
    row = row_of(app, token_of(client))
    assert row is not None
    with app.app_context():
        for later, kept in ((timedelta(minutes=14), True), (timedelta(minutes=16), False)):
            sessions.forget(lifetimes=LIFETIMES, now=row.seen_at + later)
            with transaction() as session:
                assert (session.get(SigninSession, row.id) is not None) is kept


@pytest.mark.parametrize("ahead", [timedelta(hours=1), timedelta(hours=-1)], ids=["ahead", "behind"])
def test_a_machine_whose_clock_is_wrong_ends_nothing_and_what_begins_there_goes_on_elsewhere(
    app: Flask, client: FlaskClient, person: Person, monkeypatch: pytest.MonkeyPatch, ahead: timedelta
) -> None:
    begun_here, begun_there = client, app.test_client()
    sign_in(begun_here, person)
    with app.app_context():
        known = replace(sealing.sealer(), ahead=-ahead)
    with monkeypatch.context() as there:
        there.setattr(sealing, "_sealer", lambda: known)
        there.setattr("runtime.clock._shift", ahead)
        assert is_signed_in(begun_here)
        with app.app_context():
            prune_signin()
        sign_in(begun_there, person)
        assert is_signed_in(begun_there)
        assert begun_there.get("/account/devices", headers=BROWSER).text.count('name="device"') == 1, "the other of the two can be ended there"
    assert is_signed_in(begun_here)
    assert is_signed_in(begun_there)
