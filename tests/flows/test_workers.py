"""Several worker processes, as `kabao serve` starts them: together they are one service."""

import re
import socket
from contextlib import ExitStack
from pathlib import Path

import pytest
import requests

from demo import postgres
from tests.served import kabao

pytestmark = pytest.mark.slow
ASKED = 30
STALLED = 24
HALF = b"POST /token HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 50\r\n\r\ngrant_ty"
HTTP_2 = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0"
COUNT = re.compile(r'^kabao_requests_total\{method="GET",route="/readyz",status="200"\} ([0-9.]+)$', re.MULTILINE)


def test_whichever_worker_is_asked_the_metrics_are_those_of_all(server: postgres.PostgresServer, tmp_path: Path) -> None:
    with kabao(server, name="test_workers", folder=tmp_path, worker=False, workers=2, threads=1) as running:
        url = f"http://127.0.0.1:{running.processes.port}"
        for _ in range(ASKED):  # each on a connection of its own, so that both workers get some
            assert requests.get(f"{url}/readyz", timeout=10).status_code == requests.codes.ok
        seen = {COUNT.findall(requests.get(f"{url}/metrics", timeout=10).text)[0] for _ in range(12)}
    assert seen == {f"{ASKED}.0"}


def test_requests_that_are_cut_off_in_the_middle_keep_nobody_else_waiting(server: postgres.PostgresServer, tmp_path: Path) -> None:
    with kabao(server, name="test_workers", folder=tmp_path, worker=False, threads=1) as running, ExitStack() as stalled:
        port = running.processes.port
        for _ in range(STALLED):
            stalled.enter_context(socket.create_connection(("127.0.0.1", port), timeout=10)).sendall(HALF)
        for path in ("/readyz", "/jwks", "/signin"):
            assert requests.get(f"http://127.0.0.1:{port}{path}", timeout=30).status_code == requests.codes.ok


def test_half_a_form_is_not_taken_for_a_whole_one_and_nobody_speaks_a_protocol_that_hides_whether_more_comes(
    server: postgres.PostgresServer, tmp_path: Path
) -> None:
    with kabao(server, name="test_workers", folder=tmp_path, worker=False, threads=1) as running:
        for sent, answer in ((HALF, b"HTTP/1.1 400 "), (HTTP_2, b"")):
            with socket.create_connection(("127.0.0.1", running.processes.port), timeout=30) as connection:
                connection.sendall(sent)
                connection.shutdown(socket.SHUT_WR)
                assert connection.recv(13) == answer
        assert "/token" not in running.processes.log("serve")
