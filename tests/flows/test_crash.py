"""Nothing acknowledged is ever lost, and nothing is ever half there: not when the service is killed, not when PostgreSQL is.

Callers issue licences and verify presentations without a pause while the service, the worker and PostgreSQL are killed (SIGKILL) in
turn; then the database is held against what the callers were told.
"""

import shutil
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import cycle
from typing import Any

import psycopg
import pytest

from demo import postgres
from runtime.clock import now
from tests.flows.asking import Caller, Document, Told, asking
from tests.served import ROOT, Kabao, kabao, kill_postgres, revive_postgres, send
from tests.world_clients import bearer, new_system
from tests.world_people import new_person, open_account
from tests.world_wallet import example_dates, example_fields, new_department, new_licence
from wallet.issuing.credentials import credential_of, text_of
from wallet.presenting import qr_codes
from wallet.register.catalogue import get_type

FOLDER = ROOT / "var" / "crash-postgres"  # PostgreSQL, which does not run as root, cannot come back into pytest's own folders
TYPE = "driving-licence"
SCOPES = "licences:issue licences:read verifications receipts"
PEOPLE, CODES, PACE = 12, 180, 0.06
CAUSE = {"text": "窗口核验"}
SHAKE, SETTLE = 1.2, 20
pytestmark = pytest.mark.slow


@dataclass(frozen=True)
class Aftermath:
    """A served Kabao after all the crashes, what its callers were told, and what there was before."""

    server: postgres.PostgresServer
    kabao: Kabao
    token: str
    issuing: Caller
    verifying: Caller
    redeeming: Caller
    before: int
    unavailable: list[float]
    process_id: int

    def rows(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.kabao.processes.database_url) as connection:
            return connection.execute(query, values).fetchall()

    def ids(self, query: str) -> set[str]:
        return {str(row[0]) for row in self.rows(query)}


@pytest.fixture(scope="module")
def aftermath(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Aftermath]:
    shutil.rmtree(FOLDER, ignore_errors=True)
    server = postgres.start(FOLDER, durable=True)
    try:
        with kabao(server, name="crash", folder=tmp_path_factory.mktemp("crash")) as running:
            yield shaken(server, *callers_of(running))
    finally:
        server.cleanup()
        shutil.rmtree(FOLDER, ignore_errors=True)


