"""An issuing department with two officers, each before a browser of their own."""

import re
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from flask.testing import FlaskClient

from idp.signin import sessions
from idp.signin.devices import describe
from runtime.clock import now
from runtime.database import transaction
from tests.world_people import Person, new_person, open_account
from tests.world_wallet import DEFINITIONS, example_dates, example_fields, make_officer, new_department

TYPES = ("driving-licence", "fire-safety-approval", "birth-certificate", "marriage-certificate", "practising-physician")
TWO_FACTORS, ONE_FACTOR = ["pwd", "otp", "mfa"], ["pwd"]
WHY = {"reason": "测试需要", "legal_basis": "《测试法》第一条"}


@dataclass(frozen=True)
class Officer:
    """An officer before a browser."""

    browser: FlaskClient
    subject_id: UUID
    department: str

    def get(self, path: str) -> Any:
        return self.browser.get(path)

    def post(self, path: str, page: str | None = None, **form: Any) -> Any:
        """Post a form with the tokens of the page that it stands on."""
        shown = self.browser.get(page or path).text
        csrf = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', shown)
        assert csrf is not None, f"the page has no form: {shown[:2000]}"
        request_id = re.search(r'name="request_id"[^>]*value="([^"]+)"', shown)
        hidden = {"csrf_token": csrf[1], **({"request_id": request_id[1]} if request_id else {})}
        return self.browser.post(path, data={**hidden, **form})

    def issue(self, person: Person, slug: str = "driving-licence", **changes: Any) -> Any:
        return self.post(f"/desk/licences/new/{slug}", **form_for(person, slug, **changes))

    def issued(self, person: Person, slug: str = "driving-licence", **changes: Any) -> str:
        """Issue a licence and return its page."""
        answer = self.issue(person, slug, **changes)
        assert answer.status_code == 303, answer.text
        location: str = answer.location
        assert location.startswith("/desk/licences/"), location
        return location


def new_officer(app: Flask, department: str, *, amr: list[str] = TWO_FACTORS) -> Officer:
    """Let a new person act for a department, signed in."""
    browser = app.test_client()
    with app.app_context(), transaction() as session:
        person = new_person(session)
        subject_id = open_account(session, person)
        make_officer(session, department=department, person=person)
        about = describe(session, address="127.0.0.1", user_agent="Mozilla/5.0")
        _, token = sessions.begin(session, subject_id=subject_id, amr=amr, now=now(), auth_time=now(), about=about)
    browser.set_cookie("kabao_session", token)
    browser.environ_base["HTTP_ACCEPT"] = "text/html"
    browser.environ_base["HTTP_ACCEPT_LANGUAGE"] = "zh-CN"
    return Officer(browser, subject_id, department)


def form_for(person: Person, slug: str, **changes: Any) -> dict[str, Any]:
    """Return what an officer types for a licence of a type, with some of it changed."""
    valid_from, valid_until = example_dates(DEFINITIONS[slug])
    form = {
        "holder_number": person.number,
        "holder_name": person.name,
        "valid_from": valid_from.isoformat(),
        **({"valid_until": valid_until.isoformat()} if valid_until else {}),
        **{f"f_{name}": str(value) for name, value in example_fields(slug).items()},
    }
    return {**form, **changes}


@pytest.fixture
def department(app: Flask) -> str:
    with app.app_context():
        return new_department(issue=TYPES)


@pytest.fixture
def officer(app: Flask, department: str) -> Officer:
    return new_officer(app, department)


@pytest.fixture
def second(app: Flask, department: str) -> Officer:
    """Another officer of the same department."""
    return new_officer(app, department)


@pytest.fixture
def person(app: Flask) -> Person:
    with app.app_context(), transaction() as session:
        return new_person(session)
