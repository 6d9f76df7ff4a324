"""A life on record: every licence from its first day on, a renewal once, ends as ends, and what is to come."""

import re
from datetime import date

import pytest
from flask import Flask
from flask.testing import FlaskClient

from idp.subjects.directory import ensure_subject
from idp.subjects.numbers import parse_number
from runtime.clock import now
from tests.wallet.holding.test_wallet_pages import get, licensed, signed_in, someone, writing
from tests.wallet.issuing.desks import YEAR, Desk
from tests.world_people import Person, act_for, new_organisation
from tests.world_wallet import new_department, new_licence

WHY = {"reason": "测试理由", "legal_basis": "《测试法》第一条"}
MOMENT = re.compile(r'datetime="([\d-]+)".*?/wallet/cards/([\w-]+)">([^<]+)</a> <span class="moment__act">([^<]+)<', re.DOTALL)


@pytest.fixture
def person(app: Flask) -> Person:
    return someone(app)


def test_a_life_begins_with_the_birth_certificate_and_ends_lie_ahead(app: Flask, person: Person) -> None:
    with writing(app) as session:
        department = new_department(issue=("birth-certificate", "driving-licence"))
        common = {"department": department, "number": person.number}
        driving = new_licence(session, type="driving-licence", valid_from=date(YEAR - 2, 5, 6), valid_until=date(YEAR + 8, 5, 5), **common)
        birth = new_licence(session, type="birth-certificate", valid_from=date(2001, 2, 3), **common)
    client = signed_in(app, person)
    page = get(client, "/wallet/timeline")
    assert "从 2001 年的第一张证照起，共 2 张" in page
    assert [(on, licence, what) for on, licence, _, what in MOMENT.findall(page)] == [
        ("2001-02-03", str(birth.id), "签发"),
        (f"{YEAR - 2}-05-06", str(driving.id), "签发"),
        (f"{YEAR + 8}-05-05", str(driving.id), "到期"),
    ]
    assert re.findall(r'<h2 id="([\w-]+)"', page) == ["year-2001", f"year-{YEAR - 2}", "ahead"]
    assert re.findall(r'<h2 id="([\w-]+)"', get(client, "/wallet/timeline", order="newest")) == ["ahead", f"year-{YEAR - 2}", "year-2001"]
    assert person.name not in page
    days = re.findall(r"<time[^>]*>([^<]*)<", get(client, "/wallet/timeline", lang="en"))
    assert days == ["3 Feb", "6 May", f"5 May {YEAR + 8}"], "one way of writing a day"


def test_a_renewal_stands_once_and_an_end_is_an_end(app: Flask, client: FlaskClient, person: Person) -> None:
    desk = Desk(app, client)
    old = desk.issue(person)
    new = desk.post(f"/licences/{old['id']}/replacement", WHY).json
    desk.post(f"/licences/{new['id']}/revocation", WHY)
    page = get(signed_in(app, person), "/wallet/timeline")
    assert [(licence, what) for _, licence, _, what in MOMENT.findall(page)] == [(old["id"], "签发"), (new["id"], "补发"), (new["id"], "吊销")]
    assert page.count("moment--over") == 1
    assert 'id="ahead"' not in page
    assert WHY["reason"] not in page


def test_whoever_acts_sees_the_timeline_of_whom_they_act_for_and_nothing_of_their_own(app: Flask, person: Person) -> None:
    with writing(app) as session:
        organisation = new_organisation(session, representative=person)
    own = licensed(app, person.number, "driving-licence")[0]
    theirs = licensed(app, organisation.number, "business-licence")[0]
    client = signed_in(app, person)
    with writing(app) as session:
        organisation_id = ensure_subject(session, parse_number(organisation.number), now=now()).id
    assert act_for(client, organisation_id).status_code == 303
    page = get(client, "/wallet/timeline")
    assert str(theirs.id) in page
    assert str(own.id) not in page


def test_an_empty_life_says_what_will_stand_there(app: Flask, person: Person) -> None:
    client = signed_in(app, person)
    assert "时间线还是空的" in get(client, "/wallet/timeline")
    assert "Nothing on record yet" in get(client, "/wallet/timeline", lang="en")
