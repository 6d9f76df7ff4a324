"""Many who answer one pushed request at once: one wins (RFC 9126 section 4)."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier

import pytest
from flask import Flask
from flask.testing import FlaskClient

from idp.oauth.requests import pushed
from idp.oauth.requests.pushed import RequestAnswered
from runtime.clock import now
from runtime.database import transaction
from tests.idp.oauth.journeys import Journey, answer_consent, answer_of
from tests.idp.oauth.pushing import bring, pushed_uri, request_object
from tests.world_clients import System
from tests.world_people import BROWSER

THREADS, ROUNDS, ABREAST = 200, 10, 16


@pytest.mark.parametrize("_", range(ROUNDS))
def test_two_hundred_answer_one_pushed_request_and_one_wins(app: Flask, _: int) -> None:
    gate = Barrier(ABREAST)
    with app.app_context(), transaction() as session:
        kept = {"client_id": "portal-race", "pushed": True, "signed": False, "lifetime": timedelta(seconds=90), "now": now()}
        name = pushed.keep(session, {"state": "race"}, **kept)  # type: ignore[arg-type]

    def answer(number: int) -> bool:
        if number < gate.parties:
            gate.wait(timeout=30)
        try:
            with app.app_context(), transaction() as session:
                pushed.spend(session, name, now=now())
        except RequestAnswered:
            return False
        return True

    with ThreadPoolExecutor(ABREAST) as pool:
        assert sum(pool.map(answer, range(THREADS))) == 1


def test_of_many_who_press_the_button_of_one_request_one_gets_a_code_that_is_good(app: Flask, browser: FlaskClient, portal: System) -> None:
    """The whole way: of the answers to one consent page, each in a connection of its own, one carries a code that can be redeemed."""
    journey = Journey(portal, scope="openid number")
    page = bring(browser, portal, pushed_uri(browser, journey))
    cookies = "; ".join(f"{cookie.key}={cookie.value}" for cookie in browser._cookies.values())
    gate = Barrier(ABREAST)

    def press(_: int) -> str:
        own = app.test_client(use_cookies=False)
        gate.wait(timeout=30)
        return answer_of(answer_consent(own, page, headers={**BROWSER, "Cookie": cookies}))["code"]

    with ThreadPoolExecutor(ABREAST) as pool:
        codes = list(pool.map(press, range(ABREAST)))
    assert Counter(journey.exchange(browser, code).status_code for code in codes) == {200: 1, 400: ABREAST - 1}


def test_many_who_push_one_signed_request_get_one_reference(app: Flask, portal: System) -> None:
    """A request object with a `jti` is good once."""
    signed = request_object(Journey(portal), jti="race")
    gate = Barrier(ABREAST)

    def push_it(_: int) -> int:
        gate.wait(timeout=30)
        data = {**portal.proof(), "client_id": portal.client_id, "request": signed}
        return app.test_client().post("/par", data=data).status_code

    with ThreadPoolExecutor(ABREAST) as pool:
        answers = sorted(pool.map(push_it, range(ABREAST)))
    assert answers == [201, *[400] * (ABREAST - 1)]
