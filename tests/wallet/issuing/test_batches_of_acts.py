"""Acts as lines of a batch: by the rules of the single request, each once, in one order of locks."""

import threading
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import func, select

from runtime.clock import now
from runtime.database import transaction
from runtime.events import Event
from tests.wallet.issuing.desks import BEGINS, ENDS, Desk, body_for
from tests.wallet.issuing.test_batches_api import Sender
from tests.world_people import Person, new_person
from tests.world_wallet import new_department, new_licence
from wallet.issuing import batch_acts, batches, gathering
from wallet.issuing.batch_groups import Work
from wallet.issuing.batch_lines import read_document
from wallet.issuing.credentials import credentials_of
from wallet.issuing.orders import SCHEMAS
from wallet.issuing.requests import ActRequest
from wallet.register import counts
from wallet.register.acts import TURNS, Act
from wallet.register.licences import LicenceState, get_licence
from wallet.register.turns import LicenceTurn, turns_of

WHY = {"reason": "批量办理测试", "legal_basis": "《测试办法》第一条"}


@pytest.fixture
def sender(desk: Desk) -> Sender:
    return Sender(desk)


def line(act: str, licence: Any, **more: Any) -> dict[str, Any]:
    return {"act": act, "licence": licence["id"] if isinstance(licence, dict) else licence, **WHY, **more}


def acts_of(app: Flask, licence_id: str) -> list[str]:
    with app.app_context(), transaction() as session:
        return [turn.act for turn in turns_of(session, get_licence(session, UUID(licence_id)))]


def told(app: Flask, licence_id: str) -> list[str]:
    with app.app_context(), transaction() as session:
        rows = select(Event.kind).where(Event.object_id == licence_id).order_by(Event.transaction, Event.sequence)
        return list(session.scalars(rows))


def test_every_act_of_the_table_is_a_line(app: Flask, desk: Desk, sender: Sender, client: FlaskClient, person: Person) -> None:
    receiver = Desk(app, client)
    one = {act: desk.issue(person) for act in SCHEMAS if act not in (Act.ISSUE, Act.TRANSFER_IN)}
    lines = [
        line("renew", one[Act.RENEW], valid_until=f"{ENDS.year + 1}-01-31"),
        line("change", one[Act.CHANGE], fields={"address": "新路2号"}),
        line("replace", one[Act.REPLACE]["identifier"]),
        line("suspend", one[Act.SUSPEND]),
        line("suspend", one[Act.RESUME]),
        line("resume", one[Act.RESUME]),
        line("annul", one[Act.ANNUL], effective_on=BEGINS.isoformat()),
        line("revoke", one[Act.REVOKE]),
        line("cancel", one[Act.CANCEL]),
        line("lapse", one[Act.LAPSE]),
        line("transfer-out", one[Act.TRANSFER_OUT], to=receiver.department, ref="moved"),
        body_for(person, act="issue"),
    ]
    results = sender.send(lines, key="every act")
    by_line = {result["line"]: result for result in results}
    assert [result["status"] for result in results] == [201] * 12, results
    stands = [result["licence"]["state"] for result in by_line.values()]
    after = [TURNS[act].state.value for act in (Act.SUSPEND, Act.RESUME, Act.RESUME, Act.ANNUL, Act.REVOKE, Act.CANCEL, Act.LAPSE, Act.TRANSFER_OUT)]
    assert stands == ["valid"] * 3 + after + ["valid"]
    assert by_line[11]["ref"] == "moved"
    assert by_line[2]["licence"]["id"] != one[Act.CHANGE]["id"]
    assert desk.get(f"/licences/{by_line[2]['licence']['id']}").json["fields"]["address"] == "新路2号"
    taken = Sender(receiver).send([line("transfer-in", one[Act.TRANSFER_OUT])], key="taken over")
    assert (taken[0]["status"], taken[0]["licence"]["issuer"]) == (201, receiver.department), taken
    assert acts_of(app, one[Act.RESUME]["id"]) == ["issue", "suspend", "resume"]
    assert told(app, one[Act.RESUME]["id"]) == ["licence.issued", "licence.suspended", "licence.resumed"]
    with app.app_context(), transaction() as session:
        assert [one for one in counts.recount(session) if one.department in (desk.department, receiver.department)] == []


