"""The level's page and the counter in a real browser: an officer proves a visitor, in both languages."""

import pytest
from flask import Flask
from playwright.sync_api import Page
from sqlalchemy import update

from idp.signin.sessions import SigninSession
from idp.subjects.directory import find_subject
from idp.subjects.numbers import parse_number
from runtime.database import transaction
from tests.world_people import PASSWORD, Person, new_person, open_account
from tests.world_wallet import make_officer, new_department
from wallet.register.catalogue import get_type

pytestmark = pytest.mark.browser
DOCUMENT = "resident-identity-card"


def new_owner(app: Flask) -> Person:
    with app.app_context(), transaction() as session:
        person = new_person(session)
        open_account(session, person)
    return person


def new_officer(app: Flask) -> Person:
    person = new_owner(app)
    with app.app_context():
        department = new_department(identify=[DOCUMENT])
        with transaction() as session:
            make_officer(session, department=department, person=person)
    return person


def enter(page: Page, person: Person) -> None:
    page.goto("/signin")
    page.fill("#number", person.number)
    page.fill("#password", PASSWORD)
    page.click("#signin")
    page.wait_for_url("**/wallet")


def strengthen(app: Flask, person: Person) -> None:
    """Let the person's sessions stand on two factors; the step-up has its own tests."""
    with app.app_context(), transaction() as session:
        subject = find_subject(session, parse_number(person.number))
        assert subject is not None
        theirs = SigninSession.subject_id == subject.id
        session.execute(update(SigninSession).where(theirs).values(amr=["pwd", "otp", "mfa"]))


@pytest.mark.parametrize("language", ["zh", "en"])
def test_an_officer_proves_a_visitor(live_app: Flask, phone: Page, desk: Page, language: str) -> None:
    officer, visitor = new_officer(live_app), new_owner(live_app)
    enter(phone, visitor)
    enter(desk, officer)
    strengthen(live_app, officer)
    phone.goto(f"/account/level?lang={language}")
    phone.click("#make-code")
    code = phone.inner_text("#made")
    assert phone.evaluate("document.documentElement.scrollWidth") <= 360
    desk.goto(f"/desk/people?lang={language}")
    with live_app.app_context():
        document = get_type(DOCUMENT).code
    for name, value in {"number": visitor.number, "name": visitor.name, "code": code}.items():
        desk.fill(f"#{name}", value)
    desk.select_option("#document", document)
    for tick in ("present", "likeness", "genuine"):
        desk.check(f"#{tick}")
    desk.click("#prove")
    desk.wait_for_selector("#proven")
    phone.goto("/account/level")
    assert "3" in phone.inner_text("#level") or "三" in phone.inner_text("#level")
    phone.goto("/account/level/licence")
    assert phone.evaluate("document.documentElement.scrollWidth") <= 360
