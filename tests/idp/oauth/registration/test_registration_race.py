"""Two hundred who register with one token at once: never more clients than it is good for."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from flask import Flask

from runtime.database import transaction
from tests.idp.oauth.registration.world import manage, new_token, portal_document, register, registered, update_of

THREADS, ROUNDS, USES = 200, 10, 3


@pytest.mark.slow
@pytest.mark.parametrize("_", range(ROUNDS))
def test_two_hundred_use_a_token_and_as_many_as_it_is_good_for_win(app: Flask, _: int) -> None:
    gate = Barrier(12)
    with app.app_context(), transaction() as session:
        token = new_token(session, uses=USES)

    def one(number: int) -> int:
        if number < gate.parties:
            gate.wait(timeout=30)
        status: int = register(app.test_client(), token, portal_document()).status_code
        return status

    with ThreadPoolExecutor(gate.parties) as pool:
        statuses = list(pool.map(one, range(THREADS)))
    assert (statuses.count(201), statuses.count(401)) == (USES, THREADS - USES)


def test_of_many_who_register_at_once_a_policy_takes_as_many_as_it_may_have(app: Flask) -> None:
    gate = Barrier(8)
    with app.app_context(), transaction() as session:
        token = new_token(session, client_limit=3)

    def one(_: int) -> int:
        gate.wait(timeout=30)
        status: int = register(app.test_client(), token, portal_document()).status_code
        return status

    with ThreadPoolExecutor(gate.parties) as pool:
        statuses = list(pool.map(one, range(gate.parties)))
    assert (statuses.count(201), statuses.count(400)) == (3, gate.parties - 3)


def test_of_many_deletions_at_once_one_is_heard(app: Flask) -> None:
    with app.app_context(), transaction() as session:
        token = new_token(session)
    told = registered(app.test_client(), token)
    gate = Barrier(8)

    def one(number: int) -> int:
        gate.wait(timeout=30)
        status: int = manage(app.test_client(), told, "DELETE").status_code
        return status

    with ThreadPoolExecutor(gate.parties) as pool:
        statuses = list(pool.map(one, range(gate.parties)))
    assert sorted(statuses) == [204, *[401] * (gate.parties - 1)]


def test_of_many_updates_at_once_the_last_token_is_good(app: Flask) -> None:
    with app.app_context(), transaction() as session:
        token = new_token(session)
    told = registered(app.test_client(), token)
    gate = Barrier(8)

    def one(number: int) -> str | None:
        gate.wait(timeout=30)
        answer = manage(app.test_client(), told, "PUT", json=update_of(told))
        return answer.json.get("registration_access_token")

    with ThreadPoolExecutor(gate.parties) as pool:
        tokens = [found for found in pool.map(one, range(gate.parties)) if found]
    good = [found for found in tokens if manage(app.test_client(), told, token=found).status_code == 200]
    assert len(good) == 1
