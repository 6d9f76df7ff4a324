"""The worker keeps to the schedule of signing and encryption keys."""

from flask import current_app

from keys import key_schedule
from runtime.clock import now
from runtime.database import transaction
from runtime.jobs import every


@every("*/5 * * * *")
def keep_key_schedule() -> None:
    """Take the steps that are due."""
    with transaction() as session:
        key_schedule.advance(session, current_app.extensions["kabao_settings"], now=now())
