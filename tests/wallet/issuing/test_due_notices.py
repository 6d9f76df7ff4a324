from typing import Any
from uuid import UUID

from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select

from idp.subjects import changes, directory
from idp.subjects.directory import Subject
from idp.subjects.history import Told
from idp.subjects.numbers import parse_number
from idp.subjects.records import ACTIVE, DECEASED
from runtime.clock import now
from runtime.database import transaction
from runtime.events import Event
from tests.wallet.issuing.desks import Desk
from tests.world_people import Person, citizen_number, open_account, sign_in
from wallet.issuing.contents import content_of
from wallet.issuing.credentials import credential_of, text_of
from wallet.register.licences import get_licence

WHY = {"reason": "持证人姓名变更", "legal_basis": "《测试法》第二条"}


def subject_of(session: Any, person: Person) -> Subject:
    found = directory.find_subject(session, parse_number(person.number))
    assert found is not None
    return found


def rename(app: Flask, person: Person, name: str) -> None:
    with app.app_context(), transaction() as session:
        changes.rename(session, subject_of(session, person), name, told=Told("registry", now()))


def dues(app: Flask, licence_id: str) -> list[str]:
    with app.app_context(), transaction() as session:
        rows = session.scalars(select(Event).where(Event.object_id == licence_id, Event.kind == "licence.due").order_by(Event.sequence))
        return [row.detail["due_for"] for row in rows]


def test_a_new_name_makes_licences_due_and_rewrites_nothing(app: Flask, desk: Desk, person: Person) -> None:
    issued, over = desk.issue(person), desk.issue(person)
    desk.post(f"/licences/{over['id']}/revocation", WHY)
    with app.app_context(), transaction() as session:
        before = text_of(credential_of(session, get_licence(session, UUID(issued["id"]))))
    rename(app, person, "欧阳新名")
    rename(app, person, "欧阳又新")
    read = desk.get(f"/licences/{issued['id']}").json
    assert (read["state"], read["due_for"]) == ("valid", ["name"])
    assert read["due_since"] is not None
    assert "due_for" not in desk.get(f"/licences/{over['id']}").json
    assert (dues(app, issued["id"]), dues(app, over["id"])) == (["name"], [])
    assert [one["id"] for one in desk.get("/licences?due=true").json["licences"]] == [issued["id"]]
    with app.app_context(), transaction() as session:
        licence = get_licence(session, UUID(issued["id"]))
        assert text_of(credential_of(session, licence)) == before
        assert content_of(session, app.extensions["kabao_settings"], licence).values["holder_name"] == person.name
    assert read["metadata"]["CZZT"] == person.name


def test_the_wallet_says_what_is_due_and_a_change_clears_it(app: Flask, desk: Desk, person: Person) -> None:
    with app.app_context(), transaction() as session:
        open_account(session, person)
    issued = desk.issue(person)
    rename(app, person, "欧阳新名")
    browser = app.test_client()
    sign_in(browser, person)
    assert "持证人名称已变更" in browser.get(f"/wallet/cards/{issued['id']}").text
    changed = desk.post(f"/licences/{issued['id']}/change", WHY)
    assert changed.status_code == 201
    names = [desk.get(f"/licences/{one}").json["metadata"]["CZZT"] for one in (issued["id"], changed.json["id"])]
    assert names == [person.name, "欧阳新名"]
    assert "due_for" not in desk.get(f"/licences/{changed.json['id']}").json
    assert "due_for" not in desk.get(f"/licences/{issued['id']}").json
    assert "持证人名称已变更" not in browser.get(f"/wallet/cards/{changed.json['id']}").text


def test_a_new_number_makes_licences_due_and_the_successor_has_it(app: Flask, desk: Desk, person: Person) -> None:
    issued, number = desk.issue(person), citizen_number()
    with app.app_context(), transaction() as session:
        directory.renumber(session, parse_number(person.number), parse_number(number), told=Told("registry", now()))
    read = desk.get(f"/licences/{issued['id']}").json
    assert (read["due_for"], read["metadata"]["CZZTDM"]) == (["number"], person.number)
    assert desk.post(f"/licences/{issued['id']}/change", WHY).json["licence_number"] == number


def test_a_death_is_shown_its_issuer_decides_and_a_mistake_is_taken_back(app: Flask, desk: Desk, person: Person) -> None:
    issued = desk.issue(person)
    for state, due in ((DECEASED, ["ended"]), (ACTIVE, None), (DECEASED, ["ended"])):
        with app.app_context(), transaction() as session:
            changes.set_state(session, subject_of(session, person), state, told=Told("registry", now()))
        read = desk.get(f"/licences/{issued['id']}").json
        assert (read["state"], read.get("due_for"), read["holder_state"]) == ("valid", due, state)
        assert (read["due_since"] is None) is (due is None)
    refused = desk.post(f"/licences/{issued['id']}/change", WHY)
    assert (refused.status_code, refused.json["code"]) == (422, "subject-ended")
    assert desk.post(f"/licences/{issued['id']}/cancellation", WHY).status_code == 201


def test_each_licence_names_its_holder_as_when_it_was_issued_whatever_became_of_it(
    app: Flask, client: FlaskClient, desk: Desk, person: Person
) -> None:
    receiver = Desk(app, client)
    over, moved, first = desk.issue(person), desk.issue(person), desk.issue(person)
    desk.post(f"/licences/{over['id']}/revocation", WHY)
    desk.post(f"/licences/{moved['id']}/transfer-out", {**WHY, "to": receiver.department})
    taken = receiver.post(f"/licences/{moved['id']}/transfer-in", WHY).json
    rename(app, person, "欧阳新名")
    second = desk.issue(person, holder={"number": person.number})
    rename(app, person, "欧阳又新")
    named = {one["id"]: desk.get(f"/licences/{one['id']}").json["metadata"]["CZZT"] for one in (over, moved, first, second)}
    assert named == {over["id"]: person.name, moved["id"]: person.name, first["id"]: person.name, second["id"]: "欧阳新名"}
    assert receiver.get(f"/licences/{taken['id']}").json["metadata"]["CZZT"] == person.name
    assert [dues(app, one["id"]) for one in (over, moved, taken, first, second)] == [[], [], ["name"], ["name"], ["name"]], (
        "what is over is due for nothing"
    )
