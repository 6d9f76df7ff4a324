from datetime import timedelta

import pyotp
import pytest
from flask import Flask
from flask.testing import FlaskClient

from idp.signin import accounts, contacts
from runtime import clock
from runtime.clock import now
from runtime.database import transaction
from tests.idp.signin.proofs_at_hand import app_shows, code_that_reached, enrol, press, reach, subject_of
from tests.idp.signin.test_signin_pages import ELSEWHERE
from tests.world_people import BROWSER, PASSWORD, Person, post_form, sign_in

STEP_UP = "/signin/step-up?aal=1&next=/account?x=1"


def test_a_fresh_proof_leads_on_to_where_one_was_and_changes_the_token(client: FlaskClient, person: Person) -> None:
    sign_in(client, person)
    before = client.get_cookie("kabao_session")
    with clock.shifted(timedelta(minutes=5)):
        page = client.get(STEP_UP, headers=BROWSER)
        assert person.number[-4:] in page.text
        assert person.number not in page.text
        answer = post_form(client, STEP_UP, {"password": PASSWORD, "next": "/account?x=1"})
        assert (answer.status_code, answer.location) == (303, "/account?x=1")
        after = client.get_cookie("kabao_session")
        assert before is not None
        assert after is not None
        assert before.value != after.value
        client.set_cookie("kabao_session", before.value)
        assert client.get("/account", headers=BROWSER).status_code == 303


def test_whoever_lost_what_is_asked_for_is_led_to_the_counter(app: Flask, client: FlaskClient, person: Person) -> None:
    """Of an operator whose authenticator is gone nothing else is asked here, and nothing else can be added without it."""
    sign_in(client, person)
    enrol(app, person)
    page = client.get("/signin/step-up?aal=2&next=/admin", headers=BROWSER).text
    assert 'id="lost" href="/recover#way-counter"' in page
    assert 'id="another-account"' in page
    assert 'id="way-counter"' in client.get("/recover", headers=BROWSER).text


def test_another_password_raises_nothing(client: FlaskClient, person: Person) -> None:
    sign_in(client, person)
    before = client.get_cookie("kabao_session")
    answer = post_form(client, STEP_UP, {"password": "not this one"})
    assert answer.status_code == 422
    assert client.get_cookie("kabao_session") == before


def test_guesses_at_the_present_password_are_slowed_where_it_is_changed(client: FlaskClient, person: Person) -> None:
    sign_in(client, person)
    guess = {"present": "not this one", "password": "黄河入海流 battery staple"}
    answers = [post_form(client, "/account/ways/password", guess).status_code for _ in range(10)]
    assert (answers[0], answers[-1]) == (422, 429)


def test_a_password_that_is_void_raises_nothing(app: Flask, client: FlaskClient, person: Person) -> None:
    sign_in(client, person)
    with app.app_context(), transaction() as session:
        accounts.void_password(session, subject_of(app, person), now=now())
    assert post_form(client, STEP_UP, {"password": PASSWORD}).status_code == 422


@pytest.mark.parametrize("goal", ELSEWHERE)
def test_a_step_up_never_leads_elsewhere(client: FlaskClient, person: Person, goal: str) -> None:
    sign_in(client, person)
    assert post_form(client, STEP_UP, {"password": PASSWORD, "next": goal}).location == "/wallet"


def test_a_step_up_needs_someone_signed_in_and_the_forms_token(client: FlaskClient, person: Person) -> None:
    assert client.get(STEP_UP, headers=BROWSER).location == "/signin?next=/signin/step-up?aal%3D1%26next%3D/account?x%3D1"
    sign_in(client, person)
    assert client.post("/signin/step-up", data={"password": PASSWORD}, headers=BROWSER).status_code == 400


def test_a_session_of_two_factors_is_not_made_fresh_by_the_password_or_a_mailbox(app: Flask, client: FlaskClient, person: Person) -> None:
    secret = enrol(app, person)
    mailbox = reach(app, person, "someone@example.cn")
    at = sign_in(client, person).location
    press(client, "/signin/second", form_at=at, code=app_shows(secret))
    with clock.shifted(timedelta(minutes=11)):
        press(client, STEP_UP, form_at=STEP_UP, way="password", password=PASSWORD)
        press(client, "/signin/step-up/send?aal=1", form_at=STEP_UP, contact=str(mailbox))
        with pytest.raises(AssertionError):
            code_that_reached(app, mailbox)
        assert client.get("/account/close", headers=BROWSER).location.startswith("/signin/step-up?aal=2")
        assert press(client, STEP_UP, form_at=STEP_UP, way="totp", code=pyotp.TOTP(secret).at(now())).status_code == 303
        assert client.get("/account/close", headers=BROWSER).status_code == 200


def test_who_has_nothing_held_left_keeps_a_session_fresh_by_the_password(app: Flask, client: FlaskClient, person: Person) -> None:
    mobile = reach(app, person, "13800138000")
    sign_in(client, person)
    two = "/signin/step-up?aal=2"
    press(client, "/signin/step-up/send?aal=2", form_at=two, contact=str(mobile))
    assert press(client, two, form_at=two, way="sms", code=code_that_reached(app, mobile)).status_code == 303
    with app.app_context(), transaction() as session:
        contacts.remove(session, subject_of(app, person), mobile, now=now())
    with clock.shifted(timedelta(minutes=11)):
        assert post_form(client, STEP_UP, {"way": "password", "password": PASSWORD}).status_code == 303
        assert client.get("/account/ways/contacts/new", headers=BROWSER).status_code == 200


@pytest.mark.parametrize("path", ["/account/ways/contacts/new", "/account/ways/totp/new", "/account/ways/password", "/account/ways/recovery-codes"])
def test_the_password_alone_adds_nothing_to_an_account_with_a_verified_mobile(app: Flask, client: FlaskClient, person: Person, path: str) -> None:
    reach(app, person, "13800138000")
    sign_in(client, person)
    assert client.get(path, headers=BROWSER).location.startswith("/signin/step-up?aal=2")


def test_a_right_password_gives_no_further_guesses_of_a_code(app: Flask, client: FlaskClient, person: Person) -> None:
    sign_in(client, person)
    enrol(app, person)
    answers = []
    for _ in range(4):
        answers += [press(client, STEP_UP, form_at=STEP_UP, way="totp", code="none").status_code for _ in range(5)]
        press(client, STEP_UP, form_at=STEP_UP, way="password", password=PASSWORD)
    assert answers[-5:] == [429] * 5
