"""Waiting until this process has had word of all that was changed: PostgreSQL tells it a moment after the commit, and under load long after."""

import time
from uuid import uuid4

from flask import Flask
from sqlalchemy import text

from runtime.cache import CHANNEL, Cache

PATIENCE = 30.0


def let_word_come(app: Flask) -> None:
    """Return once the cache has heard what was said before now, in its order, and keeps nothing: what it keeps from here on it keeps for a minute."""
    cache: Cache = app.extensions["kabao_cache"]
    last, deadline = f"word {uuid4()}", time.monotonic() + PATIENCE
    cache.get("nothing", "to be kept", lambda: None)  # it listens from its first use on
    while last not in cache._generation:
        assert time.monotonic() < deadline, "the cache hears nothing"
        with app.extensions["kabao_engine"].begin() as connection:
            connection.execute(text("SELECT pg_notify(:channel, :last)"), {"channel": CHANNEL, "last": last})
        time.sleep(0.01)
    cache.clear()
