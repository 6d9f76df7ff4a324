"""The counter where people are identified: what lifts an account to level 3, what is refused, and how a proof is taken back."""

import re
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select, update
from werkzeug.test import TestResponse

from idp.signin import proofs, recovery, sessions
from idp.signin.doors import DOORS, Bucket, Door
from idp.signin.notices import Notice
from idp.signin.operators import add_operator, is_operator
from idp.subjects import registries
from idp.subjects.registries import RegistryUnavailable
from runtime.clock import now, shifted
from runtime.database import transaction
from runtime.ledger import LedgerEntry
from tests.world_people import Person, citizen_number, new_person, open_account, post_form, sign_in
from tests.world_verifying import new_browser
from tests.world_wallet import make_officer, new_department
from wallet.register.catalogue import get_type
from wallet.register.departments import Action, Officer, withdraw
from wallet.verifying.people import REASONS

HTML = {"Accept": "text/html", "Accept-Language": "en"}
DOCUMENT = "resident-identity-card"
STRONG = ["pwd", "otp", "mfa"]
CHECKED = {"present": "y", "likeness": "y", "genuine": "y"}


@dataclass
class Someone:
    """A person with an account, signed in in a browser of their own."""

    person: Person
    subject_id: UUID
    browser: FlaskClient

    def ial(self) -> int:
        with transaction() as session:
            return proofs.ial_of(session, self.subject_id, now=now())

    def strengthen(self) -> None:
        """Let the session stand on two factors, as the step-up does."""
        with transaction() as session:
            theirs = sessions.SigninSession.subject_id == self.subject_id
            session.execute(update(sessions.SigninSession).where(theirs).values(amr=STRONG))

    def code(self) -> str:
        """Make a counter code on the person's own page."""
        page = post_form(self.browser, "/account/level/code", {}, form_at="/account/level")
        found = re.search(r'id="made">([0-9 ]+)<', page.text)
        assert found is not None
        return found[1]


@pytest.fixture
def department(context: None) -> str:
    return new_department(identify=[DOCUMENT])


def someone(app: Flask) -> Someone:
    with transaction() as session:
        person = new_person(session)
        subject_id = open_account(session, person)
    browser = new_browser(app)
    assert sign_in(browser, person).status_code == 303
    return Someone(person, subject_id, browser)


@pytest.fixture
def officer(app: Flask, department: str) -> Someone:
    found = someone(app)
    with transaction() as session:
        make_officer(session, department=department, person=found.person)
    found.strengthen()
    return found


@pytest.fixture
def visitor(app: Flask, department: str) -> Someone:
    return someone(app)


def form_for(person: Person, **changes: str) -> dict[str, str]:
    whole = {"number": person.number, "name": person.name, "document": get_type(DOCUMENT).code, "act": "prove", **CHECKED, **changes}
    return {name: value for name, value in whole.items() if value}


def test_an_officer_proves_who_is_there_with_the_code_of_their_account(officer: Someone, visitor: Someone, department: str) -> None:
    assert visitor.ial() == 2
    done = post_form(officer.browser, "/desk/people", form_for(visitor.person, code=visitor.code()))
    assert (done.status_code, 'id="proven"' in done.text) == (200, True)
    assert visitor.person.number not in done.text
    assert visitor.ial() == 3
    page = visitor.browser.get("/account/level", headers=HTML).text
    assert "Level 3" in page
    with transaction() as session:
        proof = proofs.proofs_of(session, visitor.subject_id)[0]
        kinds = set(session.scalars(select(Notice.kind).where(Notice.subject_id == visitor.subject_id)))
        entry = session.scalars(select(LedgerEntry).where(LedgerEntry.object_id == str(proof.id))).one()
    assert (proof.officer_id, proof.department, proof.document_type) == (officer.subject_id, department, get_type(DOCUMENT).code)
    assert "identity-proven" in kinds
    assert entry.actor == f"officer:{officer.subject_id}"
    assert visitor.person.number not in str(entry.detail)


REFUSED: dict[str, tuple[dict[str, str], int, str]] = {
    "another name": ({"name": "王错名"}, 422, "no person of this number and name"),
    "an organisation": ({"number": "91379999000000001N"}, 422, ""),
    "no tick for the person": ({"present": ""}, 422, "Confirm each point"),
    "no tick for the photograph": ({"likeness": ""}, 422, "Confirm each point"),
    "no tick for the document": ({"genuine": ""}, 422, "Confirm each point"),
    "no code": ({"code": ""}, 422, "eight digits"),
    "another code": ({"code": "0000 0000"}, 422, "wrong or too old"),
    "another document": ({"document": "11100000MB0143028R001"}, 422, ""),
}


