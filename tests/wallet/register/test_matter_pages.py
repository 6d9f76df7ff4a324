"""The page of what each matter needs: for the department that defines the type, signed in by two factors."""

import html
import re
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.datastructures import MultiDict

from runtime.clock import now
from runtime.database import transaction
from tests.wallet.register.test_type_edit_pages import Editor, World
from tests.world_people import BROWSER, csrf_token
from wallet.register import catalogue, matter_fields
from wallet.register.definitions import document_of
from wallet.register.type_forms import document_from, values_of


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
    taken_back = {**token, **seen_of(browser, path, "M-1"), "act": "remove", "matter": "M-1"}
    for _ in range(2):
        assert browser.post(path, data=taken_back, headers=BROWSER).status_code == 303
    assert "M-1" not in browser.get(path, headers=BROWSER).text


def seen_of(browser: FlaskClient, path: str, matter: str) -> dict[str, str]:
    """What the form of a matter says of what was there when it was opened."""
    form = browser.get(f"{path}?matter={matter}", headers=BROWSER).text.partition('id="matter-form"')[2]
    return {name: html.unescape(re.findall(f'name="{name}" value="([^"]*)"', form)[0]) for name in ("seen", "seen_of")}


def test_nobody_sets_a_matter_over_what_they_have_not_seen(app: Flask) -> None:
    world = World(app, "matters-of-two")
    browser, path = Editor(app, world.own).client, f"/desk/types/{world.slug}/matters"
    token = {"csrf_token": csrf_token(browser.get(path, headers=BROWSER).text), "act": "set", "matter": "M-7"}

    def post(**more: Any) -> Any:
        return browser.post(path, data={**token, **more}, headers=BROWSER)

    unset = seen_of(browser, path, "M-7")
    assert post(fields=["sex"], **unset).status_code == 303
    blind = post(fields=["address"])
    assert (blind.status_code, matter_fields.MatterChanged.title.zh in blind.text) == (409, True)
    assert 'id="field-address" value="address" checked' in blind.text, "what was chosen is not lost"
    first = seen_of(browser, path, "M-7")
    assert 'id="field-sex" value="sex" checked' in browser.get(f"{path}?matter=M-7", headers=BROWSER).text, "the form begins with what is said"
    assert post(fields=["sex", "address"], **first).status_code == 303
    for late in (first, unset, {"seen": first["seen"], "seen_of": "M-8"}):
        assert post(fields=[], **late).status_code == 409
        assert post(act="remove", **late).status_code == 409
    with app.app_context(), transaction() as session:
        assert matter_fields.needed(session, world.type, "M-7") == ["sex", "address"]
    second = seen_of(browser, path, "M-7")
    assert post(act="remove", **second).status_code == 303
    assert post(fields=["sex"], **second).status_code == 409, "taken back by somebody else: not said again unseen"


def test_a_matter_is_changed_where_there_are_as_many_as_there_may_be(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(app, "matters-at-their-most")
    monkeypatch.setattr(matter_fields, "MOST_MATTERS", 1)
    with app.app_context(), transaction() as session:
        for fields in (["sex"], ["address"]):
            matter_fields.set_fields(session, world.type, "M-1", fields, actor="operator", now=now())
        assert matter_fields.needed(session, world.type, "M-1") == ["address"]
        with pytest.raises(matter_fields.MatterRefused):
            matter_fields.set_fields(session, world.type, "M-2", ["sex"], actor="operator", now=now())


def test_what_the_file_declares_holds_until_its_department_says_otherwise(app: Flask) -> None:
    world = World(app, "matters-declared")
    declared = {"code": "D-1", "name": {"zh": "车辆租赁", "en": "Hiring a car"}, "needs": ["holder_name", "sex", "address"]}
    with app.app_context(), transaction() as session:
        catalogue.apply(session, [{**document_of(world.type), "matters": [declared]}], now=now())
    with app.app_context(), transaction() as session:
        assert matter_fields.needed(session, world.type, "D-1") == ["sex", "address"], "a draw gives fields, in the type's order"
        assert "address" not in matter_fields.needed(session, world.type, "D-2"), "of another matter, the usual"
        licence_type = catalogue.get_type(world.type.code)
        (before,) = matter_fields.matters_of(session, licence_type)
        matter_fields.set_fields(session, licence_type, "D-1", ["sex"], actor="operator", now=now())
        (after,) = matter_fields.matters_of(session, licence_type)
        assert (before.needs, after.needs, after.name) == (("holder_name", "sex", "address"), ("holder_name", "sex"), before.name)
        assert matter_fields.needed(session, licence_type, "D-1") == ["sex"]
        matter_fields.remove(session, licence_type, "D-1", actor="operator", now=now())
        assert matter_fields.matters_of(session, licence_type) == [before]
    page = Editor(app, world.own).client.get(f"/desk/types/{world.slug}/matters", headers=BROWSER).text
    assert "车辆租赁" in page


def test_the_form_of_a_type_keeps_what_its_matters_need() -> None:
    lines = "A-1 | 甲 | One\nB-2 | 乙 | Two | holder_name, sex\nC-3 | 丙 | Three |"
    (a, b, c) = document_from(MultiDict({"matters": lines}))["matters"]
    assert (a.get("needs"), b["needs"], c["needs"]) == (None, ["holder_name", "sex"], [])
    assert values_of({"matters": [a, b]})["matters"] == "A-1 | 甲 | One\nB-2 | 乙 | Two | holder_name sex"


def test_a_department_that_does_not_define_the_type_may_not(app: Flask) -> None:
    world = World(app, "matters-of-another")
    browser = Editor(app, world.foreign).client
    assert browser.get(f"/desk/types/{world.slug}/matters", headers=BROWSER).status_code == 403
    assert browser.get("/desk/types/no-such-type/matters", headers=BROWSER).status_code == 404
