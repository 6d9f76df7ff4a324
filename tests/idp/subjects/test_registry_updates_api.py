"""Registries tell of changes: a result a line, each line a transaction, told twice and taken once."""

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from flask.testing import FlaskClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select, text

from idp.subjects import directory, history, registries, registry_import, registry_updates
from idp.subjects.history import Told
from idp.subjects.numbers import parse_number
from idp.subjects.registry_updates import Update
from runtime.clock import now
from runtime.database import transaction
from runtime.ledger import LedgerEntry
from tests.locks import wait_until_somebody_waits
from tests.world_clients import bearer, new_system, token_of
from tests.world_people import Organisation, Person, citizen_number, credit_code, new_organisation, new_person

SCOPE = "registry:updates"
NDJSON = "application/x-ndjson"
counter = iter(range(10**6))


def token(app: Flask, client: FlaskClient, scope: str = SCOPE) -> str:
    with app.app_context(), transaction() as session:
        system = new_system(session, scopes=[scope])
    return token_of(client, system, scope)


@pytest.fixture
def teller(app: Flask, client: FlaskClient) -> "Teller":
    return Teller(client, token(app, client))


class Teller:
    """A registry's system."""

    def __init__(self, client: FlaskClient, token: str) -> None:
        self.client, self.headers = client, {**bearer(token), "Accept-Language": "en"}

    def send(self, body: str | bytes, kind: str = NDJSON) -> Any:
        return self.client.post("/api/v1/registry-updates", data=body, content_type=kind, headers=self.headers)

    def tell(self, *lines: dict[str, Any]) -> list[dict[str, Any]]:
        answer = self.send("\n".join(json.dumps(line, ensure_ascii=False) for line in lines))
        assert answer.status_code == 200, answer.text
        results: list[dict[str, Any]] = answer.json["results"]
        return results


def line(change: str, number: str, **more: str) -> dict[str, Any]:
    return {"id": f"test-{next(counter)}", "change": change, "number": number, **more}


@pytest.fixture
def person(app: Flask) -> Person:
    """Someone whom this service has met."""
    with app.app_context(), transaction() as session:
        person = new_person(session, name="许静")
        directory.ensure_subject(session, parse_number(person.number), now=now())
    return person


@pytest.fixture
def firm(app: Flask, person: Person) -> Organisation:
    """An organisation whose legal representative the person is."""
    with app.app_context(), transaction() as session:
        firm = new_organisation(session, representative=person)
        directory.ensure_subject(session, parse_number(firm.number), now=now())
    return firm


def known(app: Flask, number: str) -> tuple[UUID, str, str, str]:
    """Return id, number, name and state of the subject that a number leads to."""
    with app.app_context(), transaction() as session:
        subject = directory.find_subject(session, parse_number(number))
        assert subject is not None
        return subject.id, directory.number_of(subject).value, directory.name_of(subject), subject.state


def registered(app: Flask, number: str) -> registries.Record | None:
    with app.app_context(), transaction() as session:
        return registries.open_registry(session).find(parse_number(number))


def test_each_change_takes_effect_on_the_registry_and_on_the_subject(app: Flask, teller: Teller, person: Person, firm: Organisation) -> None:
    new, other = citizen_number(), citizen_number()
    results = teller.tell(
        line("name", person.number, name=" 许静怡 "),
        line("number", new, former_number=person.number),
        line("representative", firm.number, representative=other),
        line("dissolution", firm.number, on="2026-11-20"),
        line("death", new, on="2026-11-21"),
    )
    assert [each["result"] for each in results] == ["applied"] * 5
    assert known(app, person.number)[1:] == (new, "许静怡", "deceased")
    assert known(app, firm.number)[3] == "dissolved"
    assert registered(app, person.number) is None
    record, company = registered(app, new), registered(app, firm.number)
    assert record is not None
    assert company is not None
    assert company.representative is not None
    assert (record.name, record.state, [each.value for each in record.former_numbers]) == ("许静怡", "deceased", [person.number])
    assert (company.representative.value, company.state) == (other, "dissolved")
    with app.app_context(), transaction() as session:
        changes = history.changes_of(session, known(app, new)[0])
        assert [change.what for change in changes] == ["state", "number", "name"]
        assert {change.told.by.partition(":")[0] for change in changes} == {"department"}
        acts = session.scalars(select(LedgerEntry.act).where(LedgerEntry.subject_id == known(app, firm.number)[0])).all()
        assert {"representative.changed", "subject.ended"} <= set(acts)


def test_what_is_so_already_is_unchanged_and_what_nobody_knows_unknown(app: Flask, teller: Teller, person: Person) -> None:
    with app.app_context(), transaction() as session:
        unmet = new_person(session)
    results = teller.tell(
        line("name", person.number, name=person.name),
        line("restored", person.number),
        line("death", citizen_number()),
        line("death", unmet.number),
        line("death", unmet.number),
    )
    assert [each["result"] for each in results] == ["unchanged", "unchanged", "unknown", "applied", "unchanged"]
    record = registered(app, unmet.number)
    assert record is not None
    assert record.state == "deceased"


