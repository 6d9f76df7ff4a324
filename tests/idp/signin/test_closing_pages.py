"""A person closes their account: at once, once, and with everything that belongs to signing in."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from uuid import UUID

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import func, select

from idp.oauth import consents
from idp.signin import accounts, closing, contacts, proofs, recovery, recovery_codes, second_step
from idp.signin.sessions import SigninSession
from idp.subjects import directory
from idp.subjects.numbers import parse_number
from runtime.clock import now, shifted
from runtime.database import transaction
from runtime.ids import new_id
from runtime.ledger import LedgerEntry
from tests.idp.oauth.journeys import Journey
from tests.idp.signin.recovering import NEW, ask, resident, run_jobs, told_kinds, use
from tests.world_clients import ask as ask_token
from tests.world_clients import new_portal
from tests.world_people import BROWSER, Person, post_form, sign_in


def subject_of(app: Flask, person: Person) -> UUID:
    with app.app_context(), transaction() as session:
        subject = directory.find_subject(session, parse_number(person.number))
        assert subject is not None
        return subject.id


def close(client: FlaskClient) -> int:
    return post_form(client, "/account/close", {"understood": "y"}).status_code


def test_everything_that_belongs_to_signing_in_goes_and_the_subject_stays(app: Flask, client: FlaskClient, person: Person) -> None:
    subject_id = subject_of(app, person)
    with app.app_context(), transaction() as session:
        recovery_codes.make(session, subject_id, now=now())
        contacts.verify(session, contacts.add(session, subject_id, "me@example.com", now=now()), now=now())
        portal = new_portal(session, scopes=("openid", "offline_access"))
    sign_in(client, person)
    tokens = Journey(portal, scope="openid offline_access").tokens(client)
    assert close(client) == 303
    assert client.get("/account", headers=BROWSER).location.startswith("/signin")
    assert sign_in(client, person).status_code == 422
    refreshed = ask_token(client, portal, grant_type="refresh_token", refresh_token=tokens["refresh_token"])
    assert refreshed.json["error"] == "invalid_grant"
    with app.app_context(), transaction() as session:
        assert second_step.ways_of(session, subject_id) == []
        assert consents.consents_of(session, subject_id) == []
        assert session.scalar(select(func.count()).where(SigninSession.subject_id == subject_id)) == 0
        assert directory.get_subject(session, subject_id).id == subject_id
    assert "account-closed" in told_kinds(app, subject_id)


def test_the_box_must_be_ticked(client: FlaskClient, person: Person) -> None:
    sign_in(client, person)
    answer = post_form(client, "/account/close", {})
    assert answer.status_code == 422
    assert "请先勾选" in answer.text
    assert client.get("/account", headers=BROWSER).status_code == 200


def test_another_site_closes_nothing(client: FlaskClient, person: Person) -> None:
    sign_in(client, person)
    assert client.post("/account/close", data={"understood": "y"}, headers=BROWSER).status_code == 400
    assert client.get("/account", headers=BROWSER).status_code == 200


def test_a_browser_that_was_left_open_closes_nothing(client: FlaskClient, person: Person) -> None:
    sign_in(client, person)
    with shifted(timedelta(minutes=11)):
        assert client.get("/account/close", headers=BROWSER).location == "/signin/step-up?aal=1&next=%2Faccount%2Fclose"
        assert post_form(client, "/account/close", {"understood": "y"}, form_at="/account").location.startswith("/signin/step-up")
        assert client.get("/account", headers=BROWSER).status_code == 200


def test_a_closed_account_comes_back_at_a_counter_alone_and_is_the_same_subject(app: Flask, client: FlaskClient, person: Person) -> None:
    subject_id = resident(app, person)
    with app.app_context(), transaction() as session:
        proofs.prove(session, subject_id, method=proofs.Method.COUNTER, now=now())
    sign_in(client, person)
    close(client)
    ask(client, person.number, person.name)
    run_jobs(app)
    with app.app_context(), transaction() as session:
        assert recovery.pending_of(session, subject_id, now=now()) is None
        code = recovery.grant_at_counter(session, subject_id=subject_id, officer_id=new_id(), department="x", now=now())
    assert use(client, person.number, code).status_code == 303
    assert sign_in(client, person, NEW).status_code == 303
    with app.app_context(), transaction() as session:
        account = accounts.find_account(session, parse_number(person.number))
        assert account is not None
        assert (account.subject_id, account.closed_at) == (subject_id, None)
        assert proofs.ial_of(session, subject_id, now=now()) == 1, "what was proven of the account before does not count for this one"
    assert "account.reopened" in acts_of(app, subject_id)


def acts_of(app: Flask, subject_id: UUID) -> list[str]:
    with app.app_context(), transaction() as session:
        return list(session.scalars(select(LedgerEntry.act).where(LedgerEntry.subject_id == subject_id)))


def test_of_many_who_close_at_once_one_does(app: Flask, person: Person) -> None:
    subject_id = subject_of(app, person)

    def one(_: int) -> bool:
        with app.app_context(), transaction() as session:
            return closing.close(session, subject_id, now=now())

    with ThreadPoolExecutor(8) as pool:
        assert sorted(pool.map(one, range(8))) == [False] * 7 + [True]
    assert acts_of(app, subject_id).count("account.closed") == 1


@pytest.mark.parametrize("who", ["nobody", "an officer for themself"])
def test_whom_a_counter_cannot_let_in(app: Flask, person: Person, newcomer: Person, who: str) -> None:
    with app.app_context(), transaction() as session:
        unknown = directory.ensure_subject(session, parse_number(newcomer.number), now=now()).id
    subject_id = unknown if who == "nobody" else subject_of(app, person)
    officer_id = new_id() if who == "nobody" else subject_id
    expected = recovery.NothingToRecover if who == "nobody" else recovery.NotOneself
    with app.app_context(), transaction() as session, pytest.raises(expected):
        recovery.grant_at_counter(session, subject_id=subject_id, officer_id=officer_id, department="x", now=now())
