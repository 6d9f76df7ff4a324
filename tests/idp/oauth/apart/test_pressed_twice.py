"""Without JavaScript a button is pressed twice as easily as once: the second press leads where the first led, and says nothing new."""

import pytest
from flask import Flask
from flask.testing import FlaskClient

from tests.idp.oauth.apart.steps import Counter, Terminal, fresh_browser, inbox_of, press, type_code
from tests.world_people import BROWSER, Person, csrf_token

PRESSED = pytest.mark.parametrize(("pressed", "word"), [("approve", "已同意"), ("refuse", "已拒绝"), ("report", "感谢举报")])


@PRESSED
def test_whoever_answers_a_device_twice_lands_where_the_first_press_led(terminal: Terminal, browser: FlaskClient, pressed: str, word: str) -> None:
    codes = terminal.codes()
    type_code(browser, codes["user_code"])
    page = browser.get("/device/request", headers=BROWSER)
    for _ in range(2):
        answered = press(browser, page, pressed)
        assert (answered.status_code, word in answered.text) == (200, True)
    for other in {"approve", "refuse", "report"} - {pressed}:
        assert press(browser, page, other).status_code == 410
    assert press(browser, page, pressed, code="BCDF-GHJK").status_code == 410, "of another device's page"


@PRESSED
def test_whoever_answers_a_counter_twice_lands_where_the_first_press_led(
    app: Flask, counter: Counter, browser: FlaskClient, person: Person, pressed: str, word: str
) -> None:
    counter.asked(login_hint=person.number)
    (path,) = inbox_of(browser)
    page = browser.get(path, headers=BROWSER)
    for _ in range(2):
        answered = press(browser, page, pressed)
        assert (answered.status_code, word in answered.text) == (200, True)
    for another in {"approve", "refuse", "report"} - {pressed}:
        assert press(browser, page, another).status_code == 410
    other = fresh_browser(app, person)
    data = {"csrf_token": csrf_token(other.get("/device", headers=BROWSER).text), "answer": pressed}
    assert other.post(path, data=data, headers=BROWSER).status_code == 410, "in another session"
