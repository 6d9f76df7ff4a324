"""What failed for good is seen with its kind of error, tried again as if for the first time, or given up."""

import asyncio
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from click.testing import Result
from flask import Flask
from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from idp.signals import streams
from idp.subjects.numbers import parse_number
from runtime import failed_jobs, jobs
from runtime.database import transaction
from runtime.failed_jobs import JobError
from runtime.failed_jobs_commands import jobs as commands
from runtime.ledger import LedgerEntry
from runtime.problems import Refusal
from runtime.settings import Settings

KIND, OTHER = "send_for_a_test", "prune_for_a_test"
QUEUE = "for-a-test"
NUMBER, NAME = "379999199005180121", "林晓月"


def failed(session: Session, *, kind: str = KIND, lock: str | None = None, error: str | None = "keys.sealing.SealBroken") -> int:
    """Leave a job behind that failed as often as it may; what it was about is in its arguments."""
    jobs.defer(session, kind, about=NUMBER)
    latest = "id = (SELECT max(id) FROM procrastinate_jobs)"
    query = f"UPDATE procrastinate_jobs SET status = 'doing', queueing_lock = :lock WHERE {latest} RETURNING id"  # noqa: S608
    job_id = int(session.execute(text(query), {"lock": lock}).scalar_one())
    session.execute(text("UPDATE procrastinate_jobs SET status = 'failed', attempts = 9 WHERE id = :id"), {"id": job_id})
    if error is not None:
        session.add(JobError(job_id=job_id, error=error))
    return job_id


@pytest.fixture(autouse=True)
def alone(context: None) -> Iterator[None]:
    """Let no failed job of a test be another's."""
    yield
    with transaction() as session:
        session.execute(text("DELETE FROM procrastinate_jobs WHERE status = 'failed' OR task_name LIKE '%\\_for\\_a\\_test'"))


def state_of(job_id: int) -> tuple[str, int] | None:
    with transaction() as session:
        row = session.execute(text("SELECT status::text, attempts FROM procrastinate_jobs WHERE id = :id"), {"id": job_id}).one_or_none()
    return None if row is None else (row.status, row.attempts)


def run(settings: Settings, work: Any) -> None:
    """Let a worker of this test's own run a job once, as a worker does."""
    queue = jobs.queue_at(settings.database_url)
    queue.task(name=f"{jobs.NAMESPACE}:{KIND}", queue=QUEUE)(work)
    with transaction() as session:
        jobs.defer(session, KIND, about=NUMBER)
        moved = text("UPDATE procrastinate_jobs SET queue_name = :queue WHERE task_name = :name")
        session.execute(moved, {"queue": QUEUE, "name": f"{jobs.NAMESPACE}:{KIND}"})

    async def once() -> None:
        async with queue.open_async():
            await queue.run_worker_async(queues=[QUEUE], wait=False, install_signal_handlers=False, worker_middleware=[jobs.note_failure])

    with ThreadPoolExecutor(1) as thread:
        thread.submit(asyncio.run, once()).result()
    with transaction() as session:
        session.execute(text("UPDATE procrastinate_jobs SET queue_name = 'kabao' WHERE queue_name = :queue"), {"queue": QUEUE})


def test_a_worker_notes_what_a_job_failed_with_and_none_of_its_words(app: Flask, settings: Settings) -> None:
    def work(about: str) -> None:
        with app.app_context(), transaction() as session:
            session.execute(text("SELECT * FROM a_table_of_nobody WHERE number = :number"), {"number": NUMBER})

    run(settings, work)
    with transaction() as session:
        (found,) = failed_jobs.listed(session, kind=KIND)
    assert found.error is not None
    assert found.error.startswith("sqlalchemy.exc.ProgrammingError · psycopg.errors.UndefinedTable · runtime/jobs.py:")
    assert NUMBER not in found.error
    assert (found.tries, found.failed_at is None) == (1, False)


def test_what_an_error_says_of_a_person_is_left_out_and_where_it_was_raised_is_said() -> None:
    with pytest.raises(Refusal) as caught:
        parse_number(f"{NUMBER}{NAME}")
    said = failed_jobs.what_of(caught.value)
    assert re.fullmatch(r"idp\.subjects\.numbers\.\w+ · idp/subjects/numbers\.py:\d+", said)


def test_an_error_is_placed_in_the_feature_that_met_it_rather_than_in_what_it_stands_on() -> None:
    with pytest.raises(AttributeError) as caught:
        streams.changed(None)  # type: ignore[arg-type]
    assert re.fullmatch(r"AttributeError · idp/signals/streams\.py:\d+", failed_jobs.what_of(caught.value))


def test_what_is_noted_of_an_error_has_an_end_and_the_last_counts() -> None:
    endless = failed_jobs.what_of(type("E" * 1000, (Exception,), {})())
    assert len(endless) == failed_jobs.LONGEST
    with transaction() as session:
        job_id = failed(session, error=None)
        for error in ("the first", "the last"):
            session.connection().exec_driver_sql(failed_jobs.NOTE, {"job_id": job_id, "error": error})
        assert [one.error for one in failed_jobs.listed(session, kind=KIND)] == ["the last"]


