"""The ring while things go wrong: two who change it at once, a clock that stands wrong, a process that comes late, a step that is undone."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import func, select

from keys import (
    certificates,
    commands,
    key_schedule,
    key_schedule_jobs,
    outside,
    renewal,
    request_signing,
    revocation_lists,
    ring,
    rotation,
    rotation_jobs,
    sealing,
    suites,
)
from keys.key_schedule import What
from keys.profiles import Holder
from runtime import cache
from runtime.clock import now
from runtime.database import transaction
from runtime.ids import new_id
from runtime.settings import Settings

HOUR = timedelta(hours=1)


@pytest.fixture
def use(app: Flask, settings: Settings) -> str:
    """A use of its own, with an active key that has a certificate."""
    name = f"test:{new_id()}"
    with app.app_context(), transaction() as session:
        certificates.issue_leaf(session, settings, use=name, common_name="x", uri=f"https://kabao.example/{name}", now=now())
    return name


@pytest.fixture
def fast_clock(app: Flask, monkeypatch: pytest.MonkeyPatch) -> timedelta:
    """A machine whose clock is two days ahead of the database's, and which knows it."""
    ahead = timedelta(days=2)
    with app.app_context():
        known = replace(sealing.sealer(), ahead=-ahead)
    monkeypatch.setattr(sealing, "_sealer", lambda: known)
    monkeypatch.setattr("runtime.clock._shift", ahead)
    return ahead


def states(use: str) -> list[str]:
    with transaction() as session:
        return [row.state for row in ring.listed(session) if row.use == use]


def renewed(session: Any, settings: Settings, use: str) -> None:
    renewal.renew(session, settings, use, now=now())


def requested(session: Any, settings: Settings, use: str) -> None:
    outside.request(session, settings, use, Holder("x", f"https://kabao.example/{use}"), now=now())


@pytest.mark.parametrize("made", [renewed, requested], ids=["renewed", "asked for outside"])
def test_of_two_who_make_the_next_key_at_once_the_second_finds_the_firsts(
    app: Flask, settings: Settings, use: str, made: Callable[..., None]
) -> None:
    has_begun, may_end = threading.Event(), threading.Event()

    def first() -> None:
        with app.app_context(), transaction() as session:
            made(session, settings, use)
            session.flush()
            has_begun.set()
            may_end.wait(5)

    def second() -> None:
        has_begun.wait(5)
        threading.Timer(0.3, may_end.set).start()
        with app.app_context(), transaction() as session:
            made(session, settings, use)

    with ThreadPoolExecutor(2) as workers:
        one, two = workers.submit(first), workers.submit(second)
        one.result()
        if made is renewed:
            with pytest.raises(ring.KeyNotReady, match="next key already"):
                two.result()
        else:
            two.result()
    with app.app_context():
        assert states(use) == [ring.ACTIVE, ring.NEXT]


def test_a_key_published_again_by_hand_does_not_stop_the_schedule(app: Flask, settings: Settings) -> None:
    daily = replace(settings, key_rotation=6 * HOUR, key_published_ahead=timedelta(minutes=10), key_retired=HOUR)
    one, another, begin = f"test:{new_id()}", f"test:{new_id()}", now()
    with app.app_context():
        with transaction() as session:
            for use in (one, another):
                ring.add(session, settings, use=use, suite=suites.ES256, state=ring.ACTIVE, now=begin)
                ring.add(session, settings, use=use, suite=suites.ES256, state=ring.NEXT, now=begin + 5 * HOUR)
            late = ring.add(session, settings, use=one, suite=suites.ES256, state=ring.NEXT, now=begin + 6 * HOUR).kid
        with transaction() as session:
            planned = next(step for step in key_schedule.plan(session, daily, uses=[one]) if step.what is What.SIGN)
            assert (planned.kid, planned.at) == (late, begin + 6 * HOUR + daily.key_published_ahead)
        with transaction() as session:
            taken = key_schedule.advance(session, daily, now=begin + 6 * HOUR + timedelta(minutes=1), uses=[one, another])
        assert [(step.what, step.use) for step in taken] == [(What.SIGN, another)]


