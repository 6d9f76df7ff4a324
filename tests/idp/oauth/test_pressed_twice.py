"""The button of a consent page pressed twice, for a request that is kept here: the second press goes on as the first would have."""

from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import update

from idp.oauth.codes import AuthorizationCode
from idp.oauth.requests.pushed import PRESSED_WITHIN, KeptRequest
from runtime.database import transaction
from tests.idp.oauth.journeys import Journey, answer_consent, answer_of, signed_in_browser
from tests.idp.oauth.pushing import bring, pushed_uri
from tests.world_clients import System
from tests.world_people import Person, new_person, open_account


def another(app: Flask) -> Person:
    with app.app_context(), transaction() as session:
        person = new_person(session)
        open_account(session, person)
    return person


def test_the_second_code_takes_the_place_of_the_first(browser: FlaskClient, portal: System) -> None:
    journey = Journey(portal, scope="openid number")
    page = bring(browser, portal, pushed_uri(browser, journey))
    answers = [answer_of(answer_consent(browser, page)) for _ in range(3)]
    assert {answer["state"] for answer in answers} == {journey.parameters()["state"]}
    assert [journey.exchange(browser, answer["code"]).status_code for answer in answers] == [400, 400, 200]


def test_once_the_code_was_redeemed_there_is_no_other(browser: FlaskClient, portal: System) -> None:
    journey = Journey(portal, scope="openid number")
    page = bring(browser, portal, pushed_uri(browser, journey))
    assert journey.exchange(browser, answer_of(answer_consent(browser, page))["code"]).status_code == 200
    late = answer_consent(browser, page)
    assert (late.status_code, "Location" in late.headers) == (400, False)
    assert "这次登录请求已经处理过了" in late.text


def test_a_refusal_is_told_again_and_neither_answer_takes_the_place_of_the_other(browser: FlaskClient, portal: System) -> None:
    journey = Journey(portal, scope="openid number")
    refused = bring(browser, portal, pushed_uri(browser, journey))
    answers = [answer_of(answer_consent(browser, refused, "refuse"))["error"] for _ in range(2)]
    assert answers == ["access_denied"] * 2
    assert answer_consent(browser, refused).status_code == 400
    approved = bring(browser, portal, pushed_uri(browser, journey))
    code = answer_of(answer_consent(browser, approved))["code"]
    assert answer_consent(browser, approved, "refuse").status_code == 400
    assert journey.exchange(browser, code).status_code == 200


def test_another_person_s_press_takes_nothing_s_place(app: Flask, browser: FlaskClient, portal: System) -> None:
    journey = Journey(portal, scope="openid number")
    page = bring(browser, portal, pushed_uri(browser, journey))
    other = signed_in_browser(app.test_client(), another(app))
    code = answer_of(answer_consent(browser, page))["code"]
    assert answer_consent(other, page).status_code != 303
    assert journey.exchange(browser, code).status_code == 200


def test_what_comes_later_is_no_second_press(app: Flask, browser: FlaskClient, portal: System) -> None:
    journey = Journey(portal, scope="openid number")
    page = bring(browser, portal, pushed_uri(browser, journey))
    assert "code" in answer_of(answer_consent(browser, page))
    with app.app_context(), transaction() as session:
        for column in (KeptRequest.spent_at, AuthorizationCode.issued_at):
            session.execute(update(column.class_).values({column.key: column - PRESSED_WITHIN}), execution_options={"synchronize_session": False})
    assert answer_consent(browser, page).status_code == 400
