"""What the outbox holds back: a stream begins where no older transaction is open, so it may hear of what was done just before it was made."""

import time

from flask import Flask
from sqlalchemy import text

from runtime import events
from runtime.database import transaction


def wait_until_readable(app: Flask) -> None:
    """Wait until what has been done can be read as an event, which it cannot while any older transaction in the cluster is open."""
    with app.app_context(), transaction() as session:
        done = session.scalar(text("SELECT (pg_current_xact_id()::text)::bigint"))
    deadline = time.monotonic() + 60
    while True:
        with app.app_context(), transaction() as session:
            if events.end(session).transaction >= (done or 0):
                return
        assert time.monotonic() < deadline, "a transaction is open for a minute"
        time.sleep(0.05)
