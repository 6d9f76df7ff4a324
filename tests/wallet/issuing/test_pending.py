import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import text

from idp.subjects.directory import ensure_subject
from idp.subjects.numbers import parse_number
from runtime.clock import now, shifted
from runtime.database import transaction
from tests.wallet.issuing.desks import Desk
from tests.world_clients import bearer, new_system, token_of
from tests.world_people import Person, new_person
from tests.world_types import FIELDS, new_type
from tests.world_wallet import make_officer
from wallet.holding.uses import uses_of
from wallet.issuing import pending
from wallet.issuing.desk.looking import READ_BY_SYSTEM
from wallet.issuing.life import SecondOfficerNeeded, act_on, issue_licence
from wallet.issuing.pending import TERM, ActRequestRow, Doer, RequestOver, SameHand
from wallet.issuing.requests import ActRequest, LicenceRequest
from wallet.register.acts import Act
from wallet.register.licences import get_licence

WHY = {"reason": "许可条件丧失，核查属实。", "legal_basis": "《测试法》第七条"}


class Office(Desk):
    """A department with two systems, for a type that takes two hands for issuing and revoking."""

    def __init__(self, app: Flask, client: FlaskClient) -> None:
        with app.app_context():
            self.slug, _ = new_type(checked_acts=["issue", "revoke", "change"])
        super().__init__(app, client, issue=[self.slug])
        with app.app_context(), transaction() as session:
            other = new_system(session, department=self.department, scopes=self.scopes)
        self.second = {**bearer(token_of(client, other, " ".join(self.scopes))), "Accept-Language": "en"}

    def ask(self, person: Person, **headers: str) -> Any:
        body = {"type": self.slug, "holder": {"number": person.number}, "fields": FIELDS, "valid_from": "2024-02-01"}
        return self.post("/licences", body, **headers)

    def decide(self, request: dict[str, Any], what: str, *, by: dict[str, str] | None = None, **body: Any) -> Any:
        return self.client.post(f"/api/v1/act-requests/{request['id']}/{what}", json=body or None, headers=by or self.second)

    def licence(self, person: Person) -> dict[str, Any]:
        found: dict[str, Any] = self.decide(self.ask(person).json, "approval").json
        return found


@pytest.fixture
def office(app: Flask, client: FlaskClient) -> Office:
    return Office(app, client)


def test_what_takes_two_hands_waits_and_is_done_when_another_approves(office: Office, person: Person) -> None:
    asked = office.ask(person)
    assert (asked.status_code, asked.json["state"], asked.headers["Location"]) == (202, "pending", f"/api/v1/act-requests/{asked.json['id']}")
    assert office.get("/licences").json["licences"] == []
    assert [one["id"] for one in office.get("/act-requests").json["requests"]] == [asked.json["id"]]
    seen = office.get(f"/act-requests/{asked.json['id']}").json
    assert (seen["document"]["holder"]["number"], seen["act"]) == (person.number, "issue")
    with office.app.app_context(), transaction() as session:
        holder_id = ensure_subject(session, parse_number(person.number), now=now()).id
        (read,) = uses_of(session, holder_id=holder_id)
        assert (read.cause, str(read.licence_id), read.department) == (READ_BY_SYSTEM, asked.json["id"], office.department)
        assert set(read.fields) == set(FIELDS)
    approved = office.decide(asked.json, "approval")
    assert (approved.status_code, approved.json["state"]) == (201, "valid")
    assert office.get("/act-requests").json["requests"] == []
    closed = office.get(f"/act-requests/{asked.json['id']}").json
    assert (closed["state"], closed["result"]) == ("approved", approved.json["id"])


def test_the_holder_reads_once_a_state_and_system_that_a_request_was_read_however_often_a_system_asks(office: Office, person: Person) -> None:
    asked = office.ask(person).json
    path = f"/act-requests/{asked['id']}"

    def told() -> int:
        with office.app.app_context(), transaction() as session:
            holder_id = ensure_subject(session, parse_number(person.number), now=now()).id
            return len([one for one in uses_of(session, holder_id=holder_id) if one.cause == READ_BY_SYSTEM])

    for _ in range(3):
        assert office.get(path).status_code == 200
    assert told() == 1
    for _ in range(2):
        assert office.client.get(f"/api/v1{path}", headers=office.second).status_code == 200
    assert told() == 2
    office.decide(asked, "refusal", reason="材料不齐。")
    for _ in range(2):
        assert office.get(path).json["state"] == "refused"
    assert told() == 3


