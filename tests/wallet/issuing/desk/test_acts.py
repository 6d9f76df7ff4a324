"""Officers act on licences: what the state allows, with reasons, and where a type asks for it by two."""

import re
from typing import Any
from uuid import UUID

import pytest
from flask import Flask

from runtime.database import transaction
from tests.wallet.issuing.desk.conftest import WHY, Officer
from tests.world_people import Person
from wallet.register.licences import fields_of, get_licence


def state_of(app: Flask, page: str) -> str:
    with app.app_context(), transaction() as session:
        return get_licence(session, UUID(page.rsplit("/", 1)[1])).state


@pytest.mark.parametrize(
    ("act", "state"), [("suspend", "suspended"), ("annul", "annulled"), ("revoke", "revoked"), ("cancel", "cancelled"), ("lapse", "lapsed")]
)
def test_an_act_changes_the_state_and_is_in_the_history(app: Flask, officer: Officer, person: Person, act: str, state: str) -> None:
    page = officer.issued(person)
    answer = officer.post(f"{page}/{act}", **WHY)
    assert (answer.status_code, answer.location) == (303, page), answer.text[:500]
    assert state_of(app, page) == state
    shown = officer.get(page).text
    assert "《测试法》第一条" in shown
    assert f'id="act-{act}"' not in shown


def test_the_form_says_whose_licence_it_is_and_whether_the_act_is_the_last(officer: Officer, person: Person) -> None:
    page = officer.issued(person)
    forms = {act: officer.get(f"{page}/{act}").text for act in ("suspend", "change", "transfer-out", "annul", "revoke", "cancel", "lapse")}
    masked = f"{person.number[:3]}***********{person.number[-4:]}"
    assert all(masked in form and person.number not in form for form in forms.values())
    assert {act for act, form in forms.items() if 'id="final"' in form} == {"annul", "revoke", "cancel", "lapse"}


def test_only_what_the_state_allows_is_offered_and_done(app: Flask, officer: Officer, person: Person) -> None:
    page = officer.issued(person)
    assert 'id="act-resume"' not in officer.get(page).text
    assert (officer.get(f"{page}/resume").location, "不能办理此项业务" in officer.get(page).text) == (page, True)
    blank = f"{page}/suspend"
    officer.post(blank, **WHY)
    assert officer.post(f"{page}/revoke", **WHY).status_code == 303
    assert officer.get(blank).location == page
    shown = officer.get(page).text
    assert "不能办理此项业务" in shown
    assert 'id="act-suspend"' not in shown


def test_a_change_makes_a_successor_with_the_field_changed(app: Flask, officer: Officer, person: Person) -> None:
    page = officer.issued(person)
    form = {f"f_{name}": value for name, value in current(app, page).items()}
    answer = officer.post(f"{page}/change", **{**form, "f_address": "示例省示例市新路9号", **WHY})
    assert answer.status_code == 303, answer.text[:800]
    assert answer.location != page
    assert current(app, answer.location)["address"] == "示例省示例市新路9号"
    assert 'id="successor"' in officer.get(page).text
    assert 'id="predecessor"' in officer.get(answer.location).text


def current(app: Flask, page: str) -> dict[str, Any]:
    with app.app_context(), transaction() as session:
        return fields_of(get_licence(session, UUID(page.rsplit("/", 1)[1])))


def test_the_same_act_sent_twice_is_done_once(app: Flask, officer: Officer, person: Person) -> None:
    page = officer.issued(person)
    form = {f"f_{name}": value for name, value in current(app, page).items()} | {"f_address": "示例省示例市新路9号", **WHY}
    blank = officer.get(f"{page}/change").text
    hidden = {name: re.search(rf'name="{name}"[^>]*value="([^"]+)"', blank)[1] for name in ("csrf_token", "request_id")}  # type: ignore[index]
    first = officer.browser.post(f"{page}/change", data={**hidden, **form})
    again = officer.browser.post(f"{page}/change", data={**hidden, **form})
    assert (first.status_code, first.location) == (again.status_code, again.location)


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "no reason": ({"reason": ""}, "reason"),
    "a blank reason": ({"reason": "   "}, "reason"),
    "a long reason": ({"reason": "理" * 501}, "reason"),
    "no legal basis": ({"legal_basis": ""}, "legal_basis"),
    "a day to come": ({"effective_on": "2199-01-01"}, "effective_on"),
    "no day": ({"effective_on": "soon"}, "effective_on"),
}


@pytest.mark.parametrize(("changes", "control"), WRONG.values(), ids=WRONG)
def test_what_is_wrong_with_an_act_is_said_beside_its_control(
    app: Flask, officer: Officer, person: Person, changes: dict[str, Any], control: str
) -> None:
    page = officer.issued(person)
    answer = officer.post(f"{page}/suspend", **{**WHY, **changes})
    assert answer.status_code in (409, 422)
    assert f'id="{control}-error"' in answer.text
    assert state_of(app, page) == "valid"


def test_what_takes_two_officers_waits_for_the_second(app: Flask, officer: Officer, second: Officer, person: Person) -> None:
    page = officer.issued(person, "birth-certificate")
    waiting = officer.post(f"{page}/annul", **WHY)
    assert waiting.location.startswith("/desk/requests/")
    assert state_of(app, page) == "valid"
    assert 'id="approve"' not in officer.get(waiting.location).text
    assert officer.post(f"{waiting.location}/approve", page).status_code == 403
    assert 'id="approve"' in second.get(waiting.location).text
    done = second.post(f"{waiting.location}/approve", waiting.location)
    assert done.location == page, done.text[:500]
    assert state_of(app, page) == "annulled"
    assert second.post(f"{waiting.location}/approve", page).status_code == 409


def test_the_second_officer_refuses_with_a_reason(app: Flask, officer: Officer, second: Officer, person: Person) -> None:
    page = officer.issued(person, "birth-certificate")
    asked = officer.post(f"{page}/annul", **WHY).location
    assert second.post(f"{asked}/refuse", asked, reason="").status_code == 422
    assert second.post(f"{asked}/refuse", asked, reason="材料不齐").status_code == 303
    assert "材料不齐" in officer.get(asked).text
    assert state_of(app, page) == "valid"
    assert asked not in officer.get("/desk/requests").text
    assert asked in officer.get("/desk/requests?all=1").text