@pytest.mark.parametrize(("changes", "status", "said"), REFUSED.values(), ids=REFUSED)
def test_what_is_not_right_proves_nobody(officer: Someone, visitor: Someone, changes: dict[str, str], status: int, said: str) -> None:
    answer = english(officer.browser, form_for(visitor.person, **{"code": visitor.code(), **changes}))
    assert answer.status_code == status
    assert said in answer.text
    assert visitor.ial() == 2


def english(browser: FlaskClient, form: dict[str, str]) -> TestResponse:
    browser.get("/?lang=en")
    return post_form(browser, "/desk/people", form)


def test_a_code_is_good_once_and_for_ten_minutes(officer: Someone, visitor: Someone) -> None:
    code = visitor.code()
    with shifted(timedelta(minutes=11)):
        assert post_form(officer.browser, "/desk/people", form_for(visitor.person, code=code)).status_code == 422
    code = visitor.code()
    assert post_form(officer.browser, "/desk/people", form_for(visitor.person, code=code)).status_code == 200
    assert post_form(officer.browser, "/desk/people", form_for(visitor.person, code=code)).status_code == 422


def test_the_code_of_one_person_proves_no_other(app: Flask, officer: Someone, visitor: Someone) -> None:
    other = someone(app)
    assert post_form(officer.browser, "/desk/people", form_for(visitor.person, code=other.code())).status_code == 422
    assert (visitor.ial(), other.ial()) == (2, 2)


def test_nobody_proves_themselves(officer: Someone) -> None:
    assert post_form(officer.browser, "/desk/people", form_for(officer.person, code=officer.code())).status_code == 403
    assert officer.ial() == 2


def test_who_has_no_account_opens_one_first(officer: Someone) -> None:
    with transaction() as session:
        person = new_person(session)
    assert post_form(officer.browser, "/desk/people", form_for(person, code="12345678")).status_code == 409


def test_a_registry_that_is_away_is_said_to_be(officer: Someone, visitor: Someone, monkeypatch: pytest.MonkeyPatch) -> None:
    code = visitor.code()

    def away(_: object) -> registries.Registry:
        raise RegistryUnavailable("away, for a test")

    monkeypatch.setattr(registries, "open_registry", away)
    answer = post_form(officer.browser, "/desk/people", form_for(visitor.person, code=code))
    assert answer.status_code == 503
    assert visitor.ial() == 2


def test_an_officer_of_one_factor_is_led_to_a_second(app: Flask, department: str) -> None:
    weak = someone(app)
    with transaction() as session:
        make_officer(session, department=department, person=weak.person)
    assert weak.browser.get("/desk/people", headers=HTML).location == "/signin/step-up?aal=2&next=%2Fdesk%2Fpeople"


def test_others_have_no_such_counter(app: Flask, officer: Someone, visitor: Someone, department: str) -> None:
    visitor.strengthen()
    assert visitor.browser.get("/desk/people", headers=HTML).status_code == 403
    with transaction() as session:
        withdraw(session, department=department, type_code=get_type(DOCUMENT).code, action=Action.IDENTIFY, now=now())
    assert officer.browser.get("/desk/people", headers=HTML).status_code == 403


@pytest.mark.parametrize("why", REASONS)
def test_a_department_withdraws_what_it_proved(officer: Someone, visitor: Someone, why: str) -> None:
    post_form(officer.browser, "/desk/people", form_for(visitor.person, code=visitor.code()))
    withdrawal = {"withdrawn_number": visitor.person.number, "why": why}
    done = post_form(officer.browser, "/desk/people/withdrawal", withdrawal, form_at="/desk/people")
    assert (done.status_code, visitor.ial()) == (200, 2)
    with transaction() as session:
        assert "identity-withdrawn" in set(session.scalars(select(Notice.kind).where(Notice.subject_id == visitor.subject_id)))
    again = post_form(officer.browser, "/desk/people/withdrawal", withdrawal, form_at="/desk/people")
    assert again.status_code == 404


def test_another_department_withdraws_nothing(app: Flask, officer: Someone, visitor: Someone) -> None:
    post_form(officer.browser, "/desk/people", form_for(visitor.person, code=visitor.code()))
    stranger, elsewhere = someone(app), new_department(identify=[DOCUMENT])
    with transaction() as session:
        make_officer(session, department=elsewhere, person=stranger.person)
    stranger.strengthen()
    withdrawal = {"withdrawn_number": visitor.person.number, "why": "fraud"}
    assert post_form(stranger.browser, "/desk/people/withdrawal", withdrawal, form_at="/desk/people").status_code == 404
    assert visitor.ial() == 3