def test_a_mistake_is_corrected(app: Flask, teller: Teller, person: Person) -> None:
    assert [each["result"] for each in teller.tell(line("death", person.number), line("restored", person.number))] == ["applied", "applied"]
    assert known(app, person.number)[3] == "active"
    record = registered(app, person.number)
    assert record is not None
    assert record.state == "active"


BAD = {
    "not JSON": ("{", "line-unreadable", None),
    "not UTF-8": (b"\xff\xfe", "line-unreadable", None),
    "a list": ("[]", "line-unreadable", None),
    "null": ("null", "line-unreadable", None),
    "a member twice": ('{"id": "1", "id": "2"}', "line-unreadable", None),
    "NUL": ('{"id": "\\u0000"}', "line-unreadable", None),
    "nothing": ("{}", "invalid-request", "id"),
    "no id": ({"id": None}, "invalid-request", "id"),
    "an endless id": ({"id": "x" * 129}, "invalid-request", "id"),
    "another change": ({"change": "marriage"}, "invalid-request", "change"),
    "an unknown member": ({"colour": "red"}, "invalid-request", "colour"),
    "a bad number": ({"number": "123"}, "number-refused", "number"),
    "a day that there is not": ({"on": "2026-02-30"}, "invalid-request", "on"),
    "a name that is missing": ({"change": "name"}, "invalid-request", "name"),
    "a name of spaces": ({"change": "name", "name": "  "}, "invalid-request", "name"),
    "a name too many": ({"name": "x"}, "invalid-request", "name"),
    "a former number that is missing": ({"change": "number"}, "invalid-request", "former_number"),
    "a former number that is none": ({"change": "number", "former_number": "1"}, "number-refused", "former_number"),
    "a former number of another kind": ({"change": "number", "former_number": "11100000000013338W"}, "wrong-number-kind", "former_number"),
    "a person that dissolves": ({"change": "dissolution"}, "wrong-number-kind", "number"),
    "an organisation that dies": ({"number": "11100000000013338W"}, "wrong-number-kind", "number"),
    "a person with a representative": ({"change": "representative", "representative": "{person}"}, "wrong-number-kind", "number"),
    "a representative that is an organisation": (
        {"change": "representative", "number": "11100000000013338W", "representative": "11100000000013338W"},
        "wrong-number-kind",
        "representative",
    ),
}


@pytest.mark.parametrize(("bad", "code", "field"), BAD.values(), ids=BAD)
def test_a_bad_line_is_named_and_never_loses_a_good_one(
    app: Flask, teller: Teller, person: Person, bad: dict[str, Any] | str | bytes, code: str, field: str | None
) -> None:
    if isinstance(bad, dict):
        whole = {**line("death", citizen_number()), **bad}
        bad = json.dumps({name: value.replace("{person}", person.number) if isinstance(value, str) else value for name, value in whole.items()})
    raw = bad if isinstance(bad, bytes) else bad.encode()
    good = [json.dumps(line("name", person.number, name=name)).encode() for name in ("许甲", "许乙")]
    results = teller.send(b"\n".join([good[0], raw, b"", good[1]])).json["results"]
    assert [each["result"] for each in results] == ["applied", "refused", "applied"]
    assert (results[1]["problem"]["code"], results[1]["problem"].get("field")) == (code, field)
    assert known(app, person.number)[2] == "许乙"


def test_a_line_sent_again_has_its_first_answer_and_changes_nothing(app: Flask, teller: Teller, person: Person) -> None:
    first, second = line("name", person.number, name="许甲"), line("name", person.number, name="许乙")
    teller.tell(first, second)
    assert teller.tell(first, second) == [{"id": each["id"], "result": "applied", "repeated": True} for each in (first, second)]
    assert known(app, person.number)[2] == "许乙"
    (reused,) = teller.tell({**first, "name": "许丙"})
    assert (reused["result"], reused["problem"]["code"]) == ("refused", "update-id-reused")


def test_another_system_s_ids_are_its_own(app: Flask, client: FlaskClient, teller: Teller, person: Person) -> None:
    told = line("name", person.number, name="许甲")
    teller.tell(told)
    (result,) = Teller(client, token(app, client)).tell({**told, "name": "许乙"})
    assert result["repeated"] is False


def test_many_who_send_one_line_at_once_take_it_once(app: Flask, person: Person, client: FlaskClient) -> None:
    told, held = line("name", person.number, name="许甲"), token(app, client)
    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(lambda _: Teller(app.test_client(), held).tell(told)[0], range(16)))
    assert sorted(each["repeated"] for each in results) == [False] + [True] * 15
    assert {each["result"] for each in results} == {"applied"}
    with app.app_context(), transaction() as session:
        assert len(history.changes_of(session, known(app, person.number)[0])) == 1


