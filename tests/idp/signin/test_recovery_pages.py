"""Ways back into an account, walked on the pages, and every way in which they are refused."""

import html
import re
import statistics
import time
from datetime import timedelta
from uuid import UUID

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import event, select, text, update

from idp.signin import accounts, contacts, proofs, recovery, recovery_codes, second_step, trusted_browsers
from idp.signin.recovery import Recovery
from idp.signin.sessions import SigninSession
from runtime.clock import now, shifted
from runtime.database import transaction
from runtime.ids import new_id
from runtime.ledger import LedgerEntry
from tests.idp.signin.conftest import fresh_address
from tests.idp.signin.recovering import ADDRESS, NEW, ask, begun, cancel_link, code_of, resident, run_jobs, told_kinds, use
from tests.world_people import BROWSER, PASSWORD, Person, citizen_number, csrf_token, post_form, sign_in

A_DAY = timedelta(days=1, seconds=5)
REFUSED = "号码或代码不正确"


@pytest.fixture
def stranger(app: Flask) -> FlaskClient:
    """Another browser, elsewhere."""
    client = app.test_client()
    client.environ_base["REMOTE_ADDR"] = fresh_address()
    return client


def granted(app: Flask, subject_id: UUID) -> str:
    with app.app_context(), transaction() as session:
        return recovery.grant_at_counter(session, subject_id=subject_id, officer_id=new_id(), department="11379999MB1000100X", now=now())


def rows_of(app: Flask, subject_id: UUID) -> list[Recovery]:
    with app.app_context(), transaction() as session:
        return list(session.scalars(select(Recovery).where(Recovery.subject_id == subject_id).order_by(Recovery.id)))


def acts_of(app: Flask, subject_id: UUID) -> list[str]:
    with app.app_context(), transaction() as session:
        return list(session.scalars(select(LedgerEntry.act).where(LedgerEntry.subject_id == subject_id).order_by(LedgerEntry.id)))


def test_after_a_days_wait_a_new_password_is_set_and_every_browser_signed_out(
    app: Flask, client: FlaskClient, stranger: FlaskClient, person: Person
) -> None:
    sign_in(stranger, person)
    subject_id = resident(app, person)
    code = begun(app, client, person)
    early = use(client, person.number, code)
    assert early.status_code == 422
    assert "等候期到" in early.text
    with shifted(A_DAY):
        done = use(client, person.number, code)
        assert (done.status_code, done.location) == (303, "/signin")
        assert sign_in(client, person, PASSWORD).status_code == 422
        assert sign_in(client, person, NEW).status_code == 303
    with app.app_context(), transaction() as session:
        assert len(session.scalars(select(SigninSession).where(SigninSession.subject_id == subject_id)).all()) == 1
    assert [kind for kind in told_kinds(app, subject_id) if kind.startswith("recovery")] == ["recovery-begun", "recovery-completed"]
    assert {"recovery.begun", "recovery.completed"} <= set(acts_of(app, subject_id))


def test_a_code_from_a_counter_works_at_once_and_once(app: Flask, client: FlaskClient, person: Person) -> None:
    subject_id = resident(app, person)
    code = granted(app, subject_id)
    assert re.fullmatch(r"([0-9A-HJKMNP-TV-Z]{4}-){2}[0-9A-HJKMNP-TV-Z]{4}", code)
    assert use(client, person.number, code.replace("-", " ").lower()).status_code == 303
    assert REFUSED in use(client, person.number, code).text
    assert sign_in(client, person, NEW).status_code == 303


def test_a_counters_code_lasts_an_hour_and_the_latest_counts(app: Flask, client: FlaskClient, person: Person) -> None:
    subject_id = resident(app, person)
    first, second = granted(app, subject_id), granted(app, subject_id)
    assert REFUSED in use(client, person.number, first).text
    with shifted(timedelta(minutes=61)):
        assert REFUSED in use(client, person.number, second).text


