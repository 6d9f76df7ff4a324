"""Rotations of the data keys, over a database of their own: rows of every kind, and the old key gone at the end."""

import base64
import os
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import func, select, text, update

from demo import postgres
from idp.signin import accounts, stated
from idp.subjects import directory, registries, registry_import
from idp.subjects.directory import Subject
from idp.subjects.history import Told
from idp.subjects.numbers import parse_number
from keys import rotation, rotation_commands, rotation_jobs, sealing
from keys.init import init_keys
from keys.rotation import RotationUnderWay, Stage, Which
from keys.sealed_tables import declared
from keys.sealing import INDEX, SEAL, DataKey, Sealer
from runtime import jobs
from runtime.clock import now, shifted
from runtime.database import transaction
from runtime.ledger import LedgerEntry
from runtime.settings import Settings
from tests import schema
from tests.world_people import PASSWORD, Person, citizen_number, new_organisation, new_person, open_account
from wsgi import create_app

PEOPLE = 30
LATER = rotation.LEAD + rotation.SETTLE + timedelta(seconds=1)


@pytest.fixture(scope="module")
def database_url(server: postgres.PostgresServer) -> str:
    return schema.create(server, "rotation_" + os.environ.get("PYTEST_XDIST_WORKER", "main"))


@pytest.fixture(scope="module")
def settings(database_url: str) -> Settings:
    return Settings(database_url=database_url, master_key=bytes(range(7, 39)), development=True)


@pytest.fixture(scope="module")
def app(settings: Settings) -> Iterator[Flask]:
    app = create_app(settings)
    with app.app_context(), transaction() as session:
        init_keys(session, settings, now=now())
    yield app
    app.extensions["kabao_cache"].stop()
    app.extensions["kabao_engine"].dispose()


@pytest.fixture(scope="module")
def people(app: Flask) -> list[Person]:
    """Thirty people whom the directory knows; the first has an account and an organisation."""
    with app.app_context(), transaction() as session:
        people = [new_person(session) for _ in range(PEOPLE)]
        new_organisation(session, representative=people[0])
        open_account(session, people[0])
        for person in people:
            directory.ensure_subject(session, parse_number(person.number), now=now())
    return people


def begin(settings: Settings, purpose: str) -> Which:
    with transaction() as session:
        begun = rotation.begin(session, settings, purpose, now=now())
        return Which(begun.purpose, begun.version)


def rotate(which: Which, *, size: int = 7) -> Stage:
    with shifted(LATER):
        return rotation_jobs.work(which, goes_on=lambda: True, size=size)


def prefixes(column: object) -> set[bytes]:
    with transaction() as session:
        return set(session.scalars(select(func.substring(column, 1, 2)).distinct()))


@pytest.mark.parametrize("purpose", [SEAL, INDEX])
def test_everything_follows_to_the_new_key_and_the_old_one_goes(app: Flask, settings: Settings, people: list[Person], purpose: str) -> None:
    with app.app_context():
        which = begin(settings, purpose)
        assert rotation_jobs.work(which, goes_on=lambda: True) is Stage.WAITING
        assert rotate(which) is Stage.DONE
        columns = [table.table.__table__.c[name] for table in declared.values() for name in table.columns_of(purpose)]
        assert set().union(*(prefixes(column) for column in columns)) - {None} == {sealing.prefix_of(which.version)}
        with transaction() as session:
            keys = session.scalars(select(DataKey).where(DataKey.purpose == purpose).order_by(DataKey.version)).all()
            assert [(key.version == which.version, key.wrapped is None, key.gone_at is None) for key in keys][-2:] == [
                (False, True, False),
                (True, False, True),
            ]
            acts = session.scalars(select(LedgerEntry.act).where(LedgerEntry.object_id.like(f"{purpose}:%")).order_by(LedgerEntry.id)).all()
            assert acts[-3:] == ["data_key.made", "data_keys.rotated", "data_key.gone"]


def test_everyone_is_found_and_read_through_both_rotations(app: Flask, settings: Settings, people: list[Person]) -> None:
    with app.app_context():
        with transaction() as session:
            before = {person.number: directory.ensure_subject(session, parse_number(person.number), now=now()).id for person in people}
        for which in (begin(settings, SEAL), begin(settings, INDEX)):
            with shifted(LATER):
                for size in (1, 5, 11, 1000):
                    with transaction() as session:
                        rotation.advance(session, which, now=now(), size=size)
                    assert_all_known(people, before)
                assert rotation_jobs.work(which, goes_on=lambda: True) is Stage.DONE
                assert_all_known(people, before)