def test_who_cannot_get_in_is_let_back_in(officer: Someone, visitor: Someone) -> None:
    done = post_form(officer.browser, "/desk/people", form_for(visitor.person, act="recover"))
    assert done.status_code == 200
    assert 'id="recovery-code"' in done.text
    assert visitor.ial() == 2
    assert 'id="print"' in done.text
    assert re.search(r'id="good-until">[^<]*20\d\d', done.text), "what is handed over says how long it is good"
    assert re.search(r'id="where">.*https?://[^<]+/recover/code<', done.text), "and where"


def test_the_desk_leads_to_the_counter_whoever_may_identify_and_nobody_else(app: Flask, officer: Someone) -> None:
    for page in ("/desk", "/desk/people", "/desk/receipts"):
        assert 'id="room-people"' in officer.browser.get(page, headers=HTML).text, page
    assert 'id="room-people" href="/desk/people" aria-current="page"' in officer.browser.get("/desk/people", headers=HTML).text
    other, elsewhere = someone(app), new_department(verify=[DOCUMENT])
    with transaction() as session:
        make_officer(session, department=elsewhere, person=other.person)
    assert 'id="room-people"' not in other.browser.get("/desk", headers=HTML).text


def test_whoever_is_let_back_in_holds_no_post_any_more_or_every_officer_of_a_counter_could_run_the_service(
    app: Flask, officer: Someone, visitor: Someone, department: str
) -> None:
    with transaction() as session:
        add_operator(session, visitor.subject_id, now=now())
        make_officer(session, department=department, person=visitor.person)
    code = re.search(r'id="recovery-code">([0-9A-Z-]+)<', post_form(officer.browser, "/desk/people", form_for(visitor.person, act="recover")).text)
    assert code is not None
    with transaction() as session:
        assert is_operator(session, visitor.subject_id), "a code that nobody used takes nothing away"
    new = {"number": visitor.person.number, "code": code[1], "password": "另一个够长的新密码 staple"}
    assert post_form(new_browser(app), "/recover/code", new).status_code == 303
    with transaction() as session:
        assert not is_operator(session, visitor.subject_id)
        assert session.scalars(select(Officer).where(Officer.subject_id == visitor.subject_id)).all() == []
        assert session.scalars(select(Officer).where(Officer.subject_id == officer.subject_id)).one()
        told = set(session.scalars(select(Notice.kind).where(Notice.subject_id == visitor.subject_id)))
    assert {"operator-post-ended", "officer-post-ended"} <= told


def test_at_a_desk_that_was_left_open_nobody_is_let_into_an_account(officer: Someone, visitor: Someone) -> None:
    with shifted(timedelta(minutes=11)):
        led = post_form(officer.browser, "/desk/people", form_for(visitor.person, act="recover"))
        assert (led.status_code, led.location) == (303, "/signin/step-up?aal=2&next=%2Fdesk%2Fpeople")
        assert post_form(officer.browser, "/desk/people", form_for(visitor.person, code="12345678")).status_code == 422, "a proof takes a code"
    with transaction() as session:
        assert recovery.pending_of(session, visitor.subject_id, now=now()) is None


def test_nobody_lets_a_stranger_in(officer: Someone) -> None:
    stranger = Person(citizen_number(), "无此人")
    assert post_form(officer.browser, "/desk/people", form_for(stranger, act="recover")).status_code == 422


def test_a_code_that_was_made_in_a_stolen_session_ends_when_its_owner_signs_all_others_out(app: Flask, officer: Someone, visitor: Someone) -> None:
    code, own = visitor.code(), new_browser(app)
    sign_in(own, visitor.person)
    assert post_form(own, "/account/devices/end-others", {}, form_at="/account/devices").status_code == 303
    assert post_form(officer.browser, "/desk/people", form_for(visitor.person, code=code)).status_code == 422
    assert visitor.ial() == 2


@pytest.mark.parametrize("act", ["recover", "prove", "withdraw"])
def test_an_officer_who_tries_one_number_after_another_is_slowed(officer: Someone, monkeypatch: pytest.MonkeyPatch, act: str) -> None:
    narrow, wide = Bucket(3, timedelta(minutes=10)), Bucket(100, timedelta(seconds=1))
    monkeypatch.setitem(DOORS, "people", Door(narrow, wide, narrow, wide))

    def attempt() -> int:
        stranger = Person(citizen_number(), "无此人")
        if act == "withdraw":
            form = {"withdrawn_number": stranger.number, "why": "fraud"}
            return post_form(officer.browser, "/desk/people/withdrawal", form, form_at="/desk/people").status_code
        return post_form(officer.browser, "/desk/people", form_for(stranger, act=act, code="12345678")).status_code

    assert [attempt() for _ in range(4)][1:] == [404 if act == "withdraw" else 422] * 2 + [429]