def test_a_step_that_another_took_by_hand_leaves_the_others_theirs(app: Flask, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    use = f"test:{new_id()}"
    with app.app_context():
        with transaction() as session:
            ring.add(session, settings, use=use, suite=suites.ES256, state=ring.ACTIVE, now=now())
        gone = key_schedule.Planned(What.FORGET, use, "ES256", "no-such-key", now())
        publish = key_schedule.Planned(What.PUBLISH, use, "ES256", None, now())
        monkeypatch.setattr(key_schedule, "plan", lambda *_, **__: [gone, publish])
        with transaction() as session:
            assert key_schedule.advance(session, settings, now=now(), uses=[use]) == [publish]
        monkeypatch.setattr(renewal, "plan", lambda *_: [replace(publish, use=f"{use}:2"), replace(publish, what=What.SIGN)])
        with transaction() as session:
            assert renewal.advance(session, settings, now=now()) == []
        assert states(use) == [ring.ACTIVE, ring.NEXT]


def test_the_worker_asks_the_databases_clock(app: Flask, fast_clock: timedelta, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[timedelta] = []
    with app.app_context():
        with transaction() as session:
            database = session.scalar(select(func.clock_timestamp()))
        for module, name in ((key_schedule, "advance"), (renewal, "advance"), (revocation_lists, "renew"), (renewal, "warn_of_ends")):
            monkeypatch.setattr(module, name, lambda *_, now: asked.append(now - database))
        for job in (key_schedule_jobs.keep_key_schedule, key_schedule_jobs.keep_certificates, key_schedule_jobs.renew_revocation_lists):
            job()
        key_schedule_jobs.warn_of_certificates()
        monkeypatch.setattr(rotation_jobs, "due", lambda *, now: asked.append(now - database) or [])
        rotation_jobs.rotate_data_keys()
    assert len(asked) == 5
    assert all(abs(late) < timedelta(minutes=1) for late in asked)


def test_a_command_on_a_machine_with_a_fast_clock_lets_no_key_sign_early(app: Flask, fast_clock: timedelta) -> None:
    runner = app.test_cli_runner()
    assert runner.invoke(commands.keys, ["publish", ring.REQUESTS]).exit_code == 0
    assert "five minutes" in runner.invoke(commands.keys, ["rotate", ring.REQUESTS]).output
    with app.app_context(), transaction() as session:
        row = session.scalars(select(ring.SigningKey).where(ring.SigningKey.use == ring.REQUESTS, ring.SigningKey.state == ring.NEXT)).one()
        assert abs(row.made_at - (now() - fast_clock)) < timedelta(minutes=1)
        session.delete(row)


def test_what_a_process_gave_out_before_it_heard_of_a_key_has_run_out_when_that_signs(app: Flask) -> None:
    for path in ("/jwks", f"/jwks/{ring.REQUESTS}"):
        max_age = int(app.test_client().get(path).headers["Cache-Control"].partition("max-age=")[2])
        assert 0 < max_age + cache.LIFETIME <= ring.PUBLISHED_FOR.total_seconds()


@pytest.fixture
def requests_key(app: Flask, settings: Settings) -> Iterator[None]:
    """The requests' use as it was, once the test is over."""
    yield
    with app.app_context():
        with transaction() as session:
            ring.add(session, settings, use=ring.REQUESTS, suite=suites.ES256, state=ring.NEXT, now=now())
        with transaction() as session:
            ring.activate_next(session, ring.REQUESTS, now=now() + HOUR)


@pytest.mark.parametrize("suite", ring.POSSIBLE_SUITES[ring.REQUESTS])
def test_requests_are_signed_by_each_suite_that_can_be_published_for_them(app: Flask, requests_key: None, suite: str) -> None:
    assert app.test_cli_runner().invoke(commands.keys, ["publish", ring.REQUESTS, "--suite", suite]).exit_code == 0
    with app.app_context():
        with transaction() as session:
            ring.activate_next(session, ring.REQUESTS, now=now() + HOUR)
        assert ring.signer(ring.REQUESTS).suite == suite
        assert "Signature" in request_signing.sign_headers("POST", "https://x.example/", b"{}", now=now())


@pytest.mark.parametrize(("use", "suite"), [("requests", "PS256"), ("requests", "ECDH-ES"), ("oidc", "RSA-OAEP-256"), ("encryption", "ES256")])
def test_a_suite_that_is_not_for_a_use_is_not_published(app: Flask, use: str, suite: str) -> None:
    said = app.test_cli_runner().invoke(commands.keys, ["publish", use, "--suite", suite])
    assert said.exit_code == 1
    assert f"{suite} is not for {use}" in said.output


def test_rows_follow_only_when_nobody_can_still_write_under_the_old_key(app: Flask, settings: Settings) -> None:
    assert rotation.LEAD.total_seconds() > cache.LIFETIME
    with app.app_context(), transaction() as session:
        begun = rotation.begin(session, settings, sealing.SEAL, now=now())
        assert (begun.used_from - begun.began_at, begun.moves_from - begun.used_from) == (rotation.LEAD, rotation.SETTLE)
        session.rollback()