def test_a_job_that_ends_well_after_all_leaves_nothing(settings: Settings) -> None:
    with transaction() as session:
        again = failed(session)
        assert failed_jobs.retry(session, kind=KIND, job_id=again) == 1
        session.execute(text("DELETE FROM procrastinate_jobs WHERE id = :id"), {"id": again})

    async def forget() -> None:
        queue = jobs.queue_at(settings.database_url)
        async with queue.open_async():
            await jobs.forget_ended(queue)

    with ThreadPoolExecutor(1) as thread:
        thread.submit(asyncio.run, forget()).result()
    with transaction() as session:
        assert session.scalar(select(func.count()).select_from(JobError).where(JobError.job_id == again)) == 0


def test_what_failed_is_told_by_kind_and_one_by_one() -> None:
    with transaction() as session:
        first, second = failed(session, error=None), failed(session)
        failed(session, kind=OTHER, lock=OTHER)
        kinds = {one.kind: one for one in failed_jobs.kinds(session)}
        assert (kinds[KIND].number, kinds[KIND].repeats, kinds[KIND].error) == (2, False, "keys.sealing.SealBroken")
        assert kinds[OTHER].repeats
        assert [one.repeats for kind in (KIND, OTHER) for one in failed_jobs.listed(session, kind=kind)] == [False, False, True]
        assert failed_jobs.count(session) == 3
        assert [(one.id, one.tries, one.error) for one in failed_jobs.listed(session, kind=KIND)] == [
            (first, 9, None),
            (second, 9, "keys.sealing.SealBroken"),
        ]
        assert [one.id for one in failed_jobs.listed(session, kind=KIND, after=first)] == [second]
        assert NUMBER not in str([*kinds.values(), *failed_jobs.listed(session)])


def test_a_job_is_tried_again_as_if_for_the_first_time(settings: Settings) -> None:
    with transaction() as session:
        one, other = failed(session), failed(session)
        assert failed_jobs.retry(session, kind=KIND, job_id=one) == 1
    assert (state_of(one), state_of(other)) == (("todo", 0), ("failed", 9))
    with transaction() as session:
        assert failed_jobs.retry(session, kind=KIND, job_id=one) == 0, "it waits already"
        assert failed_jobs.retry(session, kind=OTHER, job_id=other) == 0, "it is of another kind"
        assert failed_jobs.retry(session, kind=KIND) == 1
    assert state_of(other) == ("todo", 0)


def test_what_repeats_is_not_tried_again_beside_itself_and_can_be_given_up() -> None:
    with transaction() as session:
        repeated = [failed(session, kind=OTHER, lock=OTHER) for _ in range(2)]
        assert failed_jobs.retry(session, kind=OTHER) == 0
        assert failed_jobs.drop(session, kind=OTHER, job_id=repeated[0]) == 1
        assert failed_jobs.drop(session, kind=OTHER) == 1
    assert [state_of(one) for one in repeated] == [None, None]


def test_only_what_failed_is_given_up() -> None:
    with transaction() as session:
        jobs.defer(session, KIND, about=NUMBER)
        assert failed_jobs.drop(session, kind=KIND) == 0


def command(app: Flask, *words: str) -> Result:
    return app.test_cli_runner().invoke(commands, list(words))


def test_the_command_line_lists_retries_and_drops_and_the_ledger_knows(app: Flask) -> None:
    with transaction() as session:
        one, other = failed(session), failed(session)
    assert KIND in command(app, "list").output
    shown = command(app, "list", KIND).output
    assert str(one) in shown
    assert "keys.sealing.SealBroken" in shown
    assert NUMBER not in shown
    assert command(app, "retry", KIND, str(one)).output == "1 will be tried again.\n"
    assert command(app, "drop", KIND).output == "1 given up.\n"
    assert (state_of(one), state_of(other)) == (("todo", 0), None)
    with transaction() as session:
        rows = session.scalars(select(LedgerEntry).where(LedgerEntry.act.in_(["job.retried", "job.dropped"])).order_by(LedgerEntry.id)).all()[-2:]
    assert [(row.act, row.actor, row.object_id, row.detail) for row in rows] == [
        ("job.retried", "operator", str(one), {"kind": KIND, "jobs": 1}),
        ("job.dropped", "operator", KIND, {"kind": KIND, "jobs": 1}),
    ]


@pytest.mark.parametrize("words", [("retry", KIND), ("drop", "nothing-of-the-kind"), ("drop", KIND, "1"), ("retry", KIND, str(2**63 - 1))])
def test_the_command_line_says_where_there_is_nothing(app: Flask, words: tuple[str, ...]) -> None:
    answer = command(app, *words)
    assert answer.exit_code == 1
    assert "No such failed job" in answer.output


@pytest.mark.parametrize("words", [("retry", KIND, "0"), ("retry", KIND, "x"), ("drop", KIND, str(2**63)), ("list", "--limit", "0")])
def test_the_command_line_takes_no_wrong_numbers(app: Flask, words: tuple[str, ...]) -> None:
    assert command(app, *words).exit_code == 2
