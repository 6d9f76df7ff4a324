"""Jobs outlive the workers that run them."""

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from procrastinate.exceptions import AlreadyEnqueued
from sqlalchemy import text
from sqlalchemy.orm import Session

from runtime import jobs, repeating
from runtime.database import transaction
from runtime.settings import Settings


def begun(session: Session, *, task: str, lock: str | None, queue: str = jobs.QUEUE) -> int:
    """Leave a job behind as a worker does that was killed in the middle of it."""
    columns = "queue_name, task_name, args, status, queueing_lock"
    query = f"INSERT INTO procrastinate_jobs ({columns}) VALUES (:queue, :task, '{{}}', 'doing', :lock) RETURNING id"  # noqa: S608
    return int(session.execute(text(query), {"task": task, "lock": lock, "queue": queue}).scalar_one())


async def rescue(settings: Settings) -> int:
    queue = jobs.queue_at(settings.database_url)
    async with queue.open_async():
        return await jobs.rescue(queue)


@pytest.mark.parametrize("queue", [jobs.QUEUE, jobs.OUTWARD])
def test_a_job_whose_worker_died_is_run_again_and_a_repeated_one_only_ends(app: object, context: None, settings: Settings, queue: str) -> None:
    with transaction() as session:
        deferred = begun(session, task="kabao:some_delivery", lock=None, queue=queue)
        repeated = begun(session, task="kabao:some_round", lock="some_round")
    with ThreadPoolExecutor(1) as thread:  # this one may have the loop of a test in a browser before it
        assert thread.submit(asyncio.run, rescue(settings)).result() == 1
    with transaction() as session:
        left = {row.id: row.status for row in session.execute(text("SELECT id, status::text FROM procrastinate_jobs"))}
    assert left[deferred] == "todo"
    assert repeated not in left


@pytest.mark.parametrize("name", [jobs.QUEUE, jobs.OUTWARD])
def test_a_job_that_failed_a_week_ago_is_forgotten_and_a_younger_one_kept(app: object, context: None, settings: Settings, name: str) -> None:
    with transaction() as session:
        ids = [begun(session, task=f"kabao:failed_{days}", lock=None, queue=name) for days in (8, 6)]
        for job_id, days in zip(ids, (8, 6), strict=True):
            session.execute(text("UPDATE procrastinate_jobs SET status = 'failed' WHERE id = :id"), {"id": job_id})
            moved = "UPDATE procrastinate_events SET at = now() - make_interval(days => :days) WHERE job_id = :id"
            session.execute(text(moved), {"id": job_id, "days": days})

    async def forget() -> None:
        queue = jobs.queue_at(settings.database_url)
        async with queue.open_async():
            await jobs.forget_ended(queue)

    asyncio.run(forget())
    with transaction() as session:
        left = set(session.scalars(text("SELECT id FROM procrastinate_jobs")))
    assert (ids[0] in left, ids[1] in left) == (False, True)


def test_what_goes_outwards_waits_in_a_queue_of_its_own(app: object, context: None) -> None:
    with transaction() as session:
        jobs.defer(session, "push_signals", stream_id="none")
        jobs.defer(session, "tell_of_request", request_id="none")
        rows = session.execute(text("SELECT task_name, queue_name FROM procrastinate_jobs WHERE args::text LIKE '%none%'"))
        assert {tuple(row) for row in rows} == {("kabao:push_signals", "kabao-outward"), ("kabao:tell_of_request", "kabao")}
        session.execute(text("DELETE FROM procrastinate_jobs WHERE args::text LIKE '%none%'"))


