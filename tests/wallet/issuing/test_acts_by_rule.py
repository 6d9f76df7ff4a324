"""What rules of a type and of the calendar refuse: acts never done with it, renewals that are none, days before the turn that they follow."""

from datetime import date, timedelta
from uuid import UUID

import pytest
from flask import Flask
from flask.testing import FlaskClient

from runtime.clock import now, shifted
from runtime.database import transaction
from tests.wallet.issuing.desks import Desk, body_for
from tests.wallet.issuing.test_batches_api import Sender
from tests.world_people import Person
from tests.world_types import FIELDS, new_type
from wallet.register import catalogue
from wallet.register.acts import Act
from wallet.register.definitions import document_of
from wallet.register.licences import china_date, get_licence
from wallet.register.turns import Cause, WrongState, take

WHY = {"reason": "测试理由", "legal_basis": "《测试法》第一条"}


def test_what_is_never_done_with_a_type_is_refused_by_each_door_and_for_good(app: Flask, client: FlaskClient, person: Person) -> None:
    with app.app_context():
        slug, _ = new_type(barred_acts=["suspend", "transfer"])
    desk = Desk(app, client, issue=[slug])
    licence = desk.issue(person, type=slug, fields=FIELDS, valid_until=None)
    with app.app_context(), transaction() as session:
        document = document_of(catalogue.get_type(slug))
        catalogue.apply(session, [{**document, "barred_acts": []}], now=now())
    for path, body in (("suspension", WHY), ("transfer-out", {**WHY, "to": desk.department})):
        refused = desk.post(f"/licences/{licence['id']}/{path}", body)
        assert (refused.status_code, refused.json["code"]) == (409, "act-barred"), "its credentials have a list of one bit"
    (line,) = Sender(desk).send([{"act": "suspend", "licence": licence["id"], **WHY}], key="barred")
    assert (line["status"], line["type"]) == (409, "urn:kabao:problem:act-barred")
    assert desk.post(f"/licences/{licence['id']}/revocation", WHY).status_code == 201
    later = desk.issue(person, type=slug, fields=FIELDS, valid_until=None)
    assert desk.post(f"/licences/{later['id']}/suspension", WHY).status_code == 201


@pytest.mark.parametrize("earlier", [0, 1, 400], ids=["the same day", "a day less", "a year less"])
def test_a_renewal_that_ends_no_later_is_none(desk: Desk, person: Person, earlier: int) -> None:
    ends = china_date(now()) + timedelta(days=30 + earlier)
    licence = desk.issue(person, valid_until=str(ends))
    refused = desk.post(f"/licences/{licence['id']}/renewal", {**WHY, "valid_until": str(ends - timedelta(days=earlier))})
    assert (refused.status_code, refused.json["code"], refused.json["field"]) == (422, "dates-refused", "valid_until")
    assert desk.get(f"/licences/{licence['id']}").json["state"] == "valid"


def test_no_act_takes_effect_before_the_moment_of_the_turn_that_it_follows(desk: Desk, person: Person) -> None:
    licence = desk.post(f"/licences/{desk.issue(person)['id']}/change", {**WHY, "fields": {"address": "新路2号"}}).json
    day = date.fromisoformat(str(china_date(now())))
    with shifted(timedelta(days=1)):
        desk.renew_token()
        assert desk.post(f"/licences/{licence['id']}/suspension", {**WHY, "effective_on": str(day)}).status_code == 201
        first, second = desk.get(f"/licences/{licence['id']}/history").json["turns"]
        assert first["effective_at"] == second["effective_at"], "the day began before it was issued"
        early = desk.post(f"/licences/{licence['id']}/resumption", {**WHY, "effective_on": str(day - timedelta(days=1))})
        assert (early.status_code, early.json["code"]) == (422, "effective-date-refused")


def test_nothing_is_done_with_what_has_a_successor_whatever_was_read_of_it_before(app: Flask, desk: Desk, person: Person) -> None:
    licence = desk.issue(person)
    with app.app_context(), transaction() as session:
        stale = get_licence(session, UUID(licence["id"]))
        assert desk.post(f"/licences/{licence['id']}/change", {**WHY, "fields": {"address": "新路2号"}}).status_code == 201
        for act in (Act.CANCEL, Act.ANNUL):
            with pytest.raises(WrongState):
                take(session, stale, act, Cause("测试", "测试", "test"), now=now())


def test_a_licence_is_moved_neither_to_its_own_department_nor_to_one_that_may_take_none_over(
    app: Flask, client: FlaskClient, desk: Desk, person: Person
) -> None:
    receiver = Desk(app, client)
    receiver.limit("driving-licence", acts=["issue", "renew"])
    licence = desk.issue(person)
    for to in (desk.department, receiver.department, "113799990000100228"):
        refused = desk.post(f"/licences/{licence['id']}/transfer-out", {**WHY, "to": to})
        assert (refused.status_code, refused.json["code"], refused.json["field"]) == (422, "receiver-refused", "to"), to
    receiver.limit("driving-licence", acts=["transfer"])
    assert desk.post(f"/licences/{licence['id']}/transfer-out", {**WHY, "to": receiver.department}).status_code == 201


def test_a_department_that_may_renew_alone_issues_nothing(app: Flask, client: FlaskClient, person: Person) -> None:
    desk = Desk(app, client)
    desk.limit("driving-licence", acts=["renew"])
    refused = desk.post("/licences", body_for(person))
    assert (refused.status_code, refused.json["code"]) == (403, "no-authority")


def test_a_part_takes_no_turn_that_its_own_type_bars(app: Flask, client: FlaskClient, person: Person) -> None:
    with app.app_context():
        part, definer = new_type(barred_acts=["suspend", "transfer"])
        whole, _ = new_type(definer, gathers=[part])
    desk = Desk(app, client, issue=[part, whole])
    gatherer, gathered = (desk.issue(person, type=slug, fields=FIELDS, valid_until=None) for slug in (whole, part))
    assert desk.post(f"/licences/{gatherer['id']}/gathering", {"licences": [gathered["id"]]}).status_code == 200
    assert desk.post(f"/licences/{gatherer['id']}/suspension", WHY).status_code == 201
    assert desk.get(f"/licences/{gathered['id']}").json["state"] == "valid"
    assert desk.post(f"/licences/{gatherer['id']}/revocation", WHY).status_code == 201
    assert desk.get(f"/licences/{gathered['id']}").json["state"] == "revoked"
