import base64
import io
import json
import logging
import threading
from collections import Counter
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import jwt
import pytest
from cryptography import x509
from flask import Flask
from sqlalchemy import select

from idp.subjects import directory
from idp.subjects.numbers import parse_number
from keys import certificates
from runtime.clock import now, shifted
from runtime.database import transaction
from runtime.events import Event
from runtime.ledger import LedgerEntry
from tests.wallet.issuing.desks import BEGINS, ENDS, Desk, body_for
from tests.world_people import Person, new_person
from tests.world_wallet import example_fields, new_department, new_licence
from wallet.issuing import sd_jwt, status_lists
from wallet.issuing.credentials import credential_of, text_of
from wallet.issuing.life import revoke_licence
from wallet.register.licences import LicenceState, find_by_identifier, find_current, get_licence, licences_of
from wallet.register.turns import NotRevocable, reason_of


def credential_text(app: Flask, licence_id: str) -> str:
    with app.app_context(), transaction() as session:
        return text_of(credential_of(session, get_licence(session, UUID(licence_id))))


def test_an_issued_licence_carries_a_credential_that_its_departments_key_signed(app: Flask, desk: Desk, person: Person) -> None:
    issued = desk.issue(person)
    presented = sd_jwt.parse(credential_text(app, issued["id"]))
    header = jwt.get_unverified_header(presented.jwt)
    leaf = x509.load_der_x509_certificate(base64.b64decode(header["x5c"][0]))
    with app.app_context():
        leaf.verify_directly_issued_by(certificates.root_certificate())
    payload = jwt.decode(presented.jwt, leaf.public_key(), algorithms=["ES256"])  # type: ignore[arg-type]
    names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert (header["typ"], len(header["x5c"])) == ("dc+sd-jwt", 1)
    assert names.get_values_for_type(x509.UniformResourceIdentifier) == [payload["iss"]]
    assert payload["vct"] == "http://127.0.0.1:8000/types/driving-licence"
    assert payload["licence_identifier"] == issued["identifier"]
    assert set(payload) == {"iss", "vct", "iat", "nbf", "exp", "cnf", "status", "licence_identifier", "_sd", "_sd_alg"}
    opened = sd_jwt.reveal(payload, presented.disclosures)
    expected = {"holder_name": person.name, "holder_number": person.number, "licence_number": person.number, **example_fields("driving-licence")}
    assert {name: opened[name] for name in expected} == expected
    assert len(presented.disclosures) == len(expected)


def test_a_licence_is_valid_through_its_last_day_in_china(app: Flask, desk: Desk, person: Person) -> None:
    payload = jwt.decode(credential_text(app, desk.issue(person)["id"]).split("~")[0], options={"verify_signature": False})
    assert payload["nbf"] == datetime.fromisoformat(f"{BEGINS}T00:00:00+08:00").timestamp()
    assert payload["exp"] == datetime.fromisoformat(f"{ENDS + timedelta(days=1)}T00:00:00+08:00").timestamp()
    assert "d" not in payload["cnf"]["jwk"]


def test_two_credentials_share_neither_key_nor_place(app: Flask, desk: Desk, person: Person) -> None:
    payloads = [jwt.decode(credential_text(app, desk.issue(person)["id"]).split("~")[0], options={"verify_signature": False}) for _ in range(2)]
    assert payloads[0]["cnf"] != payloads[1]["cnf"]
    assert payloads[0]["status"] != payloads[1]["status"]


def test_a_licence_without_end_has_none(app: Flask, desk: Desk, person: Person) -> None:
    issued = desk.issue(person, type="marriage-certificate", fields=example_fields("marriage-certificate"), valid_until=None)
    assert issued["valid_until"] is None
    assert "exp" not in jwt.decode(credential_text(app, issued["id"]).split("~")[0], options={"verify_signature": False})


def test_a_number_that_the_issuer_leaves_to_us_is_the_serial(desk: Desk, person: Person) -> None:
    changes = {"type": "marriage-certificate", "fields": example_fields("marriage-certificate"), "valid_until": None}
    issued = desk.issue(person, **changes)
    assert issued["licence_number"] == issued["identifier"].split(".")[-3]
    assert desk.issue(person, **changes, licence_number="J379999-2024-000001")["licence_number"] == "J379999-2024-000001"


def test_a_holder_needs_no_account_and_keeps_one_subject(app: Flask, desk: Desk, person: Person) -> None:
    first, second = desk.issue(person), desk.issue(person)
    with app.app_context(), transaction() as session:
        subject = directory.find_subject(session, parse_number(person.number))
        assert subject is not None
        assert [str(one.id) for one in licences_of(session, holder_id=subject.id)] == [second["id"], first["id"]]
        current = find_current(session, holder_id=subject.id, type_code=first["type"], now=now())
        assert current is not None
        assert str(current.id) == second["id"]
        assert find_by_identifier(session, first["identifier"]) is not None


def test_the_calendar_ends_a_licence_that_the_register_calls_valid(app: Flask, desk: Desk, person: Person) -> None:
    issued = desk.issue(person)
    with app.app_context(), transaction() as session:
        licence = get_licence(session, UUID(issued["id"]))
    assert licence.state_at(now()) is LicenceState.VALID
    assert licence.state_at(now() - timedelta(days=20 * 365)) is LicenceState.NOT_YET_VALID
    with shifted(timedelta(days=20 * 365)):
        assert licence.state_at(now()) is LicenceState.EXPIRED


