"""The pool of connections: no request waits for another's."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from click.testing import CliRunner
from flask import Flask
from sqlalchemy import text

from runtime.commands import serve
from runtime.database import transaction
from runtime.settings import Settings


def test_every_thread_may_hold_three_connections_at_once(app: Flask, settings: Settings) -> None:
    together = Barrier(settings.pool_size, timeout=5)

    def hold(depth: int) -> None:
        if depth == 0:
            return
        with app.app_context(), transaction() as session:
            session.execute(text("SELECT 1"))
            together.wait()
            hold(depth - 1)

    with ThreadPoolExecutor(settings.pool_size) as threads:
        for held in [threads.submit(hold, 3) for _ in range(settings.pool_size)]:
            held.result()


def test_more_threads_than_connections_are_refused(monkeypatch: pytest.MonkeyPatch, settings: Settings) -> None:
    monkeypatch.setattr(Settings, "from_environ", lambda: settings)
    refused = CliRunner().invoke(serve, ["--threads", "64"])
    assert refused.exit_code == 1
    assert "KABAO_POOL_SIZE" in refused.output