def test_one_of_the_codes_that_one_keeps_sets_a_new_password_and_the_second_ways_stay(app: Flask, client: FlaskClient, person: Person) -> None:
    subject_id = resident(app, person)
    with app.app_context(), transaction() as session:
        first, second, *_ = recovery_codes.make(session, subject_id, now=now())
    assert use(client, person.number, first.lower().replace("-", "")).status_code == 303
    assert REFUSED in use(client, person.number, first).text
    with app.app_context(), transaction() as session:
        assert recovery_codes.left(session, subject_id) == recovery_codes.HOW_MANY - 1
    assert use(client, citizen_number(), second).status_code == 422


def test_a_counter_takes_every_earlier_way_to_sign_in_away(app: Flask, client: FlaskClient, person: Person) -> None:
    subject_id = resident(app, person)
    with app.app_context(), transaction() as session:
        recovery_codes.make(session, subject_id, now=now())
        contacts.verify(session, contacts.add(session, subject_id, "thief@example.com", now=now()), now=now())
        trusted_browsers.trust(session, subject_id, user_agent="x", now=now())
    assert use(client, person.number, granted(app, subject_id)).status_code == 303
    with app.app_context(), transaction() as session:
        assert second_step.ways_of(session, subject_id) == []
        assert trusted_browsers.of(session, subject_id, now=now()) == []


def test_who_never_was_at_a_counter_cancels_what_it_granted(app: Flask, client: FlaskClient, person: Person, stranger: FlaskClient) -> None:
    subject_id = resident(app, person)
    code, link = granted(app, subject_id), cancel_link(app, subject_id)
    assert "窗口为您办理了账号恢复" in stranger.get(link, headers=BROWSER).text
    assert post_form(stranger, link, {}).status_code == 200
    assert use(stranger, person.number, code).status_code == 422
    code = granted(app, subject_id)
    sign_in(client, person)
    assert "窗口为您办理了账号恢复" in client.get("/account", headers=BROWSER).text
    assert post_form(client, "/account/recovery/cancel", {}, form_at="/account").status_code == 303
    assert use(stranger, person.number, code).status_code == 422
    assert [row.outcome for row in rows_of(app, subject_id)] == ["cancelled", "cancelled"]


def test_a_password_that_cannot_be_used_costs_no_code(app: Flask, client: FlaskClient, person: Person) -> None:
    code = granted(app, resident(app, person))
    assert "太常见" in use(client, person.number, code, "12345678").text
    assert use(client, person.number, code).status_code == 303


def test_the_old_password_is_no_new_one_and_only_who_holds_a_code_is_told_so(app: Flask, client: FlaskClient, person: Person) -> None:
    subject_id = resident(app, person)
    code = granted(app, subject_id)
    guessed = use(client, person.number, "0000-0000-0000", PASSWORD)
    assert (REFUSED in guessed.text, "现在的密码相同" in guessed.text) == (True, False)
    with app.app_context(), transaction() as session:
        accounts.void_password(session, subject_id, now=now())  # its owner said that somebody else knows it
    refused = use(client, person.number, code, PASSWORD)
    assert (refused.status_code, "现在的密码相同" in refused.text) == (422, True)
    assert use(client, person.number, code).status_code == 303


@pytest.mark.parametrize(
    ("change", "after", "shown"),
    [
        pytest.param({"code": "0000-0000-0000-0000-0000"}, A_DAY, REFUSED, id="another code"),
        pytest.param({"code": "😀" * 50}, A_DAY, REFUSED, id="no code at all"),
        pytest.param({"number": "another's"}, A_DAY, REFUSED, id="another's number"),
        pytest.param({}, timedelta(hours=23, minutes=59), "等候期到", id="a minute too early"),
        pytest.param({}, timedelta(days=3, seconds=1), REFUSED, id="after three days"),
        pytest.param({"password": "short"}, A_DAY, "密码至少8个字符", id="a password too short"),
        pytest.param({"code": ""}, A_DAY, "请填写恢复代码", id="no code"),
        pytest.param({"password": ""}, A_DAY, "请设置新密码", id="no password"),
    ],
)
def test_what_is_refused_when_a_code_is_used(
    app: Flask, client: FlaskClient, person: Person, change: dict[str, str], after: timedelta, shown: str
) -> None:
    code = begun(app, client, person)
    given = {"number": person.number, "code": code, "password": NEW, **change}
    if given["number"] == "another's":
        given["number"] = citizen_number()
    with shifted(after):
        answer = post_form(client, "/recover/code", given)
    assert answer.status_code == 422
    assert shown in answer.text
    assert NEW not in answer.text
    assert sign_in(client, person).status_code == 303


