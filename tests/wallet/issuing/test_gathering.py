import threading
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select
from sqlalchemy.orm import Session

from runtime.clock import now
from runtime.database import transaction
from runtime.events import Event
from tests.wallet.issuing.desks import Desk
from tests.wallet.issuing.test_batches_api import Sender
from tests.world_clients import bearer, new_system, token_of
from tests.world_people import Organisation, Person, new_organisation
from tests.world_types import FIELDS, new_type
from wallet.issuing import gathering, status_lists
from wallet.issuing.credentials import credential_of
from wallet.register import catalogue, departments
from wallet.register.departments import Action
from wallet.register.licences import Licence, get_licence

WHY = {"reason": "测试理由", "legal_basis": "《测试法》第一条"}


class Market(Desk):
    """A department whose one type gathers the other."""

    def __init__(self, app: Flask, client: FlaskClient) -> None:
        with app.app_context():
            self.part, definer = new_type()
            self.whole, _ = new_type(definer, gathers=[self.part])
        super().__init__(app, client, issue=[self.part, self.whole])

    def licence(self, slug: str, firm: Organisation) -> dict[str, Any]:
        body = {"type": slug, "holder": {"number": firm.number}, "fields": FIELDS, "valid_from": "2024-02-01"}
        found: dict[str, Any] = self.post("/licences", body).json
        return found

    def gather(self, whole: dict[str, Any], *parts: str) -> Any:
        return self.post(f"/licences/{whole['id']}/gathering", {"licences": list(parts)})

    def state(self, licence: dict[str, Any]) -> str:
        return str(self.get(f"/licences/{licence['id']}").json["state"])

    def act(self, licence: dict[str, Any], path: str) -> int:
        return int(self.post(f"/licences/{licence['id']}/{path}", WHY).status_code)


@pytest.fixture
def market(app: Flask, client: FlaskClient) -> Market:
    return Market(app, client)


@pytest.fixture
def firm(app: Flask, person: Person) -> Organisation:
    with app.app_context(), transaction() as session:
        return new_organisation(session, representative=person)


def test_a_licence_gathers_others_and_both_say_so(market: Market, firm: Organisation) -> None:
    whole, part = market.licence(market.whole, firm), market.licence(market.part, firm)
    answer = market.gather(whole, part["id"])
    assert (answer.status_code, answer.json["licences"][0]["gathered_by"]) == (200, whole["id"])
    assert market.get(f"/licences/{whole['id']}").json["gathered"] == [part["id"]]
    again = market.gather(whole, part["id"])
    assert (again.status_code, again.json["code"], again.json["field"]) == (409, "not-gatherable", "licences.0")


@pytest.mark.parametrize("path", ["revocation", "annulment", "cancellation", "lapse", "suspension"])
def test_what_becomes_of_the_whole_becomes_of_its_parts(app: Flask, market: Market, firm: Organisation, path: str) -> None:
    whole, part = market.licence(market.whole, firm), market.licence(market.part, firm)
    market.gather(whole, part["id"])
    assert market.act(whole, path) == 201
    assert market.state(part) == market.state(whole) != "valid"
    last = market.get(f"/licences/{part['id']}/history").json["turns"][-1]
    assert (last["related"], last["reason"]) == (whole["id"], WHY["reason"])
    with app.app_context(), transaction() as session:
        assert status_lists.state_of(session, credential_of(session, get_licence(session, UUID(part["id"]))).place) != status_lists.VALID


def test_a_part_is_resumed_with_its_whole_unless_it_was_suspended_by_itself(market: Market, firm: Organisation) -> None:
    whole, one, other = market.licence(market.whole, firm), market.licence(market.part, firm), market.licence(market.part, firm)
    market.gather(whole, one["id"], other["id"])
    market.act(other, "suspension")
    market.act(whole, "suspension")
    assert market.act(one, "resumption") == 409
    market.act(whole, "resumption")
    assert [market.state(each) for each in (whole, one, other)] == ["valid", "valid", "suspended"]
    assert market.act(other, "resumption") == 201


def test_a_part_may_end_by_itself_and_the_whole_goes_on(market: Market, firm: Organisation) -> None:
    whole, part = market.licence(market.whole, firm), market.licence(market.part, firm)
    market.gather(whole, part["id"])
    market.act(part, "revocation")
    assert [market.state(each) for each in (whole, part)] == ["valid", "revoked"]
    assert market.act(whole, "revocation") == 201


