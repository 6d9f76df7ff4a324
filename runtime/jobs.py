"""Work behind the scenes, on a queue in PostgreSQL (Procrastinate): a job is deferred in the transaction that asks for it.

`job` declares one, `every` a repeated one, `outward` one that waits for somebody else's server; `defer` asks for one run; `run_worker` is
`kabao worker`. What repeats within a minute is queued only when it has something to do (`runtime.repeating`). What goes outwards has a queue and
threads of its own, so that a hundred receivers that hang hold back no status list. A worker outlives its database connection, and the jobs of a
worker that died are run by another: what such a job does to others it may do twice, what it does here in one transaction once (`is_first_run`).
"""

import asyncio
import json
import signal
import time
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from contextvars import ContextVar
from datetime import datetime
from functools import wraps
from typing import Any

import procrastinate
import psycopg
import structlog
from flask import Flask
from procrastinate.exceptions import AlreadyEnqueued, ConnectorException
from procrastinate.jobs import Status
from procrastinate.middleware import AsyncCallNext
from sqlalchemy import event, text
from sqlalchemy.orm import Session

from runtime import failed_jobs, repeating
from runtime.clashes import what_failed
from runtime.database import CONNECTION, SESSION_OPTIONS
from runtime.repeating import Condition
from runtime.settings import Settings

log = structlog.get_logger(__name__)
NAMESPACE = "kabao"
WORKER = "kabao worker"  # what PostgreSQL knows the worker's connections by
QUEUE, OUTWARD = "kabao", "kabao-outward"
SPARE_THREADS = 4
RECONNECT_SECONDS = 1
LOOK_FOR_ABORTED_SECONDS = 60.0  # nothing here is aborted
KEPT_HOURS = 7 * 24
LATER, USUAL, SOONEST = -1, 0, 1  # what may wait for all else, and what somebody sits and waits for
RETRY = procrastinate.RetryStrategy(max_attempts=8, exponential_wait=3)
declared, declared_outward = procrastinate.Blueprint(), procrastinate.Blueprint()
_outward: set[str] = set()
_application: Flask | None = None
Work = Callable[..., Any]
DONE = "@done"  # among the arguments of a job that a worker died over, once its transaction was committed
_at_work: ContextVar[int | None] = ContextVar("job", default=None)


def job(work: Work) -> Work:
    """Declare a job by its function's name; it runs in the application's context, and again (up to 8 times) if it fails."""
    declared.task(name=work.__name__, queue=QUEUE, retry=RETRY, pass_context=True)(_known(work))
    return work


def outward(work: Work) -> Work:
    """Declare a job that asks another house's server for something: like `job`, beside all that happens in this house alone."""
    declared_outward.task(name=work.__name__, queue=OUTWARD, retry=RETRY, pass_context=True)(_known(work))
    _outward.add(work.__name__)
    return work


def every(cron: str, *, if_any: Condition | None = None) -> Callable[[Work], Work]:
    """Declare work that repeats: `cron` has five fields, or six with seconds last.

    With `if_any` it is queued only where that holds; such work repeats by seconds alone.
    """

    def declare(work: Work) -> Work:
        def on_time(timestamp: int) -> None:
            work()

        on_time.__name__ = work.__name__
        task = declared.task(name=work.__name__, queue=QUEUE, queueing_lock=work.__name__, pass_context=False)(_in_context(on_time))
        if if_any is not None:
            repeating.declare(work.__name__, cron, if_any)
        else:
            declared.periodic(cron=cron, periodic_id=work.__name__)(task)
        return work

    return declare


def defer(session: Session, name: str, *, at: datetime | None = None, priority: int = USUAL, **arguments: Any) -> None:
    """Ask for one run of a job once this transaction commits, or `at` some later moment; what is of a higher priority comes first."""
    session.execute(
        text(
            "SELECT procrastinate_defer_jobs_v1(ARRAY[ROW(:queue, :task, :priority, NULL, NULL, CAST(:arguments AS jsonb), :at)"
            "::procrastinate_job_to_defer_v1])"
        ),
        {
            "queue": OUTWARD if name in _outward else QUEUE,
            "task": f"{NAMESPACE}:{name}",
            "priority": priority,
            "arguments": json.dumps(arguments),
            "at": at,
        },
    )


