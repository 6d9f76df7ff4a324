"""Accounts opened while the registry was away: what they may not do, how they are lifted, and that they stand in nobody's way."""

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier
from uuid import UUID

import pyotp
import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select
from sqlalchemy.orm import Session

from idp.signin import accounts, contacts, entering, proofs, registration, sessions, stated, totp
from idp.signin.accounts import AccountExists, NoSuchAccount, NotInRegistry
from idp.signin.entering import Browser
from idp.subjects import directory, mandates, registries, registry_import
from idp.subjects.history import Told
from idp.subjects.numbers import parse_number
from idp.subjects.registries import RegistryUnavailable
from runtime.clock import now
from runtime.database import transaction
from runtime.ledger import LedgerEntry
from tests.idp.signin import recovering
from tests.idp.signin.proofs_at_hand import reached
from tests.world_people import BROWSER, PASSWORD, Person, citizen_number, csrf_token, new_organisation, new_person, open_account, post_form, sign_in

THIEF = "另一个口令 another one"


class Away:
    """A registry that gives no answer, until it is back."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.is_away, self.true = True, registries.open_registry
        monkeypatch.setattr(registries, "open_registry", self.open)

    def open(self, session: Session) -> registries.Registry:
        if self.is_away:
            raise RegistryUnavailable("away, for a test")
        return self.true(session)


@pytest.fixture
def newcomer(app: Flask) -> Person:
    with app.app_context(), transaction() as session:
        return new_person(session)


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch, newcomer: Person) -> Iterator[Away]:
    return Away(monkeypatch)


def state(person: Person, *, name: str | None = None, password: str = PASSWORD) -> UUID:
    """Open an account on what someone says; in an application context."""
    with transaction() as session:
        number = parse_number(person.number)
        return registration.register(session, number=number, name=name or person.name, password=password, may_state=True, now=now())


def ial_of(subject_id: UUID) -> int:
    with transaction() as session:
        return proofs.ial_of(session, subject_id, now=now())


def test_the_page_says_what_level_1_is_and_opens_it_only_when_told(client: FlaskClient, registry: Away, newcomer: Person) -> None:
    form = {"number": newcomer.number, "name": newcomer.name, "password": PASSWORD}
    refused = post_form(client, "/account/new", form)
    assert refused.status_code == 503
    assert 'id="registry-away"' in refused.text
    opened = client.post("/account/new", data={**form, "stated": "y", "csrf_token": csrf_token(refused.text)}, headers=BROWSER)
    assert opened.status_code == 303
    page = client.get("/account/level", headers=BROWSER)
    assert "一级：仅核对号码格式" in page.text
    assert newcomer.name in page.text


def test_an_operator_may_forbid_level_1(app: Flask, client: FlaskClient, registry: Away, newcomer: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("idp.signin.signin_pages._may_state", lambda: False)
    form = {"number": newcomer.number, "name": newcomer.name, "password": PASSWORD, "stated": "y"}
    refused = post_form(client, "/account/new", form)
    assert refused.status_code == 503
    assert 'id="registry-away"' not in refused.text


def test_nobody_wins_back_what_someone_only_said_is_theirs(app: Flask, context: None, client: FlaskClient, registry: Away, newcomer: Person) -> None:
    subject_id = state(newcomer, password=THIEF)
    registry.is_away = False
    resident_of_registry(newcomer)
    assert recovering.ask(client, newcomer.number, newcomer.name).status_code == 200
    assert recovering.run_jobs(app) >= 1
    assert recovering.told_kinds(app, subject_id) == []


def test_guesses_at_the_name_that_the_registry_has_are_slowed(app: Flask, client: FlaskClient, newcomer: Person) -> None:
    with app.app_context(), transaction() as session:
        open_account(session, newcomer)
    sign_in(client, newcomer)
    answers = [post_form(client, "/account/level/match", {"name": f"许{turn}"}, form_at="/account/level").status_code for turn in range(8)]
    assert (answers[0], answers[-1]) == (422, 429)


def resident_of_registry(person: Person) -> None:
    with transaction() as session:
        recovering.new_resident(session, person)


@pytest.mark.parametrize("path", ["/wallet", "/wallet/history", "/desk"])
def test_level_1_has_no_wallet_and_no_desk(app: Flask, client: FlaskClient, registry: Away, newcomer: Person, path: str) -> None:
    with app.app_context():
        state(newcomer)
    assert sign_in(client, newcomer).status_code == 303
    assert client.get(path, headers=BROWSER).location.startswith("/account/level?ial=2&next=")


def test_level_1_acts_for_nobody(app: Flask, client: FlaskClient, registry: Away, newcomer: Person) -> None:
    with app.app_context():
        state(newcomer)
    sign_in(client, newcomer)
    token = csrf_token(client.get("/account/level", headers=BROWSER).text)
    data = {"organisation": "018f0000-0000-7000-8000-000000000000", "csrf_token": token}
    response = client.post("/account/acting", data=data, headers=BROWSER)
    assert response.status_code == 303
    assert response.location.startswith("/account/level?ial=2")


def test_what_someone_says_leads_no_search_to_them(context: None, registry: Away, newcomer: Person) -> None:
    subject_id = state(newcomer)
    with transaction() as session:
        assert directory.find_subject(session, parse_number(newcomer.number)) is None
        assert directory.number_of(directory.get_subject(session, subject_id)).value == newcomer.number
    registry.is_away = False
    with transaction() as session:
        assert directory.ensure_subject(session, parse_number(newcomer.number), now=now()).id != subject_id


def test_the_button_lifts_to_level_2(client: FlaskClient, app: Flask, registry: Away, newcomer: Person) -> None:
    with app.app_context():
        subject_id = state(newcomer, name="王错名")
    sign_in(client, newcomer)
    away = post_form(client, "/account/level/match", {"name": newcomer.name}, form_at="/account/level?next=/account")
    assert away.status_code == 503
    registry.is_away = False
    wrong = post_form(client, "/account/level/match", {"name": "王错名"}, form_at="/account/level")
    assert wrong.status_code == 422
    lifted = post_form(client, "/account/level/match", {"name": newcomer.name, "next": "/wallet"}, form_at="/account/level")
    assert (lifted.status_code, lifted.location) == (303, "/wallet")
    assert client.get("/wallet", headers=BROWSER).status_code == 200
    with app.app_context(), transaction() as session:
        subject = directory.find_subject(session, parse_number(newcomer.number))
        assert subject is not None
        assert (subject.id, directory.name_of(subject)) == (subject_id, newcomer.name)


def test_the_next_sign_in_lifts_behind_the_scenes(app: Flask, client: FlaskClient, registry: Away, newcomer: Person) -> None:
    with app.app_context():
        subject_id = state(newcomer)
        sign_in(client, newcomer)
        with pytest.raises(RegistryUnavailable):
            registration.match_stated(str(subject_id))
        registry.is_away = False
        registration.match_stated(str(subject_id))
        registration.match_stated(str(subject_id))
        assert ial_of(subject_id) == 2


def test_an_account_goes_over_to_the_subject_that_was_met_meanwhile(context: None, registry: Away, newcomer: Person) -> None:
    state(newcomer)
    registry.is_away = False
    with transaction() as session:
        met = directory.ensure_subject(session, parse_number(newcomer.number), now=now()).id
    with transaction() as session:
        account = accounts.find_account(session, parse_number(newcomer.number))
        assert account is not None
        assert registration.match(session, account.subject_id, now=now()) == met
    assert ial_of(met) == 2


def test_an_account_that_goes_over_takes_its_second_step_along(context: None, registry: Away, newcomer: Person) -> None:
    taken, before = state(newcomer), now() - timedelta(hours=1)
    with transaction() as session:
        enrolled = totp.begin(session, taken, name="手机", now=before)
        assert totp.confirm(session, enrolled, pyotp.TOTP(enrolled.secret).at(before), now=before)
        mobile = reached(session, taken, "13800138000").id
    registry.is_away = False
    with transaction() as session:
        met = directory.ensure_subject(session, parse_number(newcomer.number), now=now()).id
        assert registration.match(session, taken, now=now()) == met
    with transaction() as session:
        assert entering.enter(session, subject_id=met, amr=["pwd"], browser=Browser("192.0.2.1", ""), now=now()).waiting
        assert [contact.id for contact in contacts.verified_of(session, met)] == [mobile]
        (moved,) = totp.of(session, met)
        assert totp.accept(session, met, pyotp.TOTP(moved.secret).at(now()), now=now())


def test_of_two_who_state_a_number_the_second_is_refused(context: None, registry: Away, newcomer: Person) -> None:
    state(newcomer)
    with pytest.raises(AccountExists):
        state(newcomer)


def test_an_account_that_stands_is_not_stated_over(context: None, newcomer: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    with transaction() as session:
        open_account(session, newcomer)
    Away(monkeypatch)
    with pytest.raises(AccountExists):
        state(newcomer)


def test_whom_the_registry_knows_takes_the_number_over(app: Flask, client: FlaskClient, registry: Away, newcomer: Person) -> None:
    with app.app_context():
        thief = state(newcomer, name="贼", password=THIEF)
        sign_in(client, newcomer, THIEF)
        registry.is_away = False
        with transaction() as session:
            owner = open_account(session, newcomer)
        with transaction() as session:
            acts = set(session.scalars(select(LedgerEntry.act).where(LedgerEntry.subject_id == thief)))
            assert sessions.of(session, thief) == []
        assert {"account.taken_over", "session.ended"} <= acts
        assert (owner != thief, ial_of(owner)) == (True, 2)
        with transaction() as session, pytest.raises(NoSuchAccount):
            entering.enter(session, subject_id=thief, amr=["pwd"], browser=Browser("10.0.0.1", ""), now=now())
    assert client.get("/account", headers=BROWSER).location.startswith("/signin")
    assert sign_in(app.test_client(), newcomer, THIEF).status_code == 422
    assert sign_in(app.test_client(), newcomer).status_code == 303


@pytest.mark.parametrize("_", range(5))
def test_the_owner_wins_against_a_thief_who_is_busy(app: Flask, registry: Away, newcomer: Person, _: int) -> None:
    """The thief signs in and asks to be matched while the owner registers, several times at once: one account, the owner's."""
    with app.app_context():
        thief = state(newcomer, name="贼", password=THIEF)
    registry.is_away = False
    gate = Barrier(12)

    def act(number: int) -> str:
        gate.wait(timeout=30)
        try:
            with app.app_context(), transaction() as session:
                if number % 3 == 0:
                    return f"opened {open_account(session, newcomer)}"
                if number % 3 == 1:
                    registration.match(session, thief, name=newcomer.name if number == 1 else None, now=now())
                    return "matched"
                entering.enter(session, subject_id=thief, amr=["pwd"], browser=Browser("10.0.0.1", ""), now=now())
                return "entered"
        except (AccountExists, NoSuchAccount, NotInRegistry) as refusal:
            return refusal.code

    with ThreadPoolExecutor(gate.parties) as pool:
        done = list(pool.map(act, range(gate.parties)))
    opened = [one for one in done if one.startswith("opened")]
    with app.app_context(), transaction() as session:
        account = accounts.find_account(session, parse_number(newcomer.number))
        assert account is not None
        assert len(opened) + done.count("matched") >= 1
        if opened:
            assert re.fullmatch(f"opened {account.subject_id}", opened[0])
            assert sessions.of(session, thief) == []
            assert not stated.is_stated(session, thief)
        assert proofs.ial_of(session, account.subject_id, now=now()) == 2