@pytest.mark.parametrize(
    ("name", "address"),
    [("别人", ADDRESS), (None, "海右市听涛区长风街18号3单元501室"), (None, "室"), ("别人", "别处")],
    ids=["another name", "another address", "a part of the address", "neither"],
)
def test_what_does_not_match_is_answered_alike_and_begins_nothing(
    app: Flask, client: FlaskClient, person: Person, name: str | None, address: str
) -> None:
    subject_id = resident(app, person)
    right = ask(client, person.number, person.name)
    wrong = ask(client, person.number, name or person.name, address)
    unknown = ask(client, citizen_number(), "别人")
    shapes = {re.sub(r"[0-9A-Z]{4}(-[0-9A-Z]{4}){4}|\d{1,2}:\d{2}:\d{2}|csrf_token.*", "", answer.text) for answer in (right, wrong, unknown)}
    assert len(shapes) == 1
    with app.app_context(), transaction() as session:
        session.execute(text("DELETE FROM procrastinate_jobs WHERE task_name = 'kabao:begin_recovery'"))
    wrong_code = code_of(ask(client, person.number, name or person.name, address))
    assert run_jobs(app) == 1
    assert rows_of(app, subject_id) == []
    assert told_kinds(app, subject_id) == []
    assert "recovery.mismatched" in acts_of(app, subject_id)
    with shifted(A_DAY):
        assert REFUSED in use(client, person.number, wrong_code).text


def test_a_registry_that_knows_no_address_proves_nobody(app: Flask, client: FlaskClient, person: Person) -> None:
    code = code_of(ask(client, person.number, person.name, "任何地方"))
    run_jobs(app)
    assert rows_of(app, resident(app, person)) == []
    with shifted(A_DAY):
        assert REFUSED in use(client, person.number, code).text


def test_who_came_back_by_the_registry_is_known_no_better_than_by_it(app: Flask, client: FlaskClient, person: Person) -> None:
    subject_id = resident(app, person)
    with app.app_context(), transaction() as session:
        proofs.prove(session, subject_id, method=proofs.Method.COUNTER, now=now())
        assert proofs.ial_of(session, subject_id, now=now()) == 3
    code = begun(app, client, person)
    with shifted(A_DAY):
        assert use(client, person.number, code).status_code == 303
    with app.app_context(), transaction() as session:
        assert proofs.ial_of(session, subject_id, now=now()) < 3


def test_the_link_of_the_notice_shows_first_and_cancels_once(app: Flask, client: FlaskClient, person: Person, stranger: FlaskClient) -> None:
    subject_id = resident(app, person)
    code = begun(app, client, person)
    link = cancel_link(app, subject_id)
    for _ in range(2):
        page = stranger.get(link, headers=BROWSER)
        assert page.status_code == 200
        assert person.name not in page.text
    assert [row.outcome for row in rows_of(app, subject_id)] == [None]
    assert stranger.post(link, headers=BROWSER).status_code == 400, "without its token"
    assert post_form(stranger, link, {}).status_code == 200
    assert [row.outcome for row in rows_of(app, subject_id)] == ["cancelled"]
    assert stranger.get(link, headers=BROWSER).status_code == 410
    with shifted(A_DAY):
        assert REFUSED in use(client, person.number, code).text
    assert told_kinds(app, subject_id)[-1] == "recovery-cancelled"


@pytest.mark.parametrize("secret", ["x", "A" * 128, "A" * 127, "%00", "é" * 90, "-_" * 43])
def test_a_link_that_is_none_cancels_nothing(client: FlaskClient, secret: str) -> None:
    assert client.get(f"/recover/cancel/{secret}", headers=BROWSER).status_code in (400, 410)


