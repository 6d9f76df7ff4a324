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
from tests.world_people import Person, new_person, open_account
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
