"""A holder ends: what they had made is worth nothing, what the register holds stays, and departments are told."""

import pytest
from flask import Flask

from idp.subjects import registry_import
from idp.subjects.directory import ensure_subject
from idp.subjects.numbers import parse_number
from runtime.clock import now
from runtime.database import transaction
from tests.world_people import BROWSER, act_for, citizen_number, new_organisation, new_person, open_account, post_form, sign_in
from tests.world_verifying import Counter, new_browser, new_counter


@pytest.fixture
def counter(app: Flask) -> Counter:
    with app.app_context():
        return new_counter(new_browser(app))


def tell(app: Flask, **row: str) -> None:
    with app.app_context(), transaction() as session:
        load = registry_import.load_organisations if "representative" in row else registry_import.load_people
        assert not load(session, [row])


def test_a_dead_person_s_codes_end_and_the_register_is_still_drawn_from(app: Flask, counter: Counter) -> None:
    with app.app_context():
        code = counter.code()
    tell(app, number=counter.person.number, name=counter.person.name, state="死亡")
    with app.app_context():
        assert counter.verify(code).json["code"] == "code-expired"
        drawn = counter.draw()
    assert drawn.status_code == 201
    assert drawn.json["holder"] == {"state": "deceased", "number_changed": False}
    assert drawn.json["fields"]["vehicle_class"] == "C1"


def test_a_draw_by_a_former_number_says_so_and_again_the_same_for_the_same_key(app: Flask, counter: Counter) -> None:
    old, new = counter.person.number, citizen_number()
    tell(app, number=new, name=counter.person.name, former_number=old)
    with app.app_context():
        first, again = (counter.draw(key="once") for _ in range(2))
        present = counter.draw(holder={"number": new})
        assert counter.verify(counter.code()).json["verdict"] == "valid"
    assert first.json["holder"] == {"state": "active", "number_changed": True}
    assert again.json == first.json
    assert present.json["holder"] == {"state": "active", "number_changed": False}
    assert present.json["licence"] == first.json["licence"]


@pytest.mark.parametrize("is_dissolved", [True, False], ids=["it is dissolved", "another represents it"])
def test_whoever_acts_for_an_organisation_stops_at_once(app: Flask, is_dissolved: bool) -> None:
    with app.app_context(), transaction() as session:
        boss, other = new_person(session), new_person(session)
        firm = new_organisation(session, representative=boss)
        open_account(session, boss)
        firm_id = ensure_subject(session, parse_number(firm.number), now=now()).id
    browser = app.test_client()
    sign_in(browser, boss)
    act_for(browser, firm_id)
    assert firm.name in browser.get("/wallet", headers=BROWSER).text
    change = {"state": "注销"} if is_dissolved else {"representative": other.number}
    tell(app, **{"number": firm.number, "name": firm.name, "representative": boss.number, **change})
    assert firm.name not in browser.get("/wallet", headers=BROWSER).text
    assert f"您不再能代表“{firm.name}”办事" in browser.get("/account", headers=BROWSER).text
    assert post_form(browser, "/account/acting", {"organisation": str(firm_id)}, form_at="/account/devices").status_code == 403
    assert firm.name not in browser.get("/wallet", headers=BROWSER).text
