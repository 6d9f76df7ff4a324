import json
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from marshmallow import RAISE

from runtime.clock import now
from runtime.database import transaction
from schemas.licences import LicenceRequestSchema, LicenceSchema, read_plainly
from tests.wallet.issuing.desks import ENDS, Desk, body_for
from tests.world_clients import bearer, new_system, token_of
from tests.world_people import Person, citizen_number, credit_code, new_organisation
from tests.world_wallet import example_fields, new_department

DRIVING = example_fields("driving-licence")
YEAR = now().year
FOOD = example_fields("food-business-licence")
UNKNOWN_ID = "01995b6e-8c1a-7d2e-9f30-5a1b2c3d4e5f"
WHY = {"reason": "测试吊销", "legal_basis": "《测试法》第一条"}


@pytest.mark.parametrize(
    ("changes", "status", "code", "field"),
    [
        pytest.param({"type": ...}, 422, "invalid-request", "type", id="no type"),
        pytest.param({"type": 7}, 422, "invalid-request", "type", id="a number for a type"),
        pytest.param({"type": ""}, 422, "invalid-request", "type", id="an empty type"),
        pytest.param({"type": "x" * 61}, 422, "invalid-request", "type", id="a type that is too long"),
        pytest.param({"type": "licence-to-kill"}, 422, "unknown-licence-type", "type", id="an unknown type"),
        pytest.param({"type": "driving-licence\x00"}, 400, "bad-request", None, id="a type with a zero byte"),
        pytest.param({"type": "degree-certificate"}, 403, "no-authority", "type", id="a type that the department may not issue"),
        pytest.param({"colour": "red"}, 422, "invalid-request", "colour", id="an unknown member"),
        pytest.param({"holder": ...}, 422, "invalid-request", "holder", id="no holder"),
        pytest.param({"holder": "379999"}, 422, "invalid-request", "holder", id="a text for a holder"),
        pytest.param({"holder": []}, 422, "invalid-request", "holder", id="a list for a holder"),
        pytest.param({"holder": {}}, 422, "invalid-request", "holder.number", id="a holder without a number"),
        pytest.param({"holder": {"number": None}}, 422, "invalid-request", "holder.number", id="null for a number"),
        pytest.param({"holder": {"number": 379999199001010000}}, 422, "invalid-request", "holder.number", id="a number as a number"),
        pytest.param(
            {"holder": {"number": citizen_number(), "sex": "f"}}, 422, "invalid-request", "holder.sex", id="an unknown member of the holder"
        ),
        pytest.param({"holder": {"number": "379999199001010000"}}, 422, "number-refused", "holder.number", id="a bad check digit"),
        pytest.param({"holder": {"number": "1" * 15}}, 422, "number-refused", "holder.number", id="a first-generation number"),
        pytest.param({"holder": {"number": "9" * 65}}, 422, "invalid-request", "holder.number", id="a number that is too long"),
        pytest.param({"holder": {"number": "\ud800" * 18}}, 400, "bad-request", None, id="halves of surrogate pairs"),
        pytest.param({"holder": {"number": citizen_number()}}, 422, "unknown-number", "holder.number", id="a number that nobody has"),
        pytest.param(
            {"holder": {"number": credit_code()}}, 422, "wrong-holder-kind", "holder.number", id="an organisation's number for a person's licence"
        ),
        pytest.param({"fields": ...}, 422, "invalid-request", "fields", id="no fields"),
        pytest.param({"fields": []}, 422, "invalid-request", "fields", id="a list for fields"),
        pytest.param({"fields": {}}, 422, "invalid-request", "fields.vehicle_class", id="a required field left out"),
        pytest.param({"fields": {**DRIVING, "shoe_size": 42}}, 422, "invalid-request", "fields.shoe_size", id="an unknown field"),
        pytest.param({"fields": {**DRIVING, "vehicle_class": "Z9"}}, 422, "invalid-request", "fields.vehicle_class", id="a choice that there is not"),
        pytest.param(
            {"fields": {**DRIVING, "first_issued": "2012-02-30"}}, 422, "invalid-request", "fields.first_issued", id="a day that there is not"
        ),
        pytest.param({"fields": {**DRIVING, "address": "x" * 121}}, 422, "invalid-request", "fields.address", id="a text that is too long"),
        pytest.param({"fields": {**DRIVING, "address": "\udfff"}}, 400, "bad-request", None, id="half a pair in a field"),
        pytest.param({"fields": {**DRIVING, "address": [[[]]]}}, 422, "invalid-request", "fields.address", id="lists for a text"),
        pytest.param({"fields": {f"f{n}": 1 for n in range(200)}}, 422, "invalid-request", "fields", id="two hundred fields"),
        pytest.param({"fields": {"\ud800": 1, **DRIVING}}, 400, "bad-request", None, id="half a pair for a field's name"),
        pytest.param({"valid_from": ...}, 422, "invalid-request", "valid_from", id="no beginning"),
        pytest.param({"valid_from": "2024-13-01"}, 422, "invalid-request", "valid_from", id="a month that there is not"),
        pytest.param({"valid_from": "1.2.2024"}, 422, "invalid-request", "valid_from", id="a date of another form"),
        pytest.param({"valid_from": 20240201}, 422, "invalid-request", "valid_from", id="a number for a date"),
        pytest.param({"valid_from": "2024-02-01T00:00:00Z"}, 422, "invalid-request", "valid_from", id="a moment for a date"),
        pytest.param({"valid_from": "1899-12-31"}, 422, "dates-refused", "valid_from", id="a beginning in another century"),
        pytest.param({"valid_from": "2099-01-01"}, 422, "dates-refused", "valid_from", id="a beginning far away"),
        pytest.param({"valid_until": "2023-01-01"}, 422, "dates-refused", "valid_until", id="an end before the beginning"),
        pytest.param({"valid_until": "2024-03-01"}, 422, "dates-refused", "valid_until", id="an end that is past"),
        pytest.param({"valid_until": "9999-12-31"}, 422, "dates-refused", "valid_until", id="the end of time"),
        pytest.param({"licence_number": ""}, 422, "invalid-request", "licence_number", id="an empty licence number"),
        pytest.param({"licence_number": "ABC"}, 422, "licence-number-refused", "licence_number", id="a licence number that is not the holder's"),
    ],
)
def test_a_faulty_request_is_refused_by_the_member_at_fault(
    desk: Desk, person: Person, changes: dict[str, Any], status: int, code: str, field: str | None
) -> None:
    answer = desk.post("/licences", body_for(person, **changes))
    assert (answer.status_code, answer.json["code"], answer.json.get("field")) == (status, code, field), answer.text
    assert answer.mimetype == "application/problem+json"
    assert person.number not in answer.text


