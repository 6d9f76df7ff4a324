import re
import statistics
import time
from datetime import timedelta

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import text, update

from idp.signin import one_time_codes, pending
from idp.signin.accounts import Account
from runtime import clock
from runtime.clock import now
from runtime.database import transaction
from tests.idp.signin.conftest import fresh_address
from tests.idp.signin.proofs_at_hand import app_shows, code_that_reached, enrol, press, reach, subject_of
from tests.idp.signin.test_second_pages import amr_of
from tests.idp.signin.test_signin_pages import ELSEWHERE
from tests.world_people import BROWSER, Person, citizen_number, csrf_token, post_form, sign_in

ASK, ENTER = "/signin/code", "/signin/code/enter"


def ask(client: FlaskClient, number: str, channel: str = "phone", **more: str) -> str:
    """Ask for a code; return where the browser is sent."""
    answer = post_form(client, ASK, {"number": number, "channel": channel, **more})
    assert answer.status_code == 303, answer.text
    return answer.location


def without_tokens(page: str) -> str:
    return re.sub(r'value="[^"]*"', "", page)


@pytest.mark.parametrize(("address", "channel", "amr"), [("13800138000", "phone", ["sms"]), ("someone@example.cn", "email", ["email"])])
def test_a_code_signs_its_owner_in(app: Flask, client: FlaskClient, person: Person, address: str, channel: str, amr: list[str]) -> None:
    contact = reach(app, person, address)
    at = ask(client, person.number, channel, next="/account?x=1")
    page = client.get(at, headers=BROWSER).text
    assert "****" not in page
    assert address not in page
    answer = press(client, ENTER, form_at=at, code=code_that_reached(app, contact), next="/account?x=1")
    assert (answer.status_code, answer.location) == (303, "/account?x=1")
    assert amr_of(app, client) == amr


def test_a_code_is_one_step_where_two_are_asked_for(app: Flask, client: FlaskClient, person: Person) -> None:
    contact = reach(app, person, "13800138000")
    reach(app, person, "someone@example.cn")
    secret = enrol(app, person)
    at = ask(client, person.number)
    answer = press(client, ENTER, form_at=at, code=code_that_reached(app, contact))
    assert answer.location.startswith("/signin/second")
    page = client.get(answer.location, headers=BROWSER).text
    assert "短信" not in page
    assert "邮件" not in page
    assert press(client, "/signin/second", form_at=answer.location, code=app_shows(secret)).status_code == 303


def test_wrong_codes_for_several_sign_ins_do_not_show_whether_there_is_an_account(app: Flask, client: FlaskClient, person: Person) -> None:
    reach(app, person, "13800138000")
    seen = []
    for number in (person.number, citizen_number()):
        stranger = app.test_client()
        stranger.environ_base["REMOTE_ADDR"] = fresh_address()
        seen.append([])
        for _ in range(2):
            at = ask(stranger, number)
            seen[-1] += [press(stranger, ENTER, form_at=at, code="none").status_code for _ in range(5)]
    assert seen[0] == seen[1]


def test_neither_another_browser_nor_a_wrong_code_gets_in(app: Flask, client: FlaskClient, person: Person) -> None:
    contact = reach(app, person, "13800138000")
    at = ask(client, person.number)
    code = code_that_reached(app, contact)
    assert app.test_client().get(at, headers=BROWSER).location.startswith("/signin/code")
    assert press(client, ENTER, form_at=at, code="000000" if code != "000000" else "111111").status_code == 422
    with clock.shifted(timedelta(minutes=5)):
        assert client.get(at, headers=BROWSER).location.startswith("/signin/code")
    assert press(client, ENTER, form_at=at, code=code).status_code == 303
    assert client.get(at, headers=BROWSER).location == "/wallet"


def test_of_a_decoy_not_even_the_right_code_gets_in(app: Flask, client: FlaskClient) -> None:
    at = ask(client, citizen_number())
    cookie = client.get_cookie("kabao_waiting")
    assert cookie is not None
    with app.app_context(), transaction() as session:
        waiting = pending.find(session, cookie.value, now=now())
        assert waiting is not None
        open_code = one_time_codes.find_open(session, bound_to=waiting.id, purpose=one_time_codes.SIGNING_IN, now=now())
        assert open_code is not None
        code = one_time_codes.code_of(open_code.id)
    assert press(client, ENTER, form_at=at, code=code).status_code == 422


def written(app: Flask) -> dict[str, int]:
    """Return how many rows each table that may tell has had written."""
    tables = ("one_time_codes", "pending_signins", "procrastinate_jobs", "ledger_entries", "signin_sessions")
    with app.app_context(), transaction() as session:
        return {table: session.scalars(text(f"SELECT count(*) FROM {table}")).one() for table in tables}  # noqa: S608


def test_pages_and_rows_are_alike_for_every_number(app: Flask, client: FlaskClient, person: Person, newcomer: Person) -> None:
    reach(app, person, "13800138000")
    told = []
    for number in (person.number, newcomer.number, citizen_number()):
        browser = app.test_client()
        browser.environ_base["REMOTE_ADDR"] = fresh_address()
        before = written(app)
        at = ask(browser, number)
        grown = {table: count - before[table] for table, count in written(app).items()}
        entered = press(browser, ENTER, form_at=at, code="12345x")
        told.append((at, grown, entered.status_code, without_tokens(entered.text), without_tokens(browser.get(at, headers=BROWSER).text)))
    assert told[0] == told[1] == told[2]


