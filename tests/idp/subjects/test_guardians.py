from datetime import date, datetime, timedelta

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy.orm import Session

from idp.signin import accounts, entering, registration
from idp.signin.entering import Browser
from idp.subjects import appointments, changes, directory, guardians, mandates, registry_import
from idp.subjects.directory import SubjectEnded
from idp.subjects.guardians import NotTheirGuardian, TooYoung, turns
from idp.subjects.history import Told
from idp.subjects.mandates import NoMandate
from idp.subjects.numbers import CHINA, parse_number
from idp.subjects.records import DECEASED
from runtime.clock import now, shifted
from runtime.database import transaction
from tests.world_people import (
    BROWSER,
    PASSWORD,
    Person,
    act_for,
    citizen_number,
    counter,
    new_organisation,
    new_person,
    open_account,
    post_form,
    sign_in,
)


def aged(years: int, *, days: int = 1) -> date:
    """Return the birth date of somebody who turned so old some days ago, in China."""
    today = now().astimezone(CHINA).date() - timedelta(days=days)
    return date(today.year - years, today.month, min(today.day, 28))


def new_child(session: Session, *guardians_of: Person, born: date | None = None) -> Person:
    child = Person(citizen_number(born=born or aged(9)), "林小满")
    row = {"number": child.number, "name": child.name, "guardians": " ".join(one.number for one in guardians_of)}
    assert not registry_import.load_people(session, [row])
    return child


@pytest.fixture
def parent(session: Session) -> Person:
    return new_person(session)


def test_a_guardian_acts_for_a_child_whom_the_registry_says_is_theirs(session: Session, parent: Person) -> None:
    parent_id = open_account(session, parent)
    child = new_child(session, parent)
    child_id = guardians.add_child(session, guardian_id=parent_id, number=parse_number(child.number), name=child.name, now=now())
    assert child_id == guardians.add_child(session, guardian_id=parent_id, number=parse_number(child.number), name=child.name, now=now())
    found = mandates.check_mandate(session, person_id=parent_id, organisation_id=child_id, now=now())
    assert (found.role, found.is_for_child, found.allows_type("any"), found.may_delegate) == ("guardian", True, True, False)
    assert mandates.organisations_of(session, person_id=parent_id, now=now()) == []
    assert [one.holder_id for one in mandates.all_of(session, person_id=parent_id, now=now())] == [child_id]


@pytest.mark.parametrize("wrong", ["number", "name", "another's child", "grown up", "an organisation"])
def test_every_wrong_child_gets_the_same_answer(session: Session, parent: Person, wrong: str) -> None:
    parent_id = open_account(session, parent)
    child = new_child(session, new_person(session) if wrong == "another's child" else parent, born=aged(18) if wrong == "grown up" else None)
    number = citizen_number() if wrong == "number" else child.number
    if wrong == "an organisation":
        number = new_organisation(session, representative=parent).number
    name = "别的名字" if wrong == "name" else child.name
    with pytest.raises(NotTheirGuardian) as refused:
        guardians.add_child(session, guardian_id=parent_id, number=parse_number(number), name=name, now=now())
    assert (refused.value.field, refused.value.shown) == ("number", None)


@pytest.mark.parametrize(
    ("born", "years", "moment"),
    [
        pytest.param(date(2008, 5, 20), 18, datetime(2026, 5, 20, tzinfo=CHINA), id="a birthday begins in China"),
        pytest.param(date(2008, 2, 29), 18, datetime(2026, 3, 1, tzinfo=CHINA), id="29 February"),
        pytest.param(date(2008, 2, 29), 16, datetime(2024, 2, 29, tzinfo=CHINA), id="29 February in a leap year"),
    ],
)
def test_an_age_is_reached_when_the_birthday_begins_in_china(born: date, years: int, moment: datetime) -> None:
    assert turns(born, years) == moment


def test_it_ends_by_itself_at_majority(session: Session, parent: Person) -> None:
    parent_id = open_account(session, parent)
    born = aged(17, days=-2 + 365 - 363)
    child = new_child(session, parent, born=born)
    child_id = guardians.add_child(session, guardian_id=parent_id, number=parse_number(child.number), name=child.name, now=now())
    found = mandates.find_standing(session, person_id=parent_id, holder_id=child_id, now=now())
    assert found is not None
    assert found.valid_until == datetime(born.year + 18, born.month, born.day, tzinfo=CHINA)
    with shifted(found.valid_until - now() - timedelta(seconds=2)):
        assert mandates.find_standing(session, person_id=parent_id, holder_id=child_id, now=now()) is not None
    with shifted(found.valid_until - now()):
        assert mandates.find_standing(session, person_id=parent_id, holder_id=child_id, now=now()) is None


