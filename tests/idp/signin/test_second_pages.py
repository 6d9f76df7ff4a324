import re
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from flask import Flask
from flask.testing import FlaskClient

from idp.signin import recovery_codes, totp
from idp.signin.one_time_codes import TRIES
from idp.signin.sessions import SigninSession
from runtime import clock
from runtime.clock import now
from runtime.database import transaction
from tests.idp.signin.proofs_at_hand import app_shows, code_that_reached, enrol, press, reach, subject_of
from tests.idp.signin.recovering import told_kinds
from tests.idp.signin.test_one_time_codes import another
from tests.idp.signin.test_signin_pages import ELSEWHERE
from tests.world_people import BROWSER, PASSWORD, Person, csrf_token, post_form, sign_in

SECOND = "/signin/second"


def amr_of(app: Flask, client: FlaskClient) -> list[str]:
    """Return what the session of a browser stands on."""
    import base64
    from uuid import UUID

    cookie = client.get_cookie("kabao_session")
    assert cookie is not None
    session_id = UUID(bytes=base64.urlsafe_b64decode(cookie.value + "==")[:16])
    with app.app_context(), transaction() as session:
        return session.get_one(SigninSession, session_id).amr


def test_who_has_an_authenticator_is_asked_for_a_second_step(app: Flask, client: FlaskClient, person: Person) -> None:
    secret = enrol(app, person)
    answer = sign_in(client, person, next="/account?x=1")
    assert (answer.status_code, answer.location) == (303, "/signin/second?next=/account?x%3D1")
    assert client.get_cookie("kabao_session") is None
    assert client.get("/account", headers=BROWSER).status_code == 303
    answer = press(client, SECOND, form_at=answer.location, code=app_shows(secret), next="/account?x=1")
    assert (answer.status_code, answer.location) == (303, "/account?x=1")
    assert amr_of(app, client) == ["pwd", "otp", "mfa"]
    assert client.get_cookie("kabao_waiting") is None


def test_who_has_none_is_let_in_by_the_password(app: Flask, client: FlaskClient, person: Person) -> None:
    reach(app, person, "13800138000")
    assert sign_in(client, person).location == "/wallet"


def test_a_wrong_code_lets_nobody_in_and_the_right_one_still_does(app: Flask, client: FlaskClient, person: Person) -> None:
    secret = enrol(app, person)
    at = sign_in(client, person).location
    answer = press(client, SECOND, form_at=at, code="000000" if app_shows(secret) != "000000" else "111111")
    assert answer.status_code == 422
    assert "验证未通过" in answer.text
    assert 'href="/recover#way-counter"' in answer.text, "whoever has lost every way is led to the one that is left"
    assert client.get_cookie("kabao_session") is None
    assert press(client, SECOND, form_at=at, code=app_shows(secret)).status_code == 303


def test_the_password_is_no_second_step_after_the_password(app: Flask, client: FlaskClient, person: Person) -> None:
    enrol(app, person)
    at = sign_in(client, person).location
    assert "用密码" not in client.get(at, headers=BROWSER).text
    assert press(client, SECOND, form_at=at, way="password", password="whatever it is").status_code == 422


def test_a_code_by_sms_takes_the_step_and_goes_to_a_masked_number(app: Flask, client: FlaskClient, person: Person) -> None:
    enrol(app, person)
    contact = reach(app, person, "13800138000")
    at = sign_in(client, person).location
    page = client.get(at, headers=BROWSER).text
    assert "138****8000" in page
    assert "13800138000" not in page
    assert press(client, SECOND + "/send", form_at=at, contact=str(contact)).status_code == 303
    answer = press(client, SECOND, form_at=at, way="sms", code=code_that_reached(app, contact))
    assert answer.status_code == 303
    assert amr_of(app, client) == ["pwd", "sms", "mfa"]


def test_a_code_by_mail_takes_the_step_and_is_no_second_factor(app: Flask, client: FlaskClient, person: Person) -> None:
    enrol(app, person)
    contact = reach(app, person, "someone@example.cn")
    at = sign_in(client, person).location
    press(client, SECOND + "/send", form_at=at, contact=str(contact))
    assert press(client, SECOND, form_at=at, way="email", code=code_that_reached(app, contact)).status_code == 303
    assert amr_of(app, client) == ["pwd", "email"]


