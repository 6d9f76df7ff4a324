"""What /metrics tells of what waits behind the scenes."""

import re
import threading
from datetime import timedelta

import pytest
from flask import Flask
from flask.testing import FlaskClient
from prometheus_client.core import GaugeMetricFamily
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from runtime import backlog, clock, failed_jobs, jobs
from runtime.database import transaction

LINE = re.compile(r"(?m)^(kabao_\w+)(\{[^}]*\})? ([\d.e+-]+)$")


@pytest.fixture(autouse=True)
def anew(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing was told lately."""
    monkeypatch.setattr(backlog, "_kept", (0.0, b""))


def told(client: FlaskClient) -> dict[str, float]:
    return {name + (labels or ""): float(value) for name, labels, value in LINE.findall(client.get("/metrics").text)}


def test_jobs_whose_time_has_come_are_counted_with_the_wait_of_the_oldest(app: Flask, client: FlaskClient) -> None:
    with app.app_context():
        with transaction() as session:
            session.execute(text("DELETE FROM procrastinate_jobs"))
            for _ in range(3):
                jobs.defer(session, "tell_of_uses")
        with transaction() as session:
            session.execute(
                text("UPDATE procrastinate_events SET at = now() - interval '90 seconds' WHERE job_id = (SELECT min(id) FROM procrastinate_jobs)")
            )
            session.execute(
                text("UPDATE procrastinate_jobs SET scheduled_at = now() + interval '1 hour' WHERE id = (SELECT max(id) FROM procrastinate_jobs)")
            )
            session.execute(text("UPDATE procrastinate_jobs SET status = 'failed' WHERE id = (SELECT max(id) - 1 FROM procrastinate_jobs)"))
    found = told(client)
    assert found['kabao_jobs_due{queue="kabao"}'] == 1, "one is for later, one failed"
    assert 90 <= found['kabao_jobs_due_seconds{queue="kabao"}'] < 120
    assert found["kabao_jobs_failed"] == 1
    assert found["kabao_backlog_known"] == 1


def test_a_job_that_is_tried_again_waits_since_then_alone(app: Flask, client: FlaskClient) -> None:
    with app.app_context(), transaction() as session:
        session.execute(text("DELETE FROM procrastinate_jobs"))
        jobs.defer(session, "tell_of_uses")
        session.execute(text("UPDATE procrastinate_events SET at = now() - interval '5 days' WHERE job_id IN (SELECT id FROM procrastinate_jobs)"))
        session.execute(text("UPDATE procrastinate_jobs SET status = 'doing'"))
        session.execute(text("UPDATE procrastinate_jobs SET status = 'failed'"))
        assert failed_jobs.retry(session, kind="tell_of_uses") == 1
    found = told(client)
    assert found['kabao_jobs_due{queue="kabao"}'] == 1
    assert found['kabao_jobs_due_seconds{queue="kabao"}'] < 60, "else the alarm for work that nobody does goes off"


def test_rows_of_the_ledger_count_until_they_have_their_place(app: Flask, client: FlaskClient) -> None:
    with app.app_context(), transaction() as session:
        waiting = session.scalar(text("SELECT count(*) FROM ledger_entries WHERE position IS NULL"))
    found = told(client)
    assert found["kabao_ledger_unsealed"] == waiting
    assert "kabao_ledger_unsealed_seconds" in found


@pytest.mark.parametrize("ahead", [0, 3600, -3600])
def test_a_clock_that_is_not_the_databases_is_told(client: FlaskClient, ahead: int) -> None:
    with clock.shifted(timedelta(seconds=ahead)):
        assert abs(told(client)["kabao_clock_behind_seconds"] + ahead) < 5


def test_events_for_receivers_are_told_although_there_are_none(client: FlaskClient) -> None:
    assert told(client)["kabao_signals_refused"] >= 0


def test_a_database_that_does_not_answer_leaves_the_counters_and_says_that_nothing_is_known(
    client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away() -> None:
        raise OperationalError("SELECT 1", {}, Exception("the database is away"))

    monkeypatch.setattr(backlog, "transaction", away)
    answer = client.get("/metrics")
    assert answer.status_code == 200
    assert "kabao_backlog_known 0" in answer.text
    assert "kabao_requests_total" in answer.text
    assert "kabao_jobs_due" not in answer.text
    assert "away" not in answer.text


def test_who_scrapes_in_a_hurry_asks_the_database_once(client: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    ask = backlog._ask
    monkeypatch.setattr(backlog, "_ask", lambda one: asked.append(one.name) or ask(one))
    first = told(client)
    for _ in range(20):
        assert told(client)["kabao_ledger_unsealed"] == first["kabao_ledger_unsealed"]
    assert sorted(asked) == ["certificates_ending", "jobs_due", "jobs_failed", "ledger_unsealed", "signals_refused", "signals_waiting", "trust_lists"]


def test_who_scrapes_while_a_slow_database_is_asked_does_not_wait_for_it(app: Flask, client: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    before = told(client)
    monkeypatch.setattr(backlog, "_kept", (0.0, backlog._kept[1]))
    is_asked, may_answer, ask = threading.Event(), threading.Event(), backlog._ask

    def slowly(one: backlog.Backlog) -> list[GaugeMetricFamily]:
        is_asked.set()
        assert may_answer.wait(30)
        return ask(one)

    monkeypatch.setattr(backlog, "_ask", slowly)
    first = threading.Thread(target=lambda: app.test_client().get("/metrics"))
    first.start()
    assert is_asked.wait(30)
    found: list[dict[str, float]] = []
    others = [threading.Thread(target=lambda: found.append(told(app.test_client())), daemon=True) for _ in range(3)]
    for one in others:
        one.start()
    for one in others:
        one.join(10)
    while_asked = list(found)
    may_answer.set()
    first.join(30)
    assert [one["kabao_ledger_unsealed"] for one in while_asked] == [before["kabao_ledger_unsealed"]] * 3, "what was known before"
    assert told(client)["kabao_backlog_known"] == 1
