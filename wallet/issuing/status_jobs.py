"""The status lists' work behind the scenes: their tokens are never more than two seconds behind what was revoked.

By the database's clock, as whatever the worker signs or ends by the calendar: nobody believes a list from the future, and its next is later still.
"""

import time
from datetime import datetime

from flask import current_app
from sqlalchemy import ColumnElement, true

from keys.sealing import present
from runtime.database import transaction
from runtime.jobs import every
from runtime.settings import Settings
from wallet.issuing import status_building, status_history, status_places

MOVED = "kabao_status_lists_moved"
RUN_SECONDS = 10.0
THOROUGH_SECONDS = 0.25  # a thorough build takes up to a quarter of a second; later ones of a run a fiftieth of that


def _has_work(now: datetime) -> ColumnElement[bool]:
    return status_building.has_due(now) if MOVED in current_app.extensions else true()


@every("* * * * * *", if_any=_has_work)
def rebuild_status_lists() -> None:
    """Build the lists that changed, and those whose token grows old, each in a transaction of its own; those that moved first."""
    settings, begun = current_app.extensions["kabao_settings"], time.monotonic()
    _rebuild_moved(settings)
    while (took := time.monotonic() - begun) < RUN_SECONDS:
        with transaction() as session:
            if not status_building.rebuild_next(session, settings, now=present(), thorough=took < THOROUGH_SECONDS):
                return


def _rebuild_moved(settings: Settings) -> None:
    """Build the lists that name a former address of the service: looked for once a process, since its address is that of its start."""
    if MOVED in current_app.extensions:
        return
    with transaction() as session:
        moved = status_building.find_moved(session, settings)
    for list_id in moved:
        with transaction() as session:
            status_building.rebuild(session, settings, list_id, now=present())
    current_app.extensions[MOVED] = len(moved)


@every("* * * * * */10", if_any=status_places.may_be_full)
def keep_room_in_status_lists() -> None:
    """Open the next list before the present one is full."""
    with transaction() as session:
        status_places.keep_room(session, current_app.extensions["kabao_settings"], now=present())


@every("41 3 * * *")
def forget_old_status_lists() -> None:
    """Forget what lists said before the history that is told begins."""
    settings, moment = current_app.extensions["kabao_settings"], present()
    with transaction() as session:
        lists = status_history.begins_too_early(session, settings, now=moment)
    for list_id in lists:
        with transaction() as session:
            status_history.fold(session, settings, list_id, now=moment)