def test_a_code_goes_to_ones_own_address_alone(app: Flask, client: FlaskClient, person: Person, newcomer: Person) -> None:
    from tests.world_people import open_account

    with app.app_context(), transaction() as session:
        open_account(session, newcomer)
    enrol(app, person)
    others = reach(app, newcomer, "13900139000")
    at = sign_in(client, person).location
    press(client, SECOND + "/send", form_at=at, contact=str(others))
    with pytest.raises(AssertionError):
        code_that_reached(app, others)


def test_a_recovery_code_takes_the_step_once_and_its_use_is_told(app: Flask, client: FlaskClient, person: Person) -> None:
    enrol(app, person)
    with app.app_context(), transaction() as session:
        code = recovery_codes.make(session, subject_of(app, person), now=now())[0]
    at = sign_in(client, person).location
    assert press(client, SECOND, form_at=at, way="recovery", code=code.lower()).status_code == 303
    assert "还剩 9 个" in client.get("/account/notices", headers=BROWSER).text
    other = app.test_client()
    at = sign_in(other, person).location
    assert press(other, SECOND, form_at=at, way="recovery", code=code).status_code == 422


def test_the_step_is_bound_to_the_browser_and_over_after_five_minutes(app: Flask, client: FlaskClient, person: Person) -> None:
    secret = enrol(app, person)
    at = sign_in(client, person).location
    stranger = app.test_client()
    assert stranger.get(at, headers=BROWSER).location.startswith("/signin?")
    with clock.shifted(timedelta(minutes=5)):
        assert client.get(at, headers=BROWSER).location.startswith("/signin?")
    token = csrf_token(client.get(at, headers=BROWSER).text)
    with clock.shifted(timedelta(minutes=5)):
        answer = client.post(SECOND, data={"csrf_token": token, "code": app_shows(secret)}, headers=BROWSER)
        assert answer.location.startswith("/signin?")


def test_of_ten_who_finish_one_sign_in_at_once_one_is_let_in(app: Flask, client: FlaskClient, person: Person) -> None:
    enrol(app, person)
    with app.app_context(), transaction() as session:
        codes = recovery_codes.make(session, subject_of(app, person), now=now())
    at = sign_in(client, person).location
    page = client.get(at, headers=BROWSER).text
    cookies = {name: client.get_cookie(name).value for name in ("kabao_waiting", "kabao_form")}  # type: ignore[union-attr]

    def finish(code: str) -> int:
        browser = app.test_client()
        browser.environ_base["REMOTE_ADDR"] = client.environ_base["REMOTE_ADDR"]
        for name, value in cookies.items():
            browser.set_cookie(name, value)
        return browser.post(SECOND, data={"csrf_token": csrf_token(page), "way": "recovery", "code": code}, headers=BROWSER).status_code

    with ThreadPoolExecutor(5) as threads:
        answers = list(threads.map(finish, codes[:5]))
    assert answers.count(303) >= 1
    with app.app_context(), transaction() as session:
        from sqlalchemy import func, select

        mine = select(func.count()).select_from(SigninSession).where(SigninSession.subject_id == subject_of(app, person))
        assert session.scalars(mine).one() == 1


def test_a_trusted_browser_is_asked_no_second_time_until_it_is_trusted_no_longer(app: Flask, client: FlaskClient, person: Person) -> None:
    secret = enrol(app, person)
    at = sign_in(client, person).location
    assert press(client, SECOND, form_at=at, code=app_shows(secret), trust="y").status_code == 303
    assert sign_in(client, person).location == "/wallet"
    assert sign_in(app.test_client(), person).location.startswith(SECOND)
    page = client.get("/account/ways", headers=BROWSER).text
    end = re.search(r"/account/ways/browsers/[0-9a-f-]+/end", page)
    assert end is not None
    assert press(client, end[0], form_at="/account/ways").status_code == 303
    assert sign_in(client, person).location.startswith(SECOND)


def test_trust_is_over_after_thirty_days(app: Flask, client: FlaskClient, person: Person) -> None:
    secret = enrol(app, person)
    at = sign_in(client, person).location
    press(client, SECOND, form_at=at, code=app_shows(secret), trust="y")
    with clock.shifted(timedelta(days=31)):
        assert sign_in(client, person).location.startswith(SECOND)