def test_of_readers_at_once_one_is_told_to_the_holder(app: Flask, office: Office, person: Person) -> None:
    asked = UUID(office.ask(person).json["id"])
    start = threading.Barrier(6)

    def read() -> bool:
        with app.app_context(), transaction() as session:
            row = pending.get_request(session, asked, department=office.department)
            start.wait(30)
            return pending.is_first_reading(session, row, system="poller")

    with ThreadPoolExecutor(6) as pool:
        assert sum(one.result() for one in [pool.submit(read) for _ in range(6)]) == 1


def test_nobody_approves_or_refuses_what_they_asked_for(office: Office, person: Person) -> None:
    asked = office.ask(person).json
    for what, body in (("approval", {}), ("refusal", {"reason": "不同意"})):
        answer = office.decide(asked, what, by=office.headers, **body)
        assert (answer.status_code, answer.json["code"]) == (403, "same-hand")
    assert office.get(f"/act-requests/{asked['id']}").json["state"] == "pending"


def test_a_person_is_the_same_by_whichever_system(app: Flask, office: Office) -> None:
    with app.app_context(), transaction() as session:
        number = new_person(session).number
        officer, colleague = (make_officer(session, department=office.department, person=new_person(session)) for _ in range(2))
        order = pending.order_of(Act.ISSUE, {"type": office.slug, "holder": {"number": number}, "fields": FIELDS, "valid_from": "2024-02-01"})
        settings = app.extensions["kabao_settings"]
        maker = Doer(office.department, "system-a", officer)
        row = pending.submit(session, settings, order, doer=maker, now=now(), result_id=UUID(int=7)).request
        assert row is not None
        for same in (
            Doer(office.department, "system-b", officer),
            Doer(office.department, None, officer),
            Doer(office.department, "system-a", colleague),
        ):
            with pytest.raises(SameHand):
                pending.approve(session, settings, row.id, doer=same, now=now())
        assert pending.approve(session, settings, row.id, doer=Doer(office.department, None, colleague), now=now()).licence is not None


def test_a_refusal_has_its_reason_and_is_final(office: Office, person: Person) -> None:
    asked = office.ask(person).json
    refused = office.decide(asked, "refusal", reason="材料不齐。")
    assert (refused.status_code, refused.json["state"], refused.json["refusal"]) == (201, "refused", "材料不齐。")
    late = office.decide(asked, "approval")
    assert (late.status_code, late.json["code"], late.json["state"]) == (409, "act-request-over", "refused")
    assert office.get("/licences").json["licences"] == []
    assert [one["state"] for one in office.get("/act-requests?state=all").json["requests"]] == ["refused"]


def test_a_request_ends_with_its_term(app: Flask, office: Office, person: Person) -> None:
    asked = office.ask(person).json
    settings = app.extensions["kabao_settings"]
    with shifted(TERM + timedelta(minutes=1)), app.app_context(), transaction() as session:
        with pytest.raises(RequestOver):
            pending.approve(session, settings, UUID(asked["id"]), doer=Doer(office.department, "another"), now=now())
        assert pending.requests_of(session, department=office.department, now=now()) == []


def test_another_department_knows_nothing_of_a_request(app: Flask, client: FlaskClient, office: Office, person: Person) -> None:
    asked, other = office.ask(person).json, Office(app, client)
    for answer in (other.get(f"/act-requests/{asked['id']}"), office.decide(asked, "approval", by=other.headers)):
        assert (answer.status_code, answer.json["code"]) == (404, "act-request-not-found")


