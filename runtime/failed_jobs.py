"""Jobs that failed for good: what kept each from being done, and trying it again or giving it up.

The queue keeps a job that was tried as often as it may be. What went wrong is kept beside it, by kind and place alone: the words of an error may
hold what the job was about. What repeats comes back by itself, so of that there is nothing to try again.
"""

import traceback
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from sqlalchemy import BigInteger, text
from sqlalchemy.orm import Mapped, Session, mapped_column

from runtime.database import Base

ROOT = Path(__file__).parent.parent
LONGEST = 300
PAGE = 50
NEWEST = 2**63 - 1
NOTE = (
    "INSERT INTO job_errors (job_id, error) VALUES (%(job_id)s, %(error)s)"
    " ON CONFLICT (job_id) DO UPDATE SET error = excluded.error"
)  # for the queue's own connection
FORGET = "DELETE FROM job_errors WHERE NOT EXISTS (SELECT FROM procrastinate_jobs job WHERE job.id = job_errors.job_id)"


class JobError(Base):
    """What a job failed with when it was tried last."""

    __tablename__ = "job_errors"
    job_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    error: Mapped[str]


@dataclass(frozen=True, slots=True)
class FailedJob:
    """A job that failed for good. `error` is None where nobody noted it, as where its worker died again and again."""

    id: int
    kind: str
    tries: int
    repeats: bool
    asked_at: datetime | None
    failed_at: datetime | None
    error: str | None


@dataclass(frozen=True, slots=True)
class FailedKind:
    """The failed jobs of a kind: how many, from when until when, and what the last of them failed with. `mark` tells those that fail later apart."""

    kind: str
    number: int
    repeats: bool
    since: datetime | None
    latest: datetime | None
    error: str | None
    mark: int


def what_of(error: BaseException) -> str:
    """Return an error's kind and the place of ours where it was raised, without its words."""
    kinds = [_kind_of(one) for one in (error, getattr(error, "orig", None)) if one is not None]
    frames = [(path, frame.lineno) for frame in traceback.extract_tb(error.__traceback__) if (path := _place_of(frame.filename)) is not None]
    inmost = [one for one in frames if one[0].parts[0] != "runtime"] or frames  # of a feature, rather than of what it stands on
    at = [f"{path}:{line}" for path, line in inmost[-1:]]
    return " · ".join([*kinds, *at])[:LONGEST]


def count(session: Session) -> int:
    """Return how many jobs failed for good."""
    return int(session.scalar(text(f"SELECT count(*) FROM procrastinate_jobs job WHERE {FAILED}")) or 0)  # noqa: S608


def listed(session: Session, *, kind: str | None = None, after: int = 0, limit: int = PAGE) -> list[FailedJob]:
    """Return failed jobs, of one kind if it is named, the oldest first."""
    found = session.execute(LISTED, {"kind": kind, "after": after, "limit": limit})
    return [FailedJob(row.id, row.kind, row.attempts, row.repeats, row.asked_at, row.failed_at, row.error) for row in found]


def kinds(session: Session) -> list[FailedKind]:
    """Return what there is of each kind that failed for good, that which failed last first."""
    return [FailedKind(*row) for row in session.execute(KINDS)]


def retry(session: Session, *, kind: str, job_id: int | None = None, mark: int = NEWEST) -> int:
    """Let the failed jobs of a kind, or one of them, be tried again as if for the first time; returns how many. What repeats is left."""
    return len(session.execute(RETRIED, {"kind": kind, "job_id": job_id, "mark": mark}).all())


def drop(session: Session, *, kind: str, job_id: int | None = None, mark: int = NEWEST) -> int:
    """Give up the failed jobs of a kind, or one of them, but none that failed after the `mark` was shown; returns how many."""
    return len(session.execute(DROPPED, {"kind": kind, "job_id": job_id, "mark": mark}).all())


def _kind_of(error: BaseException) -> str:
    return f"{type(error).__module__}.{type(error).__qualname__}".removeprefix("builtins.")


def _place_of(filename: str) -> Path | None:
    path = Path(filename)
    place = path.relative_to(ROOT) if path.is_relative_to(ROOT) else None
    return place if place is not None and place.parts[0] in OURS else None


OURS = ("idp", "keys", "runtime", "schemas", "wallet")
FAILED = "job.status = 'failed' AND job.queue_name IN ('kabao', 'kabao-outward')"
KIND = "split_part(job.task_name, ':', 2)"
LATER = "SELECT FROM procrastinate_events event WHERE event.job_id = job.id AND event.type = 'failed' AND event.id > :mark"
NAMED = f"{FAILED} AND {KIND} = :kind AND (CAST(:job_id AS bigint) IS NULL OR job.id = :job_id) AND NOT EXISTS ({LATER})"
LISTED = text(f"""
SELECT job.id, {KIND} AS kind, job.attempts, job.queueing_lock IS NOT NULL AS repeats, job_errors.error,
    (SELECT min(at) FROM procrastinate_events WHERE job_id = job.id AND type = 'deferred') AS asked_at,
    (SELECT max(at) FROM procrastinate_events WHERE job_id = job.id AND type = 'failed') AS failed_at
FROM procrastinate_jobs job LEFT JOIN job_errors ON job_errors.job_id = job.id
WHERE {FAILED} AND job.id > :after AND (CAST(:kind AS text) IS NULL OR {KIND} = :kind) ORDER BY job.id LIMIT :limit
""")  # noqa: S608 (all of it stands here)
KINDS = text(f"""
SELECT {KIND} AS kind, count(DISTINCT job.id), bool_or(job.queueing_lock IS NOT NULL), min(event.at), max(event.at),
    (array_agg(job_errors.error ORDER BY job.id DESC))[1],
    coalesce(max(event.id), 0)
FROM procrastinate_jobs job
LEFT JOIN procrastinate_events event ON event.job_id = job.id AND event.type = 'failed'
LEFT JOIN job_errors ON job_errors.job_id = job.id
WHERE {FAILED} GROUP BY 1 ORDER BY 5 DESC NULLS LAST, 1
""")  # noqa: S608
RETRIED = text(f"""
UPDATE procrastinate_jobs job SET status = 'todo', attempts = 0, scheduled_at = now(), abort_requested = false
WHERE {NAMED} AND job.queueing_lock IS NULL RETURNING job.id
""")  # noqa: S608
DROPPED = text(f"DELETE FROM procrastinate_jobs job WHERE {NAMED} RETURNING job.id")  # noqa: S608
