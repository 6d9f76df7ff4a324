"""A batch whose service is killed half-way, and that is sent again: each good line once, each bad line reported."""

import statistics
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from demo import postgres
from tests.batch_sending import File, Sent, found_in, invent_file, peak_memory, send_batch
from tests.served import Kabao, kabao
from tests.world_clients import System, new_system
from tests.world_wallet import new_department
from wallet.issuing.batch_groups import GROUP

LINES = 2_000
MOST_MEMORY = 400 * 1024 * 1024
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def served(server: postgres.PostgresServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kabao]:
    with kabao(server, name="batch_crash", folder=Path(tmp_path_factory.mktemp("batch")), worker=False, threads=1) as running:
        yield running


@pytest.fixture(scope="module")
def system(served: Kabao) -> System:
    with served.world():
        department = new_department(issue=["driving-licence"])
    with served.world() as session:
        return new_system(session, department=department, scopes=["licences:issue"])


@pytest.fixture(scope="module")
def file(served: Kabao, system: System) -> File:
    return invent_file(served, LINES)


def test_a_batch_killed_half_way_and_sent_again_issues_each_good_line_once(served: Kabao, system: System, file: File) -> None:
    processes = served.processes

    def kill_half_way(sent: Sent) -> None:
        if len(sent.results) == LINES // 2 and "serve" in processes.running:
            processes.kill("serve")

    first = send_batch(processes, file.lines, token=served.token(system, "licences:issue"), key="crash", heard=kill_half_way)
    assert first.broke_off
    assert LINES // 2 <= len(first.results) < LINES
    processes.serve()
    token = served.token(system, "licences:issue")
    again = send_batch(processes, file.lines, token=token, key="crash")
    assert (again.broke_off, again.last) == (False, None)
    assert sorted(again.results) == list(range(1, LINES + 1))
    assert {line for line, result in again.results.items() if result["status"] != 201} == file.bad
    assert {line: again.results[line] for line in first.results} == first.results
    good = LINES - len(file.bad)
    found = found_in(served)
    assert (found.licences, found.holders, found.credentials) == (good, good, good)
    assert good <= found.places <= good + GROUP, "places drawn for lines that the crash kept from being written are lost, and nothing else is"
    assert max(peak_memory(process.pid) for process in processes.tree("serve")) < MOST_MEMORY
    later = send_batch(processes, file.lines, token=token, key="crash", query="")
    assert later.results == again.results
    assert found_in(served) == found


def test_others_are_answered_while_a_batch_goes_on(served: Kabao, system: System) -> None:
    few, token, sent = invent_file(served, 600), served.token(system, "licences:issue"), list[Sent]()
    sender = threading.Thread(target=lambda: sent.append(send_batch(served.processes, few.lines, token=token, key="meanwhile")))
    sender.start()
    waits = []
    while sender.is_alive():
        waits.append(served.processes.wait_until("/healthz"))
    assert len(sent[0].results) == 600
    assert len(waits) > 5
    assert statistics.median(waits) < 0.5