def test_what_somebody_waits_for_comes_first_and_what_may_wait_last(app: object, context: None) -> None:
    with transaction() as session:
        for priority, name in ((jobs.LATER, "later"), (jobs.USUAL, "now"), (jobs.SOONEST, "sooner")):
            jobs.defer(session, "tell_of_request", priority=priority, request_id=name)
        fetched = "SELECT args ->> 'request_id' FROM procrastinate_fetch_job_v2(ARRAY['kabao'], NULL)"
        found = [session.scalar(text(fetched)) for _ in range(session.scalar(text("SELECT count(*) FROM procrastinate_jobs WHERE status = 'todo'")))]
        assert found.index("sooner") < found.index("now") < found.index("later")
        session.rollback()


def test_whoever_calls_another_server_in_a_job_does_so_outwards() -> None:
    outward, here = set(jobs.declared_outward.tasks), set(jobs.declared.tasks)
    named = {"push_signals", "send_logout_token", "send_code", "send_notice_to", "ping_client", "match_stated", "begin_recovery"}
    assert named == {name.rpartition(":")[2] for name in outward if not name.startswith("builtin")}
    assert not named & {name.rpartition(":")[2] for name in here}


def test_what_repeats_within_a_minute_is_queued_only_where_it_has_something_to_do(app: object) -> None:
    """Six fields are of seconds: such work has a condition, and the queue's own clock knows nothing of it."""
    by_the_queue = {name: task.cron.split() for (name, _), task in jobs.declared.periodic_registry.periodic_tasks.items()}
    assert [name for name, fields in by_the_queue.items() if len(fields) != 5] == []
    assert {"keep_room_in_status_lists", "rebuild_status_lists"} <= set(repeating.declared)


def test_a_job_that_fails_is_tried_eight_times_ever_more_rarely_and_repeated_work_is_queued_once() -> None:
    tasks = {name.rpartition(":")[2]: task for name, task in {**jobs.declared.tasks, **jobs.declared_outward.tasks}.items()}
    for name in ("send_notice", "send_code"):
        strategy: Any = tasks[name].retry_strategy
        assert (strategy.max_attempts, strategy.exponential_wait) == (8, 3)
    repeated = {name.rpartition(":")[2] for name, _ in jobs.declared.periodic_registry.periodic_tasks} | set(repeating.declared)
    assert {name: tasks[name].queueing_lock for name in repeated} == {name: name for name in repeated}


def test_of_some_side_by_side_the_first_to_end_ends_the_others_and_what_any_raised_is_raised() -> None:
    ended: list[str] = []

    async def one(name: str, seconds: float, error: Exception | None = None) -> None:
        try:
            await asyncio.sleep(seconds)
            if error is not None:
                raise error
        finally:
            ended.append(name)

    asyncio.run(jobs._until_one_ends(one("first", 0), one("second", 3600)))
    assert ended == ["first", "second"]
    with pytest.raises(ZeroDivisionError):
        asyncio.run(jobs._until_one_ends(one("third", 3600), one("fourth", 0, ZeroDivisionError())))
    assert ended[2:] == ["fourth", "third"]


class Queue:
    """A queue that notes what is asked for, and has it already when a test says so."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.tasks = {f"kabao:{name}": self for name in ("one", "two")}

    async def defer_async(self, *, timestamp: int) -> None:
        self.asked.append("asked")
        raise AlreadyEnqueued


def test_work_is_asked_for_by_the_seconds_that_went_by_and_what_is_queued_already_is_no_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[int, int]] = []
    queue = Queue()

    def find_due(*, last: int, this: int) -> list[str]:
        asked.append((last, this))
        return ["one", "two"]

    async def run() -> None:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(jobs.ask_for_work(queue), 2.5)  # type: ignore[arg-type]

    monkeypatch.setattr(jobs, "_in_context", lambda work: work)
    monkeypatch.setattr(repeating, "find_due", find_due)
    began = int(time.time())
    asyncio.run(run())
    assert asked[0][0] == repeating.BEGINNING
    assert [last for last, _ in asked[1:]] == [this for _, this in asked[:-1]]
    assert asked[0][1] >= began
    assert len(asked) >= 2
    assert len(queue.asked) == 2 * len(asked)