def test_a_successor_takes_the_parts_over_and_a_part_may_be_taken_out(market: Market, firm: Organisation) -> None:
    whole, part = market.licence(market.whole, firm), market.licence(market.part, firm)
    market.gather(whole, part["id"])
    changed = market.post(f"/licences/{whole['id']}/change", WHY).json
    assert market.get(f"/licences/{changed['id']}").json["gathered"] == [part["id"]]
    assert market.client.delete(f"/api/v1/licences/{changed['id']}/gathering/{part['id']}", headers=market.headers).status_code == 204
    assert market.get(f"/licences/{changed['id']}").json["gathered"] == []
    market.act(changed, "revocation")
    assert market.state(part) == "valid"


def test_only_what_the_type_names_and_the_holder_has_is_gathered_and_all_or_nothing(
    app: Flask, client: FlaskClient, market: Market, firm: Organisation, person: Person
) -> None:
    whole, part, second = market.licence(market.whole, firm), market.licence(market.part, firm), market.licence(market.whole, firm)
    with app.app_context(), transaction() as session:
        another = new_organisation(session, representative=person)
    foreign = market.licence(market.part, another)
    for parts, status, field in (
        ([part["id"], second["id"]], 409, "licences.1"),
        ([part["id"], foreign["id"]], 404, "licences.1"),
        ([part["id"], part["id"]], 409, "licences.1"),
        ([], 422, "licences"),
        (["x"], 422, "licences.0"),
    ):
        answer = market.gather(whole, *parts)
        assert (answer.status_code, answer.json["field"]) == (status, field), answer.text
    assert market.get(f"/licences/{whole['id']}").json["gathered"] == []
    assert Market(app, client).gather(whole, part["id"]).status_code == 404
    market.act(whole, "suspension")
    assert market.gather(whole, part["id"]).status_code == 409


def test_a_department_gathers_no_power_over_types_that_it_may_not_act_on(app: Flask, client: FlaskClient, market: Market, firm: Organisation) -> None:
    part = market.licence(market.part, firm)
    stranger = Desk(app, client, issue=[market.whole])
    whole = Market.licence(stranger, market.whole, firm)  # type: ignore[arg-type]
    for acts in ([], ["issue", "change"]):
        if acts:
            with app.app_context(), transaction() as session:
                code = catalogue.get_type(market.part).code
                departments.grant(session, department=stranger.department, type_code=code, action=Action.ISSUE, acts=acts, now=now())
        answer = stranger.post(f"/licences/{whole['id']}/gathering", {"licences": [part["id"]]})
        assert (answer.status_code, answer.json["code"], answer.json["field"]) == (403, "no-authority", "licences.0")
    assert stranger.post(f"/licences/{whole['id']}/revocation", WHY).status_code == 201
    assert market.state(part) == "valid"


def test_a_whole_is_moved_to_no_department_that_may_not_act_on_its_parts(app: Flask, client: FlaskClient, market: Market, firm: Organisation) -> None:
    receiver = Desk(app, client, issue=[market.whole])
    whole, part = market.licence(market.whole, firm), market.licence(market.part, firm)
    market.gather(whole, part["id"])
    moved = {**WHY, "to": receiver.department}
    refused = market.post(f"/licences/{whole['id']}/transfer-out", moved)
    assert (refused.status_code, refused.json["code"], refused.json["field"]) == (422, "receiver-refused", "to")
    part_code = catalogue_code(app, market.part)
    give(app, receiver.department, part_code)
    assert market.post(f"/licences/{whole['id']}/transfer-out", moved).status_code == 201
    with app.app_context(), transaction() as session:
        departments.withdraw(session, department=receiver.department, type_code=part_code, action=Action.ISSUE, now=now())
    taken = receiver.post(f"/licences/{whole['id']}/transfer-in", WHY)
    assert (taken.status_code, taken.json["code"]) == (403, "no-authority")
    give(app, receiver.department, part_code)
    successor = receiver.post(f"/licences/{whole['id']}/transfer-in", WHY)
    assert receiver.post(f"/licences/{successor.json['id']}/revocation", WHY).status_code == 201
    assert market.state(part) == "revoked"


def test_what_becomes_of_the_whole_becomes_of_a_part_over_whose_type_the_department_has_no_authority_any_more(
    app: Flask, market: Market, firm: Organisation
) -> None:
    whole, part = market.licence(market.whole, firm), market.licence(market.part, firm)
    market.gather(whole, part["id"])
    with app.app_context(), transaction() as session:
        code = catalogue.get_type(market.part).code
        departments.withdraw(session, department=market.department, type_code=code, action=Action.ISSUE, now=now())
    assert market.act(part, "suspension") == 403, "nothing is done with the part by itself"
    states = []
    for path in ("suspension", "resumption", "revocation"):
        assert market.act(whole, path) == 201
        states.append([market.state(one) for one in (whole, part)])
    assert states == [["suspended"] * 2, ["valid"] * 2, ["revoked"] * 2]