def test_a_revocation_is_true_at_once_and_keeps_its_reason_sealed(app: Flask, desk: Desk, person: Person) -> None:
    issued = desk.issue(person)
    why = {"reason": "持证人累计记满12分且未参加学习。", "legal_basis": "《机动车驾驶证申领和使用规定》第七十九条"}
    answer = desk.post(f"/licences/{issued['id']}/revocation", why)
    assert (answer.status_code, answer.json["state"]) == (201, "revoked")
    with app.app_context(), transaction() as session:
        licence = get_licence(session, UUID(issued["id"]))
        assert status_lists.state_of(session, credential_of(session, licence).place) == status_lists.INVALID
        assert reason_of(licence) == why
        assert find_current(session, holder_id=licence.holder_id, type_code=licence.type_code, now=now()) is None
    again = desk.post(f"/licences/{issued['id']}/revocation", why)
    assert (again.status_code, again.json["code"]) == (409, "licence-not-revocable")


def test_of_two_who_revoke_at_once_one_is_refused(app: Flask, person: Person) -> None:
    with app.app_context():
        department = new_department(issue=["driving-licence"])
        with transaction() as session:
            licence_id = new_licence(session, type="driving-licence", department=department, number=person.number).id
    outcomes: list[str] = []
    barrier = threading.Barrier(6)

    def attempt() -> None:
        with app.app_context():
            barrier.wait()
            try:
                with transaction() as session:
                    licence = get_licence(session, licence_id)
                    revoke_licence(session, licence, reason="测试", legal_basis="测试", department=department, now=now())
                outcomes.append("revoked")
            except NotRevocable:
                outcomes.append("refused")

    threads = [threading.Thread(target=attempt) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert Counter(outcomes) == {"revoked": 1, "refused": 5}


def test_one_key_sent_many_times_at_once_issues_one_licence(app: Flask, desk: Desk, person: Person) -> None:
    answers: list[Any] = []
    barrier = threading.Barrier(6)

    def attempt() -> None:
        client = app.test_client()
        barrier.wait()
        headers = {**desk.headers, "Idempotency-Key": f"race-{person.number[-6:]}"}
        answers.append(client.post("/api/v1/licences", json=body_for(person), headers=headers))

    threads = [threading.Thread(target=attempt) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [answer.status_code for answer in answers] == [201] * 6
    assert len({answer.json["id"] for answer in answers}) == 1
    with app.app_context(), transaction() as session:
        subject = directory.find_subject(session, parse_number(person.number))
        assert subject is not None
        assert len(licences_of(session, holder_id=subject.id)) == 1


def test_licences_issued_at_once_to_someone_never_met_have_one_holder(app: Flask, desk: Desk, person: Person) -> None:
    answers: list[Any] = []
    barrier = threading.Barrier(6)

    def attempt() -> None:
        client = app.test_client()
        barrier.wait()
        answers.append(client.post("/api/v1/licences", json=body_for(person), headers=desk.headers))

    threads = [threading.Thread(target=attempt) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [answer.status_code for answer in answers] == [201] * 6
    with app.app_context(), transaction() as session:
        subject = directory.find_subject(session, parse_number(person.number))
        assert subject is not None
        assert {str(one.id) for one in licences_of(session, holder_id=subject.id)} == {answer.json["id"] for answer in answers}


def test_nothing_personal_is_in_ledger_event_or_log(app: Flask, desk: Desk) -> None:
    with app.app_context(), transaction() as session:
        person = new_person(session, name="欧阳示例甲乙")
    heard = io.StringIO()
    handler = logging.StreamHandler(heard)
    logging.getLogger().addHandler(handler)
    try:
        secret = {"address": "绝密示例路七十七号", "file_number": "918273645546"}
        issued = desk.issue(person, fields=example_fields("driving-licence", **secret))
        desk.post("/licences", body_for(person, fields={"address": "绝密示例路七十七号", "vehicle_class": "绝密"}))
        desk.post("/licences", body_for(person, holder={"number": person.number, "name": "欧阳另一人"}))
        desk.post(f"/licences/{issued['id']}/revocation", {"reason": "欧阳示例甲乙死亡", "legal_basis": "绝密依据"})
    finally:
        logging.getLogger().removeHandler(handler)
    with app.app_context(), transaction() as session:
        rows = session.scalars(select(LedgerEntry).where(LedgerEntry.object_id == issued["id"]).order_by(LedgerEntry.id)).all()
        heralded = session.scalars(select(Event).where(Event.object_id == issued["id"]).order_by(Event.sequence)).all()
        assert [row.act for row in rows] == ["licence.issued", "licence.revoked"]
        assert [row.kind for row in heralded] == ["licence.issued", "licence.revoked"]
        assert {row.topic for row in heralded} == {issued["type"]}
        written = json.dumps(
            [[row.actor, row.object_id, row.detail] for row in rows] + [[row.topic, row.detail] for row in heralded], ensure_ascii=False
        )
    for text in (written, heard.getvalue()):
        for personal in (person.number, "欧阳", "绝密", "918273645546"):
            assert personal not in text


@pytest.mark.parametrize("column", ["licence_number_sealed", "fields_sealed"])
def test_what_is_personal_rests_sealed(app: Flask, desk: Desk, person: Person, column: str) -> None:
    issued = desk.issue(person)
    with app.app_context(), transaction() as session:
        sealed = getattr(get_licence(session, UUID(issued["id"])), column)
    assert person.number.encode() not in sealed
    assert "示例".encode() not in sealed
