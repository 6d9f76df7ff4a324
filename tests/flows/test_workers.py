"""Several worker processes, as `kabao serve` starts them: together they are one service."""

import re
from pathlib import Path

import requests

from demo import postgres
from tests.served import kabao

ASKED = 30
COUNT = re.compile(r'^kabao_requests_total\{method="GET",route="/readyz",status="200"\} ([0-9.]+)$', re.MULTILINE)


def test_whichever_worker_is_asked_the_metrics_are_those_of_all(server: postgres.PostgresServer, tmp_path: Path) -> None:
    with kabao(server, name="test_workers", folder=tmp_path, worker=False, workers=2, threads=1) as running:
        url = f"http://127.0.0.1:{running.processes.port}"
        for _ in range(ASKED):  # each on a connection of its own, so that both workers get some
            assert requests.get(f"{url}/readyz", timeout=10).status_code == requests.codes.ok
        seen = {COUNT.findall(requests.get(f"{url}/metrics", timeout=10).text)[0] for _ in range(12)}
    assert seen == {f"{ASKED}.0"}
