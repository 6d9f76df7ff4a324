import pytest
from flask import Flask
from flask.testing import FlaskClient

from runtime.database import transaction
from tests.world_people import BROWSER, PASSWORD, Person, new_person, open_account, post_form, sign_in


@pytest.fixture
def person(app: Flask) -> Person:
    """Someone with an account."""
    with app.app_context(), transaction() as session:
        person = new_person(session)
        open_account(session, person)
    return person


@pytest.fixture
def newcomer(app: Flask) -> Person:
    """Someone whom the registry knows, without an account."""
    with app.app_context(), transaction() as session:
        return new_person(session)


def test_a_person_registers_and_is_signed_in(client: FlaskClient, newcomer: Person) -> None:
    answer = post_form(client, "/account/new", {"number": newcomer.number, "name": newcomer.name, "password": PASSWORD})
    assert (answer.status_code, answer.location) == (303, "/wallet")
    page = client.get("/account", headers=BROWSER)
    assert page.status_code == 200
    assert newcomer.name in page.text
    assert newcomer.number not in page.text


def test_a_person_signs_in_and_out(client: FlaskClient, person: Person) -> None:
    assert sign_in(client, person, next="/account?x=1").location == "/account?x=1"
    assert client.get("/account", headers=BROWSER).status_code == 200
    assert post_form(client, "/signout", {}, form_at="/account").location == "/signin"
    answer = client.get("/account", headers=BROWSER)
    assert (answer.status_code, answer.location) == (303, "/signin?next=/account")
    assert client.get("/account", headers={"Accept": "application/json"}).status_code == 401