def test_a_number_that_nobody_has_stays_at_level_1(context: None, registry: Away) -> None:
    person = Person(citizen_number(), "无此人")
    subject_id = state(person)
    registry.is_away = False
    registration.match_stated(str(subject_id))
    assert ial_of(subject_id) == 1


def test_what_the_registry_says_of_a_number_is_not_told_to_who_only_stated_it(
    app: Flask, client: FlaskClient, registry: Away, newcomer: Person
) -> None:
    registry.is_away = False
    with app.app_context(), transaction() as session:
        organisation = new_organisation(session, representative=newcomer)
    registry.is_away = True
    with app.app_context():
        thief = state(newcomer, name="贼", password=THIEF)
    registry.is_away = False
    sign_in(client, newcomer, THIEF)
    assert organisation.name not in client.get("/account", headers=BROWSER).text
    with app.app_context(), transaction() as session:
        assert mandates.organisations_of(session, person_id=thief, now=now()) == []
        found = directory.ensure_subject(session, parse_number(organisation.number), now=now())
        with pytest.raises(mandates.NoMandate):
            mandates.check_mandate(session, person_id=thief, organisation_id=found.id, now=now())


def test_a_number_that_became_anothers_opens_their_account_and_no_stated_one(context: None, registry: Away, newcomer: Person) -> None:
    with transaction() as session:
        owner = Person(citizen_number(), newcomer.name)
        assert not registry_import.load_people(session, [{"number": owner.number, "name": owner.name}])
    taken = state(newcomer, password=THIEF)
    registry.is_away = False
    with transaction() as session:
        owner_id = open_account(session, owner)
    with transaction() as session:
        number = parse_number(newcomer.number)
        directory.renumber(session, parse_number(owner.number), number, told=Told("registry", now()))
    with transaction() as session:
        found = accounts.find_account(session, number)
        assert found is not None
        assert found.subject_id == owner_id
    with transaction() as session, pytest.raises(AccountExists):
        registration.match(session, taken, now=now())
    registration.match_stated(str(taken))
