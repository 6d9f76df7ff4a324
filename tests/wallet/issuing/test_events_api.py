import json
import time
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from tests.wallet.issuing.desks import Desk
from tests.world_people import Person
from tests.world_wallet import DEFINITIONS, example_fields

WHY = {"reason": "测试吊销", "legal_basis": "《测试法》第一条"}
DRIVING = DEFINITIONS["driving-licence"].code


def read_all(desk: Desk, *, after: str = "0-0", limit: int = 500) -> tuple[list[dict[str, Any]], str]:
    found = []
    while True:
        answer = desk.get(f"/events?after={after}&limit={limit}")
        assert answer.status_code == 200, answer.text
        if not answer.json["events"]:
            return found, answer.json["next"]
        found += answer.json["events"]
        after = answer.json["next"]


def read_soon(desk: Desk, *, after: str, wanted: int, of: str) -> tuple[list[dict[str, Any]], str]:
    """Read page by page until there is as much of an issuer's as wanted: whatever other tests' transactions hold back comes a moment later.

    So may what others issued before, which is left out.
    """
    for _ in range(100):
        heard, end = read_all(desk, after=after, limit=1)
        theirs = [one for one in heard if one["detail"]["issuer"] == of]
        if len(theirs) >= wanted:
            break
        time.sleep(0.1)
    return theirs, end


def test_a_supervisor_hears_of_each_issue_and_revocation_of_its_types_and_of_no_other(
    app: Flask, client: FlaskClient, desk: Desk, person: Person
) -> None:
    supervisor = Desk(app, client, issue=(), supervise=["driving-licence"])
    _, cursor = read_all(supervisor)
    issued = desk.issue(person)
    desk.issue(person, type="marriage-certificate", fields=example_fields("marriage-certificate"), valid_until=None)
    desk.post(f"/licences/{issued['id']}/revocation", WHY)
    heard, end = read_soon(supervisor, after=cursor, wanted=2, of=desk.department)
    assert [(one["kind"], one["licence"], one["type"]) for one in heard] == [
        ("licence.issued", issued["id"], DRIVING),
        ("licence.revoked", issued["id"], DRIVING),
    ]
    dates = {name: issued[name] for name in ("valid_from", "valid_until")}
    assert heard[1]["detail"] == {"issuer": desk.department, "identifier": issued["identifier"], "state": "revoked", "turn": 2, **dates}
    assert person.number not in json.dumps(heard)
    assert not [one for one in read_all(supervisor, after=end)[0] if one["detail"]["issuer"] == desk.department]


def test_who_supervises_nothing_hears_nothing(desk: Desk, person: Person) -> None:
    desk.issue(person)
    answer = desk.get("/events")
    assert answer.json == {"events": [], "next": "0-0"}


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("after=x", "after"),
        ("after=yesterday", "after"),
        ("after=-1-5", "after"),
        ("after=" + "9" * 60, "after"),
        ("after=１-１１", "after"),
        ("limit=0", "limit"),
        ("limit=501", "limit"),
        ("limit=many", "limit"),
    ],
)
def test_a_faulty_query_is_refused(desk: Desk, query: str, field: str) -> None:
    answer = desk.get(f"/events?{query}")
    assert (answer.status_code, answer.json["field"]) == (422, field)


def test_a_cursor_beyond_all_bounds_is_only_the_end(app: Flask, client: FlaskClient) -> None:
    supervisor = Desk(app, client, issue=(), supervise=["driving-licence"])
    assert supervisor.get(f"/events?after={'9' * 19}-{'9' * 19}").json["events"] == []
