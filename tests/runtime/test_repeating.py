"""What repeats within a minute is queued when it has something to do, and then in the second in which it has."""

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import event, false, literal_column, select, text, true

from runtime import jobs, repeating
from runtime.database import engine, transaction
from runtime.repeating import Repeated
from runtime.settings import Settings

MINUTE = 60
FOUND = {
    "each_second": Repeated(1, lambda now: true()),
    "each_tenth": Repeated(10, lambda now: true()),
    "with_nothing_to_do": Repeated(1, lambda now: false()),
}


@pytest.fixture
def declared(context: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Repeated]]:
    """Work for this test alone."""
    monkeypatch.setattr(repeating, "declared", dict(FOUND))
    yield repeating.declared
    with transaction() as session:
        session.execute(text("DELETE FROM procrastinate_jobs WHERE task_name LIKE 'kabao:%_for_a_test'"))


def test_what_has_nothing_to_do_is_not_queued_and_the_rest_in_its_seconds(declared: dict[str, Repeated]) -> None:
    assert repeating.find_due(last=MINUTE + 8, this=MINUTE + 9) == ["each_second"]
    assert repeating.find_due(last=MINUTE + 9, this=MINUTE + 10) == ["each_second", "each_tenth"]


def test_a_second_that_was_missed_is_made_up_for_and_none_comes_twice(declared: dict[str, Repeated]) -> None:
    assert "each_tenth" in repeating.find_due(last=MINUTE + 9, this=MINUTE + 13)
    assert repeating.find_due(last=MINUTE + 13, this=MINUTE + 13) == []


def test_a_clock_that_was_set_back_stops_nothing(declared: dict[str, Repeated]) -> None:
    assert repeating.find_due(last=1000 * MINUTE, this=MINUTE) == ["each_second", "each_tenth"]


def test_a_worker_that_begins_queues_all_without_asking(declared: dict[str, Repeated]) -> None:
    assert repeating.find_due(last=repeating.BEGINNING, this=MINUTE + 1) == list(FOUND)


def test_all_is_asked_in_one_statement(declared: dict[str, Repeated]) -> None:
    asked: list[str] = []

    def note(_: Any, __: Any, statement: str, *___: Any) -> None:
        asked.append(statement)

    event.listen(engine(), "before_cursor_execute", note)
    try:
        repeating.find_due(last=MINUTE + 9, this=MINUTE + 10)
    finally:
        event.remove(engine(), "before_cursor_execute", note)
    assert len(asked) == 1


def test_what_cannot_be_asked_is_queued(declared: dict[str, Repeated]) -> None:
    nowhere = select(literal_column("1")).select_from(text("a_table_that_is_not_there")).exists()
    declared["of_another_version"] = Repeated(1, lambda now: nowhere)
    assert repeating.find_due(last=MINUTE + 1, this=MINUTE + 2) == ["each_second", "with_nothing_to_do", "of_another_version"]


@pytest.mark.parametrize("cron", ["* * * * *", "*/5 * * * * *", "0 3 * * * *"])
def test_only_what_repeats_by_seconds_alone_is_asked_for(cron: str) -> None:
    with pytest.raises(ValueError, match="by seconds"):
        repeating.declare("some_work", cron, lambda now: true())


def test_what_is_due_is_queued_once_until_it_runs(app: Flask, declared: dict[str, Repeated], settings: Settings) -> None:
    queue, name = jobs.queue_at(settings.database_url), "something_for_a_test"
    declared.clear()
    declared[name] = Repeated(1, lambda now: true())
    queue.task(name=f"{jobs.NAMESPACE}:{name}", queue="nobody-runs-this", queueing_lock=name)(lambda timestamp: None)

    async def ask_for_some_seconds() -> None:
        async with queue.open_async():
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(jobs.ask_for_work(queue), timeout=2.5)

    with pytest.MonkeyPatch.context() as patch, ThreadPoolExecutor(1) as thread:
        patch.setattr(jobs, "_application", app)
        thread.submit(asyncio.run, ask_for_some_seconds()).result()
    with transaction() as session:
        query = text("SELECT count(*) FROM procrastinate_jobs WHERE task_name = :name")
        assert session.scalar(query, {"name": f"{jobs.NAMESPACE}:{name}"}) == 1