def catalogue_code(app: Flask, slug: str) -> str:
    with app.app_context():
        return catalogue.get_type(slug).code


def give(app: Flask, department: str, type_code: str) -> None:
    with app.app_context(), transaction() as session:
        departments.grant(session, department=department, type_code=type_code, action=Action.ISSUE, now=now())


def test_what_takes_two_hands_for_a_part_takes_two_for_its_whole(app: Flask, client: FlaskClient, firm: Organisation) -> None:
    with app.app_context():
        part, definer = new_type(checked_acts=["revoke"])
        whole, _ = new_type(definer, gathers=[part])
    desk = Desk(app, client, issue=[part, whole])
    with app.app_context(), transaction() as session:
        second = new_system(session, department=desk.department, scopes=desk.scopes)
    gatherer, gathered = (Market.licence(desk, slug, firm) for slug in (whole, part))  # type: ignore[arg-type]
    assert Market.gather(desk, gatherer, gathered["id"]).status_code == 200  # type: ignore[arg-type]
    asked = desk.post(f"/licences/{gatherer['id']}/revocation", WHY)
    assert (asked.status_code, asked.json["state"]) == (202, "pending")
    assert [Market.state(desk, one) for one in (gatherer, gathered)] == ["valid", "valid"]  # type: ignore[arg-type]
    by = bearer(token_of(client, second, " ".join(desk.scopes)))
    assert client.post(f"/api/v1/act-requests/{asked.json['id']}/approval", headers=by).status_code == 201
    assert [Market.state(desk, one) for one in (gatherer, gathered)] == ["revoked", "revoked"]  # type: ignore[arg-type]
    assert desk.post(f"/licences/{Market.licence(desk, whole, firm)['id']}/revocation", WHY).status_code == 201  # type: ignore[arg-type]


def test_whoever_gathers_while_the_whole_ends_leaves_no_part_behind(
    app: Flask, market: Market, firm: Organisation, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, part = market.licence(market.whole, firm), market.licence(market.part, firm)
    gather_one, path = gathering._gather_one, f"/api/v1/licences/{whole['id']}/revocation"
    ending = threading.Thread(target=lambda: app.test_client().post(path, json=WHY, headers=market.headers))

    def while_it_ends(*args: Any, **named: Any) -> Any:
        ending.start()
        ending.join(timeout=1)
        return gather_one(*args, **named)

    monkeypatch.setattr(gathering, "_gather_one", while_it_ends)
    market.gather(whole, part["id"])
    ending.join()
    assert (market.state(whole), market.state(part)) == ("revoked", "revoked")


@pytest.mark.parametrize("is_line", [False, True], ids=["a request", "a line of a batch"])
def test_a_part_that_is_acted_on_meanwhile_is_heard_of_in_the_order_of_its_turns(
    app: Flask, market: Market, firm: Organisation, monkeypatch: pytest.MonkeyPatch, is_line: bool
) -> None:
    whole, part = market.licence(market.whole, firm), market.licence(market.part, firm)
    market.gather(whole, part["id"])
    follow, path = gathering.follow, f"/api/v1/licences/{part['id']}/suspension"
    suspending = threading.Thread(target=lambda: app.test_client().post(path, json=WHY, headers=market.headers))

    def while_it_is_suspended(session: Session, gatherer: Licence, *args: Any, **named: Any) -> None:
        if str(gatherer.id) == whole["id"]:
            suspending.start()
            suspending.join(timeout=1)
        follow(session, gatherer, *args, **named)

    monkeypatch.setattr(gathering, "follow", while_it_is_suspended)
    if is_line:
        Sender(market).send([{"act": "revoke", "licence": whole["id"], **WHY}], key="revoking")
    else:
        market.act(whole, "revocation")
    suspending.join()
    with app.app_context(), transaction() as session:
        rows = select(Event).where(Event.object_id == part["id"]).order_by(Event.transaction, Event.sequence)
        told = [(one.kind, one.detail["turn"]) for one in session.scalars(rows)]
    assert [turn for _, turn in told] == sorted(turn for _, turn in told), told
    assert (told[-1][0], market.state(part)) == ("licence.revoked", "revoked")
