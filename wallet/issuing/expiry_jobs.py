"""The work behind the scenes by which licences end on their day: within minutes of midnight in China, in small transactions."""

import time

from keys.sealing import present
from runtime.database import transaction
from runtime.jobs import every
from wallet.issuing import expiry

SECONDS = 60.0


@every("*/5 * * * *")
def lapse_expired_licences() -> None:
    """Let what has expired lapse, a batch a transaction, until nothing is left or the time of one run is up: the next run goes on."""
    until = time.monotonic() + SECONDS
    while time.monotonic() < until:
        with transaction() as session:
            if expiry.lapse_expired(session, now=present()) == 0:
                return