def test_a_name_that_is_not_the_registrys_is_refused(desk: Desk, person: Person) -> None:
    answer = desk.post("/licences", body_for(person, holder={"number": person.number, "name": "另一个人"}))
    assert (answer.status_code, answer.json["code"], answer.json["field"]) == (422, "holder-name-differs", "holder.name")
    assert person.name not in answer.text


def test_a_name_need_not_be_sent(desk: Desk, person: Person) -> None:
    assert desk.issue(person, holder={"number": person.number.lower()})["state"] == "valid"
    assert desk.issue(person, holder={"number": person.number, "name": None})["state"] == "valid"


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        pytest.param({"valid_until": None}, "valid_until", id="no end, where one is required"),
        pytest.param({"valid_until": f"{YEAR + 5}-01-02"}, "valid_until", id="a day more than five years"),
    ],
)
def test_a_types_rule_of_validity_is_kept(app: Flask, desk: Desk, person: Person, changes: dict[str, Any], field: str) -> None:
    with app.app_context(), transaction() as session:
        organisation = new_organisation(session, representative=person)
    body = {
        "type": "food-business-licence",
        "holder": {"number": organisation.number},
        "fields": FOOD,
        "valid_from": f"{YEAR}-01-01",
        "valid_until": f"{YEAR + 5}-01-01",
    }
    assert desk.post("/licences", body).status_code == 201
    answer = desk.post("/licences", {**body, **changes})
    assert (answer.status_code, answer.json["code"], answer.json["field"]) == (422, "dates-refused", field)


