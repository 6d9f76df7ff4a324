from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select

from idp.signin import throttle
from idp.signin.doors import ACCOUNT, ADDRESS, PAIR
from idp.signin.throttle import SlowDown, Try
from runtime.clock import now, shifted, stopped
from runtime.database import transaction
from runtime.languages import Text
from tests.idp.signin.conftest import fresh_address
from tests.world_people import Person, citizen_number, post_form, sign_in


def count(attempt: Try) -> bool:
    try:
        with transaction() as session:
            throttle.count(session, attempt, now=now())
    except SlowDown:
        return False
    return True


def test_guesses_from_one_place_are_slowed_and_heard_again_as_time_passes(context: None) -> None:
    attempt = Try("test", citizen_number(), fresh_address())
    assert [count(attempt) for _ in range(PAIR.size + 2)] == [True] * PAIR.size + [False] * 2
    with shifted(PAIR.leak):
        assert [count(attempt) for _ in range(2)] == [True, False]
    with shifted(PAIR.room * 2):
        assert all(count(attempt) for _ in range(PAIR.size))


def test_the_wait_that_is_named_is_enough(context: None) -> None:
    attempt = Try("test", citizen_number(), fresh_address())
    while count(attempt):
        pass
    with pytest.raises(SlowDown) as refused, transaction() as session:
        throttle.count(session, attempt, now=now())
    wait = int(refused.value.headers["Retry-After"])
    assert 0 < wait <= PAIR.leak.total_seconds()
    with shifted(timedelta(seconds=wait)):
        assert count(attempt)


def test_hammering_does_not_lengthen_the_wait(context: None) -> None:
    attempt = Try("test", citizen_number(), fresh_address())
    for _ in range(PAIR.size * 4):
        count(attempt)
    with shifted(PAIR.leak):
        assert count(attempt)


def test_one_account_is_slowed_whoever_guesses(context: None) -> None:
    number = citizen_number()
    with stopped():
        assert sum(count(Try("test", number, fresh_address())) for _ in range(ACCOUNT.size + 5)) == ACCOUNT.size


def test_one_address_is_slowed_whomever_it_guesses(context: None) -> None:
    address = fresh_address()
    with stopped():
        assert sum(count(Try("test", citizen_number(), address)) for _ in range(ADDRESS.size + 5)) == ADDRESS.size


def test_a_browser_of_the_owner_is_not_slowed_by_strangers(context: None) -> None:
    number = citizen_number()
    while count(Try("test", number, fresh_address())):
        pass
    assert not count(Try("test", number, fresh_address()))
    assert count(Try("test", number, fresh_address(), known_browser=True))


def test_a_right_password_empties_the_accounts_buckets(context: None) -> None:
    attempt = Try("test", citizen_number(), fresh_address())
    for _ in range(PAIR.size):
        assert count(attempt)
    with transaction() as session:
        throttle.give_back(session, attempt, now=now())
    assert count(attempt)


def test_many_at_once_are_counted_each(app: Flask) -> None:
    attempt = Try("test", citizen_number(), fresh_address())

    def one(_: int) -> bool:
        with app.app_context():
            return count(attempt)

    with ThreadPoolExecutor(12) as pool:
        assert sum(pool.map(one, range(40))) == PAIR.size


def test_counting_and_giving_back_at_once_never_wait_for_each_other(app: Flask) -> None:
    attempts = [Try("test", citizen_number(), address) for address in [fresh_address()] * 6]

    def one(step: int) -> None:
        with app.app_context():
            count(attempts[step % 6])
            with transaction() as session:
                throttle.give_back(session, attempts[(step + 1) % 6], now=now())

    with ThreadPoolExecutor(12) as pool:
        list(pool.map(one, range(60)))


def test_the_table_holds_neither_number_nor_address_and_is_pruned(context: None) -> None:
    attempt = Try("test", citizen_number(), "192.0.2.77")
    count(attempt)
    with transaction() as session:
        for key in session.scalars(select(throttle.ThrottleBucket.key)):
            assert attempt.account.encode() not in key
            assert b"192.0.2.77" not in key
    throttle.forget(now=now() + timedelta(days=30))
    with transaction() as session:
        assert set(attempt.buckets()).isdisjoint(session.scalars(select(throttle.ThrottleBucket.key))), "others' may be of a clock far ahead"


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("fe80::1%eth0", "fe80::/64"),
        ("", "unknown"),
        ("nonsense", "unknown"),
    ],
)
def test_a_party_is_the_network_that_it_holds(address: str, network: str) -> None:
    assert throttle.network_of(address) == network


@pytest.mark.parametrize(
    ("seconds", "zh", "en"),
    [
        (0, "尝试过于频繁，请在1分钟后再试。", "That was too often; try again in one minute."),
        (60, "尝试过于频繁，请在1分钟后再试。", "That was too often; try again in one minute."),
        (61, "尝试过于频繁，请在2分钟后再试。", "That was too often; try again in 2 minutes."),
        (3600, "尝试过于频繁，请在60分钟后再试。", "That was too often; try again in 60 minutes."),
    ],
)
def test_how_long_to_wait_is_said_in_minutes_rounded_up(seconds: int, zh: str, en: str) -> None:
    slow = SlowDown(retry_after=seconds)
    assert slow.shown == Text(zh, en)


def test_the_page_answers_429_and_says_when_to_try_again(client: FlaskClient, person: Person) -> None:
    answers = [sign_in(client, person, password="not this one") for _ in range(PAIR.size + 1)]
    assert [answer.status_code for answer in answers] == [422] * PAIR.size + [429]
    assert 0 < int(answers[-1].headers["Retry-After"]) <= 30
    assert "尝试过于频繁，请在1分钟后再试。" in answers[-1].text
    assert sign_in(client, person).status_code == 429
    with shifted(PAIR.leak):
        assert sign_in(client, person).status_code == 303


def test_an_unknown_number_is_slowed_just_the_same(client: FlaskClient) -> None:
    stranger = Person(citizen_number(), "某某")
    answers = [sign_in(client, stranger, password="not this one") for _ in range(PAIR.size + 1)]
    assert [answer.status_code for answer in answers] == [422] * PAIR.size + [429]


def test_the_owner_signs_in_where_they_did_before_while_strangers_guess(app: Flask, client: FlaskClient, person: Person) -> None:
    assert sign_in(client, person).status_code == 303
    with app.app_context():
        while count(Try("signin", person.number, fresh_address())):
            pass
    stranger = app.test_client()
    stranger.environ_base["REMOTE_ADDR"] = fresh_address()
    assert sign_in(stranger, person).status_code == 429
    assert sign_in(client, person).status_code == 303


def test_registration_is_slowed_too(client: FlaskClient, newcomer: Person) -> None:
    form = {"number": newcomer.number, "name": "别人", "password": "correct horse battery"}
    answers = [post_form(client, "/account/new", form) for _ in range(PAIR.size + 1)]
    assert [answer.status_code for answer in answers] == [422] * PAIR.size + [429]
    assert "Retry-After" in answers[-1].headers
