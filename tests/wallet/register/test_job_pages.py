"""An operator sees the jobs that failed for good, has them tried again or gives them up; nobody else does."""

import re
from collections.abc import Iterator
from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import select, text

from runtime import failed_jobs, jobs
from runtime.database import transaction
from runtime.ledger import LedgerEntry
from tests.idp.oauth.registration.test_client_pages import ONE_FACTOR, TWO_FACTORS, Desk, desk_of
from tests.runtime.test_failed_jobs import NUMBER, failed, state_of
from tests.world_people import BROWSER
from tests.world_verifying import new_browser
from wallet.register.job_words import JOBS

KIND, REPEATED = "send_notice_to", "seal_ledger"
PAGE = f"/admin/jobs/{KIND}"
ENGLISH = {"Accept-Language": "en"}


@pytest.fixture
def desk(app: Flask) -> Desk:
    return desk_of(app, amr=TWO_FACTORS)


@pytest.fixture
def some(app: Flask) -> Iterator[list[int]]:
    """Two messages that did not leave, and a round that failed."""
    with app.app_context(), transaction() as session:
        session.execute(text("DELETE FROM procrastinate_jobs WHERE status = 'failed'"))
        made = [failed(session, kind=KIND, error="idp.signin.senders.NotSent · idp/signin/smtp.py:61") for _ in range(2)]
        failed(session, kind=REPEATED, lock=REPEATED, error=None)
    yield made
    with app.app_context(), transaction() as session:
        session.execute(text("DELETE FROM procrastinate_jobs WHERE status = 'failed' OR id = ANY (:ids)"), {"ids": made})


def states(app: Flask, some: list[int]) -> list[tuple[str, int] | None]:
    with app.app_context():
        return [state_of(each) for each in some]


def mark_on(page: str) -> str:
    found = re.search(rf'id="kind-{KIND}".*?name="mark" value="(\d+)"', page, re.DOTALL)
    assert found is not None
    return found[1]


def test_every_job_has_words(app: Flask) -> None:
    declared = {name.rpartition(":")[2] for each in (jobs.declared, jobs.declared_outward) for name in each.tasks}
    assert {name for name in declared if not name.startswith("builtin")} == set(JOBS)


def test_the_kinds_are_shown_with_a_number_a_time_and_an_error_and_nothing_of_whom(app: Flask, desk: Desk, some: list[int]) -> None:
    page = desk.browser.get("/admin/jobs").text
    for seen in ("向一个地址发送通知", "失败2项", "idp.signin.senders.NotSent", "封存账本", "会定时再执行"):
        assert seen in page
    assert NUMBER not in page
    assert NUMBER not in desk.browser.get(PAGE).text
    assert f"/admin/jobs/{REPEATED}/retry" not in page
    english = desk.browser.get("/admin/jobs", headers=ENGLISH).text
    assert "2 failed" in english
    assert "Sending a notice to an address" in english


def test_every_operators_page_says_how_many_there_are(app: Flask, desk: Desk, some: list[int]) -> None:
    for path in ("/admin/clients", "/admin/keys", "/admin/streams"):
        assert re.search(r'id="failed-jobs">3<', desk.browser.get(path).text), path


def test_no_number_stands_where_there_is_none(app: Flask, desk: Desk, some: list[int]) -> None:
    with app.app_context(), transaction() as session:
        for kind in (KIND, REPEATED):
            failed_jobs.drop(session, kind=kind)
    page = desk.browser.get("/admin/jobs").text
    assert 'id="none"' in page
    assert 'id="failed-jobs"' not in page


