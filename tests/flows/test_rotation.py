"""Both data keys are rotated while people sign in and departments issue, and while whoever does the work is killed (SIGKILL) again and again.

Nobody notices, nothing is lost, nobody is there twice, and in the end the old keys are gone.
"""

import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import cycle
from typing import Any
from uuid import UUID

import psycopg
import pytest
from sqlalchemy import select

from demo import postgres
from idp.subjects import directory
from idp.subjects.numbers import parse_number
from keys import rotation
from keys.sealed_tables import declared
from keys.sealing import INDEX, SEAL
from runtime.clock import now
from tests.flows.asking import Caller, Told, asking
from tests.flows.walking import Browser
from tests.served import Kabao, kabao
from tests.world_clients import new_system
from tests.world_crowd import add_crowd
from tests.world_people import Person, new_person, open_account, sign_in
from tests.world_wallet import example_dates, example_fields, new_department, new_licence
from wallet.register.catalogue import get_type
from wallet.register.licences import Licence, fields_of

TYPE = "driving-licence"
CROWD, PEOPLE, NEWCOMERS = 6_000, 8, 400
LEAD, SETTLE = timedelta(seconds=3), timedelta(seconds=2)
KILLED_AT = (500, 2_500, 4_500, 8_000)
PATIENCE = 120
pytestmark = pytest.mark.slow


@dataclass
class SigningIn:
    """People who sign in, one after another, each time in a fresh browser."""

    kabao: Kabao
    people: list[Person]
    statuses: list[int] = field(default_factory=list)

    def keep_on(self, stopped: threading.Event) -> None:
        people = cycle(self.people)
        while not stopped.is_set():
            browser = Browser(f"http://127.0.0.1:{self.kabao.processes.port}")
            self.statuses.append(sign_in(browser, next(people)).status_code)  # type: ignore[arg-type]
            time.sleep(0.4)


@dataclass(frozen=True)
class Aftermath:
    """What stands after both rotations, beside what stood before and what callers were told meanwhile."""

    kabao: Kabao
    crowd: dict[str, tuple[UUID, str]]
    people: dict[str, UUID]
    issuing: Told
    signing_in: list[int]
    killed: int
    took: float

    def rows(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.kabao.processes.database_url) as connection:
            return connection.execute(query, values).fetchall()


@pytest.fixture(scope="module")
def aftermath(server: postgres.PostgresServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Aftermath]:
    with kabao(server, name="test_rotation", folder=tmp_path_factory.mktemp("rotation"), workers=2, threads=4) as running:
        with running.world():
            department = new_department(issue=[TYPE], verify=[TYPE])
            crowd = {number: (subject_id, name) for subject_id, number, name in add_crowd(running.processes.database_url, CROWD, now=now())}
        with running.world() as session:
            system = new_system(session, department=department, scopes=["licences:issue"])
            people = [new_person(session) for _ in range(PEOPLE)]
            newcomers = [new_person(session) for _ in range(NEWCOMERS)]
            ids = {person.number: open_account(session, person) for person in people}
        with running.world() as session:
            for person in people:
                new_licence(session, type=TYPE, department=department, number=person.number)
        issuing = Caller(running.processes, running.token(system, "licences:issue"), "/api/v1/licences", Told(), orders(running, people, newcomers))
        signing_in = SigningIn(running, people)
        began = time.monotonic()
        with asking([issuing, issuing]), at_the_same_time(signing_in):
            killed = rotate_and_kill(running)
            time.sleep(1)
        yield Aftermath(running, crowd, ids, issuing.told, signing_in.statuses, killed, time.monotonic() - began)


def orders(running: Kabao, people: list[Person], newcomers: list[Person]) -> Any:
    """Return a source of orders: for people who are known, and for people of the registry whom nobody has met, in turn."""
    with running.world():
        begins, ends = example_dates(get_type(TYPE))
        order = {"type": TYPE, "fields": example_fields(TYPE), "valid_from": str(begins), "valid_until": str(ends)}
    known, unknown = cycle(people), cycle(newcomers)
    turn = cycle([known, unknown])

    def next_order() -> dict[str, Any]:
        person = next(next(turn))
        time.sleep(0.05)
        return {**order, "holder": {"number": person.number, "name": person.name}}

    return next_order


@contextmanager
def at_the_same_time(signing_in: SigningIn) -> Iterator[None]:
    stopped = threading.Event()
    thread = threading.Thread(target=signing_in.keep_on, args=(stopped,))
    thread.start()
    yield
    stopped.set()
    thread.join()


