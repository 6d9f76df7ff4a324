"""Recovery raced: of several who come at once with one code, or with a code and a cancelling link, one wins."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier
from uuid import UUID

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import func, select, text

from idp.signin import accounts, devices, passwords, recovery, recovery_requests, regaining, trusted_browsers
from idp.signin.recovery import Recovery, RecoveryRefused
from idp.subjects.numbers import parse_number
from runtime.clock import now, shifted
from runtime.database import transaction
from runtime.ids import new_id
from runtime.ledger import LedgerEntry
from tests.idp.oauth.journeys import Journey
from tests.idp.signin.recovering import ask, begun, code_of, resident, run_jobs, told_kinds
from tests.world_clients import ask as ask_token
from tests.world_clients import new_portal
from tests.world_people import PASSWORD, Person, post_form, sign_in

HASH = passwords.hash_password("一个够长的新密码")


def at_once(app: Flask, *acts: Callable[[], bool]) -> list[bool]:
    ready = Barrier(len(acts), timeout=20)

    def one(act: Callable[[], bool]) -> bool:
        with app.app_context():
            ready.wait()
            return act()

    with ThreadPoolExecutor(len(acts)) as pool:
        return list(pool.map(one, acts))


def complete(person: Person, code: str, after: timedelta = timedelta(days=1, minutes=1)) -> bool:
    try:
        with transaction() as session:
            regaining.complete(session, parse_number(person.number), code, password="new", password_hash=HASH, now=now() + after)
    except RecoveryRefused:
        return False
    return True


def cancel(subject_id: UUID) -> bool:
    present = now() + timedelta(days=1, minutes=1)
    with transaction() as session:
        row = recovery.pending_of(session, subject_id, now=present)
        return row is not None and recovery.cancel(session, row, actor="link", now=present)


def outcomes(app: Flask, subject_id: UUID) -> list[str | None]:
    with app.app_context(), transaction() as session:
        return list(session.scalars(select(Recovery.outcome).where(Recovery.subject_id == subject_id).order_by(Recovery.id)))


def test_a_recovery_that_was_begun_by_a_worker_that_died_over_it_stays_as_it_was_begun(app: Flask, client: FlaskClient, person: Person) -> None:
    subject_id = resident(app, person)
    ask(client, person.number, person.name)
    with app.app_context(), transaction() as session:
        query = "SELECT args FROM procrastinate_jobs WHERE task_name = 'kabao:begin_recovery' ORDER BY id DESC LIMIT 1"
        arguments = session.scalars(text(query)).one()
    run_jobs(app)
    with app.app_context():
        recovery_requests.begin_recovery(**arguments)
    assert outcomes(app, subject_id) == [None]
    assert told_kinds(app, subject_id).count("recovery-begun") == 1


def test_of_many_who_use_one_code_at_once_one_does(app: Flask, client: FlaskClient, person: Person) -> None:
    subject_id = resident(app, person)
    code = begun(app, client, person)
    assert sorted(at_once(app, *[lambda: complete(person, code)] * 8)) == [False] * 7 + [True]
    with app.app_context(), transaction() as session:
        done = select(func.count()).where(LedgerEntry.subject_id == subject_id, LedgerEntry.act == "recovery.completed")
        assert session.scalar(done) == 1


@pytest.mark.parametrize("turn", range(6))
def test_of_cancelling_and_completing_one_wins(app: Flask, client: FlaskClient, person: Person, turn: int) -> None:
    subject_id = resident(app, person)
    code = begun(app, client, person)
    completed, cancelled = at_once(app, lambda: complete(person, code), lambda: cancel(subject_id))
    assert completed != cancelled
    assert outcomes(app, subject_id) == ["completed" if completed else "cancelled"]


def test_of_two_recoveries_that_begin_at_once_one_is_open(app: Flask, person: Person) -> None:
    subject_id = resident(app, person)

    def begin() -> bool:
        recovery_id = new_id()
        with transaction() as session:
            code_hash = recovery.hash_of(recovery_id, "0000")
            return recovery.begin_by_registry(session, subject_id=subject_id, recovery_id=recovery_id, code_hash=code_hash, now=now())

    assert at_once(app, *[begin] * 6).count(True) == recovery.MOST_A_DAY
    assert sorted(map(str, outcomes(app, subject_id))) == ["None", "superseded", "superseded"]


def test_of_two_officers_at_once_one_code_stands(app: Flask, person: Person) -> None:
    subject_id = resident(app, person)
    codes: list[str] = []

    def grant() -> bool:
        with transaction() as session:
            codes.append(recovery.grant_at_counter(session, subject_id=subject_id, officer_id=new_id(), department="x", now=now()))
        return True

    at_once(app, *[grant] * 4)
    with app.app_context():
        assert [complete(person, code, timedelta(0)) for code in codes].count(True) == 1


@pytest.mark.parametrize(("later", "kinds"), [(timedelta(hours=11), ["recovery-begun"]), (timedelta(hours=13), [])])
def test_what_the_registry_could_not_be_asked_of_for_half_a_day_begins_nothing(
    app: Flask, client: FlaskClient, person: Person, later: timedelta, kinds: list[str]
) -> None:
    subject_id = resident(app, person)
    code_of(ask(client, person.number, person.name))
    with shifted(later):
        run_jobs(app)
    assert told_kinds(app, subject_id) == kinds


def test_what_was_asked_before_the_password_was_changed_begins_nothing_afterwards(app: Flask, client: FlaskClient, person: Person) -> None:
    subject_id = resident(app, person)
    code_of(ask(client, person.number, person.name))
    with app.app_context(), transaction() as session:
        accounts.change_password(session, subject_id, password_hash=HASH, now=now())
    run_jobs(app)
    assert told_kinds(app, subject_id) == []
    assert outcomes(app, subject_id) == []


@pytest.mark.parametrize("way", [recovery.COUNTER, recovery.REGISTRY, regaining.RECOVERY_CODE])
def test_what_portals_hold_is_worth_nothing_and_no_browser_is_known_any_more(app: Flask, client: FlaskClient, person: Person, way: str) -> None:
    with app.app_context(), transaction() as session:
        portal = new_portal(session, scopes=("openid", "offline_access"))
    sign_in(client, person)
    tokens = Journey(portal, scope="openid offline_access").tokens(client)
    held = {"Authorization": f"Bearer {tokens['access_token']}"}
    assert client.get("/userinfo", headers=held).status_code == 200
    subject_id = resident(app, person)
    with app.app_context(), transaction() as session:
        assert devices.of(session, subject_id)
        regaining.set_password(session, subject_id, way=way, password_hash=HASH, now=now())
        assert devices.of(session, subject_id) == []
    refreshed = ask_token(client, portal, grant_type="refresh_token", refresh_token=tokens["refresh_token"])
    assert refreshed.json["error"] == "invalid_grant"
    assert client.get("/userinfo", headers=held).status_code == 401


def test_another_recovery_that_waits_ends_with_the_one_that_is_done(app: Flask, client: FlaskClient, person: Person) -> None:
    code = begun(app, client, person)
    subject_id = resident(app, person)
    with app.app_context(), transaction() as session:
        regaining.set_password(session, subject_id, way=recovery.COUNTER, password_hash=HASH, now=now())
    assert outcomes(app, subject_id) == ["superseded"]
    with app.app_context():
        assert not complete(person, code)


def test_changing_the_password_ends_a_recovery_that_waits_and_trusts_no_browser(app: Flask, client: FlaskClient, person: Person) -> None:
    begun(app, client, person)
    subject_id = resident(app, person)
    with app.app_context(), transaction() as session:
        trusted_browsers.trust(session, subject_id, user_agent="x", now=now())
    sign_in(client, person)
    changed = {"present": PASSWORD, "password": "黄河入海流 battery staple"}
    assert post_form(client, "/account/ways/password", changed).location == "/account/ways"
    assert outcomes(app, subject_id) == ["superseded"]
    with app.app_context(), transaction() as session:
        assert trusted_browsers.of(session, subject_id, now=now()) == []


def test_an_address_is_compared_by_its_letters_and_digits() -> None:
    assert recovery_requests.address_key("海右市 听涛区（长风街）１８号－3") == recovery_requests.address_key("海右市听涛区长风街18号3")
    assert recovery_requests.address_key("长风街18号") != recovery_requests.address_key("长风街81号")
