"""What waits for a second officer shows nothing of a person until somebody says why they look, and the person can read that."""

from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select

from idp.subjects.directory import find_subject
from idp.subjects.numbers import parse_number
from runtime.clock import now
from runtime.database import transaction
from runtime.ledger import LedgerEntry
from tests.wallet.issuing.desk.conftest import WHY, Officer, new_officer
from tests.world_people import BROWSER, Person, open_account, sign_in
from tests.world_types import FIELDS, new_type
from tests.world_wallet import new_department
from wallet.holding.uses import Use, uses_of
from wallet.register import departments
from wallet.register.catalogue import get_type
from wallet.register.departments import Action

CAUSE = "复核申请材料"


@pytest.fixture
def slug(app: Flask, department: str) -> str:
    """A type that takes two officers, and that the department may issue."""
    with app.app_context():
        made, _ = new_type(checked_acts=["issue"], most_holders=2)
        with transaction() as session:
            departments.grant(session, department=department, type_code=get_type(made).code, action=Action.ISSUE, now=now())
    return made


@pytest.fixture
def asked(officer: Officer, person: Person, slug: str) -> str:
    """The page of a request to issue a licence."""
    form = {"holder_number": person.number, "holder_name": person.name, "valid_from": "2024-02-01", "f_decided_on": FIELDS["decided_on"]}
    answer = officer.post(f"/desk/licences/new/{slug}", **form)
    assert answer.status_code == 303, answer.text
    return str(answer.location)


def uses(app: Flask, person: Person) -> list[Use]:
    with app.app_context(), transaction() as session:
        holder = find_subject(session, parse_number(person.number))
        assert holder is not None
        return uses_of(session, holder_id=holder.id)


def test_nobody_reads_whom_it_is_about_without_saying_why(app: Flask, officer: Officer, second: Officer, person: Person, asked: str) -> None:
    for each in (officer, second):
        shown = each.get(asked).text
        assert person.number not in shown
        assert person.name not in shown
        assert f"{person.number[:3]}***********{person.number[-4:]}" in shown
        assert 'id="approve"' not in shown
    assert uses(app, person) == []


def test_whoever_says_why_sees_it_and_decides_and_the_person_reads_that(app: Flask, second: Officer, person: Person, asked: str, slug: str) -> None:
    shown = second.post(asked, cause=CAUSE)
    assert (shown.status_code, person.number in shown.text, person.name in shown.text) == (200, True, True)
    assert 'id="approve"' in shown.text
    (use,) = uses(app, person)
    assert (use.department, use.fields) == (second.department, ["decided_on"])
    with app.app_context(), transaction() as session:
        assert use.cause == CAUSE
        (row,) = session.scalars(select(LedgerEntry).where(LedgerEntry.act == "act-request.read", LedgerEntry.object_id == asked.rsplit("/", 1)[1]))
        assert row.detail["officer"] == str(second.subject_id)
        assert CAUSE not in str(row.detail)
        open_account(session, person)
        name = get_type(slug).name.zh
    history = read_by(app, person)
    assert CAUSE in history
    assert f"{name}（申请）" in history
    licence = second.post(f"{asked}/approve", asked).location.rsplit("/", 1)[1]
    assert f"/wallet/cards/{licence}" in read_by(app, person)


def read_by(app: Flask, person: Person) -> str:
    browser = app.test_client()
    assert sign_in(browser, person).status_code == 303
    return browser.get("/wallet/history", headers={**BROWSER, "Accept-Language": "zh-CN"}).text


@pytest.mark.parametrize("cause", ["", "   ", "查" * 201, "查\x07"], ids=["nothing", "blanks", "too long", "unreadable"])
def test_without_a_cause_it_stays_covered(app: Flask, second: Officer, person: Person, asked: str, cause: str) -> None:
    answer = second.post(asked, cause=cause)
    assert answer.status_code == 422
    assert 'id="cause-error"' in answer.text
    assert person.number not in answer.text
    assert uses(app, person) == []


def test_a_request_about_a_licence_is_a_look_at_that_licence(app: Flask, officer: Officer, second: Officer, person: Person) -> None:
    page = officer.issued(person, "birth-certificate")
    waiting = officer.post(f"{page}/annul", **WHY).location
    assert 'id="reveal"' not in second.get(waiting).text, "nothing of it is covered"
    assert 'id="approve"' in second.get(waiting).text
    assert uses(app, person) == []


def test_another_department_uncovers_nothing(app: Flask, person: Person, asked: str) -> None:
    with app.app_context():
        stranger = new_officer(app, new_department(issue=["driving-licence"]))
    answer: Any = stranger.post(asked, "/desk/licences", cause=CAUSE)
    assert answer.status_code == 404
    assert uses(app, person) == []


def test_who_tries_to_decide_and_cannot_goes_on_from_there(second: Officer, person: Person, asked: str) -> None:
    answer = second.post(f"{asked}/refuse", asked, reason="")
    assert (answer.status_code, person.number in answer.text) == (422, False)
    assert 'id="refuse"' in answer.text