def test_another_secret_for_the_right_row_cancels_nothing(app: Flask, client: FlaskClient, person: Person) -> None:
    subject_id = resident(app, person)
    begun(app, client, person)
    link = cancel_link(app, subject_id)
    forged = link[:-4] + ("AAAA" if link[-4:] != "AAAA" else "BBBB")
    assert client.get(forged, headers=BROWSER).status_code == 410
    assert [row.outcome for row in rows_of(app, subject_id)] == [None]


def test_a_link_offers_nothing_to_cancel_once_the_recovery_is_out_of_time(app: Flask, client: FlaskClient, person: Person) -> None:
    subject_id = resident(app, person)
    begun(app, client, person)
    link = cancel_link(app, subject_id)
    assert client.get(link, headers=BROWSER).status_code == 200
    with shifted(recovery.LIFETIME):
        assert client.get(link, headers=BROWSER).status_code == 410


def test_no_officer_grants_themself_a_way_back(app: Flask, person: Person) -> None:
    """Said here as well as at the desk: whoever calls it, from wherever."""
    subject_id = resident(app, person)
    with app.app_context(), pytest.raises(recovery.NotOneself), transaction() as session:
        recovery.grant_at_counter(session, subject_id=subject_id, officer_id=subject_id, department="11379999MB1000100X", now=now())
    assert rows_of(app, subject_id) == []


def test_the_owner_who_signs_in_is_warned_and_cancels(app: Flask, client: FlaskClient, person: Person) -> None:
    subject_id = resident(app, person)
    begun(app, client, person)
    sign_in(client, person)
    page = client.get("/account", headers=BROWSER).text
    assert 'id="recovery-warning"' in page
    assert post_form(client, "/account/recovery/cancel", {}, form_at="/account").status_code == 303
    assert [row.outcome for row in rows_of(app, subject_id)] == ["cancelled"]
    assert 'id="recovery-warning"' not in client.get("/account", headers=BROWSER).text
    assert post_form(client, "/account/recovery/cancel", {}, form_at="/account").status_code == 303


def test_asking_again_begins_the_wait_anew_three_times_a_day(app: Flask, client: FlaskClient, person: Person) -> None:
    subject_id = resident(app, person)
    codes = [begun(app, client, person) for _ in range(4)]
    assert [row.outcome for row in rows_of(app, subject_id)] == ["superseded", "superseded", None]
    with shifted(A_DAY):
        for code in (codes[0], codes[1], codes[3]):
            assert REFUSED in use(client, person.number, code).text
        assert use(client, person.number, codes[2]).status_code == 303


def test_what_was_asked_rests_sealed_until_the_job_has_it(app: Flask, client: FlaskClient, person: Person) -> None:
    resident(app, person)
    code = code_of(ask(client, person.number, person.name))
    with app.app_context(), transaction() as session:
        kept = str(session.scalars(text("SELECT args FROM procrastinate_jobs WHERE task_name = 'kabao:begin_recovery'")).all())
    for secret in (person.number, person.name, ADDRESS, code, code.replace("-", "")):
        assert secret not in kept


def test_a_session_by_password_sets_no_new_password_without_the_old(client: FlaskClient, person: Person) -> None:
    sign_in(client, person)
    page = client.get("/recover/password", headers=BROWSER).text
    assert 'id="passkey-signin"' in page
    answer = post_form(client, "/recover/password", {"password": NEW}, form_at="/account")
    assert answer.status_code == 403
    assert sign_in(client, person).status_code == 303


def test_whoever_forgot_the_password_and_has_a_passkey_is_not_asked_for_the_password_first(client: FlaskClient) -> None:
    led = client.get("/recover/password", headers=BROWSER).location
    forgot, usual = (client.get(at, headers=BROWSER).text for at in (led, "/signin"))
    assert [page.index('id="passkey"') < page.index('id="password"') for page in (forgot, usual)] == [True, False]
    assert "即可设置新密码" in forgot
    assert [page.count('id="passkey"') for page in (forgot, usual)] == [1, 1]


