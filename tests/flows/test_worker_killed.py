"""A worker is killed (SIGKILL) when what its jobs do is committed and the queue has not heard of it: run again, they do nothing twice."""

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

from demo import postgres
from idp.oauth.apart import waiting
from idp.oauth.apart.waiting import Kind, Wanted
from idp.oauth.terms import Terms
from idp.signin import accounts, contacts, notices, recovery_requests, registration, stated
from idp.subjects.numbers import parse_number
from runtime import jobs
from runtime.clock import now
from runtime.ids import new_id
from tests.served import Kabao, kabao
from tests.waiting import until
from tests.world_clients import new_portal
from tests.world_people import citizen_number, new_person, open_account

GATE = 0x6761
ADDRESS = "someone@example.gov.cn"
TASKS = ("send_notice", "match_stated", "begin_recovery", "tell_of_request")
NAMED = [f"kabao:{name}" for name in TASKS]
pytestmark = pytest.mark.slow


@pytest.fixture
def running(server: postgres.PostgresServer, tmp_path: Path) -> Iterator[Kabao]:
    with kabao(server, name="worker_killed", folder=tmp_path, worker=False) as running:
        yield running


def ask_for_work(running: Kabao) -> None:
    """Have a notice sent to an address, a person matched whom the registry does not know, a recovery begun that does not match, and somebody told
    that a request waits for them.
    """
    with running.world() as session:
        person = new_person(session)
        subject_id = open_account(session, person)
        assert contacts.verify(session, contacts.add(session, subject_id, ADDRESS, now=now()), now=now())
    with running.world() as session:
        notices.tell(session, subject_id, "totp-added", now=now(), name="手机")
        recovery_requests.ask(session, number=parse_number(person.number), name=person.name, address="别处", now=now())
        unknown = stated.add(session, number=parse_number(citizen_number()), name="查无此人", now=now())
        assert unknown is not None
        accounts.add(session, unknown, password_hash="none", now=now())
        registration.match_soon(session, unknown)
    with running.world() as session:
        asked, request_id = open_account(session, new_person(session)), new_id()
        wanted = Wanted(new_portal(session).client_id, ["openid"], Terms(), timedelta(minutes=5))
        waiting.add(session, wanted, kind=Kind.BACKCHANNEL, secret=waiting.new_secret(), now=now(), row_id=request_id, meant_for=asked)
        jobs.defer(session, "tell_of_request", request_id=str(request_id))


DONE = {
    "told that they were not matched": "SELECT count(*) FROM notices WHERE kind = 'not-matched'",
    "told that a request waits": "SELECT count(*) FROM notices WHERE kind = 'request-waits'",
    "recoveries that did not match": "SELECT count(*) FROM ledger_entries WHERE act = 'recovery.mismatched'",
}


def done(connection: psycopg.Connection[Any], running: Kabao) -> dict[str, int]:
    counted = {what: connection.execute(query).fetchone()[0] for what, query in DONE.items()}  # type: ignore[index]
    return {**counted, "messages": running.processes.log("worker").count(ADDRESS)}


def rescue(running: Kabao) -> int:
    async def run() -> int:
        queue = jobs.queue_at(running.processes.database_url)
        async with queue.open_async():
            return await jobs.rescue(queue)

    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, run()).result()


def test_what_a_killed_worker_had_committed_is_not_done_again(running: Kabao) -> None:
    once = dict.fromkeys([*DONE, "messages"], 1)
    with psycopg.connect(running.processes.database_url, autocommit=True) as gate:
        gate.execute(f"CREATE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_advisory_xact_lock({GATE}); RETURN OLD; END $$")
        gate.execute("CREATE TRIGGER wait BEFORE DELETE ON procrastinate_jobs FOR EACH ROW EXECUTE FUNCTION wait()")
        gate.execute("SELECT pg_advisory_lock(%s)", (GATE,))
        ask_for_work(running)
        running.processes.work()
        until(lambda: done(gate, running) == once)
        running.processes.kill("worker")
        gate.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = %s", (jobs.WORKER,))
        gate.execute("DROP TRIGGER wait ON procrastinate_jobs")
        under_way = "SELECT count(DISTINCT task_name) FROM procrastinate_jobs WHERE status = 'doing' AND task_name = ANY (%s)"
        assert gate.execute(under_way, (NAMED,)).fetchone() == (len(TASKS),)
        gate.execute("UPDATE procrastinate_workers SET last_heartbeat = now() - interval '1 hour'")
        assert rescue(running) >= len(TASKS)
        gate.execute("DELETE FROM procrastinate_jobs WHERE task_name = 'kabao:send_notice_to'")
        running.processes.work()
        until(lambda: gate.execute("SELECT count(*) FROM procrastinate_jobs WHERE task_name = ANY (%s)", (NAMED,)).fetchone() == (0,))
        gone = "SELECT count(*) FROM procrastinate_jobs WHERE task_name = 'kabao:send_notice_to'"
        until(lambda: gate.execute(gone).fetchone() == (0,))
        assert done(gate, running) == once