def is_first_run(session: Session) -> bool:
    """Whether the job that is at work did not do before what it does in this transaction: it is noted with it, or not at all.

    False if a worker died once it was committed, before the queue heard of it. True for whoever runs the work without the queue.
    """
    job_id = _at_work.get()
    noted = "UPDATE procrastinate_jobs SET args = args || CAST(:note AS jsonb) WHERE id = :id AND NOT jsonb_exists(args, :done) RETURNING id"
    return job_id is None or session.scalar(text(noted), {"id": job_id, "done": DONE, "note": json.dumps({DONE: True})}) is not None


def run_worker(app: Flask, settings: Settings, *, concurrency: int, outward_concurrency: int) -> None:
    """Run jobs until told to stop (SIGINT, SIGTERM); a database that is away is waited for."""
    global _application
    _application = app
    event.listen(app.extensions["kabao_engine"], "do_connect", lambda _, __, ___, parameters: parameters.update(application_name=WORKER))
    here, away = queue_at(settings.database_url), outward_queue_at(settings.database_url)
    log.info("worker starts", jobs=sorted([*here.tasks, *away.tasks]))
    asyncio.run(_work({QUEUE: (here, concurrency), OUTWARD: (away, outward_concurrency)}))


def queue_at(database_url: str) -> procrastinate.App:
    """Return the queue in a database, with every declared job but those that go outwards."""
    return _queue_of(declared, database_url)


def outward_queue_at(database_url: str) -> procrastinate.App:
    """Return the queue of the jobs that go outwards."""
    return _queue_of(declared_outward, database_url)


def _queue_of(jobs: procrastinate.Blueprint, database_url: str) -> procrastinate.App:
    how: dict[str, Any] = {**CONNECTION, "application_name": WORKER, "options": SESSION_OPTIONS}
    queue = procrastinate.App(connector=procrastinate.PsycopgConnector(conninfo=database_url, kwargs=how))
    queue.add_tasks_from(jobs, namespace=NAMESPACE)
    return queue


async def rescue(queue: procrastinate.App) -> int:
    """Let what a worker died over be run again, and return how many jobs that were; a repeated one comes back by itself."""
    rescued = 0
    for name in (QUEUE, OUTWARD):
        for stalled in await queue.job_manager.get_stalled_jobs(queue=name):
            if stalled.queueing_lock is None:
                await queue.job_manager.retry_job(stalled)
                rescued += 1
            else:
                await queue.job_manager.finish_job(stalled, status=Status.FAILED, delete_job=True)
    return rescued


@declared.periodic(cron="* * * * *", periodic_id="rescue_stalled_jobs")
@declared.task(name="rescue_stalled_jobs", queue=QUEUE, queueing_lock="rescue_stalled_jobs", pass_context=True)
async def _rescue(context: procrastinate.JobContext, timestamp: int) -> None:
    rescued = await rescue(context.app)
    if rescued:
        log.warning("jobs of a dead worker run again", jobs=rescued)


async def forget_ended(queue: procrastinate.App) -> None:
    """Delete the jobs that failed for good a week ago, and what was noted of jobs that are gone."""
    for name in (QUEUE, OUTWARD):
        await queue.job_manager.delete_old_jobs(KEPT_HOURS, queue=name, include_failed=True, include_cancelled=True, include_aborted=True)
    await queue.connector.execute_query_async(failed_jobs.FORGET)


@declared.periodic(cron="23 * * * *", periodic_id="forget_ended_jobs")
@declared.task(name="forget_ended_jobs", queue=QUEUE, queueing_lock="forget_ended_jobs", pass_context=True)
async def _forget_ended(context: procrastinate.JobContext, timestamp: int) -> None:
    await forget_ended(context.app)