def test_a_session_by_passkey_sets_a_new_password_and_keeps_itself(app: Flask, client: FlaskClient, stranger: FlaskClient, person: Person) -> None:
    sign_in(stranger, person)
    sign_in(client, person)
    subject_id = resident(app, person)
    with app.app_context(), transaction() as session:
        newest = session.scalars(select(SigninSession.id).where(SigninSession.subject_id == subject_id).order_by(SigninSession.id.desc())).first()
        session.execute(update(SigninSession).where(SigninSession.id == newest).values(amr=["hwk", "user", "mfa"]))
    assert post_form(client, "/recover/password", {"password": "1234567"}).status_code == 422
    assert "现在的密码相同" in post_form(client, "/recover/password", {"password": PASSWORD}).text
    assert post_form(client, "/recover/password", {"password": NEW}).location == "/account"
    assert client.get("/account", headers=BROWSER).status_code == 200
    assert stranger.get("/account", headers=BROWSER).status_code == 303
    with shifted(timedelta(minutes=14)):
        client.get("/account", headers=BROWSER)
    with shifted(timedelta(minutes=16)):
        assert post_form(client, "/recover/password", {"password": NEW}, form_at="/account").status_code == 403


@pytest.mark.usefixtures("real_hashes")
def test_time_tells_nobody_whether_there_is_an_account(app: Flask, client: FlaskClient, person: Person) -> None:
    subject_id = resident(app, person)
    granted(app, subject_id)
    token = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', client.get("/recover/code", headers=BROWSER).text)
    assert token is not None
    taken: dict[bool, list[float]] = {True: [], False: []}
    for turn in range(40):
        known = turn % 2 == 0
        client.environ_base["REMOTE_ADDR"] = fresh_address()
        form = {"csrf_token": token[1], "number": person.number if known else citizen_number(), "code": "0000-0000-0000", "password": NEW}
        with shifted(timedelta(seconds=30 * turn)):
            began = time.perf_counter()
            assert client.post("/recover/code", data=form, headers=BROWSER).status_code == 422
            taken[known].append(time.perf_counter() - began)
    known_median, unknown_median = (statistics.median(taken[known]) for known in (True, False))
    spread = statistics.median(abs(each - unknown_median) for each in taken[False])
    assert abs(known_median - unknown_median) < max(0.25 * unknown_median, 4 * spread)


def test_asking_by_registry_runs_the_same_statements_for_every_number(app: Flask, client: FlaskClient, person: Person) -> None:
    resident(app, person)
    ran: list[str] = []

    def note(_c: object, _u: object, statement: str, *_: object) -> None:
        ran.append(statement)

    event.listen(app.extensions["kabao_engine"], "before_cursor_execute", note)
    seen = []
    for number, name in ((person.number, person.name), (citizen_number(), person.name), (person.number, "别人")):
        client.get("/recover/registry", headers=BROWSER)
        token = csrf_token(client.get("/recover/registry", headers=BROWSER).text)
        ran.clear()
        form = {"csrf_token": token, "number": number, "name": name, "address": ADDRESS}
        assert client.post("/recover/registry", data=form, headers=BROWSER).status_code == 200
        seen.append(list(ran))
    event.remove(app.extensions["kabao_engine"], "before_cursor_execute", note)
    assert seen[0] == seen[1] == seen[2]


def test_whoever_left_an_address_is_led_from_a_forgotten_password_by_a_code_to_a_new_one(app: Flask, client: FlaskClient, person: Person) -> None:
    way = re.search(r'id="by-contact" href="([^"]+)"', client.get("/recover", headers=BROWSER).text)
    assert way is not None, "the page of a forgotten password does not name the easiest way"
    asked = client.get(html.unescape(way[1]), headers=BROWSER).text
    assert 'id="send"' in asked
    assert re.search(r'name="next"[^>]*value="/account/ways/password"', asked)
