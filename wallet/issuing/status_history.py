"""The past of status lists: the token that was valid at a time (Token Status List section 8.4), built again from what changed until then.

A token of the past says what the one said that was published then: the same list, the same second of issue, the same end; only the signature
is made anew. That costs as much as a build, and anyone may ask: so one is built at a time, some in a minute, and the newest are kept.
"""

import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from flask import Flask, current_app
from sqlalchemy import delete, func, literal, select, update
from sqlalchemy.dialects.postgresql import aggregate_order_by
from sqlalchemy.orm import Session

from runtime.database import transaction
from runtime.languages import Text
from runtime.problems import Refusal
from runtime.settings import Settings
from wallet.issuing import status_packing
from wallet.issuing.status_building import StatusBuild, decode_changes
from wallet.issuing.status_lists import StatusList
from wallet.issuing.status_published import Token, sign_snapshot
from wallet.issuing.status_tokens import LIFETIME, Snapshot

EXTENSION = "kabao_status_history"
FOLDING_LOCK = 0x6B617366
KEPT = 32
MOST_A_MINUTE = 60
MINUTE, PATIENCE = 60.0, 1.0
ONE_SECOND = timedelta(seconds=1)


class NoHistory(Refusal):
    """The operator keeps no history."""

    code, status, title = "no-history", 501, Text("不提供过去时间的状态列表。", "Status lists of the past are not given.")


class NotYet(Refusal):
    """The time is in the future."""

    code, status, title = "time-in-the-future", 404, Text("该时间尚未到来。", "That time is yet to come.")


class TimeNotKept(Refusal):
    """No token of the list that was valid then is known: the list is younger, the history does not go back so far, or none was published."""

    code, status, title = "time-not-kept", 404, Text("没有该时间的状态列表。", "There is no status list of that time.")


class HistoryBusy(Refusal):
    """Others are asking for the past."""

    code, status, title = "history-busy", 503, Text("历史查询繁忙，请稍后再试。", "The past is asked for too much; try again.")


class Past:
    """What one process builds of the past: one list at a time, at most so many a minute, the newest kept."""

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[str, datetime], Token] = OrderedDict()
        self._begun: deque[float] = deque(maxlen=MOST_A_MINUTE)
        self._building = threading.Lock()

    def get(self, list_id: str, built_at: datetime, build: Callable[[], Token]) -> Token:
        """Return the token of a list that was published at a moment, built if it is not kept; raises HistoryBusy."""
        found = self._kept.get((list_id, built_at))
        if found is not None:
            return found
        if not self._building.acquire(timeout=PATIENCE):
            raise HistoryBusy(headers={"Retry-After": "1"})
        try:
            return self._kept.get((list_id, built_at)) or self._keep((list_id, built_at), build)
        finally:
            self._building.release()

    def _keep(self, key: tuple[str, datetime], build: Callable[[], Token]) -> Token:
        moment = time.monotonic()
        if len(self._begun) == MOST_A_MINUTE and self._begun[0] > moment - MINUTE:
            raise HistoryBusy(headers={"Retry-After": str(int(self._begun[0] + MINUTE - moment) + 1)})
        self._begun.append(moment)
        self._kept[key] = token = build()
        if len(self._kept) > KEPT:
            self._kept.popitem(last=False)
        return token


def init_app(app: Flask) -> None:
    """Give the application what it keeps of the past."""
    app.extensions[EXTENSION] = Past()


def get_token_at(newest: Token, list_id: str, second: int, *, settings: Settings, now: datetime) -> Token:
    """Return the token of a list that was valid at a second since 1970; raises NotYet, NoHistory, TimeNotKept, HistoryBusy."""
    if second > now.timestamp():
        raise NotYet(field="time")
    if newest.issued <= second < newest.expires:
        return newest
    if not settings.status_history:
        raise NoHistory(field="time")
    moment = datetime.fromtimestamp(second, UTC)
    if moment < now - settings.status_history:
        raise TimeNotKept(field="time")
    with transaction() as session:
        built_at = _find_build(session, list_id, moment + ONE_SECOND)
        if built_at is None or second >= int((built_at + LIFETIME).timestamp()):
            raise TimeNotKept(field="time")
    past: Past = current_app.extensions[EXTENSION]
    return past.get(list_id, built_at, lambda: sign_snapshot(settings, _snapshot(list_id, built_at)))


def begins_too_early(session: Session, settings: Settings, *, now: datetime) -> list[str]:
    """Return the lists whose history goes back farther than it is told."""
    return list(session.scalars(select(StatusList.id).where(StatusList.base_at < now - settings.status_history)))


def fold(session: Session, settings: Settings, list_id: str, *, now: datetime) -> int:
    """Let the history of a list begin with the build that was the newest when the time to be kept began; returns how many builds went.

    One does so at a time. The list's row is not held while its past is put together, so that its builder does not pass it over.
    """
    begins = _find_build(session, list_id, now - settings.status_history)
    if begins is None or not session.scalar(select(func.pg_try_advisory_xact_lock(FOLDING_LOCK))):
        return 0
    base = _read(session, list_id, begins)
    older = delete(StatusBuild).where(StatusBuild.list_id == list_id, StatusBuild.built_at <= begins).returning(StatusBuild.built_at)
    session.execute(update(StatusList).where(StatusList.id == list_id).values(base=base.lst, base_at=begins))
    return len(session.scalars(older).all())


def _find_build(session: Session, list_id: str, before: datetime) -> datetime | None:
    """Return when the newest token before a moment was published."""
    builds = select(StatusBuild.built_at).where(StatusBuild.list_id == list_id, StatusBuild.built_at < before)
    found = session.scalar(builds.order_by(StatusBuild.built_at.desc()).limit(1))
    return found or session.scalar(select(StatusList.base_at).where(StatusList.id == list_id, StatusList.base_at < before))


def _snapshot(list_id: str, built_at: datetime) -> Snapshot:
    with transaction() as session:
        return _read(session, list_id, built_at)


def _read(session: Session, list_id: str, built_at: datetime) -> Snapshot:
    """Return the list as it was published at a moment: where its history begins, and what changed until then, read in one statement."""
    changes = func.string_agg(StatusBuild.changes, aggregate_order_by(literal(b""), StatusBuild.built_at))
    until = select(changes).where(StatusBuild.list_id == StatusList.id, StatusBuild.built_at <= built_at).scalar_subquery()
    kept = select(StatusList.bits, StatusList.base, until.label("changes")).where(StatusList.id == list_id, StatusList.base_at <= built_at)
    row = session.execute(kept).one_or_none()
    if row is None:
        raise TimeNotKept(field="time")
    packed = bytearray(status_packing.decompress(row.base))
    status_packing.put(packed, decode_changes(row.changes or b""), bits=row.bits)
    return Snapshot(list_id, row.bits, status_packing.compress(packed), built_at)
