"""Jobs outlive the workers that run them."""

import asyncio
from concurrent.futures import ThreadPoolExecutor

from sqlalchemy import text
from sqlalchemy.orm import Session

from runtime import jobs, repeating
from runtime.database import transaction
from runtime.settings import Settings


def begun(session: Session, *, task: str, lock: str | None) -> int:
    """Leave a job behind as a worker does that was killed in the middle of it."""
    columns = "queue_name, task_name, args, status, queueing_lock"
    query = f"INSERT INTO procrastinate_jobs ({columns}) VALUES ('kabao', :task, '{{}}', 'doing', :lock) RETURNING id"  # noqa: S608
    return int(session.execute(text(query), {"task": task, "lock": lock}).scalar_one())


async def rescue(settings: Settings) -> int:
    queue = jobs.queue_at(settings.database_url)
    async with queue.open_async():
        return await jobs.rescue(queue)


def test_a_job_whose_worker_died_is_run_again_and_a_repeated_one_only_ends(app: object, context: None, settings: Settings) -> None:
    with transaction() as session:
        deferred = begun(session, task="kabao:some_delivery", lock=None)
        repeated = begun(session, task="kabao:some_round", lock="some_round")
    with ThreadPoolExecutor(1) as thread:  # this one may have the loop of a test in a browser before it
        assert thread.submit(asyncio.run, rescue(settings)).result() == 1
    with transaction() as session:
        left = {row.id: row.status for row in session.execute(text("SELECT id, status::text FROM procrastinate_jobs"))}
    assert left[deferred] == "todo"
    assert repeated not in left


def test_a_job_that_failed_a_week_ago_is_forgotten_and_a_younger_one_kept(app: object, context: None, settings: Settings) -> None:
    with transaction() as session:
        ids = [begun(session, task=f"kabao:failed_{days}", lock=None) for days in (8, 6)]
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