def test_of_two_changes_of_one_person_told_at_once_neither_undoes_the_other(app: Flask, client: FlaskClient, person: Person) -> None:
    """Who tells of a name while a death is being written must not write down again what stood before it."""
    number, held = parse_number(person.number), token(app, client)
    with app.app_context(), ThreadPoolExecutor(1) as pool:
        with transaction() as session:
            registry_updates.apply(session, Update("death", number), told=Told("registry", now()))
            renaming = pool.submit(Teller(app.test_client(), held).tell, line("name", person.number, name="许甲"))
            wait_until_somebody_waits(session)
        assert renaming.result(30)[0]["result"] == "applied"
    with app.app_context(), transaction() as session:
        subject, record = directory.find_subject(session, number), registries.open_registry(session).find(number)
        assert subject is not None
        assert record is not None
        assert (subject.state, directory.name_of(subject)) == ("deceased", "许甲")
        assert (record.state, record.name) == ("deceased", "许甲")


def test_a_change_told_of_who_has_a_number_now_does_nothing_to_who_had_it(app: Flask, teller: Teller, person: Person) -> None:
    new = citizen_number()
    assert teller.tell(line("number", new, former_number=person.number))[0]["result"] == "applied"
    with app.app_context(), transaction() as session:  # two had one number, as happened, and the other keeps it
        assert not registry_import.load_people(session, [{"number": person.number, "name": "许静秋"}])
    assert [each["result"] for each in teller.tell(line("death", person.number), line("name", person.number, name="许静春"))] == ["applied"] * 2
    assert known(app, new)[1:] == (new, "许静", "active")
    record = registered(app, person.number)
    assert record is not None
    assert (record.name, record.state) == ("许静春", "deceased")


def test_a_list_does_as_well_as_lines(app: Flask, teller: Teller, person: Person) -> None:
    answer = teller.send(json.dumps([line("name", person.number, name="许甲"), 7]), "application/json; charset=utf-8")
    assert [each["result"] for each in answer.json["results"]] == ["applied", "refused"]


WHOLE = {
    "not a list": (b"{}", "application/json", 422),
    "not JSON": (b"[", "application/json", 400),
    "a form": (b"x=1", "application/x-www-form-urlencoded", 415),
    "text": (b"[]", "text/plain", 415),
    "too many lines": (b"{}\n" * 501, NDJSON, 413),
    "too many in a list": (b"[" + b"1," * 500 + b"1]", "application/json", 413),
}


@pytest.mark.parametrize(("body", "kind", "status"), WHOLE.values(), ids=WHOLE)
def test_a_request_that_is_none_is_refused_whole(teller: Teller, body: bytes, kind: str, status: int) -> None:
    assert teller.send(body, kind).status_code == status


def test_no_lines_are_no_results(teller: Teller) -> None:
    assert teller.send(b"").json == {"results": []}


def test_only_a_system_with_the_scope_may_tell(app: Flask, client: FlaskClient) -> None:
    assert Teller(client, token(app, client, "licences:read")).send(b"").status_code == 403
    assert client.post("/api/v1/registry-updates", data=b"", content_type=NDJSON).status_code == 401


def test_two_known_subjects_are_refused_and_may_be_told_again(app: Flask, teller: Teller, person: Person) -> None:
    with app.app_context(), transaction() as session:
        other = new_person(session)
        directory.ensure_subject(session, parse_number(other.number), now=now())
    told = line("number", other.number, former_number=person.number)
    for _ in range(2):
        (result,) = teller.tell(told)
        assert (result["result"], result["problem"]["code"]) == ("refused", "two-subjects")
    assert known(app, person.number)[0] != known(app, other.number)[0]


def test_ids_and_lines_rest_as_keyed_hashes_and_are_forgotten_in_time(app: Flask, teller: Teller, person: Person) -> None:
    told = {**line("name", person.number, name="许甲"), "id": person.number}
    teller.tell(told)
    with app.app_context():
        with transaction() as session:
            rows = session.execute(text("SELECT id_hash, digest, client_id FROM registry_updates")).all()
            entries = session.scalars(select(LedgerEntry.object_id).where(LedgerEntry.act == "registry.told")).all()
        assert not any(person.number.encode() in row.id_hash + row.digest for row in rows)
        assert person.number not in entries
        registry_updates.forget(now=now() + timedelta(days=91))
        with transaction() as session:
            assert session.scalar(text("SELECT count(*) FROM registry_updates")) == 0


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)))
def test_whatever_a_line_is_it_has_a_result(teller: Teller, document: Any) -> None:
    answer = teller.send(json.dumps([document]), "application/json")
    if answer.status_code == 200:
        assert [each["result"] for each in answer.json["results"]] == ["refused"]
    else:
        assert answer.status_code == 400


def test_an_organisation_s_new_code_leads_on(app: Flask, teller: Teller, firm: Organisation) -> None:
    new = credit_code()
    (result,) = teller.tell(line("number", new, former_number=firm.number))
    assert result["result"] == "applied"
    assert known(app, firm.number) == known(app, new)
