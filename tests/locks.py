"""Waiting for locks, in tests of races: one transaction is held open until another waits for it."""

import time

from sqlalchemy import Connection, text
from sqlalchemy.orm import Session


def wait_until_somebody_waits(session: Session) -> None:
    """Wait until another connection waits for a lock that this transaction, or another, holds."""
    until = time.monotonic() + 30
    while not somebody_waits(session):
        assert time.monotonic() < until, "nobody waits"
        time.sleep(0.02)


def somebody_waits(holding: Session | Connection) -> bool:
    """Whether a connection waits for a lock that this transaction, or another, holds."""
    holding.execute(text("SELECT pg_stat_clear_snapshot()"))
    waiting = text("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'")
    return bool(holding.scalar(waiting))