def test_a_batch_of_acts_sent_again_does_nothing_twice(app: Flask, desk: Desk, sender: Sender, person: Person) -> None:
    first, second, third = (desk.issue(person) for _ in range(3))
    lines = [line("suspend", first), line("replace", second), line("suspend", third), line("resume", third), line("revoke", "x")]
    before = sender.send(lines, key="acts again")
    assert [one["status"] for one in before] == [201, 201, 201, 201, 404]
    assert sender.send(lines, key="acts again") == before
    assert sender.send(lines[2:], key="acts again", query="?first_line=3") == before[2:]
    assert acts_of(app, third["id"]) == ["issue", "suspend", "resume"]
    changed = sender.send([line("revoke", first), *lines[1:]], key="acts again")
    assert (changed[0]["status"], changed[0]["type"]) == (422, "urn:kabao:problem:line-changed")
    assert acts_of(app, first["id"]) == ["issue", "suspend"]


BAD = [
    pytest.param({"act": "explode"}, 422, "unknown-act", "act", id="an unknown act"),
    pytest.param({"act": 7}, 422, "unknown-act", "act", id="a number for an act"),
    pytest.param({"act": "expire"}, 422, "unknown-act", "act", id="what the calendar does"),
    pytest.param({"licence": ...}, 422, "invalid-request", "licence", id="no licence"),
    pytest.param({"licence": "x" * 129}, 422, "invalid-request", "licence", id="a licence that is too long"),
    pytest.param({"licence": "01a2240a-0000-7000-8000-000000000000"}, 404, "licence-not-found", "licence", id="a licence that there is not"),
    pytest.param({"licence": "1.2.156.3005.2.x"}, 404, "licence-not-found", "licence", id="half an identifier"),
    pytest.param({"type": "marriage-certificate"}, 422, "licence-of-another-type", "licence", id="a licence of another type"),
    pytest.param({"type": "nothing"}, 422, "licence-of-another-type", "licence", id="an unknown type"),
    pytest.param({"reason": ...}, 422, "invalid-request", "reason", id="no reason"),
    pytest.param({"holder": {"number": "1"}}, 422, "invalid-request", "holder", id="a member of another act"),
    pytest.param({"effective_on": "2999-01-01"}, 422, "effective-date-refused", "effective_on", id="a day that lies ahead"),
    pytest.param({"act": "resume"}, 409, "licence-in-wrong-state", None, id="a state that does not allow it"),
    pytest.param({"act": "transfer-out", "to": "11379999MB1000010L"}, 422, "receiver-refused", "to", id="a receiver that there is not"),
    pytest.param({"act": "change", "fields": {"vehicle_class": "Z9"}}, 422, "invalid-request", "fields.vehicle_class", id="a field that is wrong"),
]


@pytest.mark.parametrize(("changes", "status", "code", "field"), BAD)
def test_a_bad_act_costs_itself_alone(
    request: pytest.FixtureRequest,
    app: Flask,
    desk: Desk,
    sender: Sender,
    person: Person,
    changes: dict[str, Any],
    status: int,
    code: str,
    field: str | None,
) -> None:
    licence, other = desk.issue(person), desk.issue(person)
    bad = {name: value for name, value in {**line("suspend", licence), **changes}.items() if value is not ...}
    results = sender.send([line("suspend", other), bad, line("resume", other)], key=f"bad {request.node.callspec.id}")
    assert [one["status"] for one in results] == [201, status, 201], results
    assert (results[1]["type"], results[1].get("field")) == (f"urn:kabao:problem:{code}", field)
    assert acts_of(app, licence["id"]) == ["issue"]


def test_another_departments_licence_is_one_that_there_is_not(app: Flask, client: FlaskClient, desk: Desk, sender: Sender, person: Person) -> None:
    theirs = Desk(app, client).issue(person)
    for name in ("id", "identifier"):
        both = [line("revoke", theirs[name]), line("revoke", theirs[name], type="marriage-certificate")]
        for result in sender.send(both, key=f"theirs {name}"):
            assert (result["status"], result["type"]) == (404, "urn:kabao:problem:licence-not-found"), "nor is it said of which type it is"
    assert acts_of(app, theirs["id"]) == ["issue"]


