"""Keys change by schedule, and nobody with a cached key set notices."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
import pytest
from flask import Flask
from sqlalchemy import select

from keys import key_schedule, ring, suites
from keys.key_schedule import What
from runtime.database import transaction
from runtime.ids import new_id
from runtime.ledger import LedgerEntry
from runtime.settings import Settings
from wsgi import create_app

BEGIN = datetime(2030, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)


@pytest.fixture
def daily(settings: Settings) -> Settings:
    return replace(settings, key_rotation=timedelta(hours=6), key_published_ahead=timedelta(minutes=10), key_retired=timedelta(minutes=30))


@pytest.fixture
def use(app: Flask, settings: Settings) -> str:
    """A use of its own, with one active key that began to sign at BEGIN."""
    name = f"test:{new_id()}"
    with app.app_context(), transaction() as session:
        ring.add(session, settings, use=name, suite=suites.ES256, state=ring.ACTIVE, now=BEGIN)
    return name


@pytest.fixture
def other_process(settings: Settings) -> Iterator[Flask]:
    """The application as another process has it: with a cache of its own."""
    other = create_app(settings)
    yield other
    other.extensions["kabao_cache"].stop()


def advance(app: Flask, settings: Settings, use: str, now: datetime) -> list[str]:
    with app.app_context(), transaction() as session:
        return [step.what for step in key_schedule.advance(session, settings, now=now, uses=[use])]


def test_each_step_is_taken_in_its_time_and_once(app: Flask, daily: Settings, use: str) -> None:
    def at(hours: int, minutes: int) -> list[str]:
        return advance(app, daily, use, BEGIN + timedelta(hours=hours, minutes=minutes))

    assert at(5, 49) == []
    assert at(5, 50) == [What.PUBLISH]
    assert at(5, 50) == []
    assert at(5, 59) == []
    assert at(6, 0) == [What.SIGN]
    assert at(6, 29) == []
    assert at(6, 30) == [What.FORGET]
    assert at(6, 30) == []
    assert at(11, 49) == []
    assert at(11, 50) == [What.PUBLISH]


def test_a_worker_that_was_away_comes_late_and_skips_nothing(app: Flask, daily: Settings, use: str) -> None:
    late = BEGIN + 30 * DAY
    assert advance(app, daily, use, late) == [What.PUBLISH]
    assert advance(app, daily, use, late + timedelta(minutes=9)) == []
    assert advance(app, daily, use, late + timedelta(minutes=10)) == [What.SIGN]


def publish(app: Flask, settings: Settings, use: str, suite: suites.Suite, now: datetime) -> str:
    with app.app_context(), transaction() as session:
        return ring.add(session, settings, use=use, suite=suite, state=ring.NEXT, now=now).kid


def test_a_key_that_was_published_by_hand_long_before_takes_over_at_its_predecessors_end(app: Flask, daily: Settings, use: str) -> None:
    kid = publish(app, daily, use, suites.ES256, BEGIN + timedelta(minutes=5))
    with app.app_context(), transaction() as session:
        (step,) = key_schedule.plan(session, daily, uses=[use])
    assert (step.what, step.kid, step.at) == (What.SIGN, kid, BEGIN + timedelta(hours=6))


@pytest.mark.parametrize("is_of_many", [True, False])
def test_a_key_of_another_suite_follows_where_a_use_has_one_key_alone(
    app: Flask, daily: Settings, use: str, is_of_many: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if is_of_many:
        monkeypatch.setattr(ring, "MANY_SUITES", (use,))
    kid = publish(app, daily, use, suites.ED25519, BEGIN)
    with app.app_context(), transaction() as session:
        (step,) = key_schedule.plan(session, daily, uses=[use])
    assert (step.what, step.kid) == ((What.PUBLISH, None) if is_of_many else (What.SIGN, kid))


def test_no_key_is_made_while_the_master_key_changes(app: Flask, daily: Settings, use: str) -> None:
    changing = replace(daily, former_master_key=bytes(range(32)))
    due = BEGIN + timedelta(hours=5, minutes=50)
    assert advance(app, changing, use, due) == []
    assert advance(app, daily, use, due) == [What.PUBLISH]
    assert advance(app, changing, use, BEGIN + timedelta(hours=6)) == [What.SIGN], "what is there already takes over"


def test_what_comes_next_is_told(app: Flask, daily: Settings, use: str) -> None:
    with app.app_context(), transaction() as session:
        (step,) = key_schedule.plan(session, daily, uses=[use])
        assert (step.what, step.suite, step.kid, step.at) == (What.PUBLISH, "ES256", None, BEGIN + timedelta(hours=5, minutes=50))
        assert key_schedule.plan(session, replace(daily, key_rotation=timedelta(0)), uses=[use]) == []


def test_of_many_workers_one_takes_the_step(app: Flask, daily: Settings, use: str) -> None:
    with ThreadPoolExecutor(12) as workers:
        taken = list(workers.map(lambda _: advance(app, daily, use, BEGIN + DAY), range(12)))
    assert sorted(map(len, taken)) == [0] * 11 + [1]


def test_the_ledger_says_that_the_schedule_did_it(app: Flask, daily: Settings, use: str) -> None:
    for hours, minutes in ((5, 50), (6, 0), (6, 30)):
        advance(app, daily, use, BEGIN + timedelta(hours=hours, minutes=minutes))
    with app.app_context(), transaction() as session:
        acts = session.execute(
            select(LedgerEntry.act, LedgerEntry.detail["after"].astext)
            .where(LedgerEntry.detail["use"].astext == use, LedgerEntry.actor == key_schedule.ACTOR)
            .order_by(LedgerEntry.id)
        ).all()
    assert [tuple(act) for act in acts] == [("key.added", None), ("key.moved", "retired"), ("key.moved", "active"), ("key.moved", "gone")]


class CachingClient:
    """A client that fetches the key set when its copy is as old as the answer's max-age, and never sooner."""

    def __init__(self, use: str) -> None:
        self.use = use
        self.keys: dict[str, Any] = {}
        self.fetched_at = BEGIN - DAY

    def verify(self, token: str, *, served_by: Flask, now: datetime) -> bool:
        if now - self.fetched_at >= ring.PUBLISHED_FOR:
            with served_by.app_context():
                self.keys = {kid: known.key for kid, known in ring.verifying_keys(self.use).items()}
            self.fetched_at = now
        known = self.keys.get(jwt.get_unverified_header(token)["kid"])
        return known is not None and bool(jwt.decode(token, known, algorithms=["ES256"]))


def test_a_client_with_a_cached_key_set_never_fails(app: Flask, daily: Settings, use: str, other_process: Flask) -> None:
    clients, recent, kids = [CachingClient(use) for _ in range(3)], list[tuple[datetime, str]](), set[str]()
    moment, tick = BEGIN, 0
    while moment < BEGIN + timedelta(hours=13):
        signing, serving = (app, other_process) if tick % 2 else (other_process, app)
        if timedelta(minutes=345) < (moment - BEGIN) % timedelta(hours=6) or (moment - BEGIN) % timedelta(hours=6) < timedelta(minutes=45):
            advance(signing, daily, use, moment)
            with signing.app_context():
                signer = ring.signer(use)
                recent.append((moment, signer.sign({"n": tick}, typ="JWT")))
                kids.add(signer.kid)
            recent = [(made, token) for made, token in recent if moment - made <= timedelta(minutes=10)]
            assert all(
                each.verify(token, served_by=serving, now=moment + timedelta(seconds=7 * number))
                for number, each in enumerate(clients)
                for _, token in (recent[0], recent[-1])
            )
        moment, tick = moment + timedelta(seconds=97), tick + 1
    assert len(kids) == 3
