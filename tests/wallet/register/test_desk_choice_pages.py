"""An officer of two departments acts for the one that stands on the page: what they do is that one's, and no form is done for the other."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import func, select
from werkzeug.routing import Rule

from idp.signin import sessions
from idp.signin.devices import About
from runtime.clock import now
from runtime.database import transaction
from runtime.ledger import LedgerEntry
from tests.world_people import csrf_token, new_person, open_account
from tests.world_verifying import CAUSE, TYPE, Counter, new_browser, new_counter
from tests.world_wallet import make_officer, new_department
from wallet.register import departments
from wallet.register.desk_choice import DeskChoice
from wallet.verifying.receipts import Receipt

HTML = {"Accept": "text/html", "Accept-Language": "en"}
CHOICE = "/desk/department"
ROOT = Path(__file__).parents[3]


@dataclass
class Twofold:
    """An officer of two departments, before a browser."""

    browser: FlaskClient
    subject_id: UUID
    first: str
    other: str

    def at(self, path: str = "/desk") -> str:
        return str(self.browser.get(path, headers=HTML).text)

    def turn(self, department: str) -> int:
        return self.send(CHOICE, department=department)

    def send(self, path: str, **form: str) -> int:
        return int(self.browser.post(path, data={"csrf_token": csrf_token(self.at()), **form}, headers=HTML).status_code)

    def verify(self, presented: str, made_for: str | None) -> int:
        marked = {"as_department": made_for} if made_for else {}
        return self.send("/desk", presented=presented, cause=CAUSE["text"], request_id="", **marked)


def enter(app: Flask, subject_id: UUID) -> FlaskClient:
    """Sign the person in, by two factors, in another browser."""
    browser = new_browser(app)
    with app.app_context(), transaction() as session:
        _, token = sessions.begin(session, subject_id=subject_id, amr=["pwd", "otp", "mfa"], now=now(), about=About())
    browser.set_cookie("kabao_session", token)
    return browser


@pytest.fixture
def counter(app: Flask) -> Iterator[Counter]:
    with app.app_context():
        yield new_counter(new_browser(app))


@pytest.fixture
def officer(app: Flask, counter: Counter) -> Twofold:
    mine = sorted([counter.department, new_department(verify=[TYPE], draw=[TYPE], issue=[TYPE])])
    with transaction() as session:
        person = new_person(session)
        subject_id = open_account(session, person)
        for one in mine:
            make_officer(session, department=one, person=person)
    return Twofold(enter(app, subject_id), subject_id, *mine)


def present(page: str) -> str:
    """Return the code of the department that a page's forms are made for."""
    found = re.search(r'name="as_department" value="([^"]+)"', page)
    assert found is not None
    return found[1]


def receipts_of(department: str) -> int:
    with transaction() as session:
        return session.scalar(select(func.count()).select_from(Receipt).where(Receipt.department == department)) or 0


def desk_rules(app: Flask, method: str) -> list[Rule]:
    return [one for one in app.url_map.iter_rules() if one.rule.startswith("/desk") and method in (one.methods or ()) and one.rule != CHOICE]


def filled(rule: Rule) -> str:
    choices = {"name": "suspend", "which": "issued", "slug": TYPE}
    return re.sub(r"<(?:[^:>]+(?:\([^)]*\))?:)?(\w+)>", lambda one: choices.get(one[1], str(uuid4())), rule.rule)


def test_each_page_of_the_desk_names_the_department_and_one_of_several_can_be_changed(app: Flask, officer: Twofold) -> None:
    name = departments.get_department(officer.first).name.en
    pages = [one.rule for one in desk_rules(app, "GET") if "<" not in one.rule]
    assert len(pages) > 15
    for path in pages:
        head = officer.at(path).split("</header>")[0]
        assert f"<strong>{name}</strong>" in head, path
        assert 'id="change-department"' in head, path


def test_who_serves_one_sees_which_and_has_nothing_to_change(app: Flask, officer: Twofold) -> None:
    with transaction() as session:
        departments.remove_officer(session, department=officer.first, subject_id=officer.subject_id, now=now())
    page = officer.at()
    assert departments.get_department(officer.other).name.en in page.split("</header>")[0]
    assert 'id="change-department"' not in page
    assert 'id="only"' in officer.at(CHOICE)


