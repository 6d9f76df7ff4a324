"""What waits behind the scenes, among what is counted: how much of it, and for how long the oldest has waited; and how wrong the clock is. An
operator's alarms hang on these.

Asked of the database at the scrape, for all processes at once, but not more often than every few seconds, since anybody may scrape. Whoever comes
while a slow database is being asked is told what was known before: waiting for it, strangers would hold every thread that answers requests.
"""

import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass

import structlog
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from runtime import clock
from runtime.clashes import what_failed
from runtime.database import transaction

log = structlog.get_logger(__name__)
KEPT_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Backlog:
    """One kind of work. `query` gives how many wait, and where it `is_aged` for how many seconds the oldest has: a row for each value of `label`."""

    name: str
    told: str
    query: str
    label: str | None = None
    is_aged: bool = True


JOBS_DUE = """
SELECT queue_name, count(*), extract(epoch FROM now() - min(coalesce(job.scheduled_at, deferred.at)))
FROM procrastinate_jobs job JOIN procrastinate_events deferred ON deferred.job_id = job.id AND deferred.type = 'deferred'
WHERE job.status = 'todo' AND coalesce(job.scheduled_at, deferred.at) <= now() GROUP BY queue_name"""
JOBS_FAILED = "SELECT count(*) FROM procrastinate_jobs WHERE status = 'failed'"
UNSEALED = "SELECT count(*), coalesce(extract(epoch FROM now() - min(recorded_at)), 0) FROM ledger_entries WHERE position IS NULL"
CLOCK = text("SELECT extract(epoch FROM clock_timestamp())::double precision")
_declared: dict[str, Backlog] = {}
_asking = threading.Lock()
_kept: tuple[float, bytes] = (0.0, b"")


def declare(*backlogs: Backlog) -> None:
    """Let these be told, too."""
    _declared.update((one.name, one) for one in backlogs)


def written() -> bytes:
    """Return all backlogs as Prometheus reads them; where the database does not answer, `kabao_backlog_known` is 0 and the others are missing."""
    global _kept
    if not _asking.acquire(blocking=False):
        return _kept[1]
    try:
        until, found = _kept
        if time.monotonic() < until:
            return found
        registry = CollectorRegistry(auto_describe=False)
        registry.register(_Asked())
        found = generate_latest(registry)
        _kept = time.monotonic() + KEPT_SECONDS, found
        return found
    finally:
        _asking.release()


class _Asked(Collector):
    def collect(self) -> Iterable[GaugeMetricFamily]:
        known = GaugeMetricFamily("kabao_backlog_known", "Whether the database told what waits", value=1)
        try:
            behind = _clock()
            found = [family for one in _declared.values() for family in _ask(one)]
        except SQLAlchemyError as error:
            log.error("backlog unknown", error=what_failed(error))
            return [GaugeMetricFamily(known.name, known.documentation, value=0)]
        return [known, behind, *found]


def _clock() -> GaugeMetricFamily:
    """Tell how far this machine's clock is behind the database's: it judges codes, assertions and tokens by its own."""
    with transaction() as session:
        behind = session.execute(CLOCK).scalar_one() - clock.now().timestamp()
    return GaugeMetricFamily("kabao_clock_behind_seconds", "By how much this machine's clock is behind the database's", value=float(behind))


def _ask(one: Backlog) -> list[GaugeMetricFamily]:
    labels = [one.label] if one.label else []
    counted = GaugeMetricFamily(f"kabao_{one.name}", one.told, labels=labels)
    oldest = GaugeMetricFamily(f"kabao_{one.name}_seconds", f"{one.told}: for how long the oldest has waited", labels=labels)
    with transaction() as session:
        for row in session.execute(text(one.query)):
            named, found = row[: len(labels)], row[len(labels) :]
            counted.add_metric(named, found[0])
            if one.is_aged:
                oldest.add_metric(named, float(found[1]))
    return [counted, oldest] if one.is_aged else [counted]


declare(
    Backlog("jobs_due", "Jobs whose time has come", JOBS_DUE, label="queue"),
    Backlog("jobs_failed", "Jobs of the last week that failed for good", JOBS_FAILED, is_aged=False),
    Backlog("ledger_unsealed", "Rows of the ledger that have no place in its tree yet", UNSEALED),
)
