"""Licences are found by number and cause, which the holder can read; what ends soon shows its light; numbers are counted."""

import html
import re
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import select, update

from bench.statements import counted
from idp.subjects.directory import find_subject
from idp.subjects.numbers import parse_number
from runtime.clock import now
from runtime.database import transaction
from runtime.ledger import LedgerEntry
from tests.wallet.holding.test_paging import more_like
from tests.wallet.issuing.desk.conftest import TYPES, WHY, Officer, new_officer
from tests.world_people import Person
from tests.world_wallet import new_department
from wallet.holding.uses import Way, uses_of
from wallet.issuing.desk import looking, statistics, watch
from wallet.issuing.desk.numbering_jobs import index_licence_numbers
from wallet.issuing.desk.watch import Light
from wallet.register.acts import Act
from wallet.register.licences import Licence, LicenceState, china_date, fields_of, get_licence

CAUSE = "电话咨询，核对登记"


def find(officer: Officer, sought: str, cause: str = CAUSE) -> Any:
    return officer.post("/desk/licences/found", "/desk/licences", sought=sought, cause=cause)


def at(app: Flask, page: str) -> Licence:
    with app.app_context(), transaction() as session:
        return get_licence(session, UUID(page.rsplit("/", 1)[1]))


def test_a_licence_is_found_by_holder_by_number_and_by_identifier(app: Flask, officer: Officer, person: Person) -> None:
    page = officer.issued(person, "birth-certificate", licence_number="示例 证字第a7731号")
    identifier = at(app, page).identifier
    for sought in (person.number, "示例证字第A7731号", identifier, f" {identifier.lower()} "):
        found = find(officer, sought)
        assert found.status_code == 200, sought
        assert page in found.text
        assert person.number not in found.text, "found, and still covered"


def test_the_holder_reads_who_looked_and_why_and_the_ledger_only_that(app: Flask, officer: Officer, person: Person) -> None:
    officer.issued(person)
    find(officer, person.number)
    with app.app_context(), transaction() as session:
        holder = find_subject(session, parse_number(person.number))
        assert holder is not None
        (use,) = uses_of(session, holder_id=holder.id)
        assert (use.cause, use.way, use.department, use.receipt_id, use.fields) == (CAUSE, Way.REGISTER.value, officer.department, None, [])
        acts = session.scalars(select(LedgerEntry).where(LedgerEntry.subject_id == holder.id, LedgerEntry.act == "licence.found")).all()
        assert [row.detail["officer"] for row in acts] == [str(officer.subject_id)]
        assert CAUSE not in str([row.detail for row in acts])


def test_a_form_that_shows_what_a_licence_says_is_a_use_as_well(app: Flask, officer: Officer, person: Person) -> None:
    page = officer.issued(person)
    assert officer.get(f"{page}/suspend").status_code == 200
    with app.app_context(), transaction() as session:
        holder = find_subject(session, parse_number(person.number))
        assert holder is not None
        assert uses_of(session, holder_id=holder.id) == []
        address = fields_of(at(app, page))["address"]
    assert address in officer.get(f"{page}/change").text
    with app.app_context(), transaction() as session:
        (use,) = uses_of(session, holder_id=holder.id)
        assert (use.way, use.department, "address" in use.fields) == (Way.REGISTER.value, officer.department, True)


def test_uncovering_is_a_use_with_all_fields(app: Flask, officer: Officer, person: Person) -> None:
    page = officer.issued(person)
    officer.post(page, page)
    with app.app_context(), transaction() as session:
        holder = find_subject(session, parse_number(person.number))
        assert holder is not None
        (use,) = uses_of(session, holder_id=holder.id)
        assert "address" in use.fields


@pytest.mark.parametrize(
    ("sought", "cause", "status"),
    [
        ("", CAUSE, 422),
        ("379999199001010027", "", 422),
        ("379999199001010027", "查" * 201, 422),
        ("3" * 129, CAUSE, 422),
        ("no such number", CAUSE, 404),
        ("379999199001010027", CAUSE, 404),
    ],
    ids=["nothing", "no cause", "a long cause", "a long number", "unknown", "a stranger"],
)
def test_what_cannot_be_looked_for_is_said(officer: Officer, sought: str, cause: str, status: int) -> None:
    assert find(officer, sought, cause).status_code == status


def test_another_departments_licences_are_not_found(app: Flask, officer: Officer, person: Person) -> None:
    page = officer.issued(person)
    with app.app_context():
        other = new_officer(app, new_department(issue=TYPES))
    assert find(other, person.number).status_code == 404
    assert find(other, at(app, page).identifier).status_code == 404


def test_older_licences_get_their_index(app: Flask, officer: Officer, person: Person) -> None:
    page = officer.issued(person, "birth-certificate", licence_number="旧证字1号")
    licence = at(app, page)
    with app.app_context():
        with transaction() as session:
            session.execute(update(Licence).where(Licence.id == licence.id).values(licence_number_index=None))
        assert find(officer, "旧证字1号").status_code == 404
        index_licence_numbers()
    assert find(officer, "旧证字1号").status_code == 200


@pytest.mark.parametrize(
    ("days", "light"),
    [
        (-31, None),
        (-30, Light.RED),
        (0, Light.RED),
        (7, Light.RED),
        (8, Light.YELLOW),
        (30, Light.YELLOW),
        (31, Light.GREEN),
        (90, Light.GREEN),
        (91, None),
    ],
)
def test_how_near_an_end_is_shows_as_a_light(app: Flask, officer: Officer, person: Person, days: int, light: Light | None) -> None:
    page = officer.issued(person)
    ends = china_date(now()) + timedelta(days=days)
    with app.app_context(), transaction() as session:
        session.execute(update(Licence).where(Licence.id == at(app, page).id).values(valid_until=ends))
        counted = watch.lights(session, department=officer.department, now=now())
        seen = {one: [row.id for row in watch.showing(session, one, department=officer.department, now=now())] for one in Light}
    assert [one.counts for one in counted] == ([{light: 1}] if light else [])
    assert [one for one, ids in seen.items() if ids] == ([light] if light else [])
    assert (page in officer.get("/desk/expiring").text) == (light is not None)