def test_no_browser_is_trusted_unasked(app: Flask, client: FlaskClient, person: Person) -> None:
    secret = enrol(app, person)
    at = sign_in(client, person).location
    press(client, SECOND, form_at=at, code=app_shows(secret))
    assert client.get_cookie("kabao_trusted") is None
    assert sign_in(client, person).location.startswith(SECOND)


def test_the_cookies_are_bound_to_the_host_over_https(app: Flask, https_client: FlaskClient, person: Person) -> None:
    enrol(app, person)
    answer = sign_in(https_client, person)
    (cookie,) = [value for value in answer.headers.getlist("Set-Cookie") if "waiting" in value]
    assert cookie.startswith("__Host-kabao_waiting=")
    for flag in ("Secure", "HttpOnly", "SameSite=Lax", "Path=/", "Max-Age=300"):
        assert flag in cookie


@pytest.mark.parametrize("goal", ELSEWHERE[:6])
def test_the_second_step_never_leads_elsewhere(app: Flask, client: FlaskClient, person: Person, goal: str) -> None:
    secret = enrol(app, person)
    at = sign_in(client, person).location
    assert press(client, SECOND, form_at=at, code=app_shows(secret), next=goal).location == "/wallet"


def test_guesses_are_slowed(app: Flask, client: FlaskClient, person: Person) -> None:
    enrol(app, person)
    at = sign_in(client, person).location
    answers = [press(client, SECOND, form_at=at, code=f"00000{guess}").status_code for guess in range(8)]
    assert answers[0] == 422
    assert answers[-2:] == [429, 429]
    told = told_kinds(app, subject_of(app, person))
    assert told.count("second-step-guessed") == 1, "whoever gives the password and no second step knows it: its owner hears of that, once a day"


def test_a_removed_authenticator_asks_for_nothing(app: Flask, client: FlaskClient, person: Person) -> None:
    enrol(app, person)
    with app.app_context(), transaction() as session:
        (only,) = totp.of(session, subject_of(app, person))
        totp.remove(session, only.subject_id, only.id, now=now())
    assert sign_in(client, person).location == "/wallet"


def test_each_form_wants_its_token(app: Flask, client: FlaskClient, person: Person) -> None:
    secret = enrol(app, person)
    sign_in(client, person)
    assert client.post(SECOND, data={"code": app_shows(secret)}, headers=BROWSER).status_code == 400
    assert client.post(SECOND + "/send", data={}, headers=BROWSER).status_code == 400
    assert post_form(client, SECOND, {"code": app_shows(secret)}).status_code == 303


def test_a_sign_in_that_waits_ends_when_the_password_is_changed(app: Flask, client: FlaskClient, person: Person) -> None:
    sign_in(client, person)
    secret = enrol(app, person)
    thief = app.test_client()
    at = sign_in(thief, person).location
    step_up = "/signin/step-up?aal=2"
    press(client, step_up, form_at=step_up, code=app_shows(secret))
    changed = {"present": PASSWORD, "password": "另一个口令 another one"}
    assert post_form(client, "/account/ways/password", changed).location == "/account/ways"
    assert thief.get(at, headers=BROWSER).location.startswith("/signin?")


def test_a_sent_code_that_is_late_is_not_taken_for_one_of_another_way(app: Flask, client: FlaskClient, person: Person) -> None:
    contact = reach(app, person, "13800138000")
    enrol(app, person)
    at = sign_in(client, person).location
    press(client, SECOND + "/send", form_at=at, contact=str(contact))
    code = code_that_reached(app, contact)
    sent = {"csrf_token": csrf_token(client.get(at, headers=BROWSER).text), "way": "sms", "code": code}
    press(client, SECOND + "/send", form_at=at, contact=str(contact))
    wrong = [client.post(SECOND, data={**sent, "code": another(code_that_reached(app, contact))}, headers=BROWSER).text for _ in range(TRIES)]
    assert ["验证码已失效" in page for page in wrong] == [False] * 4 + [True]
    late = client.post(SECOND, data=sent, headers=BROWSER)
    assert (late.status_code, "验证码已失效，请重新获取" in late.text, "验证未通过" in late.text) == (422, True, False)
    assert f'id="send-{contact}"' in late.text, "where another is asked for"
    press(client, SECOND + "/send", form_at=at, contact=str(contact))
    assert client.post(SECOND, data={**sent, "code": code_that_reached(app, contact)}, headers=BROWSER).status_code == 303
