"""A new master key, over a database of its own: everything opens as before, and the former key opens nothing any more."""

import base64
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest
from flask import Flask

from demo import postgres
from idp.oauth.pairwise import pairwise_sub
from idp.subjects import directory
from idp.subjects.numbers import parse_number
from keys import rewrapping, ring
from keys.init import init_keys
from keys.rewrapping_commands import derivation, rewrap
from keys.sealing import SealBroken
from runtime.clock import now
from runtime.database import transaction
from runtime.ids import new_id
from runtime.settings import Settings, SettingsError
from tests import schema
from tests.world_people import Person, new_person
from wsgi import create_app

OLD, NEW, OTHER = (bytes(range(begins, begins + 32)) for begins in (7, 71, 131))


@pytest.fixture
def old(server: postgres.PostgresServer) -> Settings:
    """An installation with its first master key."""
    url = schema.create(server, "rewrapping_" + os.environ.get("PYTEST_XDIST_WORKER", "main"))
    return Settings(database_url=url, master_key=OLD, development=True)


@contextmanager
def running(settings: Settings) -> Iterator[Flask]:
    app = create_app(settings)
    try:
        with app.app_context():
            yield app
    finally:
        app.extensions["kabao_cache"].stop()
        app.extensions["kabao_engine"].dispose()


def invent(settings: Settings) -> Person:
    with running(settings), transaction() as session:
        init_keys(session, settings, now=now())
    with running(settings), transaction() as session:
        person = new_person(session)
        directory.ensure_subject(session, parse_number(person.number), now=now())
    return person


def works(settings: Settings, person: Person) -> None:
    with running(settings), transaction() as session:
        subject = directory.find_subject(session, parse_number(person.number))
        assert subject is not None
        assert directory.name_of(subject) == person.name
        assert ring.signer(ring.OIDC).sign({}, typ="JWT")


def test_everything_opens_under_the_new_key_and_nothing_under_the_old(old: Settings) -> None:
    person, anyone = invent(old), new_id()
    with running(old) as app:
        sub = pairwise_sub(anyone, "portal.example")
        printed = app.test_cli_runner().invoke(derivation).output.strip().removeprefix("KABAO_DERIVATION_KEY=")
    changing = replace(old, master_key=NEW, former_master_key=OLD, derivation_key=base64.urlsafe_b64decode(printed))
    works(changing, person)
    works(old, person)
    with running(changing) as app:
        assert "keys rest under the new master key" in app.test_cli_runner().invoke(rewrap).output
        assert pairwise_sub(anyone, "portal.example") == sub
    changed = replace(changing, former_master_key=None)
    works(changed, person)
    with running(changed):
        assert pairwise_sub(anyone, "portal.example") == sub
    for wrong in (old, replace(changed, derivation_key=None), replace(changed, derivation_key=OTHER), replace(changed, master_key=OTHER)):
        with pytest.raises(SealBroken):
            works(wrong, person)


def test_a_derivation_key_that_is_another_is_not_kept_for_good(old: Settings) -> None:
    person = invent(old)
    changing = replace(old, master_key=NEW, former_master_key=OLD, derivation_key=OTHER)
    with running(changing) as app:
        refused = app.test_cli_runner().invoke(rewrap)
    assert (refused.exit_code, "KABAO_DERIVATION_KEY is not what" in refused.output) == (1, True)
    works(old, person)


def test_a_master_key_is_changed_again_and_what_is_derived_stays(old: Settings) -> None:
    person = invent(old)
    for former, following in ((OLD, NEW), (NEW, OTHER)):
        changing = replace(old, master_key=following, former_master_key=former, derivation_key=old.derivation)
        with running(changing) as app:
            assert "rest under the new master key" in app.test_cli_runner().invoke(rewrap).output
    works(replace(old, master_key=OTHER, derivation_key=old.derivation), person)
    lost = replace(old, master_key=NEW, former_master_key=OTHER, derivation_key=NEW)
    with running(lost) as app, pytest.raises(SealBroken), transaction() as session:
        rewrapping.rewrap(session, lost, now=now())


def test_an_installation_that_begins_with_a_derivation_key_of_its_own_keeps_it(old: Settings) -> None:
    own = replace(old, derivation_key=OTHER)
    person = invent(own)
    works(own, person)
    with pytest.raises(SealBroken):
        works(old, person)


def test_a_rewrap_that_fails_changes_nothing(old: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    person = invent(old)
    changing = replace(old, master_key=NEW, former_master_key=OLD, derivation_key=old.derivation)
    with running(changing), monkeypatch.context() as broken:
        broken.setattr(rewrapping.ledger, "record", lambda *_, **__: 1 / 0)
        with pytest.raises(ZeroDivisionError), transaction() as session:
            rewrapping.rewrap(session, changing, now=now())
    works(old, person)


def test_without_a_former_key_there_is_nothing_to_do(app: Flask) -> None:
    assert "KABAO_FORMER_MASTER_KEY is not set" in app.test_cli_runner().invoke(rewrap).output


def test_a_former_key_alone_would_cut_portals_off_and_is_refused() -> None:
    text = base64.urlsafe_b64encode(OLD).decode()
    environ = {"KABAO_DATABASE_URL": "postgresql://x/y", "KABAO_MASTER_KEY": text, "KABAO_ENVIRONMENT": "development"}
    with pytest.raises(SettingsError, match="needs KABAO_DERIVATION_KEY"):
        Settings.from_environ({**environ, "KABAO_FORMER_MASTER_KEY": text})
    read = Settings.from_environ({**environ, "KABAO_FORMER_MASTER_KEY": text, "KABAO_DERIVATION_KEY": text})
    assert (read.former_master_key, read.derivation_key) == (OLD, OLD)
