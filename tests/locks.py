"""Waiting for locks, in tests of races: one transaction is held open until another waits for it."""

import time

from sqlalchemy import text
from sqlalchemy.orm import Session


def wait_until_somebody_waits(session: Session) -> None:
    """Wait until another connection waits for a lock that this transaction, or another, holds."""
    waiting = text("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'")
    until = time.monotonic() + 30
    while not session.scalar(waiting):
        assert time.monotonic() < until, "nobody waits"
        session.execute(text("SELECT pg_stat_clear_snapshot()"))
        time.sleep(0.02)
