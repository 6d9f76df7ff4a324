"""Work behind the scenes, on a queue in PostgreSQL (Procrastinate): a job is deferred in the transaction that asks for it.

`job` declares one, `every` a repeated one, `defer` asks for one run; `run_worker` is `kabao worker`.
"""

import json
from collections.abc import Callable
from functools import wraps
from typing import Any

import procrastinate
import structlog
from flask import Flask
from sqlalchemy import text
from sqlalchemy.orm import Session

from runtime.settings import Settings

log = structlog.get_logger(__name__)
NAMESPACE = "kabao"
QUEUE = "kabao"
RETRY = procrastinate.RetryStrategy(max_attempts=8, exponential_wait=3)
declared = procrastinate.Blueprint()
_application: Flask | None = None
Work = Callable[..., None]


def job(work: Work) -> Work:
    """Declare a job by its function's name; it runs in the application's context, and again (up to 8 times) if it fails."""
    declared.task(name=work.__name__, queue=QUEUE, retry=RETRY)(_in_context(work))
    return work


def every(cron: str) -> Callable[[Work], Work]:
    """Declare work that repeats: `cron` has five fields, or six with seconds last."""

    def declare(work: Work) -> Work:
        def on_time(timestamp: int) -> None:
            work()

        on_time.__name__ = work.__name__
        task = declared.task(name=work.__name__, queue=QUEUE, queueing_lock=work.__name__, pass_context=False)(_in_context(on_time))
        declared.periodic(cron=cron, periodic_id=work.__name__)(task)
        return work

    return declare


def defer(session: Session, name: str, **arguments: Any) -> None:
    """Ask for one run of a job once this transaction commits."""
    session.execute(
        text(
            "SELECT procrastinate_defer_jobs_v1(ARRAY[ROW(:queue, :task, 0, NULL, NULL, CAST(:arguments AS jsonb), NULL)"
            "::procrastinate_job_to_defer_v1])"
        ),
        {"queue": QUEUE, "task": f"{NAMESPACE}:{name}", "arguments": json.dumps(arguments)},
    )


def run_worker(app: Flask, settings: Settings, *, concurrency: int) -> None:
    """Run jobs until told to stop (SIGINT, SIGTERM)."""
    global _application
    _application = app
    connector = procrastinate.PsycopgConnector(conninfo=settings.database_url)
    queue = procrastinate.App(connector=connector)
    queue.add_tasks_from(declared, namespace=NAMESPACE)
    log.info("worker starts", jobs=sorted(queue.tasks))
    with queue.open():
        queue.run_worker(queues=[QUEUE], concurrency=concurrency, delete_jobs="successful", install_signal_handlers=True)


def _in_context(work: Work) -> Work:
    @wraps(work)
    def run(**arguments: Any) -> None:
        assert _application is not None, "jobs run in a worker"
        with _application.app_context():
            work(**arguments)

    return run
