"""Fresh people for each test of signing in."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest
from flask import Flask
from flask.testing import FlaskClient

from runtime import clock
from runtime.database import transaction
from runtime.settings import Settings
from tests.authenticator import Authenticator
from tests.world_passkeys import ORIGIN, add_passkey
from tests.world_people import Person, new_person, open_account, sign_in
from wsgi import create_app


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


@pytest.fixture
def https_app(app: Flask, settings: Settings) -> Iterator[Flask]:
    """The application at an HTTPS address."""
    served = create_app(replace(settings, public_url="https://id.example.gov.cn"))
    served.config["TESTING"] = True
    yield served
    served.extensions["kabao_cache"].stop()
    served.extensions["kabao_engine"].dispose()


@pytest.fixture
def https_client(https_app: Flask) -> FlaskClient:
    """A browser at the HTTPS address."""
    client = https_app.test_client()
    client.environ_base["wsgi.url_scheme"] = "https"
    return client


@pytest.fixture(scope="session")
def named_app(app: Flask, settings: Settings) -> Iterator[Flask]:
    """The application at a name, where browsers allow passkeys."""
    served = create_app(replace(settings, public_url="http://localhost:8000"))
    served.config["TESTING"] = True
    yield served
    served.extensions["kabao_cache"].stop()
    served.extensions["kabao_engine"].dispose()


@pytest.fixture
def device() -> Authenticator:
    """A device at the service's name, with no passkey yet."""
    return Authenticator(ORIGIN)


@pytest.fixture
def browser(named_app: Flask) -> FlaskClient:
    """A browser at the service's name."""
    client = named_app.test_client()
    client.environ_base["REMOTE_ADDR"] = fresh_address()
    return client


@pytest.fixture
def owner(browser: FlaskClient, person: Person, device: Authenticator) -> Person:
    """A person who is signed in in the browser and has a passkey on the device."""
    sign_in(browser, person)
    assert add_passkey(browser, device, name="我的手机").status_code == 200
    return person


@pytest.fixture(autouse=True)
def quiet_address(client: FlaskClient) -> Iterator[None]:
    """Give each test an address of its own, so that no test fills another's buckets."""
    client.environ_base["REMOTE_ADDR"] = fresh_address()
    yield
    assert clock._shift == timedelta(0)


def fresh_address() -> str:
    """Return an address of a documentation network (RFC 5737, RFC 3849) that no test had."""
    from tests.world_people import counter

    return f"2001:db8:{next(counter) >> 16 & 0xFFFF:x}:{next(counter) & 0xFFFF:x}::1"