def test_a_licence_for_good_has_no_end(desk: Desk, person: Person) -> None:
    answer = desk.post("/licences", body_for(person, type="marriage-certificate", fields=example_fields("marriage-certificate")))
    assert (answer.status_code, answer.json["field"]) == (422, "valid_until")


def test_a_person_cannot_hold_an_enterprises_licence(desk: Desk, person: Person) -> None:
    dates = {"valid_from": f"{YEAR}-01-01", "valid_until": f"{YEAR + 5}-01-01"}
    answer = desk.post("/licences", body_for(person, type="food-business-licence", fields=FOOD, **dates))
    assert (answer.status_code, answer.json["code"]) == (422, "wrong-holder-kind")


BODIES = [
    pytest.param(b"", "application/json", {400, 422}, id="nothing"),
    pytest.param(b"{", "application/json", {400}, id="half an object"),
    pytest.param(b"[]", "application/json", {422}, id="a list"),
    pytest.param(b"null", "application/json", {400, 422}, id="null"),
    pytest.param(b'"x"', "application/json", {422}, id="a text"),
    pytest.param(b"\xff\xfe", "application/json", {400}, id="bytes that are no text"),
    pytest.param(b'{"type": 1e999}', "application/json", {400, 422}, id="a number beyond all bounds"),
    pytest.param(b'{"type": ' + b"9" * 5000 + b"}", "application/json", {400, 422}, id="a number of five thousand digits"),
    pytest.param(b'{"fields": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", "application/json", {400, 422}, id="lists a hundred thousand deep"),
    pytest.param(b"type=driving-licence", "application/x-www-form-urlencoded", {415, 422}, id="a form"),
    pytest.param(b"{}", "text/plain", {415, 422}, id="plain text"),
    pytest.param(b'{"type": "' + b"x" * 10_000_000 + b'"}', "application/json", {413}, id="ten megabytes"),
]


@pytest.mark.parametrize("path", ["/licences", f"/licences/{UNKNOWN_ID}/revocation"])
@pytest.mark.parametrize(("data", "content_type", "statuses"), BODIES)
def test_a_body_that_is_no_request_is_refused(desk: Desk, path: str, data: bytes, content_type: str, statuses: set[int]) -> None:
    answer = desk.client.post(f"/api/v1{path}", data=data, content_type=content_type, headers=desk.headers)
    assert answer.status_code in statuses, answer.text[:300]
    assert answer.mimetype == "application/problem+json"


@pytest.mark.parametrize(
    ("body", "field"),
    [
        pytest.param({"reason": "x"}, "legal_basis", id="no legal basis"),
        pytest.param({"legal_basis": "《测试法》"}, "reason", id="no reason"),
        pytest.param({**WHY, "reason": ""}, "reason", id="an empty reason"),
        pytest.param({**WHY, "reason": "    "}, "reason", id="spaces for a reason"),
        pytest.param({**WHY, "reason": "理" * 501}, "reason", id="a reason that is too long"),
        pytest.param({**WHY, "reason": 5}, "reason", id="a number for a reason"),
        pytest.param({**WHY, "reason": "a\x1bb"}, "reason", id="a control character"),
        pytest.param({**WHY, "date": "2026-01-01"}, "date", id="an unknown member"),
    ],
)
def test_a_revocation_needs_its_reason(desk: Desk, person: Person, body: dict[str, Any], field: str) -> None:
    answer = desk.post(f"/licences/{desk.issue(person)['id']}/revocation", body)
    assert answer.status_code == 422
    assert field in [row["field"] for row in answer.json["errors"]]


def test_a_licence_is_its_issuers_to_read_and_to_revoke(app: Flask, client: FlaskClient, desk: Desk, person: Person) -> None:
    issued = desk.issue(person)
    read = desk.get(f"/licences/{issued['id']}")
    assert read.status_code == 200
    assert {name: read.json[name] for name in issued} == issued
    assert read.json["fields"] == DRIVING
    other = Desk(app, client)
    for answer in (other.get(f"/licences/{issued['id']}"), other.post(f"/licences/{issued['id']}/revocation", WHY)):
        assert (answer.status_code, answer.json["code"]) == (404, "licence-not-found")
    assert other.get(f"/licences/{UNKNOWN_ID}").json["code"] == "licence-not-found"
    assert desk.get(f"/licences/{issued['id']}").json["state"] == "valid"


@pytest.mark.parametrize("licence_id", ["1", "x" * 300, "01995b6e-8c1a-7d2e-9f30-5a1b2c3d4e5g", "%00", "../licence-types"])
def test_an_id_that_is_none_is_not_found(desk: Desk, licence_id: str) -> None:
    assert desk.get(f"/licences/{licence_id}").status_code in (400, 404, 405)
    assert desk.post(f"/licences/{licence_id}/revocation", WHY).status_code in (400, 404, 405)


def test_a_key_sent_again_gives_the_same_licence_and_with_another_body_none(desk: Desk, person: Person) -> None:
    key = {"Idempotency-Key": f"key-{person.number[-8:]}"}
    first, second = (desk.post("/licences", body_for(person), **key) for _ in range(2))
    assert (first.status_code, second.status_code) == (201, 201)
    assert first.json == second.json
    other = desk.post("/licences", body_for(person, valid_until=f"{ENDS.year - 1}-01-31"), **key)
    assert (other.status_code, other.json["code"]) == (422, "idempotency-key-reused")
    assert desk.post("/licences", body_for(person)).json["id"] != first.json["id"]


def test_a_key_of_a_refused_request_may_be_used_for_the_corrected_one(desk: Desk, person: Person) -> None:
    key = {"Idempotency-Key": f"again-{person.number[-8:]}"}
    assert desk.post("/licences", body_for(person, valid_from="2099-01-01"), **key).status_code == 422
    assert desk.post("/licences", body_for(person), **key).status_code == 201


@pytest.mark.parametrize("key", ["", "k" * 129])
def test_a_malformed_key_is_refused(desk: Desk, person: Person, key: str) -> None:
    answer = desk.post("/licences", body_for(person), **{"Idempotency-Key": key})
    assert (answer.status_code, answer.json["code"]) == (400, "idempotency-key-malformed")


def test_without_a_token_or_its_scope_nothing_is_done(app: Flask, client: FlaskClient, desk: Desk, person: Person) -> None:
    issued = desk.issue(person)
    with app.app_context(), transaction() as session:
        system = new_system(session, department=desk.department, scopes=["licences:read"])
    reader = bearer(token_of(client, system, "licences:read"))
    requests: list[tuple[str, str, Any]] = [
        ("POST", "/api/v1/licences", body_for(person)),
        ("POST", f"/api/v1/licences/{issued['id']}/revocation", WHY),
        ("GET", f"/api/v1/licences/{issued['id']}", None),
        ("GET", "/api/v1/events", None),
    ]
    for method, path, body in requests:
        nobody = client.open(path, method=method, json=body)
        assert nobody.status_code == 401
        assert nobody.headers["WWW-Authenticate"].startswith("Bearer")
        assert client.open(path, method=method, json=body, headers={"Authorization": "Bearer x.y.z"}).status_code == 401
        expected = 200 if path.endswith(issued["id"]) else 403
        assert client.open(path, method=method, json=body, headers=reader).status_code == expected


def test_a_department_without_authority_issues_nothing(app: Flask, client: FlaskClient, person: Person) -> None:
    desk = Desk(app, client, issue=(), supervise=["driving-licence"], draw=["driving-licence"], verify=["driving-licence"])
    answer = desk.post("/licences", body_for(person))
    assert (answer.status_code, answer.json["code"]) == (403, "no-authority")


def test_a_department_that_was_never_added_issues_nothing(app: Flask, client: FlaskClient, person: Person) -> None:
    with app.app_context(), transaction() as session:
        new_department()
        system = new_system(session, department=credit_code(kind="11"), scopes=["licences:issue"])
    headers = bearer(token_of(client, system, "licences:issue"))
    assert client.post("/api/v1/licences", json=body_for(person), headers=headers).status_code == 403


def test_a_licence_is_given_in_the_elements_of_the_national_standard_too(desk: Desk, person: Person) -> None:
    issued = desk.issue(person)
    metadata = desk.get(f"/licences/{issued['id']}").json["metadata"]
    assert {tag: metadata[tag] for tag in ("ZZMC", "ZZLXDM", "ZZBS", "CZZT", "CZZTDM", "CZZTDMLXDM", "ZZYXQJZRQ", "KZ_ZJCX", "KZ_DABH")} == {
        "ZZMC": "机动车驾驶证",
        "ZZLXDM": issued["type"],
        "ZZBS": issued["identifier"],
        "CZZT": person.name,
        "CZZTDM": person.number,
        "CZZTDMLXDM": "111",
        "ZZYXQJZRQ": ENDS.isoformat(),
        "KZ_ZJCX": "小型汽车",
        "KZ_DABH": "379900123456",
    }


def test_what_is_answered_is_what_is_described(desk: Desk, person: Person) -> None:
    for answer in (desk.issue(person), desk.issue(person, valid_until=None)):
        schema = LicenceSchema(unknown=RAISE)
        assert schema.dump(schema.load(answer)) == answer


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=40) | st.dates().map(str),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=20), inner, max_size=4),
    max_leaves=8,
)
MEMBERS = st.sampled_from(["type", "holder", "fields", "valid_from", "valid_until", "licence_number", "co_holders", "other"])
PLAIN = {"type": "t", "holder": {"number": "1", "name": "n"}, "fields": {"f": 1}, "valid_from": "2026-01-01", "valid_until": None}
ODD = st.sampled_from(["2026-1-1", "2026-01-01", "２０２６-01-01", "2026-02-30", "", "a\u0085", "a\ud800", "x" * 61, "x" * 65, {"number": "2"}, []])


