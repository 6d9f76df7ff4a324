"""Officers issue by a form that is made from the type, and what is wrong is said beside its control."""

from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import func, select

from runtime.database import transaction
from tests.wallet.issuing.desk.conftest import ONE_FACTOR, TYPES, Officer, form_for, new_officer
from tests.world_people import Person, new_person
from tests.world_wallet import DEFINITIONS, new_department
from wallet.register.licences import Licence, fields_of, get_licence


def licence_at(app: Flask, path: str) -> Licence:
    with app.app_context(), transaction() as session:
        return get_licence(session, UUID(path.rsplit("/", 1)[1]))


def count(app: Flask, department: str) -> int:
    with app.app_context(), transaction() as session:
        return session.scalar(select(func.count()).where(Licence.issuer_code == department)) or 0


def test_the_types_that_the_department_may_issue_are_offered(officer: Officer) -> None:
    page = officer.get("/desk/licences/new").text
    assert all(f'id="type-{slug}"' in page for slug in TYPES)
    assert 'id="type-business-licence"' not in page


def test_a_department_that_may_issue_nothing_is_not_offered_to(app: Flask, officer: Officer) -> None:
    with app.app_context():
        department = new_department(verify=["driving-licence"])
    bare = new_officer(app, department)
    assert 'href="/desk/licences/new"' in officer.get("/desk/licences").text
    for path in ("/desk/licences", "/desk/statistics"):
        assert 'href="/desk/licences/new"' not in bare.get(path).text


@pytest.mark.parametrize("slug", ["driving-licence", "birth-certificate", "practising-physician"])
def test_a_filled_form_issues_what_it_says(app: Flask, officer: Officer, person: Person, slug: str) -> None:
    page = officer.issued(person, slug)
    licence = licence_at(app, page)
    with app.app_context():
        assert fields_of(licence) == {one.name: one.example for one in DEFINITIONS[slug].fields}
    assert person.number not in officer.get(page).text


def test_what_was_issued_is_uncovered_on_demand_and_the_holder_can_read_that(app: Flask, officer: Officer, person: Person) -> None:
    page = officer.issued(person)
    shown = officer.post(page, page).text
    assert person.number in shown
    assert person.name in shown


def test_the_same_form_sent_twice_issues_once(app: Flask, officer: Officer, person: Person) -> None:
    form = {**form_for(person, "driving-licence"), "request_id": "018f3b3e-0000-7000-8000-000000000001"}
    first = officer.post("/desk/licences/new/driving-licence", **form)
    again = officer.post("/desk/licences/new/driving-licence", **form)
    assert first.location == again.location
    assert count(app, officer.department) == 1


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "no number": ({"holder_number": ""}, "holder_number"),
    "a number that is none": ({"holder_number": "379999199013450021"}, "holder_number"),
    "an organisation's number": ({"holder_number": "91379999MA0000000X"}, "holder_number"),
    "a huge number": ({"holder_number": "3" * 5000}, "holder_number"),
    "another name": ({"holder_name": "别的名字"}, "holder_name"),
    "no first day": ({"valid_from": ""}, "valid_from"),
    "a day that is none": ({"valid_from": "2026-02-30"}, "valid_from"),
    "a last day before the first": ({"valid_until": "1999-01-01"}, "valid_until"),
    "a choice that is none": ({"f_vehicle_class": "Z9"}, "f_vehicle_class"),
    "a required field left out": ({"f_address": ""}, "f_address"),
    "a long text": ({"f_address": "路" * 5000}, "f_address"),
    "control characters": ({"f_address": "路\u202e号"}, "f_address"),
}


@pytest.mark.parametrize(("changes", "control"), WRONG.values(), ids=WRONG)
def test_what_is_wrong_is_said_beside_its_control_and_nothing_is_issued(
    app: Flask, officer: Officer, person: Person, changes: dict[str, Any], control: str
) -> None:
    answer = officer.issue(person, **changes)
    assert answer.status_code in (422, 404), answer.text[:500]
    assert f'id="{control}-error"' in answer.text
    assert count(app, officer.department) == 0


def test_all_that_a_blank_form_lacks_is_said_at_once_in_the_readers_language(officer: Officer, person: Person) -> None:
    answer = officer.issue(person, **dict.fromkeys(form_for(person, "driving-licence"), ""))
    needed = [f"f_{one.name}" for one in DEFINITIONS["driving-licence"].fields if one.required]
    assert [name for name in ["holder_number", "valid_from", *needed] if f'id="{name}-error">请填写。<' not in answer.text] == []
    assert "应为1至64个字符" in officer.issue(person, holder_number="3" * 65).text


def test_markup_in_a_field_stays_text(app: Flask, officer: Officer, person: Person) -> None:
    page = officer.issued(person, f_address="<script>alert(1)</script>")
    shown = officer.post(page, page).text
    assert "&lt;script&gt;alert(1)" in shown
    assert "<script>alert" not in shown


def test_a_type_without_authority_is_refused(officer: Officer) -> None:
    assert officer.get("/desk/licences/new/business-licence").status_code == 403
    assert officer.get("/desk/licences/new/no-such-type").status_code == 404


def test_an_officer_with_one_factor_is_led_to_the_second(app: Flask, department: str) -> None:
    weak = new_officer(app, department, amr=ONE_FACTOR)
    answer = weak.get("/desk/licences/new/driving-licence")
    assert (answer.status_code, answer.location.startswith("/signin/step-up")) == (303, True)


def test_another_departments_licence_is_not_found(app: Flask, officer: Officer, person: Person) -> None:
    page = officer.issued(person)
    with app.app_context():
        other = new_officer(app, new_department(issue=TYPES))
    assert other.get(page).status_code == 404
    assert other.get(f"{page}/revoke").status_code == 404


def test_several_hold_one(app: Flask, officer: Officer, person: Person) -> None:
    with app.app_context(), transaction() as session:
        spouse = new_person(session)
    page = officer.issued(person, "marriage-certificate", co_holders=spouse.number)
    assert licence_at(app, page).holders == 2
