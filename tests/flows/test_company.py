"""Many callers at once, before two processes of four threads each: each is answered what is theirs and kept, whatever is done to the database.

None of them sends an Idempotency-Key, so that all share their trips to the database.
"""

import json
import threading
import time
from base64 import urlsafe_b64decode
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.client import HTTPException
from typing import Any
from uuid import uuid4

import psycopg
import pytest

from demo import postgres
from runtime.clock import now
from tests.flows.at_once import at_once
from tests.served import Kabao, kabao, send
from tests.world_clients import System, bearer, new_system
from tests.world_people import new_person, open_account
from tests.world_wallet import new_department, new_licence
from wallet.issuing.credentials import credential_of, text_of
from wallet.presenting import qr_codes

TYPE, CAUSE = "driving-licence", {"text": "窗口核验"}
SYSTEMS, CODES, CALLERS = 30, 90, 24
PATH = "/api/v1/verifications"
SHARED = "SELECT coalesce(sum(many), 0)::int FROM (SELECT count(*) many FROM receipts GROUP BY xmin::text) each WHERE many > 1"
pytestmark = pytest.mark.slow


@dataclass(frozen=True)
class World:
    """A served Kabao, systems of one department, a licence as it is shown, and people whose codes can be made."""

    kabao: Kabao
    systems: list[System]
    tokens: list[str]
    shown: list[str]
    licences: list[tuple[Any, Any]]

    def rows(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.kabao.processes.database_url, autocommit=True) as connection:
            found = connection.execute(query, values)
            return found.fetchall() if found.description else []

    def shared(self, table: str) -> int:
        """Return how many rows of a table were written together with others."""
        ((found,),) = self.rows(SHARED.replace("receipts", table))
        return int(found)

    def codes(self) -> list[str]:
        """Return one fresh code of each licence."""
        with self.kabao.world() as session:
            moment = now()
            return [
                qr_codes.create(session, holder_id=holder_id, licence_id=licence_id, fields=["vehicle_class"], now=moment).content
                for holder_id, licence_id in self.licences
            ]


@pytest.fixture(scope="module")
def world(server: postgres.PostgresServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with kabao(server, name="test_company", folder=tmp_path_factory.mktemp("company"), worker=False, workers=2, threads=4) as running:
        with running.world():
            department = new_department(issue=[TYPE], verify=[TYPE])
        with running.world() as session:
            systems = [new_system(session, department=department, scopes=["verifications"]) for _ in range(SYSTEMS)]
            people = [new_person(session) for _ in range(CODES)]
            holders = [open_account(session, person) for person in people]
        with running.world() as session:
            licences = [new_licence(session, type=TYPE, department=department, number=person.number) for person in people]
        with running.world() as session:
            shown = [text_of(credential_of(session, licence)) for licence in licences]
        tokens = [running.token(system, "verifications") for system in systems]
        yield World(running, systems, tokens, shown, [(holder, one.id) for one, holder in zip(licences, holders, strict=True)])


def client_of(token: str) -> str:
    payload = token.split(".")[1]
    return str(json.loads(urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))["client_id"])


def test_of_each_assertion_sent_to_both_processes_one_is_good_and_its_token_is_its_client_s(world: World) -> None:
    proofs = [(system, {**system.proof(), "grant_type": "client_credentials"}) for system in world.systems for _ in range(3)]
    sent = [one for one in proofs for _ in range(3)]
    names = [f"asked-{number:04}" for number in range(len(sent))]
    requests = [{"form": form, "headers": {"X-Request-ID": name}} for (_, form), name in zip(sent, names, strict=True)]
    answers = at_once(world.kabao.processes, "POST", "/token", requests)
    assert [answer.headers["x-request-id"] for answer in answers] == names
    assert Counter(answer.status for answer in answers) == {200: len(proofs), 401: 2 * len(proofs)}
    good = [(system, form["client_assertion"], answer.json) for (system, form), answer in zip(sent, answers, strict=True) if answer.status == 200]
    assert len({assertion for _, assertion, _ in good}) == len(proofs)
    assert world.shared("client_assertions") > 1
    assert all(client_of(told["access_token"]) == system.client_id for system, _, told in good)


