"""Clients that ask people who are at another device, and a terminal and a counter that do."""

from uuid import UUID

import pytest
from flask import Flask
from flask.testing import FlaskClient

from idp.oauth import clients
from idp.oauth.clients import CIBA, DEVICE_CODE, REFRESH_TOKEN
from idp.subjects import directory
from idp.subjects.numbers import parse_number
from runtime.clock import now
from runtime.database import transaction
from runtime.languages import Text
from tests.idp.oauth.apart.steps import SCOPES, Counter, Terminal
from tests.idp.oauth.conftest import browser as browser
from tests.idp.oauth.conftest import client as client
from tests.idp.oauth.conftest import person as person
from tests.world_clients import System, new_portal
from tests.world_people import Person


@pytest.fixture
def terminal(app: Flask) -> Terminal:
    """A terminal of a hall, with a key of its own."""
    with app.app_context(), transaction() as session:
        system = new_portal(
            session, scopes=SCOPES, redirect_uris=[], grant_types=[DEVICE_CODE, REFRESH_TOKEN], name=Text("办事大厅自助终端", "Hall terminal")
        )
    return Terminal(app.test_client(), system)


@pytest.fixture
def public_terminal(app: Flask) -> Terminal:
    """A client that proves nothing, such as a program on a television."""
    with app.app_context(), transaction() as session:
        client_id = new_portal(session).client_id + "-tv"
        clients.register_client(
            session,
            client_id=client_id,
            name=Text("电视应用", "Television"),
            owner="11379999000000035T",
            auth_method=clients.NONE,
            grant_types=[DEVICE_CODE, REFRESH_TOKEN],
            scopes=["openid", "profile", "offline_access"],
            now=now(),
        )
    return Terminal(app.test_client(), System(client_id, None), is_public=True)  # type: ignore[arg-type]


@pytest.fixture
def counter(app: Flask) -> Counter:
    """A counter that asks by the back channel and polls."""
    with app.app_context(), transaction() as session:
        system = new_portal(
            session,
            scopes=SCOPES,
            redirect_uris=[],
            grant_types=[CIBA, REFRESH_TOKEN],
            metadata={"backchannel_token_delivery_mode": "poll"},
            name=Text("综合受理窗口", "Service counter"),
        )
    return Counter(app.test_client(), system)


@pytest.fixture
def other_browser(app: Flask) -> FlaskClient:
    return app.test_client()


@pytest.fixture
def person_id(app: Flask, person: Person) -> UUID:
    with app.app_context(), transaction() as session:
        subject = directory.find_subject(session, parse_number(person.number))
        assert subject is not None
        return subject.id
