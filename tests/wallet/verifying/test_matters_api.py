"""Which matters a department may ask for, and what each needs: by its own authority, and not a field more in a draw."""

from typing import Any

import pytest
from flask import Flask

from tests.world_clients import bearer
from tests.world_verifying import CAUSE, Counter, new_browser, new_counter, new_token
from tests.world_wallet import DEFINITIONS, new_department

HIRE, OFFENCE = "CLZL-001", "JTWF-001"
TEN = (
    "resident-identity-card", "residence-permit", "household-register", "marriage-certificate", "real-estate-certificate", "business-licence",
    "food-business-licence", "driving-licence", "vehicle-licence", "social-security-card", "degree-certificate", "disability-certificate",
)  # fmt: skip


@pytest.fixture
def counter(app: Flask, context: None) -> Counter:
    return new_counter(new_browser(app), verify=("driving-licence", "vehicle-licence"), draw=("driving-licence",))


def matters(counter: Counter, *, token: str | None = None, **query: Any) -> dict[str, Any]:
    answer = counter.client.get("/api/v1/matters", query_string=query, headers=bearer(token or counter.token))
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.get_json()
    return found


def test_a_department_finds_the_matters_of_the_types_that_it_may_look_at_and_what_each_needs(counter: Counter) -> None:
    found = {one["code"]: one for one in matters(counter)["matters"]}
    (hired,) = found[HIRE]["licences"]
    assert (hired["slug"], hired["may"]) == ("driving-licence", ["verify", "draw"])
    assert hired["fields"] == ["holder_name", "vehicle_class", "first_issued", "record_status"]
    assert {one["slug"]: one["may"] for one in found[OFFENCE]["licences"]} == {"driving-licence": ["verify", "draw"], "vehicle-licence": ["verify"]}
    assert "CJBT-001" not in found, "a type that is none of its business"
    assert found[HIRE]["name"] == {"zh": "车辆租赁", "en": "Hiring a car"}
    assert [one["code"] for one in matters(counter, type="vehicle-licence")["matters"]] == ["CLNJ-001", OFFENCE]
    other = new_token(counter.client, new_department(), scopes=("draws",))
    assert HIRE not in {one["code"] for one in matters(counter, token=other)["matters"]}
    assert matters(counter, token=other, type="driving-licence") == {"matters": [], "next": None}


def test_pages_follow_one_another_and_come_to_an_end(counter: Counter) -> None:
    whole, after, found = [one["code"] for one in matters(counter)["matters"]], None, []
    while True:
        page = matters(counter, limit=1, **({"after": after} if after else {}))
        found += [one["code"] for one in page["matters"]]
        if (after := page["next"]) is None:
            break
    assert found == whole == sorted(whole)


@pytest.mark.parametrize(
    ("query", "status", "field"),
    [
        ({"limit": "0"}, 422, "limit"),
        ({"limit": "x"}, 422, "limit"),
        ({"type": "no-such"}, 404, "type"),
        ({"after": ""}, 422, "after"),
    ],
    ids=["no page", "a limit that is none", "no such type", "an empty place"],
)
def test_what_cannot_be_asked_is_refused_by_name(counter: Counter, query: dict[str, str], status: int, field: str) -> None:
    answer = counter.client.get("/api/v1/matters", query_string=query, headers=bearer(counter.token))
    assert (answer.status_code, answer.get_json()["field"]) == (status, field)


def test_a_system_that_neither_verifies_nor_draws_is_told_nothing(counter: Counter) -> None:
    token = new_token(counter.client, counter.department, scopes=("receipts",))
    assert counter.client.get("/api/v1/matters", headers=bearer(token)).status_code == 403


def test_a_draw_gives_what_its_matter_is_declared_to_need_hidden_fields_with_it_and_nothing_else(counter: Counter) -> None:
    hired = counter.draw(cause={**CAUSE, "matter": HIRE}).json
    assert set(hired["fields"]) == {"vehicle_class", "first_issued", "record_status"}
    assert "file_number" in counter.draw(cause={**CAUSE, "matter": OFFENCE}).json["fields"]
    beyond = counter.draw(cause={**CAUSE, "matter": HIRE}, fields=["address"])
    assert (beyond.status_code, beyond.json["code"]) == (403, "beyond-matter")
    assert "birth_date" in counter.draw(cause={**CAUSE, "matter": "UNKNOWN-1"}).json["fields"]


def test_common_types_have_matters_with_names_in_both_languages_one_name_a_code() -> None:
    named: dict[str, set[Any]] = {}
    for slug in TEN:
        needed = [one for one in DEFINITIONS[slug].matters if one.needs is not None]
        assert needed, slug
        for one in needed:
            named.setdefault(one.code, set()).add((one.name.zh, one.name.en))
    assert {code: len(names) for code, names in named.items()} == dict.fromkeys(named, 1)
