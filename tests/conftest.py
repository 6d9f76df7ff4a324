"""What every test stands on: a real PostgreSQL, one database a test process, and the whole application upon it.

Rows are not cleared between tests; each test invents its own people, as the world does.
"""

import functools
import gc
import os
import re
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest
from argon2 import PasswordHasher
from flask import Flask
from flask.testing import FlaskClient
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings
from pytest_rerunfailures import StatusDB
from sqlalchemy import delete
from sqlalchemy.orm import Session

from demo import postgres
from idp.signals import streams
from idp.signin import passwords
from keys.init import init_keys
from runtime.clock import now
from runtime.database import transaction
from runtime.settings import Settings
from tests import schema
from wsgi import create_app

ROOT = Path(__file__).parent.parent
MASTER_KEY = bytes(range(7, 39))
CHEAP = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)  # the algorithm is the same, and a hash says by what it was made
hypothesis_settings.register_profile("kabao", deadline=None, suppress_health_check=[HealthCheck.too_slow])  # a busy machine is no fault
hypothesis_settings.load_profile("kabao")
APP = pytest.StashKey[Flask]()
DEAR = ("slow", "browser", "interop")
COMPETING = re.compile(r"\b(Barrier|ThreadPoolExecutor|at_once|race)\(")


@pytest.hookimpl(trylast=True)
def pytest_configure(config: pytest.Config) -> None:
    """Let each worker count its second chances itself: to ask about every test over a socket is for workers that die, which is a finding, too."""
    if hasattr(config, "workerinput"):
        config.failures_db = StatusDB()  # type: ignore[attr-defined]


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Look for no garbage while tests are collected, nor among them later: there are many thousands, all stay, and each look takes a second."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put files that take long first, so that no worker is left alone with one at the end.

    And give no second chance where many compete, not even if the command line gives one to what merely waits: a race lost once is a finding.
    """
    items.sort(key=lambda item: not any(map(item.parent.get_closest_marker, DEAR)))
    for item in items:
        if _is_race(item.path) and not item.get_closest_marker("browser"):
            item.add_marker(pytest.mark.flaky(reruns=0))


@functools.cache
def _is_race(path: Path) -> bool:
    return COMPETING.search(path.read_text()) is not None


@pytest.fixture(scope="session", autouse=True)
def cheap_hashes() -> Iterator[PasswordHasher]:
    """Hash the passwords of invented people at little cost; returns what hashes them in production, as processes of their own do in tests, too."""
    real, passwords.hasher = passwords.hasher, CHEAP
    yield real
    passwords.hasher = real


@pytest.fixture
def real_hashes(cheap_hashes: PasswordHasher, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Hash passwords as in production, for a test of what a hash is or of how long an answer takes."""
    monkeypatch.setattr(passwords, "hasher", cheap_hashes)
    passwords._nobodys.cache_clear()
    yield
    passwords._nobodys.cache_clear()


@pytest.fixture(scope="session")
def server() -> Iterator[postgres.PostgresServer]:
    """The embedded PostgreSQL of the tests."""
    return postgres.start(ROOT / "var" / "test-postgres", durable=False)


@pytest.fixture(scope="session")
def database_url(server: postgres.PostgresServer) -> str:
    """A fresh, migrated database for this test process."""
    return schema.create(server, "test_" + os.environ.get("PYTEST_XDIST_WORKER", "main"))


@pytest.fixture(scope="session")
def settings(database_url: str) -> Settings:
    return Settings(database_url=database_url, master_key=MASTER_KEY, development=True)


@pytest.fixture(scope="session")
def app(settings: Settings, request: pytest.FixtureRequest) -> Iterator[Flask]:
    """The whole application, with its first keys made."""
    app = request.config.stash[APP] = create_app(settings)
    app.config["TESTING"] = True
    with app.app_context(), transaction() as session:
        init_keys(session, settings, now=now())
    yield app
    app.extensions["kabao_cache"].stop()
    app.extensions["kabao_engine"].dispose()


@pytest.fixture(scope="module", autouse=True)
def streams_end(request: pytest.FixtureRequest) -> Iterator[None]:
    """Let no receiver of one file's tests hear of another's people: each act of theirs would first look every receiver up."""
    yield
    app = request.config.stash.get(APP, None)
    if app is None:
        return
    with app.app_context(), transaction() as session:
        session.execute(delete(streams.SignalStream))
        streams.changed(session)


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    """A browser-like client with its own cookies, at the public address."""
    return app.test_client()


@pytest.fixture
def session(app: Flask) -> Iterator[Session]:
    """A transaction of the test's own, committed at its end."""
    with app.app_context(), transaction() as session:
        yield session


@pytest.fixture
def context(app: Flask) -> Iterator[None]:
    """An application context, for calling features."""
    with app.app_context():
        yield
