from concurrent.futures import ThreadPoolExecutor
from uuid import UUID

import pytest
from argon2 import PasswordHasher
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import func, select, update

from idp.signin import accounts, passwords, registration
from idp.signin.accounts import Account, AccountClosed, AccountExists, NotInRegistry, OrganisationsActThroughPeople
from idp.signin.passwords import PasswordRefused
from idp.subjects import directory
from idp.subjects.numbers import parse_number
from runtime.clock import now
from runtime.database import transaction
from runtime.ledger import LedgerEntry
from tests.world_people import PASSWORD, Person, citizen_number, new_organisation, new_person, sign_in


def register(person: Person, *, number: str | None = None, name: str | None = None, password: str = PASSWORD) -> object:
    with transaction() as session:
        return registration.register(
            session, number=parse_number(number or person.number), name=person.name if name is None else name, password=password, now=now()
        )


def test_an_account_is_opened_and_stands_in_the_ledger(context: None, newcomer: Person) -> None:
    subject_id = register(newcomer)
    with transaction() as session:
        acts = session.scalars(select(LedgerEntry.act).where(LedgerEntry.subject_id == subject_id)).all()
    assert acts == ["subject.added", "account.opened", "identity.proven"]


def test_a_name_may_be_spaced_otherwise(context: None) -> None:
    with transaction() as session:
        person = new_person(session, name="买买提·吐尔逊")
    assert register(person, name=" 买买提 • 吐尔逊")


@pytest.mark.parametrize("name", ["别人", "", "王", " "])
def test_another_name_is_refused(context: None, newcomer: Person, name: str) -> None:
    with pytest.raises(NotInRegistry):
        register(newcomer, name=name)


def test_an_unknown_number_is_refused_just_as_another_name_is(context: None, newcomer: Person) -> None:
    with pytest.raises(NotInRegistry) as unknown:
        register(newcomer, number=citizen_number())
    with pytest.raises(NotInRegistry) as misnamed:
        register(newcomer, name="别人")
    assert (unknown.value.title, unknown.value.shown, unknown.value.field) == (misnamed.value.title, misnamed.value.shown, misnamed.value.field)


def test_a_refused_registration_leaves_no_subject(context: None, newcomer: Person) -> None:
    with pytest.raises(PasswordRefused):
        register(newcomer, password="12345678")
    with pytest.raises(NotInRegistry):
        register(newcomer, name="别人")
    with transaction() as session:
        assert directory.find_subject(session, parse_number(newcomer.number)) is None


def test_who_has_an_account_is_told_only_to_who_knows_the_name(context: None, person: Person) -> None:
    with pytest.raises(AccountExists):
        register(person)
    with pytest.raises(NotInRegistry):
        register(person, name="别人")


def test_an_organisation_gets_no_password(context: None, newcomer: Person) -> None:
    with transaction() as session:
        firm = new_organisation(session, representative=newcomer)
    with pytest.raises(OrganisationsActThroughPeople):
        register(newcomer, number=firm.number, name=firm.name)


def test_of_many_who_open_one_account_at_once_one_does(app: Flask, newcomer: Person) -> None:
    def race(_: int) -> str:
        with app.app_context():
            try:
                register(newcomer)
            except AccountExists:
                return "refused"
            return "opened"

    with ThreadPoolExecutor(16) as pool:
        results = list(pool.map(race, range(32)))
    assert sorted(results) == ["opened"] + ["refused"] * 31
    with app.app_context(), transaction() as session:
        subject = directory.find_subject(session, parse_number(newcomer.number))
        assert subject is not None
        opened = select(func.count()).where(LedgerEntry.subject_id == subject.id, LedgerEntry.act == "account.opened")
        assert session.scalar(opened) == 1


def test_a_hash_of_yesterdays_parameters_is_renewed_at_sign_in(app: Flask, client: FlaskClient, person: Person) -> None:
    old = PasswordHasher(time_cost=1, memory_cost=8192, parallelism=1).hash(passwords.normal(PASSWORD))
    with app.app_context(), transaction() as session:
        account = accounts.find_account(session, parse_number(person.number))
        assert account is not None
        session.execute(update(Account).where(Account.subject_id == account.subject_id).values(password_hash=old))
    assert sign_in(client, person).status_code == 303
    with app.app_context(), transaction() as session:
        account = accounts.find_account(session, parse_number(person.number))
        assert account is not None
        assert not passwords.is_outdated(account.password_hash)
    assert sign_in(client, person).status_code == 303


def test_of_two_who_sign_in_at_once_while_the_hash_is_renewed_both_are_let_in(
    app: Flask, client: FlaskClient, person: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A button is pressed twice: the first sign-in renews the hash between the second's look at it and its session."""
    old = PasswordHasher(time_cost=1, memory_cost=8192, parallelism=1).hash(passwords.normal(PASSWORD))
    with app.app_context(), transaction() as session:
        session.execute(update(Account).where(Account.subject_id == subject_of(person)).values(password_hash=old))
    is_right, beside = passwords.is_right, app.test_client()

    def compare(kept: str | None, password: str) -> bool:
        monkeypatch.setattr(passwords, "is_right", is_right)
        with ThreadPoolExecutor(1) as other:
            assert other.submit(sign_in, beside, person).result(30).status_code == 303
        return is_right(kept, password)

    monkeypatch.setattr(passwords, "is_right", compare)
    assert sign_in(client, person).status_code == 303


def subject_of(person: Person) -> UUID:
    with transaction() as session:
        subject = directory.find_subject(session, parse_number(person.number))
        assert subject is not None
        return subject.id


def test_a_void_password_answers_as_a_wrong_one_does(app: Flask, client: FlaskClient, person: Person) -> None:
    wrong = sign_in(client, person, "another password altogether")
    with app.app_context():
        subject_id = subject_of(person)
        with transaction() as session:
            assert not accounts.must_change(session, subject_id)
            accounts.void_password(session, subject_id, now=now())
    void = sign_in(client, person)
    assert void.status_code == wrong.status_code
    assert "号码或密码不正确" in void.text
    with app.app_context(), transaction() as session:
        assert accounts.must_change(session, subject_id)
        accounts.set_password(session, subject_id, password_hash=passwords.hash_password("新的密码也很长"), now=now())
        assert not accounts.must_change(session, subject_id)
    assert sign_in(client, person).status_code == 422
    assert sign_in(client, person, "新的密码也很长").status_code == 303


def test_a_closed_account_is_neither_signed_in_to_nor_opened_anew(app: Flask, client: FlaskClient, person: Person) -> None:
    with app.app_context(), transaction() as session:
        session.execute(update(Account).where(Account.subject_id == subject_of(person)).values(closed_at=now()))
    assert sign_in(client, person).status_code == 422
    with app.app_context(), pytest.raises(AccountClosed):
        register(person)
