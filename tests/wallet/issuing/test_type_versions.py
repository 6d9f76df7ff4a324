"""A type that changes while licences of it stand: each is read by its own version, and its successor is written by the one in force."""

from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from runtime.clock import now
from runtime.database import transaction
from tests.wallet.issuing.desk.conftest import Officer, new_officer
from tests.wallet.issuing.desks import YEAR, Desk
from tests.world_people import Person
from tests.world_types import DATE, new_type
from wallet.register import catalogue
from wallet.register.definitions import document_of

WHY = {"reason": "测试理由", "legal_basis": "《测试法》第一条"}
TEXT = {"type": "string", "max_length": 20, "example": "甲", "required": True}
OLD, KEPT, ADDED = (
    {"name": name, "label": {"zh": name, "en": name}, "tag": f"KZ_{name.upper()}", **TEXT} for name in ("old_note", "kept_note", "added_note")
)


class Changed(Desk):
    """A department whose type loses one field, and gets another that every licence needs, once a licence stands."""

    def __init__(self, app: Flask, client: FlaskClient, person: Person) -> None:
        with app.app_context():
            self.slug, _ = new_type(fields=[DATE, OLD, KEPT], validity={"rule": "dated", "max_years": 20})
        super().__init__(app, client, issue=[self.slug])
        values = {"decided_on": DATE["example"], "old_note": "旧", "kept_note": "留"}
        self.licence = self.issue(person, type=self.slug, fields=values)
        with app.app_context(), transaction() as session:
            document = document_of(catalogue.get_type(self.slug))
            catalogue.apply(session, [{**document, "fields": [DATE, KEPT, ADDED]}], now=now(), breaking=True)

    def fields_of(self, licence: dict[str, Any]) -> dict[str, Any]:
        fields: dict[str, Any] = self.get(f"/licences/{licence['id']}").json["fields"]
        return fields


@pytest.fixture
def changed(app: Flask, client: FlaskClient, person: Person) -> Changed:
    return Changed(app, client, person)


@pytest.mark.parametrize(("path", "more"), [("renewal", {"valid_until": f"{YEAR + 9}-01-31"}), ("change", {}), ("replacement", {})])
def test_a_successor_has_what_the_type_asks_for_now_and_nothing_that_it_has_no_more(changed: Changed, path: str, more: dict[str, Any]) -> None:
    at = f"/licences/{changed.licence['id']}/{path}"
    lacking = changed.post(at, {**WHY, **more})
    assert (lacking.status_code, lacking.json["field"]) == (422, "fields.added_note"), lacking.json
    foreign = changed.post(at, {**WHY, **more, "fields": {"added_note": "新", "old_note": "旧"}})
    assert (foreign.status_code, foreign.json["field"]) == (422, "fields.old_note"), "what is sent must be a field of the type"
    done = changed.post(at, {**WHY, **more, "fields": {"added_note": "新"}})
    assert done.status_code == 201, done.json
    assert changed.fields_of(done.json) == {"decided_on": DATE["example"], "kept_note": "留", "added_note": "新"}
    assert changed.fields_of(changed.licence) == {"decided_on": DATE["example"], "old_note": "旧", "kept_note": "留"}


@pytest.mark.parametrize("act", ["renew", "change", "replace"])
def test_an_officer_s_form_asks_for_what_the_type_asks_for_now(app: Flask, changed: Changed, act: str) -> None:
    officer: Officer = new_officer(app, changed.department)
    at = f"/desk/licences/{changed.licence['id']}/{act}"
    page = officer.get(at).text
    assert ("f_added_note" in page, "f_old_note" in page) == (True, False)
    every = {"f_decided_on": DATE["example"], "f_kept_note": "留"} if act != "replace" else {}
    form = {**WHY, **every, "f_added_note": "新", **({"valid_until": f"{YEAR + 9}-01-31"} if act == "renew" else {})}
    assert 'id="f_added_note-error"' in officer.post(at, **{**form, "f_added_note": ""}).text
    done = officer.post(at, **form)
    assert done.status_code == 303, done.text[-3000:]
    successor = changed.get(f"/licences/{changed.licence['id']}").json["successor"]
    assert changed.fields_of({"id": successor}) == {"decided_on": DATE["example"], "kept_note": "留", "added_note": "新"}
