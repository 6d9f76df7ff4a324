"""The work behind the scenes that adds up by how much numbers of licences changed, so that few changes are left to whoever reads them."""

import time

from runtime.database import transaction
from runtime.jobs import every
from wallet.register import counts

SECONDS = 20.0


@every("* * * * * */20", if_any=counts.has_changes)
def add_up_counts() -> None:
    """Add up what changed since the last run, a bounded number a transaction."""
    until = time.monotonic() + SECONDS
    while time.monotonic() < until:
        with transaction() as session:
            if counts.add_up(session) < counts.TAKEN_AT_ONCE:
                return