@settings(max_examples=300, deadline=None)
@given(changes=st.dictionaries(MEMBERS, JSON | ODD, max_size=3), holder=st.dictionaries(st.sampled_from(["number", "name", "sex"]), JSON | ODD))
def test_what_is_read_plainly_is_read_as_by_the_schema(changes: dict[str, Any], holder: dict[str, Any]) -> None:
    for document in (PLAIN | changes, PLAIN | {"holder": holder}, PLAIN | {"fields": {str(n): n for n in range(101)}}, changes):
        plainly = read_plainly(document)
        assert plainly is None or plainly == LicenceRequestSchema().load(document)
    assert read_plainly(PLAIN) == LicenceRequestSchema().load(PLAIN)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(changes=st.dictionaries(MEMBERS, JSON, max_size=3), field=st.sampled_from([*DRIVING, "other"]), value=JSON, number=st.text(max_size=30))
def test_whatever_is_sent_the_answer_is_a_licence_or_says_what_is_wrong(
    desk: Desk, person: Person, changes: dict[str, Any], field: str, value: Any, number: str
) -> None:
    for body in (
        body_for(person, **changes),
        body_for(person, fields={**DRIVING, field: value}),
        body_for(person, holder={"number": number, "name": value}),
    ):
        answer = desk.client.post("/api/v1/licences", data=json.dumps(body), content_type="application/json", headers=desk.headers)
        assert answer.status_code in (201, 400, 403, 422), answer.text
        assert answer.status_code == 201 or answer.json["code"]