@pytest.mark.usefixtures("real_hashes")
def test_known_and_unknown_numbers_take_the_same_time(app: Flask, person: Person) -> None:
    """Many tries in turn; the medians may differ by a quarter at most, and neither is nearly always the slower."""
    reach(app, person, "13800138000")
    for path, extra in ((ASK, {"channel": "phone"}), ("/signin", {"password": "not this one"})):
        took: dict[bool, list[float]] = {True: [], False: []}
        for turn in range(50):
            for known in (True, False) if turn % 2 else (False, True):
                browser = app.test_client()
                browser.environ_base["REMOTE_ADDR"] = fresh_address()
                with clock.shifted(timedelta(hours=turn)):
                    page = browser.get(path, headers=BROWSER).text
                    token = re.findall(r'name="csrf_token"[^>]*value="([^"]+)"', page)[0]
                    number = person.number if known else citizen_number()
                    began = time.perf_counter()
                    answer = browser.post(path, data={"csrf_token": token, "number": number, **extra}, headers=BROWSER)
                    took[known].append(time.perf_counter() - began)
                    assert answer.status_code == (303 if path == ASK else 422), known
        medians = {known: statistics.median(times[5:]) for known, times in took.items()}
        assert 0.75 < medians[True] / medians[False] < 1.33, (path, medians)
        slower = sum(a > b for a, b in zip(took[True][5:], took[False][5:], strict=True))
        assert 5 <= slower <= 40, (path, slower)


@pytest.mark.parametrize("goal", ELSEWHERE[:6])
def test_a_code_never_leads_elsewhere(app: Flask, client: FlaskClient, person: Person, goal: str) -> None:
    contact = reach(app, person, "13800138000")
    at = ask(client, person.number, next=goal)
    assert press(client, ENTER, form_at=at, code=code_that_reached(app, contact), next=goal).location == "/wallet"


def test_asking_is_slowed(client: FlaskClient, person: Person) -> None:
    answers = [post_form(client, ASK, {"number": person.number, "channel": "phone"}).status_code for _ in range(6)]
    assert (answers[0], answers[-1]) == (303, 429)


@pytest.mark.parametrize("path", [ASK, ENTER])
def test_each_form_wants_its_token(client: FlaskClient, person: Person, path: str) -> None:
    assert client.post(path, data={"number": person.number, "code": "123456"}, headers=BROWSER).status_code == 400


def test_who_came_by_a_code_sets_a_password_without_the_forgotten_one(app: Flask, client: FlaskClient, person: Person) -> None:
    contact = reach(app, person, "13800138000")
    press(client, ENTER, form_at=ask(client, person.number), code=code_that_reached(app, contact))
    page = client.get("/account/ways/password", headers=BROWSER).text
    assert 'name="present"' not in page
    assert post_form(client, "/account/ways/password", {"password": "黄河入海流 battery staple"}).location == "/account/ways"
    assert sign_in(app.test_client(), person, "黄河入海流 battery staple").status_code == 303


def test_a_closed_account_hears_of_nothing_and_opens_to_nobody(app: Flask, client: FlaskClient, person: Person) -> None:
    contact = reach(app, person, "13800138000")
    at = ask(client, person.number)
    code = code_that_reached(app, contact)
    with app.app_context(), transaction() as session:
        session.execute(update(Account).where(Account.subject_id == subject_of(app, person)).values(closed_at=now()))
    assert press(client, ENTER, form_at=at, code=code).status_code in (403, 404, 422)
    assert client.get_cookie("kabao_session") is None


def test_a_code_that_is_late_or_was_tried_too_often_is_said_to_be_over(app: Flask, client: FlaskClient, person: Person) -> None:
    contact = reach(app, person, "13800138000")
    at = ask(client, person.number)
    code = code_that_reached(app, contact)
    wrong = [press(client, ENTER, form_at=at, code=f"{(int(code) + 1) % 10**6:06}").text for _ in range(one_time_codes.TRIES)]
    assert ["验证码已失效" in page for page in wrong] == [False] * 4 + [True], "whoever reads that it was wrong types it again"
    assert "验证未通过" in wrong[0]
    at = ask(client, person.number)
    page = client.get(at, headers=BROWSER).text
    with clock.shifted(timedelta(minutes=5, seconds=1)):
        late = client.post(ENTER, data={"csrf_token": csrf_token(page), "code": code_that_reached(app, contact)}, headers=BROWSER)
        assert late.location.startswith(ASK)
        assert "验证码已失效，请重新获取" in client.get(late.location, headers=BROWSER).text
        assert "验证码已失效" not in client.get(client.get(at, headers=BROWSER).location, headers=BROWSER).text


def test_whoever_goes_back_after_signing_in_with_a_code_goes_on(app: Flask, client: FlaskClient, person: Person) -> None:
    contact = reach(app, person, "13800138000")
    at = ask(client, person.number, next="/account?x=1")
    assert 'id="go-on"' not in client.get(ASK, headers=BROWSER).text
    press(client, ENTER, form_at=at, code=code_that_reached(app, contact))
    assert client.get(at, headers=BROWSER).location == "/account?x=1"
    assert 'id="go-on"' in client.get(ASK, headers=BROWSER).text, "and whoever asks for a code is told that they are signed in, as on the first page"
