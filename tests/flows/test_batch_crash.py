"""A batch whose service is killed half-way, and that is sent again: each good line once, be it a licence or an act, each bad line reported."""

import json
import statistics
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import pytest
from sqlalchemy import select

from demo import postgres
from tests.batch_sending import File, Sent, found_in, invent_file, peak_memory, send_batch
from tests.served import Kabao, kabao
from tests.world_clients import System, new_system
from tests.world_wallet import new_department
from wallet.issuing.batch_groups import GROUP
from wallet.register import counts
from wallet.register.turns import LicenceTurn

LINES = 2_000
WHY = {"reason": "批量办理测试", "legal_basis": "《测试办法》第一条"}
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


def test_a_batch_of_acts_killed_on_its_way_and_sent_again_does_each_act_once(served: Kabao, system: System) -> None:
    """Every other licence is suspended, the others are replaced; what was answered before the crash stands, word for word."""
    processes, count = served.processes, 3 * GROUP
    few, token = invent_file(served, count, one_bad_in=count * 4), served.token(system, "licences:issue")
    issued = send_batch(processes, few.lines, token=token, key="to act on").results
    lines = [
        json.dumps({"act": ("suspend", "replace")[line % 2], "licence": issued[line]["licence"]["id"], **WHY}).encode() for line in sorted(issued)
    ]
    before = found_in(served)

    def kill_early(_: Sent) -> None:
        if "serve" in processes.running:
            processes.kill("serve")

    first = send_batch(processes, lines, token=token, key="acts", heard=kill_early)
    assert 0 < len(first.results) < count
    processes.serve()
    again = send_batch(processes, lines, token=served.token(system, "licences:issue"), key="acts")
    assert (again.broke_off, again.last) == (False, None)
    assert [again.results[line]["status"] for line in range(1, count + 1)] == [201] * count
    assert {line: again.results[line] for line in first.results} == first.results
    found = found_in(served)
    assert (found.licences - before.licences, found.credentials - before.credentials) == (count // 2, count // 2)
    with served.world() as session:
        ids = [UUID(one["licence"]["id"]) for one in issued.values()]
        turns = Counter(session.scalars(select(LicenceTurn.act).where(LicenceTurn.licence_id.in_(ids))))
        assert turns == {"issue": count, "suspend": count // 2, "replace": count // 2}
        assert list(counts.recount(session)) == []


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