def test_another_guardian_in_the_registry_ends_it_when_asked(session: Session, parent: Person) -> None:
    parent_id = open_account(session, parent)
    child = new_child(session, parent)
    child_id = guardians.add_child(session, guardian_id=parent_id, number=parse_number(child.number), name=child.name, now=now())
    row = {"number": child.number, "name": child.name, "guardians": new_person(session).number}
    assert not registry_import.load_people(session, [row])
    with pytest.raises(NoMandate):
        mandates.check_mandate(session, person_id=parent_id, organisation_id=child_id, now=now())


def test_a_corrected_date_of_birth_ends_it_for_who_is_grown_up(session: Session, parent: Person) -> None:
    parent_id = open_account(session, parent)
    child = new_child(session, parent)
    child_id = guardians.add_child(session, guardian_id=parent_id, number=parse_number(child.number), name=child.name, now=now())
    row = {"number": child.number, "name": child.name, "guardians": parent.number, "born": aged(18).isoformat()}
    assert not registry_import.load_people(session, [row])
    with pytest.raises(NoMandate):
        mandates.check_mandate(session, person_id=parent_id, organisation_id=child_id, now=now())


def test_whose_number_is_corrected_to_a_childs_comes_in_no_more_whatever_the_proof(session: Session, parent: Person) -> None:
    person_id = open_account(session, parent)
    directory.renumber(session, parse_number(parent.number), parse_number(citizen_number(born=aged(9))), told=Told("registry", now()))
    with pytest.raises(TooYoung):
        entering.enter(session, subject_id=person_id, amr=["hwk", "user", "mfa"], browser=Browser("192.0.2.1", ""), now=now())


def test_nobody_acts_for_a_child_who_has_died_whatever_the_registrys_table_says_still(session: Session, parent: Person) -> None:
    parent_id, child = open_account(session, parent), new_child(session, parent)
    subject = directory.ensure_subject(session, parse_number(child.number), now=now())
    changes.set_state(session, subject, DECEASED, told=Told("registry", now()))
    with pytest.raises(SubjectEnded):
        guardians.add_child(session, guardian_id=parent_id, number=parse_number(child.number), name=child.name, now=now())


def test_whoever_has_a_number_without_a_birth_is_as_old_as_the_registry_says(session: Session) -> None:
    for born, refused in ((aged(9), True), (aged(14), False)):
        person = Person(f"ABC{next(counter):012}", "安娜")
        assert not registry_import.load_people(session, [{"number": person.number, "name": person.name, "born": born.isoformat()}])
        if refused:
            with pytest.raises(TooYoung):
                open_account(session, person)
        else:
            open_account(session, person)


def test_under_14_nobody_opens_an_account_or_signs_in(app: Flask, client: FlaskClient) -> None:
    with app.app_context(), transaction() as session:
        child, teenager = new_child(session, born=aged(14, days=-2)), new_child(session, born=aged(14))
    for person, is_refused in ((child, True), (teenager, False)):
        with app.app_context(), transaction() as session:
            try:
                registration.register(session, number=parse_number(person.number), name=person.name, password=PASSWORD, now=now())
                assert not is_refused
            except TooYoung:
                assert is_refused
    page = sign_in(client, child)
    assert page.status_code == 403
    assert "未满14周岁" in page.text
    with app.app_context(), transaction() as session:
        assert accounts.find_account(session, parse_number(child.number)) is None


def test_a_guardian_acts_on_the_pages_and_a_child_of_14_sees_it(app: Flask, client: FlaskClient) -> None:
    with app.app_context(), transaction() as session:
        parent = new_person(session)
        open_account(session, parent)
        child = new_child(session, parent, born=aged(15))
        child_id = open_account(session, child)
    assert sign_in(client, parent).status_code == 303
    assert post_form(client, "/account/children", {"number": child.number, "name": child.name}).status_code == 303
    assert post_form(client, "/account/children", {"number": child.number, "name": "别人"}).status_code == 422
    assert act_for(client, child_id).status_code == 303
    assert "开始代表未成年子女办理" in client.get("/account/history", headers=BROWSER).text
    assert "您正在代表" in client.get("/wallet", headers=BROWSER).text
    theirs = app.test_client()
    assert sign_in(theirs, child).status_code == 303
    assert parent.name in theirs.get("/account/children", headers=BROWSER).text
    assert "监护人" in theirs.get("/account/history", headers=BROWSER).text
    assert 'id="confirm-end"' in client.get(f"/account/children/{child_id}/end", headers=BROWSER).text
    assert post_form(client, f"/account/children/{child_id}/end", {}).status_code == 303
    assert "您正在代表" not in client.get("/wallet", headers=BROWSER).text
    with app.app_context(), transaction() as session, pytest.raises(appointments.MandateNotFound):
        appointments.resign(session, person_id=child_id, holder_id=child_id, now=now())
