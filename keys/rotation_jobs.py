"""The work of a rotation: by the worker in short turns, or by whoever calls `work` in the foreground; both may at once.

Each batch is a transaction of its own and remembers where it stopped, so that a turn may be cut off anywhere.
"""

import time
from collections.abc import Callable
from datetime import datetime

from keys import rotation
from keys.rotation import Stage, Which
from keys.sealing import present
from runtime.database import transaction
from runtime.jobs import every

TURN_SECONDS = 9.0


@every("* * * * * */10", if_any=rotation.has_due)
def rotate_data_keys() -> None:
    """Take every rotation that is due further, for a turn."""
    deadline = time.monotonic() + TURN_SECONDS
    for which in due(now=present()):
        work(which, goes_on=lambda: time.monotonic() < deadline)


def due(*, now: datetime) -> list[Which]:
    """Return the rotations that have rows to renew now."""
    with transaction() as session:
        return [Which(row.purpose, row.version) for row in rotation.open_rotations(session) if row.moves_from <= now]


def work(which: Which, *, goes_on: Callable[[], bool], size: int = rotation.BATCH) -> Stage:
    """Take a rotation further, batch by batch, until it is done, cannot go on, or shall not."""
    stage = Stage.WORKING
    while stage is Stage.WORKING and goes_on():
        with transaction() as session:
            stage = rotation.advance(session, which, now=present(), size=size)
    return stage