def rotate_and_kill(running: Kabao) -> int:
    """Rotate both keys; kill the worker in the midst, and then whoever lends a hand, and return how many were killed while rows were moving."""
    processes = running.processes
    with running.world() as session:
        for purpose in (SEAL, INDEX):
            rotation.begin(session, running.app.extensions["kabao_settings"], purpose, now=now(), lead=LEAD, settle=SETTLE)
    killed = 0
    for rows in KILLED_AT:
        name = "worker" if rows == KILLED_AT[0] else "keys"
        if name == "keys":
            processes._start("keys", "rotation", "--work")
        if wait_until(running, rows) or name == "worker":
            killed += bool(open_rotations(running))
            processes.kill(name)
        else:
            processes.running.pop(name).wait(30)
    processes.work()
    wait_until(running, None)
    return killed


def wait_until(running: Kabao, rows: int | None) -> bool:
    """Wait until so many rows are renewed, or all is done (None); return whether there is still something to do."""
    deadline = time.monotonic() + PATIENCE
    with psycopg.connect(running.processes.database_url, autocommit=True) as connection:
        while time.monotonic() < deadline:
            done = connection.execute(
                "SELECT (SELECT sum(renewed) FROM data_key_rotation_steps), (SELECT count(*) FROM data_key_rotations WHERE ended_at IS NULL)"
            ).fetchone()
            assert done is not None
            if done[1] == 0 or (rows is not None and done[0] >= rows):
                return bool(done[1])
            time.sleep(0.002)
    raise AssertionError(f"the rotation does not come to {rows}; the worker's log ends:\n{running.processes.log('worker')[-3000:]}")


def open_rotations(running: Kabao) -> list[rotation.DataKeyRotation]:
    with running.world() as session:
        return rotation.open_rotations(session)


def test_whoever_did_the_work_was_killed_in_its_midst(aftermath: Aftermath) -> None:
    assert aftermath.killed >= 3


def test_nobody_noticed(aftermath: Aftermath) -> None:
    assert aftermath.issuing.surprises == []
    assert set(aftermath.issuing.statuses) == {201}
    assert aftermath.issuing.statuses[201] > 30
    assert set(aftermath.signing_in) == {303}
    assert len(aftermath.signing_in) > 10


def test_the_old_keys_are_gone_and_nothing_is_left_under_them(aftermath: Aftermath) -> None:
    keys = aftermath.rows("SELECT purpose, version, wrapped IS NULL FROM data_keys ORDER BY purpose, version")
    assert keys == [(INDEX, 1, True), (INDEX, 2, False), (SEAL, 1, True), (SEAL, 2, False)]
    for table in declared.values():
        for column in [*table.sealed, *table.indexed]:
            old = f"SELECT count(*) FROM {table.name} WHERE substring({column} FROM 1 FOR 2) <> '\\x0002'"  # noqa: S608 - names of ours
            assert aftermath.rows(old) == [(0,)], column
    acts = [act for (act,) in aftermath.rows("SELECT act FROM ledger_entries WHERE act LIKE 'data_key%%' ORDER BY id")]
    assert sorted(acts) == ["data_key.gone"] * 2 + ["data_key.made"] * 2 + ["data_keys.rotated"] * 2


def test_everyone_is_who_they_were(aftermath: Aftermath) -> None:
    with aftermath.kabao.world() as session:
        for number, subject_id in aftermath.people.items():
            found = directory.find_subject(session, parse_number(number))
            assert found is not None
            assert found.id == subject_id
        subjects = {subject.id: subject for subject in session.scalars(select(directory.Subject))}
        for number, (subject_id, name) in aftermath.crowd.items():
            assert (directory.number_of(subjects[subject_id]).value, directory.name_of(subjects[subject_id])) == (number, name)
        for number in secrets.SystemRandom().sample(sorted(aftermath.crowd), 300):
            found = directory.find_subject(session, parse_number(number))
            assert found is not None
            assert found.id == aftermath.crowd[number][0]
        numbers = [directory.number_of(subject).value for subject in subjects.values()]
        assert len(set(numbers)) == len(numbers), "somebody is there twice"


def test_every_licence_that_was_acknowledged_can_be_read(aftermath: Aftermath) -> None:
    with aftermath.kabao.world() as session:
        kept = {str(licence.id): licence for licence in session.scalars(select(Licence))}
        for told in aftermath.issuing.acknowledged.values():
            assert fields_of(kept[told["id"]])["vehicle_class"]