def assert_all_known(people: list[Person], ids: dict[str, object]) -> None:
    with transaction() as session:
        registry = registries.ImportedRegistry(session)
        for person in people:
            subject = directory.find_subject(session, parse_number(person.number))
            assert subject is not None
            assert (subject.id, directory.number_of(subject).value, directory.name_of(subject)) == (ids[person.number], person.number, person.name)
            record = registry.find(parse_number(person.number))
            assert record is not None
            assert record.name == person.name
        assert len(registry.represented_by(parse_number(people[0].number))) == 1
        assert accounts.find_account(session, parse_number(people[0].number)) is not None


def test_a_second_rotation_waits_for_the_first_to_end(app: Flask, settings: Settings) -> None:
    with app.app_context():
        which = begin(settings, SEAL)
        with pytest.raises(RotationUnderWay):
            begin(settings, SEAL)
        assert rotate(which) is Stage.DONE
        assert rotate(begin(settings, SEAL)) is Stage.DONE


def test_a_row_that_another_holds_is_neither_waited_for_nor_lost(app: Flask, settings: Settings, people: list[Person]) -> None:
    with app.app_context():
        which = begin(settings, SEAL)
        with transaction() as session:
            held = directory.find_subject(session, parse_number(people[3].number))
            assert held is not None
            session.execute(select(Subject.id).where(Subject.id == held.id).with_for_update())
            session.execute(update(Subject).where(Subject.id == held.id).values(name_sealed=renamed(held, "林改名")))
            assert rotate(which) is Stage.WAITING
        with shifted(LATER + rotation.AGAIN):
            assert rotation_jobs.work(which, goes_on=lambda: True) is Stage.DONE
        with transaction() as session:
            assert directory.name_of(directory.get_subject(session, held.id)) == "林改名"
            session.execute(update(Subject).where(Subject.id == held.id).values(name_sealed=renamed(held, people[3].name)))


def renamed(subject: Subject, name: str) -> bytes:
    return sealing.seal(name, table="subjects", column="name", row=subject.id)


def test_a_row_that_cannot_be_opened_keeps_the_old_key_alive_and_is_told(app: Flask, settings: Settings, people: list[Person]) -> None:
    with app.app_context():
        with transaction() as session:
            broken = directory.find_subject(session, parse_number(people[5].number))
            assert broken is not None
            whole = broken.name_sealed
            broken.name_sealed = whole[:-1] + bytes([whole[-1] ^ 1])
        which = begin(settings, SEAL)
        assert rotate(which) is Stage.HELD_UP
        with transaction() as session:
            assert [(row.held_up, row.ended_at) for row in rotation.open_rotations(session)] == [(1, None)]
            assert directory.name_of(directory.get_subject(session, directory_id(people[4])))
            session.execute(update(Subject).where(Subject.id == broken.id).values(name_sealed=whole))
        with shifted(LATER + rotation.RETRY):
            assert rotation_jobs.work(which, goes_on=lambda: True) is Stage.DONE


def test_a_column_of_which_this_program_knows_nothing_keeps_the_old_key_alive(app: Flask, settings: Settings) -> None:
    with app.app_context():
        which = begin(settings, SEAL)
        with transaction() as session:
            session.execute(text("CREATE TABLE of_another_release (id uuid, secret_sealed bytea)"))
        with pytest.raises(rotation.NotProven, match=r"of_another_release\.secret_sealed"):
            rotate(which)
        with transaction() as session:
            session.execute(text("DROP TABLE of_another_release"))
        assert rotate(which) is Stage.DONE


def test_a_job_that_waits_with_something_sealed_can_still_read_it(app: Flask, settings: Settings) -> None:
    with app.app_context():
        sealed = base64.b64encode(sealing.seal("a note", table="jobs", column="test", row="1")).decode()
        with transaction() as session:
            jobs.defer(session, "no_such_job", sealed=sealed)
        which = begin(settings, SEAL)
        assert rotate(which) is Stage.WAITING
        assert sealing.unseal(base64.b64decode(sealed), table="jobs", column="test", row="1") == "a note"
        with transaction() as session:
            session.execute(text("DELETE FROM procrastinate_jobs"))
        with shifted(LATER + rotation.QUEUE_WAIT):
            assert rotation_jobs.work(which, goes_on=lambda: True) is Stage.DONE


def directory_id(person: Person) -> object:
    with transaction() as session:
        subject = directory.find_subject(session, parse_number(person.number))
        assert subject is not None
        return subject.id


