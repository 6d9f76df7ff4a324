"""The page of what each matter needs: for the department that defines the type, signed in by two factors."""

from flask import Flask

from runtime.database import transaction
from tests.wallet.register.test_type_edit_pages import Editor, World
from tests.world_people import BROWSER, csrf_token
from wallet.register import matter_fields


def test_who_defines_a_type_says_what_a_matter_needs_changes_it_and_takes_it_back(app: Flask) -> None:
    world = World(app, "matters")
    browser, path = Editor(app, world.own).client, f"/desk/types/{world.slug}/matters"
    token = {"csrf_token": csrf_token(browser.get(path, headers=BROWSER).text)}
    kept = browser.post(path, data={**token, "act": "set", "matter": " M-1 ", "fields": ["address", "vehicle_class"]}, headers=BROWSER)
    assert kept.status_code == 303
    assert "M-1" in browser.get(path, headers=BROWSER).text
    with app.app_context(), transaction() as session:
        assert set(matter_fields.needed(session, world.type, "M-1")) == {"vehicle_class", "address"}
    for posted in ({"matter": ""}, {"matter": "x" * 65}, {"matter": "M-2", "fields": "shoe_size"}, {}):
        assert browser.post(path, data={**token, "act": "set", **posted}, headers=BROWSER).status_code == 422, posted
    for _ in range(2):
        assert browser.post(path, data={**token, "act": "remove", "matter": "M-1"}, headers=BROWSER).status_code == 303
    assert "M-1" not in browser.get(path, headers=BROWSER).text


def test_a_department_that_does_not_define_the_type_may_not(app: Flask) -> None:
    world = World(app, "matters-of-another")
    browser = Editor(app, world.foreign).client
    assert browser.get(f"/desk/types/{world.slug}/matters", headers=BROWSER).status_code == 403
    assert browser.get("/desk/types/no-such-type/matters", headers=BROWSER).status_code == 404