def test_of_each_code_sent_to_both_processes_one_is_good_and_what_is_shown_is_its_own(world: World) -> None:
    codes, before = world.codes(), world.rows("SELECT count(*) FROM receipts")[0][0]
    sent = [(code, at) for at, code in enumerate(codes) for _ in range(3)]
    requests = [
        {"document": {"presented": code, "cause": CAUSE}, "headers": {**bearer(world.tokens[at % SYSTEMS]), "X-Request-ID": f"asked-{at:04}"}}
        for code, at in sent
    ]
    answers = at_once(world.kabao.processes, "POST", PATH, requests)
    assert Counter(answer.status for answer in answers) == {201: len(codes), 409: 2 * len(codes)}
    assert all(answer.headers["x-request-id"] == f"asked-{at:04}" for (_, at), answer in zip(sent, answers, strict=True))
    good = {at: answer.json for (_, at), answer in zip(sent, answers, strict=True) if answer.status == 201}
    assert good.keys() == set(range(len(codes)))
    kept = dict(world.rows("SELECT receipt_id::text, licence_id FROM uses"))
    assert all(kept[told["receipt"]["id"]] == world.licences[at][1] for at, told in good.items())
    assert world.rows("SELECT count(*) FROM receipts")[0][0] == before + len(codes)
    assert world.shared("receipts") > 1


@dataclass
class Heard:
    """What callers heard: the receipts that they were given, and how often each status; None where a connection broke."""

    receipts: set[str] = field(default_factory=set)
    statuses: Counter[int | None] = field(default_factory=Counter)
    slowest: float = 0


def while_many_ask(world: World, act: Callable[[], None]) -> Heard:
    """Do something while many verify what is shown, one after the other each; return what they heard."""
    heard, is_over = Heard(), threading.Event()

    def ask(number: int) -> None:
        connection = world.kabao.processes.connection(timeout=60)
        document = {"presented": world.shown[number], "cause": CAUSE, "binding": "none"}
        while not is_over.is_set():
            name, began = f"asked-{uuid4().hex[:12]}", time.monotonic()
            try:
                answer = send(connection, "POST", PATH, document=document, headers={**bearer(world.tokens[number]), "X-Request-ID": name})
            except (OSError, HTTPException):
                heard.statuses[None] += 1
                connection.close()
                time.sleep(0.05)
                continue
            heard.statuses[answer.status] += 1
            heard.slowest = max(heard.slowest, time.monotonic() - began)
            assert answer.status >= 500 or answer.headers["x-request-id"] == name
            if answer.status == 201:
                heard.receipts.add(answer.json["receipt"]["id"])

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(CALLERS)]
    for thread in threads:
        thread.start()
    try:
        time.sleep(0.5)
        act()
        time.sleep(0.5)
    finally:
        is_over.set()
        for thread in threads:
            thread.join()
    return heard


def kept(world: World) -> set[str]:
    return {one for (one,) in world.rows("SELECT id::text FROM receipts")}


def test_what_is_acknowledged_is_kept_and_all_goes_on_when_connections_are_killed_over_and_over(world: World) -> None:
    def kill() -> None:
        for _ in range(10):
            world.rows("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid != pg_backend_pid()")
            time.sleep(0.1)

    heard = while_many_ask(world, kill)
    assert heard.receipts <= kept(world)
    assert heard.statuses.keys() <= {201, 500, 503}
    assert heard.statuses[201] > CALLERS
    before = world.shared("receipts")
    after = while_many_ask(world, lambda: None)
    assert world.shared("receipts") > before
    assert after.statuses.keys() == {201}
    assert after.receipts <= kept(world)


def test_whose_transaction_is_refused_at_its_end_is_given_no_receipt_and_the_others_are(world: World) -> None:
    one = world.licences[3][1]
    world.rows("CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'refused at last'; END $$")
    refusing = f"CREATE CONSTRAINT TRIGGER refuse AFTER INSERT ON uses DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (NEW.licence_id = '{one}')"
    world.rows(refusing + " EXECUTE FUNCTION refuse()")
    try:
        heard = while_many_ask(world, lambda: time.sleep(1))
    finally:
        world.rows("DROP TRIGGER refuse ON uses")
        world.rows("DROP FUNCTION refuse")
    assert heard.receipts <= kept(world)
    assert heard.statuses.keys() == {201, 500}
    assert heard.statuses[201] > heard.statuses[500]


def test_a_table_that_is_locked_keeps_all_waiting_for_no_longer_than_it_is(world: World) -> None:
    def lock() -> None:
        with psycopg.connect(world.kabao.processes.database_url) as holding:
            holding.execute("LOCK TABLE receipts IN ACCESS EXCLUSIVE MODE")
            time.sleep(2)

    heard = while_many_ask(world, lock)
    assert heard.statuses.keys() == {201}
    assert heard.slowest < 10
    assert heard.receipts <= kept(world)


def test_who_waits_is_answered_when_the_service_is_asked_to_end(world: World) -> None:
    processes = world.kabao.processes
    heard = while_many_ask(world, processes.stop)
    processes.serve()
    assert heard.statuses.keys() <= {201, None}
    assert heard.receipts <= kept(world)
    assert "protocol failure" not in processes.log("serve")
