"""The status lists' work behind the scenes: their tokens are never more than two seconds behind what was revoked."""

from flask import current_app

from runtime.clock import now
from runtime.database import transaction
from runtime.jobs import every
from wallet.issuing import status_lists


@every("* * * * * *")
def rebuild_status_lists() -> None:
    """Build the lists that changed, and those whose token grows old."""
    with transaction() as session:
        status_lists.rebuild(session, current_app.extensions["kabao_settings"], now=now())


@every("*/5 * * * *")
def close_full_status_lists() -> None:
    """Close lists that are half full."""
    with transaction() as session:
        status_lists.close_full(session)
