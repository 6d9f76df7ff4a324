"""How many statements a request costs, so that none comes in unseen."""

import re
from collections.abc import Iterator
from datetime import timedelta

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import event

from runtime.clock import shifted
from runtime.database import engine
from tests.idp.signin.test_devices import another_browser
from tests.world_people import BROWSER, PASSWORD, Person, citizen_number, csrf_token, sign_in

ACT = re.compile(r"^(SELECT|INSERT INTO|UPDATE|DELETE FROM)\b(?:.*?\bFROM\b)?\s+(\w+)", re.DOTALL)

IN_A_KNOWN_BROWSER, IN_A_NEW_BROWSER = 16, 19
MINE = ("known_browsers", "throttle_buckets", "place_ranges", "signin_sessions")


class Heard(list[str]):
    """The statements that were sent, each as its verb and its table."""

    def hear(self, *given: object) -> None:
        found = ACT.match(str(given[2]))
        self.append(f"{found[1].split()[0].lower()} {found[2]}" if found else str(given[2])[:60])


@pytest.fixture
def heard(app: Flask) -> Iterator[Heard]:
    heard = Heard()
    with app.app_context():
        connected = engine()
    event.listen(connected, "before_cursor_execute", heard.hear)
    yield heard
    event.remove(connected, "before_cursor_execute", heard.hear)


def post_password(client: FlaskClient, person: Person, heard: Heard, password: str = PASSWORD) -> list[str]:
    token = csrf_token(client.get("/signin", headers=BROWSER).text)
    heard.clear()
    client.post("/signin", data={"csrf_token": token, "number": person.number, "password": password}, headers=BROWSER)
    return list(heard)


def test_a_sign_in_in_a_known_browser(client: FlaskClient, person: Person, heard: Heard) -> None:
    sign_in(client, person)
    client.delete_cookie("kabao_session")
    spent = post_password(client, person, heard)
    assert len(spent) <= IN_A_KNOWN_BROWSER, spent
    assert [one for one in spent if one.endswith(MINE)] == [
        "select known_browsers",
        "insert throttle_buckets",
        "insert throttle_buckets",
        "select place_ranges",
        "select known_browsers",
        "update known_browsers",
        "insert signin_sessions",
    ]


def test_a_sign_in_in_a_new_browser_costs_what_telling_the_person_does(app: Flask, client: FlaskClient, person: Person, heard: Heard) -> None:
    sign_in(client, person)
    with shifted(timedelta(seconds=5)):
        spent = post_password(another_browser(app), person, heard)
    assert len(spent) <= IN_A_NEW_BROWSER, spent
    assert {"insert signin_alarms", "insert notices", "insert known_browsers"} <= set(spent)


def test_a_wrong_password_and_an_unknown_number_cost_the_same(app: Flask, person: Person, heard: Heard) -> None:
    wrong = post_password(another_browser(app), person, heard, password="not this one")
    assert len(wrong) == 2
    assert wrong[1] == "insert throttle_buckets"
    assert post_password(another_browser(app), Person(citizen_number(), "某某"), heard, password="not this one") == wrong


def test_being_signed_in_is_one_look(client: FlaskClient, person: Person, heard: Heard) -> None:
    sign_in(client, person)
    heard.clear()
    client.get("/signin/scan/state", headers=BROWSER)
    assert heard == []
    client.get("/account/devices", headers=BROWSER)
    assert heard[0] == "select signin_sessions"
    assert heard.count("select signin_sessions") == 2  # the guard's, and the list that the page shows
