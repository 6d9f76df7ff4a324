"""What the throttle promises as a whole: every door has its sizes, all together are bounded, and a roll-out can watch before it refuses."""

import itertools
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient
from prometheus_client import REGISTRY

from idp.signin import throttle
from idp.signin.doors import ACCOUNT, DOORS, PAIR, SHARES, Bucket
from idp.signin.throttle import SlowDown, Try
from runtime.clock import now
from runtime.database import transaction
from runtime.settings import Settings, SettingsError
from tests.idp.signin.conftest import fresh_address
from tests.world_people import Person, citizen_number, sign_in
from wsgi import create_app

ROOT = Path(__file__).parent.parent.parent.parent
GUESSES, AT_ONCE = 10_000, 8


def is_heard(attempt: Try) -> bool:
    try:
        with transaction() as session:
            throttle.count(session, attempt, now=now())
    except SlowDown:
        return False
    return True


def addresses() -> Iterator[str]:
    """Addresses of ever other networks."""
    return (f"{10 + n // 65536}.{n // 256 % 256}.{n % 256}.1" for n in itertools.count(1))


def slowed(door: str, bucket: str, outcome: str) -> float:
    return REGISTRY.get_sample_value("kabao_throttle_total", {"door": door, "bucket": bucket, "outcome": outcome}) or 0.0


@pytest.fixture
def tracking(settings: Settings) -> Iterator[Flask]:
    """The application with a throttle that only watches."""
    watching = create_app(replace(settings, throttle_enforced=False))
    yield watching
    watching.extensions["kabao_cache"].stop()
    watching.extensions["kabao_engine"].dispose()


def test_every_door_in_the_code_has_its_sizes() -> None:
    named = re.compile(r'throttle\.Try\(\s*"([^"]+)"|door="([^"]+)"')
    sources = [path.read_text() for part in ("idp", "wallet") for path in (ROOT / part).rglob("*.py")]
    found = {first or second for source in sources for first, second in named.findall(source)}
    assert "signin" in found
    assert found - set(DOORS) == set()


def test_all_strangers_together_are_bounded_and_known_browsers_go_free(context: None, monkeypatch: pytest.MonkeyPatch) -> None:
    small = replace(DOORS["signin"], everyone=Bucket(3, timedelta(minutes=5)))
    monkeypatch.setitem(DOORS, "test-everyone", small)
    tries = [Try("test-everyone", citizen_number(), address) for address in itertools.islice(addresses(), SHARES * 3 * 6)]
    assert sum(is_heard(attempt) for attempt in tries) == SHARES * 3
    assert slowed("test-everyone", "everyone", "refused") > 0
    assert is_heard(Try("test-everyone", citizen_number(), fresh_address(), known_browser=True))


def test_what_was_right_takes_no_room_from_others(context: None, monkeypatch: pytest.MonkeyPatch) -> None:
    small = replace(DOORS["signin"], everyone=Bucket(2, timedelta(minutes=5)))
    monkeypatch.setitem(DOORS, "test-right", small)
    for address in itertools.islice(addresses(), SHARES * 8):
        attempt = Try("test-right", citizen_number(), address)
        assert is_heard(attempt)
        with transaction() as session:
            throttle.give_back(session, attempt, now=now())


def test_whoever_stole_a_known_browser_gains_nothing_by_changing_networks(context: None) -> None:
    number = citizen_number()
    assert sum(is_heard(Try("test", number, fresh_address(), known_browser=True)) for _ in range(PAIR.size * 3)) == PAIR.size


def test_a_door_without_an_account_counts_addresses_alone(context: None) -> None:
    buckets = Try("scan", "", fresh_address()).buckets()
    assert sorted(kind for kind, _ in buckets.values()) == ["address", "everyone"]


def test_a_bucket_that_a_wrong_clock_filled_does_not_lock_the_door(context: None) -> None:
    attempt = Try("test", citizen_number(), fresh_address())
    with transaction() as session:
        throttle.count(session, attempt, now=now() + timedelta(days=400))
    assert is_heard(attempt)


def test_a_throttle_that_only_watches_hears_all_and_counts_what_it_would_have_refused(tracking: Flask, person: Person) -> None:
    before = slowed("signin", "pair", "tracked")
    with tracking.app_context():
        attempt = Try("signin", citizen_number(), fresh_address())
        assert all(is_heard(attempt) for _ in range(PAIR.size + 5))
    assert slowed("signin", "pair", "tracked") == before + 5
    client = tracking.test_client()
    client.environ_base["REMOTE_ADDR"] = fresh_address()
    for _ in range(PAIR.size + 1):
        assert sign_in(client, person, password="not this one").status_code == 422
    assert sign_in(client, person).status_code == 303


@pytest.mark.parametrize(("given", "enforced"), [(None, True), ("enforce", True), ("track", False)])
def test_the_setting_says_whether_it_refuses(given: str | None, enforced: bool) -> None:
    environ = {
        "KABAO_DATABASE_URL": "postgresql://x@h/d",
        "KABAO_MASTER_KEY": "q83vEjRWeJCrze8SNFZ4kKvN7xI0VniQq83vEjRWeJA",
        "KABAO_ENVIRONMENT": "development",
    }
    read = Settings.from_environ({**environ, **({"KABAO_THROTTLE": given} if given else {})})
    assert read.throttle_enforced is enforced
    with pytest.raises(SettingsError, match="KABAO_THROTTLE must be one of enforce, track"):
        Settings.from_environ({**environ, "KABAO_THROTTLE": "off"})


@pytest.mark.slow
def test_ten_thousand_wrong_passwords_from_everywhere_and_the_owner_gets_in_at_once(app: Flask, client: FlaskClient, person: Person) -> None:
    assert sign_in(client, person).status_code == 303
    attempts = [Try("signin", person.number, address) for address in itertools.islice(addresses(), GUESSES)]

    def guess(some: list[Try]) -> int:
        with app.app_context():
            return sum(is_heard(attempt) for attempt in some)

    with ThreadPoolExecutor(AT_ONCE) as pool:
        heard = sum(pool.map(guess, [attempts[start::AT_ONCE] for start in range(AT_ONCE)]))
    assert ACCOUNT.size <= heard <= ACCOUNT.size + 60  # one leaks out every twenty seconds
    assert sign_in(client, person).status_code == 303
