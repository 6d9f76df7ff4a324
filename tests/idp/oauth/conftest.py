"""A person with an account, signed in, and a portal."""

import secrets

import pytest
from flask import Flask
from flask.testing import FlaskClient

from runtime.database import transaction
from tests.idp.oauth.journeys import signed_in_browser
from tests.world_clients import System, new_portal
from tests.world_people import Person, new_person, open_account

SCOPES = ("openid", "profile", "number", "licences", "offline_access")


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    """A browser with an address of its own: sign-ins from one address are throttled."""
    browser = app.test_client()
    browser.environ_base["REMOTE_ADDR"] = f"10.{secrets.randbelow(256)}.{secrets.randbelow(256)}.{secrets.randbelow(256)}"
    return browser


@pytest.fixture
def person(app: Flask) -> Person:
    with app.app_context(), transaction() as session:
        person = new_person(session)
        open_account(session, person)
    return person


@pytest.fixture
def portal(app: Flask) -> System:
    with app.app_context(), transaction() as session:
        return new_portal(session, scopes=SCOPES)


@pytest.fixture
def browser(client: FlaskClient, person: Person) -> FlaskClient:
    return signed_in_browser(client, person)
