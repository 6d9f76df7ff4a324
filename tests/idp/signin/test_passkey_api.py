from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import event

from idp.signin import throttle
from idp.signin.doors import DOORS, Bucket
from tests.authenticator import Authenticator
from tests.idp.signin.conftest import fresh_address
from tests.idp.signin.test_doors_of_throttle import AT_ONCE, is_heard
from tests.rough_input import BODIES
from tests.world_passkeys import OPTIONS, ORIGIN, REGISTER, SCRIPT, SECOND, SIGN_IN, STEP_UP, options, post, sign_in_by_passkey
from tests.world_people import BROWSER, Person, csrf_token, sign_in

GUESSES = 1_000  # ten thousand, through the same door, are where its sizes are: test_doors_of_throttle


def elsewhere(app: Flask) -> FlaskClient:
    client = app.test_client()
    client.environ_base["REMOTE_ADDR"] = fresh_address()
    return client


def test_the_owner_comes_in_by_passkey_after_a_thousand_wrong_passwords_from_everywhere(
    named_app: Flask, owner: Person, device: Authenticator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(DOORS, "signin", replace(DOORS["signin"], everyone=Bucket(3, timedelta(minutes=1))))  # full, too
    attempts = [throttle.Try("signin", owner.number, fresh_address()) for _ in range(GUESSES)]  # every bucket has long been full

    def guess(some: list[throttle.Try]) -> None:
        with named_app.app_context():
            for attempt in some:
                is_heard(attempt)

    with ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(guess, [attempts[start::AT_ONCE] for start in range(AT_ONCE)]))
    strangers = [elsewhere(named_app) for _ in range(5)]
    assert [sign_in(one, owner, password="not this one").status_code for one in strangers] == [429] * 5
    assert sign_in(elsewhere(named_app), owner).status_code == 429
    assert sign_in_by_passkey(elsewhere(named_app), device).status_code == 200


def test_false_passkeys_are_slowed_where_they_come_from_and_a_right_one_from_there_is_still_heard(
    named_app: Flask, owner: Person, device: Authenticator
) -> None:
    place = elsewhere(named_app)
    false = {"credential": Authenticator(ORIGIN, credentials=[*device.credentials]).use(options(place, SIGN_IN), origin="https://evil.example")}
    assert {post(place, SIGN_IN, false).status_code for _ in range(3)} == {422}
    for _ in range(10):  # a bucket leaks while a busy machine is elsewhere
        with named_app.app_context():
            while is_heard(throttle.Try("passkey", "", place.environ_base["REMOTE_ADDR"])):
                pass
        slowed = post(place, SIGN_IN, false)
        if slowed.status_code == 429:
            break
    assert slowed.status_code == 429
    assert int(slowed.headers["Retry-After"]) > 0
    assert sign_in_by_passkey(place, device).status_code == 200


def test_a_sign_in_by_passkey_takes_few_statements(named_app: Flask, owner: Person, device: Authenticator) -> None:
    place = elsewhere(named_app)
    sign_in_by_passkey(place, device)
    place.delete_cookie("kabao_session")
    asked = options(place, SIGN_IN)
    token = csrf_token(place.get("/signin", headers=BROWSER).text)
    asked_of: list[str] = []

    def note(*given: Any) -> None:
        asked_of.append(given[2])

    engine = named_app.extensions["kabao_engine"]
    event.listen(engine, "before_cursor_execute", note)
    try:
        proof = {"credential": device.use(asked)}
        assert place.post(SIGN_IN, json=proof, headers={**SCRIPT, "X-CSRFToken": token}).status_code == 200
    finally:
        event.remove(engine, "before_cursor_execute", note)
    assert sum("passkey" in statement for statement in asked_of) == 3
    assert len(asked_of) <= 12


def test_the_doors_take_json_from_a_page_of_ours_alone(named_app: Flask, browser: FlaskClient, owner: Person) -> None:
    for url in (*OPTIONS, *OPTIONS.values()):
        assert browser.post(url, json={}, headers={"Origin": ORIGIN}).status_code == 400
        assert post(browser, url, {}, Origin="https://evil.example").status_code == 403
    for url in OPTIONS:
        assert post(browser, url, {"credential": {"id": "A" * 100_000}}).status_code == 413
        assert post(browser, url, ["x"]).status_code == 422
    for url in (STEP_UP, OPTIONS[STEP_UP], REGISTER, OPTIONS[REGISTER]):
        assert post(elsewhere(named_app), url, {}).status_code == 401


@pytest.mark.parametrize("url", [SIGN_IN, SECOND, STEP_UP, REGISTER])
def test_a_body_of_any_kind_is_answered_at_a_name_too(browser: FlaskClient, person: Person, url: str) -> None:
    sign_in(browser, person)
    for what, body in BODIES.items():
        token = csrf_token(browser.get("/signin", headers=BROWSER).text)
        answer = browser.post(url, **{**body, "headers": {**SCRIPT, "X-CSRFToken": token, **body.get("headers", {})}})
        assert 400 <= answer.status_code < 500, what
        assert answer.mimetype == "application/problem+json", what


@pytest.mark.parametrize("member", ["rawId", "userHandle"])
def test_an_id_of_a_length_that_no_bytes_have_is_refused_as_any_other(
    browser: FlaskClient, owner: Person, device: Authenticator, member: str
) -> None:
    used = device.use(options(browser, SIGN_IN))
    place = used if member == "rawId" else used["response"]
    place[member] = "AAAAA"
    answer = post(browser, SIGN_IN, {"credential": used})
    assert (answer.status_code, answer.get_json()["code"]) == (422, "invalid-request")
