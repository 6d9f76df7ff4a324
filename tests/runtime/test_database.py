"""The pool of connections: no request waits for another's."""

import secrets
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier

import pytest
from click.testing import CliRunner
from flask import Flask
from sqlalchemy import and_, insert, select, text

from runtime import database
from runtime.clock import now
from runtime.database import transaction
from runtime.idempotency import IdempotencyKey
from runtime.ids import new_id
from runtime.serve_command import serve
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


@pytest.mark.parametrize(("batch", "seconds", "left"), [(2, 9.0, 0), (2, -1.0, 3), (5, 9.0, 0), (9, -1.0, 0)])
def test_what_is_over_is_pruned_in_batches_and_nothing_else(
    context: None, monkeypatch: pytest.MonkeyPatch, batch: int, seconds: float, left: int
) -> None:
    monkeypatch.setattr(database, "PRUNE_BATCH", batch)
    monkeypatch.setattr(database, "PRUNE_SECONDS", seconds)
    caller, moment = secrets.token_hex(8), now()
    rows = [{"key": str(age), "made_at": moment - timedelta(days=age)} for age in (0, 3, 4, 5, 6, 7)]
    with transaction() as session:
        session.execute(insert(IdempotencyKey), [{**row, "caller": caller, "digest": b"", "result_id": new_id()} for row in rows])
    over = and_(IdempotencyKey.caller == caller, IdempotencyKey.made_at < moment - timedelta(days=2))
    assert database.prune(IdempotencyKey, over) == 5 - left
    with transaction() as session:
        kept = session.scalars(select(IdempotencyKey.key).where(IdempotencyKey.caller == caller)).all()
    assert len(kept) == 1 + left
    assert "0" in kept


def test_more_threads_than_connections_are_refused(monkeypatch: pytest.MonkeyPatch, settings: Settings) -> None:
    monkeypatch.setattr(Settings, "from_environ", lambda: settings)
    refused = CliRunner().invoke(serve, ["--threads", "64"])
    assert refused.exit_code == 1
    assert "KABAO_POOL_SIZE" in refused.output
