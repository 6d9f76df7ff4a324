"""Batches over HTTP: what each line gets, and that it gets it once."""

import json
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import func, select

from idp.oauth import clients
from idp.subjects.directory import find_subject
from idp.subjects.numbers import parse_number
from runtime.clock import now
from runtime.database import transaction
from tests.wallet.issuing.desks import YEAR, Desk, body_for
from tests.world_people import Person, citizen_number, new_person
from tests.world_wallet import example_fields
from wallet.issuing import batch_lines, batches_api
from wallet.issuing.batch_groups import Work
from wallet.issuing.batches import BatchLine
from wallet.issuing.credentials import credential_of, text_of
from wallet.issuing.sd_jwt import parse
from wallet.register.licences import get_licence, licences_of

PATH = "/api/v1/licences:batch"
NDJSON = "application/x-ndjson"
RECIPE = Path(__file__).parents[3] / "docs" / "recipes" / "batches.md"
DRIVING = example_fields("driving-licence")


class Sender:
    """A department's system that sends batches."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk

    def post(self, lines: list[Any] | bytes, *, key: str | None, query: str = "", **headers: str) -> Any:
        body = lines if isinstance(lines, bytes) else b"\n".join(one if isinstance(one, bytes) else json.dumps(one).encode() for one in lines)
        named = {"Idempotency-Key": key} if key is not None else {}
        headers = {**self.desk.headers, "Content-Type": NDJSON, **named, **headers}
        return self.desk.client.post(PATH + query, data=body, headers=headers)

    def send(self, lines: list[Any] | bytes, *, key: str, query: str = "") -> list[dict[str, Any]]:
        answer = self.post(lines, key=key, query=query)
        assert (answer.status_code, answer.mimetype) == (200, NDJSON), answer.text
        return [json.loads(line) for line in answer.text.splitlines()]


@pytest.fixture
def sender(desk: Desk) -> Sender:
    return Sender(desk)


@pytest.fixture
def people(app: Flask) -> list[Person]:
    with app.app_context(), transaction() as session:
        return [new_person(session) for _ in range(5)]


def licences_held(app: Flask, person: Person) -> int:
    with app.app_context(), transaction() as session:
        subject = find_subject(session, parse_number(person.number))
        return 0 if subject is None else len(licences_of(session, holder_id=subject.id))


def test_the_line_of_the_recipe_is_issued_as_it_stands_but_for_its_years(sender: Sender, people: list[Person]) -> None:
    example = next(line for line in RECIPE.read_text().splitlines() if line.startswith('{"ref":"row-1","type"'))
    line = {**json.loads(example), "holder": {"number": people[0].number}, "valid_from": f"{YEAR}-01-01", "valid_until": f"{YEAR + 6}-01-01"}
    (result,) = sender.send([line], key="recipe")
    assert (result["status"], result["ref"]) == (201, "row-1"), result


@pytest.mark.parametrize("query", ["", "?interleave=true"], ids=["after all", "as they come"])
def test_each_line_gets_its_licence_or_its_reason_in_order(app: Flask, sender: Sender, people: list[Person], query: str) -> None:
    lines = [
        body_for(people[0], ref="a-1"),
        body_for(people[1], fields={**DRIVING, "vehicle_class": "Z9"}, ref="a-2"),
        b"not json",
        body_for(people[2]),
        b"",
        body_for(people[3], ref="乙"),
    ]
    results = sender.send(lines, key=f"mixed{query}", query=query)
    assert [(one["line"], one.get("ref"), one["status"], one.get("field")) for one in results] == [
        (1, "a-1", 201, None),
        (2, "a-2", 422, "fields.vehicle_class"),
        (3, None, 400, None),
        (4, None, 201, None),
        (6, "乙", 201, None),
    ]
    assert results[1]["type"] == "urn:kabao:problem:invalid-request"
    assert results[2]["type"] == "urn:kabao:problem:line-unreadable"
    assert results[2]["detail"] == "It is not proper JSON at column 2."
    read = sender.desk.get(f"/licences/{results[0]['licence']['id']}").json
    assert {name: read[name] for name in results[0]["licence"]} == results[0]["licence"]
    with app.app_context(), transaction() as session:
        licence = get_licence(session, results[4]["licence"]["id"])
        assert len(parse(text_of(credential_of(session, licence))).disclosures) > 3
    assert [licences_held(app, person) for person in people] == [1, 0, 1, 1, 0]


@pytest.mark.parametrize("query", ["", "?interleave=true"], ids=["after all", "as they come"])
def test_a_batch_sent_again_answers_what_it_answered_and_issues_nothing(app: Flask, sender: Sender, people: list[Person], query: str) -> None:
    lines = [body_for(person, ref=str(number)) for number, person in enumerate(people)]
    first, again = (sender.send(lines, key=f"again{query}", query=query) for _ in range(2))
    assert first == again
    assert [one["status"] for one in first] == [201] * 5
    assert [licences_held(app, person) for person in people] == [1] * 5


def test_a_batch_cut_off_goes_on_where_it_ended(app: Flask, sender: Sender, people: list[Person]) -> None:
    lines = [body_for(person) for person in people]
    first = sender.send(lines[:2], key="cut")
    rest = sender.send(lines[2:], key="cut", query="?first_line=3")
    whole = sender.send(lines, key="cut")
    assert whole == first + rest
    assert [licences_held(app, person) for person in people] == [1] * 5


def test_a_line_that_was_issued_cannot_be_changed_and_one_that_was_refused_can(app: Flask, sender: Sender, people: list[Person]) -> None:
    good, bad = body_for(people[0]), body_for(people[1], fields={})
    before = sender.send([good, bad], key="changed")
    assert [one["status"] for one in before] == [201, 422]
    changed, mended = sender.send([body_for(people[2]), body_for(people[1])], key="changed")
    assert (changed["status"], changed["type"]) == (422, "urn:kabao:problem:line-changed")
    assert mended["status"] == 201
    assert sender.send([good, body_for(people[1])], key="changed") == [before[0], mended]
    assert [licences_held(app, person) for person in people] == [1, 1, 0, 0, 0]


def test_another_callers_key_is_another_batch(app: Flask, client: FlaskClient, sender: Sender, person: Person) -> None:
    first = sender.send([body_for(person)], key="shared")
    other = Sender(Desk(app, client)).send([body_for(person)], key="shared")
    assert first[0]["licence"]["id"] != other[0]["licence"]["id"]


def test_lines_of_one_holder_come_one_after_another(app: Flask, sender: Sender, person: Person) -> None:
    results = sender.send([body_for(person)] * 7, key="one holder")
    assert len({one["licence"]["id"] for one in results}) == 7
    assert licences_held(app, person) == 7


PERSON = citizen_number()
BAD_LINES = [
    pytest.param(b"{", 400, "line-unreadable", None, id="half an object"),
    pytest.param(b"[]", 400, "line-unreadable", None, id="a list"),
    pytest.param(b"null", 400, "line-unreadable", None, id="null"),
    pytest.param(b'{"type": "a", "type": "b"}', 400, "line-unreadable", None, id="a member twice"),
    pytest.param(b'{"type": NaN}', 400, "line-unreadable", None, id="NaN"),
    pytest.param(b'{"type": "\\u0000"}', 400, "line-unreadable", None, id="NUL in a text"),
    pytest.param(b'{"type": "a\x00"}', 400, "line-unreadable", None, id="a bare NUL"),
    pytest.param(b'{"type": "\\ud800"}', 400, "line-unreadable", None, id="half a pair"),
    pytest.param(b'{"type": "\xff"}', 400, "line-unreadable", None, id="not UTF-8"),
    pytest.param(b'{"a":' + b"[" * 20_000 + b"]" * 20_000 + b"}", 400, "line-unreadable", None, id="twenty thousand lists"),
    pytest.param(b'{"a": ' + b"9" * 5000 + b"}", 400, "line-unreadable", None, id="a number of five thousand digits"),
    pytest.param('{"type": "x"}'.encode("gb18030") + "卡".encode("gb18030"), 400, "line-unreadable", None, id="another encoding"),
    pytest.param('{"type": "x"}'.encode("utf-16-be"), 400, "line-unreadable", None, id="UTF-16"),
    pytest.param(b"\xef\xbb\xbf{}", 400, "line-unreadable", None, id="a byte order mark in the middle"),
    pytest.param(b'{"type": "' + b"x" * 70_000 + b'"}', 413, "line-too-long", None, id="too long"),
    pytest.param(b"{}", 422, "invalid-request", "type", id="nothing in it"),
    pytest.param(body_for(Person(PERSON, "某")), 422, "unknown-number", "holder.number", id="a number that nobody has"),
    pytest.param(body_for(Person(PERSON, "某"), type="degree-certificate"), 403, "no-authority", "type", id="no authority"),
    pytest.param(body_for(Person(PERSON, "某"), type="nothing"), 422, "unknown-licence-type", "type", id="an unknown type"),
    pytest.param(body_for(Person(PERSON, "某"), ref=7), 422, "invalid-request", "ref", id="a number for a ref"),
    pytest.param(body_for(Person(PERSON, "某"), ref="x" * 129), 422, "invalid-request", "ref", id="a ref that is too long"),
    pytest.param(body_for(Person(PERSON, "某"), colour="red"), 422, "invalid-request", "colour", id="an unknown member"),
    pytest.param(body_for(Person(PERSON, "某"), holder="x"), 422, "invalid-request", "holder", id="a text for a holder"),
]


@pytest.mark.parametrize(("line", "status", "code", "field"), BAD_LINES)
def test_a_bad_line_costs_itself_alone(
    request: pytest.FixtureRequest, sender: Sender, person: Person, line: Any, status: int, code: str, field: str | None
) -> None:
    good = body_for(person)
    results = sender.send([good, line, good], key=f"bad {request.node.callspec.id}")
    assert [one["status"] for one in results] == [201, status, 201], results[1]
    assert (results[1]["type"], results[1].get("field")) == (f"urn:kabao:problem:{code}", field)
    assert PERSON not in json.dumps(results)


def test_ends_of_lines_blank_lines_and_a_byte_order_mark_are_taken(sender: Sender, person: Person) -> None:
    line = json.dumps(body_for(person)).encode()
    results = sender.send(b"\xef\xbb\xbf" + line + b"\r\n\r\n  \n" + line + b"\n" + line, key="ends")
    assert [(one["line"], one["status"]) for one in results] == [(1, 201), (4, 201), (5, 201)]


def test_a_batch_of_nothing_has_no_results(sender: Sender) -> None:
    assert sender.send(b"", key="nothing") == []
    assert sender.send(b"\n\n\n", key="nothing") == []


@pytest.mark.parametrize(
    ("key", "headers", "query", "status", "code"),
    [
        pytest.param(None, {}, "", 400, "idempotency-key-required", id="no key"),
        pytest.param("", {}, "", 400, "idempotency-key-malformed", id="an empty key"),
        pytest.param("x" * 129, {}, "", 400, "idempotency-key-malformed", id="a key that is too long"),
        pytest.param("k", {"Content-Type": "application/json"}, "", 415, "unsupported-media-type", id="another content type"),
        pytest.param("k", {"Content-Encoding": "gzip"}, "", 415, "unsupported-media-type", id="compressed"),
        pytest.param("k", {}, "?interleave=maybe", 422, "invalid-request", id="an unknown way to answer"),
        pytest.param("k", {}, "?first_line=0", 422, "invalid-request", id="a first line before the first"),
        pytest.param("k", {}, "?first_line=100001", 422, "invalid-request", id="a first line after the last"),
        pytest.param("k", {"Authorization": "Bearer x"}, "", 401, "invalid-token", id="no token"),
    ],
)
def test_a_request_that_is_no_batch_is_refused(sender: Sender, key: str | None, headers: dict[str, str], query: str, status: int, code: str) -> None:
    answer = sender.post([{}], key=key, query=query, **headers)
    assert (answer.status_code, answer.json["code"]) == (status, code)


def test_more_lines_than_a_batch_may_have_are_not_looked_at(monkeypatch: pytest.MonkeyPatch, sender: Sender, person: Person) -> None:
    monkeypatch.setattr(batch_lines, "MOST_LINES", 3)
    results = sender.send([body_for(person)] * 5, key="too many", query="?interleave=true")
    assert [one.get("line") for one in results] == [1, 2, 3, None]
    assert (results[3]["status"], results[3]["type"]) == (413, "urn:kabao:problem:too-many-lines")


def test_a_body_larger_than_a_batch_may_be_ends_it(monkeypatch: pytest.MonkeyPatch, sender: Sender, person: Person) -> None:
    monkeypatch.setattr(batches_api, "MOST_BYTES", 1000)
    answer = sender.post([body_for(person)] * 10, key="too large")
    assert (answer.status_code, answer.mimetype) == (413, "application/problem+json")
    assert sender.send(b"{}", key="too large")[0]["status"] == 422


def test_what_a_line_said_rests_sealed(app: Flask, sender: Sender, person: Person) -> None:
    sender.send([body_for(person, ref=person.name), body_for(person, ref=person.number, fields={})], key="sealed")
    with app.app_context(), transaction() as session:
        rows = session.scalars(select(BatchLine).order_by(BatchLine.id.desc()).limit(2)).all()
    for row in rows:
        assert row.said_sealed is not None
        assert person.name.encode() not in row.said_sealed
        assert person.number.encode() not in row.said_sealed


def test_of_two_long_requests_at_once_in_a_process_the_second_is_told_to_come_again(app: Flask, sender: Sender, person: Person) -> None:
    seats = app.extensions["kabao_long_seats"][PATH]
    assert seats.acquire(blocking=False)
    try:
        answer = sender.post([body_for(person)], key="seats")
        assert (answer.status_code, answer.json["code"], answer.headers["Retry-After"]) == (429, "too-many-requests", "15")
    finally:
        seats.release()
    assert sender.send([body_for(person)], key="seats")[0]["status"] == 201
    assert sender.send([body_for(person)], key="seats")[0]["status"] == 201


def test_a_line_that_breaks_us_costs_itself_alone(monkeypatch: pytest.MonkeyPatch, app: Flask, sender: Sender, people: list[Person]) -> None:
    from wallet.issuing import batch_groups

    issue = batch_groups.issue_licence

    def breaking(session: Any, settings: Any, request: Any, **rest: Any) -> Any:
        if request.holder_number == people[2].number:
            session.execute(select(func.nothing_of_that_name()))
        return issue(session, settings, request, **rest)

    monkeypatch.setattr(batch_groups, "issue_licence", breaking)
    results = sender.send([body_for(one) for one in people], key="breaking")
    assert [one["status"] for one in results] == [201, 201, 500, 201, 201]
    monkeypatch.undo()
    again = sender.send([body_for(one) for one in people], key="breaking")
    assert [one["status"] for one in again] == [201] * 5
    assert [licences_held(app, one) for one in people] == [1] * 5


@pytest.mark.parametrize("query", ["", "?interleave=true"], ids=["after all", "as they come"])
def test_a_batch_ends_with_the_right_of_its_sender(
    app: Flask, sender: Sender, people: list[Person], monkeypatch: pytest.MonkeyPatch, query: str
) -> None:
    """A client that is disabled, or a token that is revoked, is refused at once; a batch of half an hour must not outlive it."""
    take = Work.take

    def and_then_it_ends(self: Work, *args: Any, **named: Any) -> Any:
        yield from take(self, *args, **named)
        with app.app_context(), transaction() as session:
            clients.disable_client(session, sender.desk.system.client_id, now=now())

    monkeypatch.setattr(batches_api, "GROUP", 2)
    monkeypatch.setattr(Work, "take", and_then_it_ends)
    results = sender.send([body_for(one) for one in people], key=f"ended{query}", query=query)
    assert [(one.get("line"), one["status"]) for one in results] == [(1, 201), (2, 201), (None, 401)]
    assert [licences_held(app, one) for one in people] == [1, 1, 0, 0, 0]