def test_first_sights_of_one_number_on_both_sides_of_the_moment_are_one_subject(app: Flask, settings: Settings) -> None:
    """Two processes that differ over which key is in use meet the same numbers at the same time."""
    with app.app_context():
        which = begin(settings, INDEX)
        before = sealing.sealer()
        after = Sealer(before.ciphers, before.index_keys)
        assert [one.index(PASSWORD, one.current(INDEX))[:2] for one in (before, after)] == [
            sealing.prefix_of(which.version - 1),
            sealing.prefix_of(which.version),
        ]
        with transaction() as session:
            newcomers = [new_person(session) for _ in range(25)]
    apps = [process(settings, sealer) for sealer in (before, after)]

    def meet(app: Flask, person: Person, ready: threading.Barrier) -> object:
        with app.app_context(), transaction() as session:
            ready.wait(10)
            return directory.ensure_subject(session, parse_number(person.number), now=now()).id

    with ThreadPoolExecutor(6) as pool:
        for person in newcomers:
            ready = threading.Barrier(6)
            assert len({met.result() for met in [pool.submit(meet, apps[turn % 2], person, ready) for turn in range(6)]}) == 1
    with app.app_context():
        assert rotate(which) is Stage.DONE
        with transaction() as session:
            for person in newcomers:
                assert directory.find_subject(session, parse_number(person.number)) is not None
    for each in apps:
        each.extensions["kabao_cache"].stop()
        each.extensions["kabao_engine"].dispose()


def process(settings: Settings, sealer: Sealer) -> Flask:
    """Return an application that knows the keys as given, whatever the database says."""

    class Knowing:
        def get(self, topic: str, key: object, load: object) -> Sealer:
            return sealer

        def stop(self) -> None:
            pass

    app = create_app(settings)
    app.extensions["kabao_cache"].stop()
    app.extensions["kabao_cache"] = Knowing()
    return app


def test_what_is_there_under_the_old_index_is_not_entered_again_under_the_new_one(app: Flask, settings: Settings) -> None:
    with app.app_context():
        with transaction() as session:
            before, after = new_person(session), citizen_number()
            subject_id = directory.ensure_subject(session, parse_number(before.number), now=now()).id
            renumbered = {"number": after, "name": before.name, "former_number": before.number}
            assert not registry_import.load_people(session, [renumbered])
            said = parse_number(citizen_number())
            assert stated.add(session, number=said, name="自称之人", now=now())
        which = begin(settings, INDEX)
        # Written under the new key, and no row has followed.
        with shifted(rotation.LEAD + timedelta(seconds=1)), transaction() as session:
            assert stated.add(session, number=said, name="又一个自称之人", now=now()) is None
            assert not registry_import.load_people(session, [renumbered])
            record = registries.ImportedRegistry(session).find(parse_number(after))
            assert record is not None
            assert directory.meet(session, record, told=Told("registry", now())).id == subject_id
        assert rotate(which) is Stage.DONE
        with transaction() as session:
            for number in (before.number, after):
                found = directory.find_subject(session, parse_number(number))
                assert found is not None
                assert found.id == subject_id


def test_the_command_begins_a_rotation_does_its_work_and_shows_it(app: Flask) -> None:
    run = app.test_cli_runner()
    assert "is made" in run.invoke(rotation_commands.rotate_data, ["seal"]).output
    assert "has not ended" in run.invoke(rotation_commands.rotate_data, ["seal"]).output
    assert "written under from" in run.invoke(rotation_commands.rotation).output
    with shifted(LATER):
        done = run.invoke(rotation_commands.rotation, ["--work"])
    assert done.exit_code == 0, done.output
    assert "the old key is gone" in done.output
    assert "subjects" in run.invoke(rotation_commands.rotation).output


def test_the_job_takes_turns(app: Flask, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    with app.app_context():
        which = begin(settings, SEAL)
        rotation_jobs.rotate_data_keys()
        with shifted(LATER):
            monkeypatch.setattr(rotation_jobs, "TURN_SECONDS", 0.0)
            rotation_jobs.rotate_data_keys()
            assert [one.version for one in open_ones()] == [which.version]
            monkeypatch.setattr(rotation_jobs, "TURN_SECONDS", 20.0)
            rotation_jobs.rotate_data_keys()
        assert open_ones() == []


def open_ones() -> list[rotation.DataKeyRotation]:
    with transaction() as session:
        return rotation.open_rotations(session)
