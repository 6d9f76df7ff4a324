"""Many who want one answer at once: one gets it, and one alone."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier

import pytest
from flask import Flask

from idp.oauth.apart import waiting
from idp.oauth.apart.waiting import Answer, Kind, RequestOver, Wanted
from idp.oauth.terms import PLAIN
from runtime.clock import now
from runtime.database import transaction
from runtime.ids import new_id

THREADS, ROUNDS, AT_ONCE = 200, 10, 16
WANTED = Wanted("terminal-race", ["openid"], PLAIN, timedelta(minutes=10))


def at_once(do: Callable[[], bool]) -> int:
    gate = Barrier(AT_ONCE)

    def one(number: int) -> bool:
        if number < AT_ONCE:
            gate.wait(timeout=30)
        return do()

    with ThreadPoolExecutor(AT_ONCE) as pool:
        return sum(pool.map(one, range(THREADS)))


@pytest.mark.parametrize("kind", Kind)
@pytest.mark.parametrize("_", range(ROUNDS))
def test_two_hundred_redeem_one_answer_and_one_wins(app: Flask, kind: Kind, _: int) -> None:
    secret, request_id = waiting.new_secret(), new_id()
    with app.app_context(), transaction() as session:
        assert waiting.add(session, WANTED, kind=kind, secret=secret, now=now(), row_id=request_id)
        waiting.answer(session, request_id, Answer.APPROVED, now=now(), person_id=new_id())

    def redeem() -> bool:
        with app.app_context(), transaction() as session:
            row = waiting.poll(session, secret, kind=kind, client_id="terminal-race", now=now())
        return row is not None

    assert at_once(redeem) == 1


@pytest.mark.parametrize("_", range(ROUNDS))
def test_two_hundred_answer_one_request_and_one_is_heard(app: Flask, _: int) -> None:
    request_id = new_id()
    with app.app_context(), transaction() as session:
        assert waiting.add(session, WANTED, kind=Kind.DEVICE, secret=waiting.new_secret(), now=now(), row_id=request_id)

    def answer() -> bool:
        try:
            with app.app_context(), transaction() as session:
                waiting.answer(session, request_id, Answer.REFUSED, now=now(), person_id=new_id())
        except RequestOver:
            return False
        return True

    assert at_once(answer) == 1


def test_of_many_who_ask_at_once_all_but_the_first_are_slowed(app: Flask) -> None:
    secret = waiting.new_secret()
    with app.app_context(), transaction() as session:
        assert waiting.add(session, WANTED, kind=Kind.DEVICE, secret=secret, now=now())
    moment = now()

    def poll() -> bool:
        with app.app_context(), transaction() as session:
            row = waiting.poll(session, secret, kind=Kind.DEVICE, client_id="terminal-race", now=moment)
        return row is not None and not row.hurried

    assert at_once(poll) == 1