def test_what_is_done_after_the_change_is_the_chosen_department_s_and_the_other_sees_nothing_of_it(counter: Counter, officer: Twofold) -> None:
    assert officer.turn(officer.other) == 303
    assert present(officer.at()) == officer.other
    assert officer.verify(counter.code(), officer.other) == 303
    assert (receipts_of(officer.first), receipts_of(officer.other)) == (0, 1)
    with transaction() as session:
        made = session.scalars(select(Receipt.id).where(Receipt.department == officer.other)).one()
    assert str(made) in officer.at("/desk/receipts")
    assert officer.browser.get(f"/desk/receipts/{made}", headers=HTML).status_code == 200
    assert officer.turn(officer.first) == 303
    assert str(made) not in officer.at("/desk/receipts")
    assert str(made) not in officer.at()
    for path in ("", "/document"):
        assert officer.browser.get(f"/desk/receipts/{made}{path}", headers=HTML).status_code == 404


@pytest.mark.parametrize("made_for", ["other", "nothing", "nonsense"])
def test_no_form_is_done_for_another_department_than_it_was_made_for(app: Flask, officer: Twofold, made_for: str) -> None:
    marked = {"other": {"as_department": officer.other}, "nothing": {}, "nonsense": {"as_department": "1'\"><"}}[made_for]
    for rule in desk_rules(app, "POST"):
        token = csrf_token(officer.at())
        answer = officer.browser.post(filled(rule), data={"csrf_token": token, **marked}, headers={**HTML, "Accept": "application/json"})
        assert (answer.status_code, answer.json["type"]) == (409, "urn:kabao:problem:other-department"), rule.rule
        assert departments.get_department(officer.first).name.en in answer.json["detail"]


def test_a_form_of_before_the_change_verifies_nothing_and_its_code_can_still_be_shown(counter: Counter, officer: Twofold) -> None:
    code, opened = counter.code(), officer.at()
    officer.turn(officer.other)
    assert officer.verify(code, present(opened)) == 409
    assert receipts_of(officer.first) == receipts_of(officer.other) == 0
    assert officer.verify(code, present(officer.at())) == 303


def test_whoever_is_removed_from_the_chosen_department_acts_for_it_no_more_at_once(counter: Counter, officer: Twofold) -> None:
    officer.turn(officer.other)
    opened = officer.at()
    with transaction() as session:
        departments.remove_officer(session, department=officer.other, subject_id=officer.subject_id, now=now())
    assert officer.verify(counter.code(), present(opened)) == 409
    assert receipts_of(officer.other) == 0
    assert present(officer.at()) == officer.first
    with transaction() as session:
        departments.remove_officer(session, department=officer.first, subject_id=officer.subject_id, now=now())
    assert officer.browser.get("/desk", headers=HTML).status_code == 403 == officer.browser.get(CHOICE, headers=HTML).status_code


@pytest.mark.parametrize("wanted", ["", "another's", "nonsense"])
def test_no_department_is_chosen_that_one_does_not_serve(officer: Twofold, wanted: str) -> None:
    assert officer.turn({"another's": new_department(verify=[TYPE])}.get(wanted, wanted)) == 403
    assert present(officer.at()) == officer.first


def test_no_other_site_changes_the_department(officer: Twofold) -> None:
    assert officer.browser.post(CHOICE, data={"department": officer.other}, headers=HTML).status_code == 400
    assert present(officer.at()) == officer.first


def test_a_choice_is_of_one_browser_ends_with_its_session_and_is_on_the_ledger(app: Flask, officer: Twofold) -> None:
    elsewhere = enter(app, officer.subject_id)
    officer.turn(officer.other)
    officer.turn(officer.other)
    assert present(elsewhere.get("/desk", headers=HTML).text) == officer.first
    with transaction() as session:
        turned = (
            select(func.count()).select_from(LedgerEntry).where(LedgerEntry.act == "officer.turned", LedgerEntry.subject_id == officer.subject_id)
        )
        assert session.scalar(turned) == 2
        sessions.end_all(session, officer.subject_id, now=now())
    with transaction() as session:
        assert session.scalar(select(func.count()).select_from(DeskChoice).where(DeskChoice.department_code == officer.other)) == 0


def test_every_form_of_the_desk_says_for_which_department_it_was_made() -> None:
    for template in ROOT.glob("wallet/**/templates/**/*.html"):
        for tag, inside in re.findall(r'(<form[^>]*method="post"[^>]*>)(.*?)</form>', template.read_text(), re.DOTALL):
            if ("/desk" in tag or "_desk" in tag or "desk." in tag) and f'"{CHOICE}"' not in tag:
                assert "as_department()" in inside, f"{template.name}: {tag}"