def test_all_checks_are_done_anew_and_what_fails_them_still_waits(app: Flask, office: Office, person: Person) -> None:
    licence = office.licence(person)
    revocation = office.post(f"/licences/{licence['id']}/revocation", WHY)
    assert revocation.status_code == 202
    assert office.get(f"/licences/{licence['id']}").json["state"] == "valid"
    office.post(f"/licences/{licence['id']}/cancellation", WHY)
    late = office.decide(revocation.json, "approval")
    assert (late.status_code, late.json["code"], late.json["state"]) == (409, "licence-not-revocable", "cancelled")
    assert office.get(f"/act-requests/{revocation.json['id']}").json["state"] == "pending"
    office.limit(office.slug, acts=["cancel"])
    assert office.decide(revocation.json, "approval").json["code"] == "no-authority"
    assert office.decide(revocation.json, "refusal", reason="已经注销。").status_code == 201


def test_what_could_not_be_done_anyway_is_refused_at_once(office: Office, person: Person) -> None:
    licence = office.licence(person)
    office.post(f"/licences/{licence['id']}/cancellation", WHY)
    assert office.post(f"/licences/{licence['id']}/revocation", WHY).status_code == 409
    assert office.post(f"/licences/{licence['id']}/change", {**WHY, "fields": {"x": 1}}).status_code == 409
    wrong = office.post("/licences", {"type": office.slug, "holder": {"number": "1"}, "fields": FIELDS, "valid_from": "2024-02-01"})
    assert (wrong.status_code, wrong.json["field"]) == (422, "holder.number")
    assert office.get("/act-requests").json["requests"] == []


def test_one_key_asks_once(office: Office, person: Person) -> None:
    key = {"Idempotency-Key": "two-hands-1"}
    first, again = office.ask(person, **key), office.ask(person, **key)
    assert (first.status_code, again.status_code, again.json["id"]) == (202, 202, first.json["id"])


def at_once(app: Flask, count: int, attempt: Callable[[FlaskClient], Any]) -> Counter[int]:
    answers: list[int] = []
    barrier = threading.Barrier(count)

    def run() -> None:
        client = app.test_client()
        barrier.wait()
        answers.append(attempt(client).status_code)

    threads = [threading.Thread(target=run) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return Counter(answers)


def test_of_several_who_approve_at_once_one_does_it(app: Flask, office: Office, person: Person) -> None:
    place = f"/api/v1/act-requests/{office.ask(person).json['id']}/approval"
    assert at_once(app, 6, lambda client: client.post(place, headers=office.second)) == {201: 1, 409: 5}
    assert len(office.get("/licences").json["licences"]) == 1


def test_there_is_no_way_around_the_second_hand(app: Flask, office: Office, person: Person) -> None:
    settings = app.extensions["kabao_settings"]
    licence = office.licence(person)
    with app.app_context(), transaction() as session:
        request = LicenceRequest(office.slug, person.number, FIELDS, get_licence(session, UUID(licence["id"])).valid_from)
        with pytest.raises(SecondOfficerNeeded):
            issue_licence(session, settings, request, department=office.department, now=now())
        revocation = ActRequest(Act.REVOKE, **WHY)
        with pytest.raises(SecondOfficerNeeded):
            act_on(session, settings, get_licence(session, UUID(licence["id"])), revocation, department=office.department, now=now())


def test_what_is_asked_rests_sealed_and_in_no_ledger(app: Flask, office: Office, person: Person) -> None:
    asked = office.ask(person).json
    with app.app_context(), transaction() as session:
        row = session.get(ActRequestRow, (office.department, UUID(asked["id"])))
        assert row is not None
        assert person.number.encode() not in row.body_sealed
        ledger = session.execute(text("SELECT string_agg(detail::text, ' ') FROM ledger_entries WHERE object_id = :id"), {"id": asked["id"]}).scalar()
    assert office.system.client_id in str(ledger)
    assert person.number not in str(ledger)


@pytest.mark.parametrize("body", [{}, {"reason": ""}, {"reason": "x"}, {"reason": 5}, {"reason": "好的", "more": 1}])
def test_a_refusal_without_a_reason_is_none(office: Office, person: Person, body: dict[str, Any]) -> None:
    answer = office.client.post(f"/api/v1/act-requests/{office.ask(person).json['id']}/refusal", json=body, headers=office.second)
    assert answer.status_code == 422