def test_an_act_beyond_the_departments_authority_is_refused(desk: Desk, sender: Sender, person: Person) -> None:
    licence = desk.issue(person)
    desk.limit("driving-licence", acts=["issue", "suspend"])
    results = sender.send([line("revoke", licence), line("suspend", licence)], key="authority")
    assert [(one["status"], one["type"].rsplit(":", 1)[1] if "type" in one else None) for one in results] == [(403, "no-authority"), (201, None)]


def test_what_takes_a_second_officer_is_refused_in_a_batch(app: Flask, client: FlaskClient, person: Person) -> None:
    desk = Desk(app, client, issue=["practising-physician"])
    with app.app_context(), transaction() as session:
        licence = new_licence(session, type="practising-physician", department=desk.department, number=person.number)
    (result,) = Sender(desk).send([line("revoke", str(licence.id))], key="second")
    assert (result["status"], result["type"]) == (409, "urn:kabao:problem:second-officer-needed")


def test_what_an_act_wrote_before_it_was_refused_is_taken_back(
    app: Flask, desk: Desk, sender: Sender, person: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    licence, other = desk.issue(person), desk.issue(person)
    real = batch_acts.act_on

    def refuse_late(session: Any, settings: Any, acted_on: Any, asked: ActRequest, **terms: Any) -> Any:
        done = real(session, settings, acted_on, asked, **terms)
        if asked.reason == "太晚":
            raise gathering.NotGatherable("late")
        return done

    monkeypatch.setattr(batch_acts, "act_on", refuse_late)
    lines = [line("suspend", other), {**line("suspend", licence), "reason": "太晚"}, line("suspend", licence), line("resume", other)]
    results = sender.send(lines, key="late")
    assert [one["status"] for one in results] == [201, 409, 201, 201]
    assert [acts_of(app, one["id"]) for one in (licence, other)] == [["issue", "suspend"], ["issue", "suspend", "resume"]]
    assert told(app, licence["id"]) == ["licence.issued", "licence.suspended"]


def test_batches_over_the_same_licences_at_once_do_each_act_once(app: Flask) -> None:
    with app.app_context():
        department = new_department(issue=["driving-licence"])
        with transaction() as session:
            people = [new_person(session) for _ in range(12)]
            ids = [str(new_licence(session, type="driving-licence", department=department, number=one.number).id) for one in people]
            opened = [batches.open_batch(session, caller="acts", key=str(turn), department=department, now=now()) for turn in range(4)]
    statuses: list[list[bool]] = []

    def run(turn: int) -> None:
        ordered = ids if turn % 2 else list(reversed(ids))
        lines = [read_document(number, line("revoke", one)) for number, one in enumerate(ordered, 1)]
        work = Work(app.extensions["kabao_settings"], opened[turn].id, "acts", department)
        with app.app_context():
            statuses.append([one.is_good for done in work.take(lines, now=now()) for one in done])

    threads = [threading.Thread(target=run, args=(turn,)) for turn in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(map(sum, statuses)) == 12, "each licence is revoked by one of the four"
    with app.app_context(), transaction() as session:
        turns = select(func.count()).where(LicenceTurn.licence_id.in_([UUID(one) for one in ids]), LicenceTurn.act == "revoke")
        assert session.scalar(turns) == 12
        assert {get_licence(session, UUID(one)).state for one in ids} == {LicenceState.REVOKED.value}


def test_a_successor_has_its_credential_and_the_one_before_it_none_that_is_good(app: Flask, desk: Desk, sender: Sender, person: Person) -> None:
    licence = desk.issue(person)
    (result,) = sender.send([line("replace", licence)], key="successor")
    with app.app_context(), transaction() as session:
        before, after = (get_licence(session, UUID(one["id"])) for one in (licence, result["licence"]))
        assert (before.successor_id, after.predecessor_id) == (after.id, before.id)
        assert [len(credentials_of(session, one)) for one in (before, after)] == [1, 1]