def test_jobs_are_listed_a_page_at_a_time(app: Flask, desk: Desk, some: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(failed_jobs.listed, "__kwdefaults__", {"kind": None, "after": 0, "limit": 1})
    monkeypatch.setattr(failed_jobs, "PAGE", 1)
    first = desk.browser.get(PAGE).text
    assert re.findall(r'id="job-(\d+)"', first) == [str(some[0])]
    assert f"after={some[0]}" in first
    assert re.findall(r'id="job-(\d+)"', desk.browser.get(PAGE, query_string={"after": some[0]}).text) == [str(some[1])]


def test_one_is_tried_again_another_given_up_and_the_ledger_knows(app: Flask, desk: Desk, some: list[int]) -> None:
    one, other = some
    assert desk.post(f"{PAGE}/retry", PAGE, job=str(one)).status_code == 303
    assert desk.post(f"{PAGE}/drop", PAGE, job=str(other)).status_code == 303
    assert states(app, some) == [("todo", 0), None]
    with app.app_context(), transaction() as session:
        rows = session.scalars(select(LedgerEntry).where(LedgerEntry.object_id.in_([str(one), str(other)])).order_by(LedgerEntry.id)).all()
    who = f"operator:{desk.subject_id}"
    assert [(row.act, row.actor, row.detail) for row in rows] == [
        ("job.retried", who, {"kind": KIND, "jobs": 1}),
        ("job.dropped", who, {"kind": KIND, "jobs": 1}),
    ]


@pytest.mark.parametrize(("act", "state"), [("retry", ("todo", 0)), ("drop", None)])
def test_all_of_a_kind_are_seen_to_at_once(app: Flask, desk: Desk, some: list[int], act: str, state: tuple[str, int] | None) -> None:
    mark = mark_on(desk.browser.get("/admin/jobs").text)
    with app.app_context(), transaction() as session:
        later = failed(session, kind=KIND)
    answer = desk.post(f"{PAGE}/{act}", "/admin/jobs", mark=mark)
    assert (answer.status_code, answer.location) == (303, "/admin/jobs")
    assert states(app, [*some, later]) == [state, state, ("failed", 9)], "of what failed meanwhile nobody has seen anything"
    desk.post(f"{PAGE}/{act}", "/admin/jobs", mark=mark_on(desk.browser.get("/admin/jobs").text))
    with app.app_context(), transaction() as session:
        assert [one.kind for one in failed_jobs.kinds(session)] == [REPEATED]
        session.execute(text("DELETE FROM procrastinate_jobs WHERE id = :id"), {"id": later})


@pytest.mark.parametrize("act", ["retry", "drop"])
def test_all_are_those_that_a_page_has_shown(app: Flask, desk: Desk, some: list[int], act: str) -> None:
    for mark in ({}, {"mark": ""}, {"mark": "x"}):
        assert desk.post(f"{PAGE}/{act}", PAGE, **mark).status_code == 404
    assert states(app, some) == [("failed", 9)] * 2


def test_what_was_seen_to_meanwhile_is_said_and_not_written_down(app: Flask, desk: Desk, some: list[int]) -> None:
    with app.app_context(), transaction() as session:
        failed_jobs.drop(session, kind=KIND, job_id=some[0])
    assert desk.post(f"{PAGE}/retry", PAGE, job=str(some[0])).status_code == 303
    assert "可能已被处理" in desk.browser.get(PAGE).text
    with app.app_context(), transaction() as session:
        assert session.scalars(select(LedgerEntry).where(LedgerEntry.object_id == str(some[0]))).all() == []


@pytest.mark.parametrize("job", ["", "x", "-1", "0x1", "9" * 19, "9" * 5000, "１２", "'; drop table procrastinate_jobs"])
def test_what_names_no_job_does_nothing(app: Flask, desk: Desk, some: list[int], job: str) -> None:
    for act in ("retry", "drop"):
        assert desk.post(f"{PAGE}/{act}", PAGE, job=job).status_code == 404
    assert states(app, some) == [("failed", 9)] * 2


@pytest.mark.parametrize("kind", ["nothing-of-the-kind", "%00", "x" * 3000, "%25"])
def test_an_unknown_kind_has_no_jobs(app: Flask, desk: Desk, some: list[int], kind: str) -> None:
    answer = desk.browser.get(f"/admin/jobs/{kind}")
    assert answer.status_code in (200, 400, 404)
    assert answer.status_code != 200 or 'id="none"' in answer.text


@pytest.mark.parametrize("act", ["retry", "drop"])
def test_only_an_operator_with_two_factors_just_now_may(app: Flask, some: list[int], act: str) -> None:
    for other in (desk_of(app, amr=TWO_FACTORS, runs_it=False), desk_of(app, amr=ONE_FACTOR), desk_of(app, amr=TWO_FACTORS, ago=timedelta(hours=1))):
        answer = other.post(f"{PAGE}/{act}", "/account")
        assert answer.status_code in (303, 403)
        assert answer.headers.get("Location", "/signin/step-up").startswith("/signin/step-up")
    assert states(app, some) == [("failed", 9)] * 2


@pytest.mark.parametrize("path", ["/admin/jobs", PAGE])
def test_nobody_but_an_operator_with_two_factors_sees_them(app: Flask, path: str) -> None:
    assert new_browser(app).get(path, headers=BROWSER).status_code == 303
    for other in (desk_of(app, amr=TWO_FACTORS, runs_it=False), desk_of(app, amr=ONE_FACTOR)):
        answer = other.browser.get(path)
        assert answer.status_code in (303, 403)
        assert 'id="kinds"' not in answer.text
