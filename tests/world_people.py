"""Invented people and organisations, each in the registry; accounts for them; and the forms that they fill in."""

import itertools
import random
import re
from dataclasses import dataclass
from datetime import date, timedelta
from uuid import UUID

from flask.testing import FlaskClient
from sqlalchemy.orm import Session
from stdnum.iso7064 import mod_11_2
from werkzeug.test import TestResponse

from idp.signin import accounts, callers, entering, registration
from idp.subjects import credit_codes, registry_import
from idp.subjects.numbers import parse_number
from runtime.clock import now
from runtime.database import transaction

DIVISION = "379999"
PASSWORD = "垦利的黄河口湿地 correct horse"
BROWSER = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
SURNAMES = "王李张刘陈杨黄赵吴周徐孙马朱胡郭何高林郑"
GIVEN = "建国文秀英子涵宇轩思远晓明海燕春梅志强雨桐"
TRADES = ("黄河口食品", "垦利建设", "齐鲁运输", "东营石化设备", "利津渔业")
counter = itertools.count(random.randrange(10_000_000))


@dataclass(frozen=True)
class Person:
    """A person of the population registry."""

    number: str
    name: str


@dataclass(frozen=True)
class Organisation:
    """An organisation of the legal-person registry."""

    number: str
    name: str


def citizen_number(*, born: date | None = None, division: str = DIVISION) -> str:
    """Return a number that nobody has, here or in the world."""
    serial = next(counter)
    days, sequence = serial % 20_000, serial // 20_000 % 1000
    if born is not None:
        sequence = serial % 1000
    first_17 = f"{division}{born or date(1950, 1, 1) + timedelta(days=days):%Y%m%d}{sequence:03}"
    return first_17 + mod_11_2.calc_check_digit(first_17)


def credit_code(*, kind: str = "91") -> str:
    """Return a credit code that no organisation has."""
    return credit_codes.complete(f"{kind}{DIVISION}{next(counter) % 10**8:08}")


def invented_name() -> str:
    """Return a name that two people may share, as in the world."""
    return random.choice(SURNAMES) + "".join(random.choices(GIVEN, k=2))


def new_person(session: Session, *, name: str | None = None, born: date | None = None) -> Person:
    """Add a person to the population registry."""
    person = Person(citizen_number(born=born), name or invented_name())
    assert not registry_import.load_people(session, [{"number": person.number, "name": person.name}])
    return person


def new_organisation(session: Session, *, representative: Person, name: str | None = None, kind: str = "91") -> Organisation:
    """Add an organisation to the legal-person registry, with its legal representative."""
    organisation = Organisation(credit_code(kind=kind), name or f"东营市{random.choice(TRADES)}{next(counter) % 10_000}有限公司")
    row = {"number": organisation.number, "name": organisation.name, "representative": representative.number}
    assert not registry_import.load_organisations(session, [row])
    return organisation


def open_account(session: Session, person: Person) -> UUID:
    """Open a person's account, with `PASSWORD`, and return their subject id."""
    return registration.register(session, number=parse_number(person.number), name=person.name, password=PASSWORD, now=now())


def csrf_token(page: str) -> str:
    """Return the token against forged requests that a page's form carries."""
    found = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', page)
    assert found is not None, "the page has no form"
    return found[1]


def post_form(client: FlaskClient, url: str, data: dict[str, str], *, form_at: str | None = None) -> TestResponse:
    """Fill in a form as a browser does: read its page (at `url` unless said), then send it with its token."""
    return send_form(client, url, client.get(form_at or url, headers=BROWSER).text, data)


def send_form(client: FlaskClient, url: str, page: str, data: dict[str, str]) -> TestResponse:
    """Send the form of a page that was read before: with its token, and with the mark of what it showed, if it has one."""
    mark = re.search(r'name="mark"[^>]*value="([^"]*)"', page)
    hidden = {"csrf_token": csrf_token(page), **({"mark": mark[1]} if mark else {})}
    return client.post(url, data={**hidden, **data}, headers=BROWSER)


def sign_in(client: FlaskClient, person: Person, password: str = PASSWORD, next: str | None = None) -> TestResponse:  # noqa: A002 (the field of the form)
    """Sign a person in on the real page; returns the answer, a redirect if the password was right."""
    form = {"number": person.number, "password": password, **({"next": next} if next else {})}
    return post_form(client, "/signin", form)


def come_in(client: FlaskClient, person: Person) -> FlaskClient:
    """Sign a person in as the form does once their password was right, where signing in is not what a test is about; returns their browser."""
    with client.application.test_request_context("/signin", environ_base=client.environ_base, headers=BROWSER), transaction() as session:
        account = accounts.find_account(session, parse_number(person.number))
        assert account is not None
        entry = entering.enter(session, subject_id=account.subject_id, amr=["pwd"], browser=callers.this_browser(), now=now())
        assert entry.token, "a second step is asked for"
        given = callers.let_in(entry, None).headers.getlist("Set-Cookie")
    for name, value in (cookie.partition(";")[0].split("=", 1) for cookie in given):
        if value:
            client.set_cookie(name, value)
    return client


def act_for(client: FlaskClient, organisation_id: UUID) -> TestResponse:
    """Let the person who is signed in act for an organisation."""
    return post_form(client, "/account/acting", {"organisation": str(organisation_id)}, form_at="/account")