def callers_of(running: Kabao) -> tuple[Kabao, str, Caller, Caller, Caller]:
    """Invent the world, and the callers: one issues, one verifies bare presentations, one redeems QR codes."""
    with running.world():
        department = new_department(issue=[TYPE], verify=[TYPE])
    with running.world() as session:
        system = new_system(session, department=department, scopes=SCOPES.split())
        people = [new_person(session) for _ in range(PEOPLE)]
    presented, codes = [], []
    for person in people:
        with running.world() as session:
            subject_id = open_account(session, person)
            licence = new_licence(session, type=TYPE, department=department, number=person.number)
            presented.append(text_of(credential_of(session, licence)))
        for _ in range(CODES // PEOPLE):  # a licence each: a new code of a licence ends the one before
            with running.world() as session:
                licence = new_licence(session, type=TYPE, department=department, number=person.number)
            with running.world() as session:
                codes.append(qr_codes.create(session, holder_id=subject_id, licence_id=licence.id, fields=["sex"], now=now()).content)
    with running.world():
        begins, ends = example_dates(get_type(TYPE))
        request = {"type": TYPE, "fields": example_fields(TYPE), "valid_from": str(begins), "valid_until": str(ends)}
    token = running.token(system, SCOPES)
    issues = cycle([{**request, "holder": {"number": person.number, "name": person.name}} for person in people])
    shows = cycle([{"presented": text, "cause": CAUSE, "binding": "none"} for text in presented])
    redeems = paced([{"presented": content, "cause": CAUSE} for content in codes])
    return (
        running,
        token,
        Caller(running.processes, token, "/api/v1/licences", Told(), lambda: next(issues)),
        Caller(running.processes, token, "/api/v1/verifications", Told(), lambda: next(shows)),
        Caller(running.processes, token, "/api/v1/verifications", Told(), lambda: next(redeems)),
    )


def paced(documents: list[Document]) -> Iterator[Document]:
    """Give one document after the other, so slowly that some are left at the last crash."""
    for document in documents:
        time.sleep(PACE)
        yield document


def shaken(server: postgres.PostgresServer, running: Kabao, token: str, issuing: Caller, verifying: Caller, redeeming: Caller) -> Aftermath:
    """Kill everything in turn, twice, while the callers ask; return once the service answers again."""
    processes, unavailable = running.processes, []
    with psycopg.connect(processes.database_url) as connection:
        before = int(connection.execute("SELECT count(*) FROM licences").fetchone()[0])  # type: ignore[index]
    with asking([issuing, issuing, issuing, verifying, verifying, redeeming]):
        for _ in range(2):
            time.sleep(SHAKE)
            processes.kill("serve")
            processes.serve()
            time.sleep(SHAKE)
            processes.kill("worker")
            kill_postgres(server)
            process_id = processes.running["serve"].pid
            time.sleep(SHAKE / 2)
            revive_postgres(server)
            unavailable.append(processes.wait_until("/readyz"))
            processes.work()
        time.sleep(SHAKE / 2)
        kill_postgres(server)
        time.sleep(SHAKE / 2)
        revive_postgres(server)
        unavailable.append(processes.wait_until("/readyz"))
        time.sleep(SHAKE)
    return Aftermath(server, running, token, issuing, verifying, redeeming, before, unavailable, process_id)


def test_postgres_was_told_to_keep_what_it_commits(aftermath: Aftermath) -> None:
    assert aftermath.rows("SELECT current_setting('fsync'), current_setting('synchronous_commit')") == [("on", "on")]


def test_every_caller_met_the_crashes(aftermath: Aftermath) -> None:
    for caller in (aftermath.issuing, aftermath.verifying, aftermath.redeeming):
        assert len(caller.told.acknowledged) > 20
        assert caller.told.unanswered
        assert caller.told.statuses[503] > 0


def test_no_answer_was_a_surprise(aftermath: Aftermath) -> None:
    assert [caller.told.surprises[:3] for caller in (aftermath.issuing, aftermath.verifying, aftermath.redeeming)] == [[], [], []]


def test_the_service_answers_again_by_itself_once_postgres_does(aftermath: Aftermath) -> None:
    assert aftermath.kabao.processes.running["serve"].pid == aftermath.process_id
    assert max(aftermath.unavailable) < 3


def test_every_acknowledged_licence_is_there(aftermath: Aftermath) -> None:
    found = {str(row[0]): row[1:] for row in aftermath.rows("SELECT id, identifier, issuer_code, state FROM licences")}
    for answer in aftermath.issuing.told.acknowledged.values():
        assert found[answer["id"]] == (answer["identifier"], answer["issuer"], answer["state"])


def test_every_acknowledged_receipt_is_there_with_its_ledger_entry(aftermath: Aftermath) -> None:
    found = aftermath.ids("SELECT r.id FROM receipts r JOIN ledger_entries e ON e.id = r.ledger_entry_id AND e.object_id = r.id::text")
    for caller in (aftermath.verifying, aftermath.redeeming):
        assert {answer["receipt"]["id"] for answer in caller.told.acknowledged.values()} <= found
        assert {answer["verdict"] for answer in caller.told.acknowledged.values()} == {"valid"}


def test_no_licence_is_half_there(aftermath: Aftermath) -> None:
    licences = aftermath.rows("SELECT id::text FROM licences ORDER BY 1")
    assert aftermath.rows("SELECT licence_id::text FROM credentials ORDER BY 1") == licences
    assert aftermath.rows("SELECT object_id FROM ledger_entries WHERE act = 'licence.issued' ORDER BY 1") == licences
    assert aftermath.rows("SELECT object_id FROM events WHERE kind = 'licence.issued' ORDER BY 1") == licences
    places = aftermath.rows("SELECT status_list, status_index FROM credentials ORDER BY 1, 2")
    assert aftermath.rows('SELECT list_id, "index" FROM status_entries ORDER BY 1, 2') == places


def test_no_receipt_is_half_there(aftermath: Aftermath) -> None:
    receipts = aftermath.rows("SELECT id::text, ledger_entry_id::text FROM receipts ORDER BY 1")
    assert aftermath.rows("SELECT object_id, id::text FROM ledger_entries WHERE act = 'verification.made' ORDER BY 1") == receipts
    assert aftermath.rows("SELECT receipt_id::text FROM uses ORDER BY 1") == [(receipt_id,) for receipt_id, _ in receipts]


def test_a_code_is_spent_if_and_only_if_it_was_verified(aftermath: Aftermath) -> None:
    spent = aftermath.rows("SELECT count(*) FROM presentations WHERE spent_at IS NOT NULL")[0][0]
    keyed = aftermath.ids("SELECT key FROM idempotency_keys")
    assert spent == len(keyed & set(aftermath.redeeming.told.sent))


def test_what_was_not_answered_is_made_once_when_it_is_sent_again(aftermath: Aftermath) -> None:
    callers = (aftermath.issuing, aftermath.verifying, aftermath.redeeming)
    unanswered = [(caller, key, document) for caller in callers for key, document in caller.told.unanswered.items()]
    with ThreadPoolExecutor(max_workers=6) as several:
        first, second = ([*several.map(lambda request: again(*request), unanswered)] for _ in range(2))
        assert first == second
    assert len(aftermath.rows("SELECT id FROM licences")) == aftermath.before + len(aftermath.issuing.told.sent)
    verified = len(aftermath.verifying.told.sent) + len(aftermath.redeeming.told.sent)
    assert len(aftermath.rows("SELECT id FROM receipts")) == verified
    assert len(aftermath.rows("SELECT id FROM uses")) == verified


def test_what_was_answered_is_answered_alike_when_it_is_sent_again(aftermath: Aftermath) -> None:
    for caller in (aftermath.issuing, aftermath.verifying, aftermath.redeeming):
        for key, answer in list(caller.told.acknowledged.items())[-20:]:
            assert again(caller, key, caller.told.sent[key]) == answer


def test_the_worker_seals_every_row_and_the_ledger_is_whole(aftermath: Aftermath) -> None:
    wait_until_sealed(aftermath)
    done = aftermath.kabao.processes.command("ledger", "verify")
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_log_holds_no_traceback(aftermath: Aftermath) -> None:
    assert "Traceback" not in aftermath.kabao.processes.log("serve")


def test_the_service_and_the_worker_may_start_before_postgres_does(aftermath: Aftermath) -> None:
    processes, caller = aftermath.kabao.processes, aftermath.issuing
    kill_postgres(aftermath.server)
    for name in ("serve", "worker"):
        processes.kill(name)
    processes.serve()
    processes.work()
    processes.wait_until("/readyz", status=503)
    revive_postgres(aftermath.server)
    processes.wait_until("/readyz")
    key = next(iter(caller.told.acknowledged))
    assert again(caller, key, caller.told.sent[key]) == caller.told.acknowledged[key]
    again(caller, "after-all-crashes", caller.told.sent[key])
    wait_until_sealed(aftermath)


def wait_until_sealed(aftermath: Aftermath) -> None:
    """Wait for the worker to give every row of the ledger its place."""
    deadline = time.monotonic() + SETTLE
    while aftermath.rows("SELECT 1 FROM ledger_entries WHERE position IS NULL LIMIT 1"):
        assert time.monotonic() < deadline, "rows stay unsealed:\n" + aftermath.kabao.processes.log("worker")[-3000:]
        time.sleep(0.2)


def again(caller: Caller, key: str, document: Document) -> Any:
    """Send a request again, and return the answer."""
    with caller.processes.connection() as connection:
        answer = send(connection, "POST", caller.path, document=document, headers={**bearer(caller.token), "Idempotency-Key": key})
    assert answer.status == 201, answer.text
    return answer.json