def test_what_was_renewed_or_revoked_shows_no_light(app: Flask, officer: Officer, person: Person) -> None:
    page = officer.issued(person)
    with app.app_context(), transaction() as session:
        session.execute(update(Licence).where(Licence.id == at(app, page).id).values(valid_until=china_date(now()) + timedelta(days=3)))
    officer.post(f"{page}/revoke", **WHY)
    with app.app_context(), transaction() as session:
        assert watch.lights(session, department=officer.department, now=now()) == []


def test_a_departments_work_is_counted(app: Flask, officer: Officer, person: Person) -> None:
    first, _ = officer.issued(person), officer.issued(person, "birth-certificate")
    officer.post(f"{first}/suspend", **WHY)
    with app.app_context(), transaction() as session:
        standings = {one.type_code: one.counts for one in statistics.standings(session, department=officer.department)}
        months = statistics.months(session, department=officer.department, now=now())
    assert sorted(map(str, standings.values())) == sorted(map(str, [{LicenceState.SUSPENDED: 1}, {LicenceState.VALID: 1}]))
    assert len(months) == statistics.MONTHS
    assert (months[-1].issued, months[-1].acts) == (2, {Act.SUSPEND: 1})
    assert months[-1].first_day == china_date(now()).replace(day=1)
    page = officer.get("/desk/statistics").text
    assert 'class="plot"' in page


def test_the_list_is_narrowed_and_hostile_filters_are_left_out(officer: Officer, person: Person) -> None:
    first, second = officer.issued(person), officer.issued(person, "birth-certificate")
    officer.post(f"{first}/suspend", **WHY)
    assert first not in officer.get("/desk/licences?type=birth-certificate").text
    assert second not in officer.get("/desk/licences?state=suspended").text
    assert first in officer.get("/desk/licences?type=%3Cx%3E&state=eaten&due=9").text
    assert officer.get("/desk/licences?after=nonsense").status_code in (200, 422)


def test_the_list_goes_on_page_by_page_as_it_was_narrowed_and_leads_back(app: Flask, officer: Officer, person: Person) -> None:
    one = at(app, officer.issued(person))
    with app.app_context(), transaction() as session:
        more_like(session, one, 40)
    first = officer.get("/desk/licences?state=valid").text
    assert 'id="start"' not in first
    second = officer.get(html.unescape(re.search(r'id="more" href="([^"]+)"', first)[1])).text  # type: ignore[index]
    assert (len(licence_ids(first)), len(licence_ids(second))) == (30, 11)
    assert 'id="start" href="/desk/licences?state=valid#list"' in second
    assert 'id="more"' not in second


def test_only_officers_see_the_desk(app: Flask) -> None:
    browser = app.test_client()
    for path in ("/desk/licences", "/desk/licences/new", "/desk/requests", "/desk/expiring", "/desk/statistics"):
        assert browser.get(path, headers={"Accept": "text/html"}).location.startswith("/signin")


def licence_ids(page: str) -> list[str]:
    return re.findall(r'href="/desk/licences/([0-9a-f-]{36})"', page)


def test_a_holder_of_many_is_looked_through_page_by_page_and_told_of_what_was_seen_alone(
    app: Flask, officer: Officer, person: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(looking, "PAGE", 4)
    few, many = 9, 300
    with app.app_context():
        theirs = new_officer(app, new_department(issue=TYPES)).issued(person)
    first = at(app, officer.issued(person))
    with app.app_context(), transaction() as session:
        more_like(session, first, few)
    form = {"sought": person.number, "cause": CAUSE}
    page = officer.post("/desk/licences/found", "/desk/licences", **form).text
    pages = [page]
    while after := re.search(r'id="more" name="after" value="([^"]+)"', page):
        page = officer.post("/desk/licences/found", "/desk/licences", **form, after=after[1]).text
        pages.append(page)
    seen = [one for page in pages for one in licence_ids(page)]
    assert [len(licence_ids(page)) for page in pages] == [4, 4, 2]
    assert len(set(seen)) == few + 1
    assert theirs.rsplit("/", 1)[1] not in seen
    assert ['id="start"' in page for page in pages] == [False, True, True]
    assert not any(person.number in address for page in pages for address in re.findall(r'(?:href|action)="([^"]*)"', page))
    with app.app_context(), transaction() as session:
        assert {str(use.licence_id) for use in uses_of(session, holder_id=first.holder_id)} == set(seen)
        more_like(session, first, many)
    with counted(app) as sent:
        assert len(licence_ids(officer.browser.post("/desk/licences/found", data={**form, "csrf_token": token_of(page)}).text)) == 4
    assert len(sent.sent) < 40
    assert sent.rows < 60


def token_of(page: str) -> str:
    found = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', page)
    assert found is not None
    return found[1]


@pytest.mark.parametrize("after", ["", "x", "01a20000-0000-7000-8000-000000000000", "9" * 5000])
def test_a_place_that_is_none_leaves_the_search_as_it_is(officer: Officer, person: Person, after: str) -> None:
    page = officer.issued(person)
    answer = officer.post("/desk/licences/found", "/desk/licences", sought=person.number, cause=CAUSE, after=after)
    assert (answer.status_code == 200 and page in answer.text) or (after.startswith("01a2") and answer.status_code == 404)
