"""Every kind of number at every door: each is understood, as people write it too, or refused by name; and none is shown in full."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from stdnum.iso7064 import mod_11_2

from idp.subjects import appointments, directory, mandates, registry_import
from idp.subjects.appointments import AppointeeUnknown, Appointment
from idp.subjects.mandates import LICENCE_MANAGER
from idp.subjects.numbers import NumberKind, parse_number
from idp.subjects.rights import Right
from runtime.clock import now
from runtime.database import transaction
from tests.idp.subjects.test_registry_updates_api import Teller, line, token
from tests.wallet.issuing.desks import YEAR, Desk, body_for
from tests.world_people import BROWSER, PASSWORD, Person, citizen_number, counter, credit_code, new_organisation, new_person, post_form, sign_in
from tests.world_verifying import new_token
from tests.world_wallet import example_fields, new_department
from wallet.verifying.people_desk_pages import PersonForm


def gb_11643(division: str) -> str:
    """Return a fresh number in the layout of the citizen's, of another kind."""
    serial = next(counter)
    born = now().date() - timedelta(days=7300 + serial % 15_000)
    first_17 = f"{division}{born:%Y%m%d}{serial // 15_000 % 1000:03}"
    return first_17 + mod_11_2.calc_check_digit(first_17)


KINDS: dict[NumberKind, Callable[[], str]] = {
    NumberKind.CITIZEN: citizen_number,
    NumberKind.HONG_KONG_RESIDENCE: lambda: gb_11643("810000"),
    NumberKind.MACAO_RESIDENCE: lambda: gb_11643("820000"),
    NumberKind.TAIWAN_RESIDENCE: lambda: gb_11643("830000"),
    NumberKind.PERMANENT_RESIDENT: lambda: gb_11643("937999"),
    NumberKind.PERMANENT_RESIDENT_2004: lambda: f"XXX{next(counter) % 10**12:012}",
    NumberKind.CREDIT_CODE: credit_code,
}


@dataclass(frozen=True)
class Someone:
    """A holder of a number of some kind, in the registry, and the doors' other side."""

    app: Flask
    client: FlaskClient
    number: str
    name: str = "示例主体"

    @property
    def is_person(self) -> bool:
        return parse_number(self.number).is_person

    @property
    def person(self) -> Person:
        return Person(self.number, self.name)

    def written(self) -> str:
        """Return the number as people write it: full width, spaces, small letters."""
        wide = "".join(chr(ord(character) + 0xFEE0) if character.isdigit() else character.lower() for character in self.number)
        return f" {wide[:6]} {wide[6:14]}-{wide[14:]} "


def register(someone: Someone) -> None:
    form = {"number": someone.written(), "name": someone.name, "password": PASSWORD, "repeat": PASSWORD}
    answer = post_form(someone.client, "/account/new", form)
    if not someone.is_person:
        assert (answer.status_code, "统一社会信用代码" in answer.text) == (422, True)
        return
    assert answer.status_code == 303, answer.text
    page = someone.client.get("/account", headers=BROWSER).text
    assert someone.number not in page
    assert parse_number(someone.number).masked() in page


def sign_in_again(someone: Someone) -> None:
    if someone.is_person:
        register(someone)
    answer = sign_in(someone.app.test_client(), Person(someone.written(), someone.name))
    assert answer.status_code == (303 if someone.is_person else 422)


def issue_and_draw(someone: Someone) -> None:
    slug = "driving-licence" if someone.is_person else "food-business-licence"
    dates = {"valid_from": f"{YEAR}-01-01", "valid_until": f"{YEAR + 4}-12-31"}
    body = body_for(Person(someone.written(), someone.name), type=slug, fields=example_fields(slug), **dates)
    issued = Desk(someone.app, someone.client).post("/licences", body)
    assert issued.status_code == 201, issued.text
    with someone.app.app_context():
        department = new_department(draw=[slug])
    with someone.app.app_context():
        held = new_token(someone.client, department)
    asked = {"type": slug, "holder": {"number": someone.written()}, "cause": {"text": "办理年检"}}
    drawn = someone.client.post("/api/v1/draws", json=asked, headers={"Authorization": f"Bearer {held}"})
    assert drawn.status_code == 201, drawn.text
    assert drawn.json["licence"]["identifier"] == issued.json["identifier"]


def represent(someone: Someone) -> None:
    with someone.app.app_context(), transaction() as session:
        row = {"number": (firm := credit_code()), "name": "示例公司", "representative": someone.written()}
        faults = registry_import.load_organisations(session, [row])
        if not someone.is_person:
            assert "wrong kind" in faults[0].why.en
            return
        assert faults == []
        person_id = directory.ensure_subject(session, parse_number(someone.number), now=now()).id
        assert [one.number.value for one in mandates.organisations_of(session, person_id=person_id, now=now())] == [firm]


def be_appointed(someone: Someone) -> None:
    with someone.app.app_context(), transaction() as session:
        boss = new_person(session)
        firm = new_organisation(session, representative=boss)
        ids: Any = [directory.ensure_subject(session, parse_number(one.number), now=now()).id for one in (boss, firm)]
        appointments.claim(session, person_id=ids[0], organisation_id=ids[1], now=now())
        wanted = Appointment(LICENCE_MANAGER, Right(None, None, now(), None))
        asked: Any = {"by": ids[0], "organisation_id": ids[1], "number": parse_number(someone.written()), "name": someone.name, "wanted": wanted}
        if someone.is_person:
            assert appointments.appoint(session, **asked, now=now())
        else:
            with pytest.raises(AppointeeUnknown):
                appointments.appoint(session, **asked, now=now())


def be_told_of(someone: Someone) -> None:
    with someone.app.app_context(), transaction() as session:
        directory.ensure_subject(session, parse_number(someone.number), now=now())
    teller = Teller(someone.client, token(someone.app, someone.client))
    end = "death" if someone.is_person else "dissolution"
    results = teller.tell(line("name", someone.written(), name="新名"), line(end, someone.written()))
    assert [each["result"] for each in results] == ["applied", "applied"]


def stand_at_the_desk(someone: Someone) -> None:
    with someone.app.test_request_context(method="POST", data={"number": someone.written()}):
        form = PersonForm()
        form.document.choices = []
        form.validate()
        assert "number" not in form.errors


DOORS = {
    "registration": register,
    "sign-in": sign_in_again,
    "a licence and a draw": issue_and_draw,
    "a legal representative": represent,
    "an appointment": be_appointed,
    "what a registry tells": be_told_of,
    "the desk": stand_at_the_desk,
}


@pytest.mark.parametrize("door", DOORS.values(), ids=DOORS)
@pytest.mark.parametrize("kind", KINDS)
def test_a_number_of_each_kind_at_each_door(app: Flask, client: FlaskClient, kind: NumberKind, door: Callable[[Someone], None]) -> None:
    someone = Someone(app, client, KINDS[kind]())
    assert parse_number(someone.written()).kind is kind
    with app.app_context(), transaction() as session:
        row = {"number": someone.written(), "name": someone.name}
        if someone.is_person:
            assert not registry_import.load_people(session, [row])
        else:
            assert not registry_import.load_organisations(session, [{**row, "representative": citizen_number()}])
    door(someone)