async def _work(queues: dict[str, tuple[procrastinate.App, int]]) -> None:
    loop = asyncio.get_running_loop()
    threads = sum(concurrency for _, concurrency in queues.values()) + SPARE_THREADS
    loop.set_default_executor(ThreadPoolExecutor(threads, thread_name_prefix="job"))  # as many as the jobs: the default is for two cores six
    told_to_stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, told_to_stop.set)
    await asyncio.gather(*(_work_at(name, queue, told_to_stop, concurrency=concurrency) for name, (queue, concurrency) in queues.items()))


async def _work_at(name: str, queue: procrastinate.App, told_to_stop: asyncio.Event, *, concurrency: int) -> None:
    stopping = asyncio.create_task(told_to_stop.wait())
    while not stopping.done():
        working = asyncio.create_task(_work_while_connected(name, queue, concurrency=concurrency))
        await asyncio.wait([working, stopping], return_when=asyncio.FIRST_COMPLETED)
        if stopping.done():
            working.cancel()
        await asyncio.wait([working])
        if not working.cancelled():
            working.result()
        await asyncio.wait([stopping], timeout=RECONNECT_SECONDS)


async def _work_while_connected(name: str, queue: procrastinate.App, *, concurrency: int) -> None:
    """Run jobs until cancelled; the queue's own worker ends, too, when the database goes away."""
    try:
        async with queue.open_async():
            run = queue.run_worker_async(
                queues=[name],
                concurrency=concurrency,
                delete_jobs="successful",
                install_signal_handlers=False,
                abort_job_polling_interval=LOOK_FOR_ABORTED_SECONDS,
                worker_middleware=[note_failure],
            )
            await (_until_one_ends(run, ask_for_work(queue)) if name == QUEUE else run)
    except (ConnectorException, psycopg.Error) as error:
        log.warning("the queue is out of reach", error=what_failed(error))


async def note_failure(run: AsyncCallNext, context: procrastinate.JobContext, worker: Any) -> Any:
    """Run a job, and note what it failed with for whoever looks after it."""
    try:
        return await run()
    except Exception as error:
        with suppress(ConnectorException):  # the queue itself says so in a moment
            await context.app.connector.execute_query_async(failed_jobs.NOTE, job_id=context.job.id, error=failed_jobs.what_of(error))
        raise


async def _until_one_ends(*each: Coroutine[Any, Any, None]) -> None:
    """Run some side by side until one ends, and raise what it raised; the others are cancelled and waited for."""
    running = [asyncio.create_task(one) for one in each]
    try:
        await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for one in running:
            one.cancel()
        ended = await asyncio.gather(*running, return_exceptions=True)
    for outcome in ended:
        if isinstance(outcome, Exception):
            raise outcome


async def ask_for_work(queue: procrastinate.App) -> None:
    """Queue each second what repeats within a minute and has something to do, until cancelled."""
    last = repeating.BEGINNING
    while True:
        this = int(time.time())
        for name in await asyncio.to_thread(_in_context(repeating.find_due), last=last, this=this):
            with suppress(AlreadyEnqueued):
                await queue.tasks[f"{NAMESPACE}:{name}"].defer_async(timestamp=this)
        last = this
        await asyncio.sleep(1 - time.time() % 1)


def _known(work: Work) -> Work:
    """Let work that the queue runs know which job it is."""
    run_in_context = _in_context(work)

    @wraps(work)
    def run(context: procrastinate.JobContext, **arguments: Any) -> Any:
        known = _at_work.set(context.job.id)
        try:
            return run_in_context(**{name: value for name, value in arguments.items() if name != DONE})
        finally:
            _at_work.reset(known)

    return run


def _in_context(work: Work) -> Work:
    @wraps(work)
    def run(**arguments: Any) -> Any:
        assert _application is not None, "jobs run in a worker"
        with _application.app_context():
            return work(**arguments)

    return run
