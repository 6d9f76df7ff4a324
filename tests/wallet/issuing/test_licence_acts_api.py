import threading
from collections import Counter
from datetime import date, timedelta
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select, update

from bench.statements import counted
from runtime.clock import now, shifted
from runtime.database import transaction
from runtime.events import Event
from runtime.ledger import LedgerEntry
from tests.wallet.holding.test_paging import more_like
from tests.wallet.issuing.desks import BEGINS, ENDS, YEAR, Desk, body_for
from tests.world_people import Person
from tests.world_wallet import example_fields
from wallet.issuing import status_lists
from wallet.issuing.credentials import credentials_of
from wallet.register.acts import PLAIN_ACTS, TURNS, Act
from wallet.register.licences import Licence, china_date, get_licence

WHY = {"reason": "测试理由", "legal_basis": "《测试法》第一条"}
PATHS = {
    Act.SUSPEND: "suspension",
    Act.RESUME: "resumption",
    Act.ANNUL: "annulment",
    Act.REVOKE: "revocation",
    Act.CANCEL: "cancellation",
    Act.LAPSE: "lapse",
}
INTO = {
    "valid": [],
    "suspended": ["suspension"],
    "revoked": ["revocation"],
    "annulled": ["annulment"],
    "cancelled": ["cancellation"],
    "lapsed": ["lapse"],
}
STATUS = {"valid": status_lists.VALID, "suspended": status_lists.SUSPENDED, "invalid": status_lists.INVALID}


def today() -> date:
    return china_date(now())


def act(desk: Desk, licence: dict[str, Any], path: str, **more: Any) -> Any:
    return desk.post(f"/licences/{licence['id']}/{path}", {**WHY, **more})


def statuses(app: Flask, licence_id: str) -> list[int | None]:
    with app.app_context(), transaction() as session:
        return [status_lists.state_of(session, one.place) for one in credentials_of(session, get_licence(session, UUID(licence_id)))]


@pytest.mark.parametrize("one", PLAIN_ACTS)
@pytest.mark.parametrize("state", INTO)
def test_an_act_is_done_from_the_states_of_the_table_and_refused_from_all_others(
    app: Flask, desk: Desk, person: Person, state: str, one: Act
) -> None:
    issued = desk.issue(person)
    for path in INTO[state]:
        assert act(desk, issued, path).status_code == 201
    answer = act(desk, issued, PATHS[one])
    if state in TURNS[one].states:
        assert (answer.status_code, answer.json["state"], answer.json["state_code"]) == (201, TURNS[one].state.value, TURNS[one].gb_code)
        last = INTO[state][-1:] and state in ("revoked", "annulled", "lapsed")
        assert statuses(app, issued["id"]) == [status_lists.INVALID if last else STATUS[str(TURNS[one].credentials)]]
        assert desk.get(f"/licences/{issued['id']}").json["reason"] == WHY
    else:
        assert (answer.status_code, answer.json["state"]) == (409, state)
        assert answer.json["code"] == ("licence-not-revocable" if one is Act.REVOKE else "licence-in-wrong-state")


def test_every_turn_is_remembered_with_its_reason_told_to_the_ledger_and_to_whoever_supervises(app: Flask, desk: Desk, person: Person) -> None:
    issued = desk.issue(person)
    for path in ("suspension", "resumption", "cancellation"):
        act(desk, issued, path)
    turns = desk.get(f"/licences/{issued['id']}/history").json["turns"]
    assert [(one["turn"], one["act"], one["state"]) for one in turns] == [
        (1, "issue", "valid"),
        (2, "suspend", "suspended"),
        (3, "resume", "valid"),
        (4, "cancel", "cancelled"),
    ]
    assert [one["reason"] for one in turns] == [None, *[WHY["reason"]] * 3]
    with app.app_context(), transaction() as session:
        kinds = session.scalars(select(Event.kind).where(Event.object_id == issued["id"]).order_by(Event.sequence)).all()
        acts = session.scalars(select(LedgerEntry.act).where(LedgerEntry.object_id == issued["id"]).order_by(LedgerEntry.id)).all()
        orders = session.scalars(select(Event.detail["turn"]).where(Event.object_id == issued["id"]).order_by(Event.sequence)).all()
    assert kinds == acts == ["licence.issued", "licence.suspended", "licence.resumed", "licence.cancelled"]
    assert orders == [1, 2, 3, 4]


def test_a_renewed_licence_has_a_successor_in_the_next_version_and_lapses(app: Flask, desk: Desk, person: Person) -> None:
    issued = desk.issue(person, valid_until=str(today() + timedelta(days=40)))
    renewed = act(desk, issued, "renewal", valid_until=str(today() + timedelta(days=400)))
    assert renewed.status_code == 201, renewed.text
    before = desk.get(f"/licences/{issued['id']}").json
    assert (before["state"], before["successor"], renewed.json["predecessor"]) == ("lapsed", renewed.json["id"], issued["id"])
    assert (renewed.json["state"], renewed.json["valid_from"]) == ("valid", str(today()))
    old, new = issued["identifier"].split("."), renewed.json["identifier"].split(".")
    assert (new[:-2], old[-2], new[-2]) == (old[:-2], "001", "002")
    assert statuses(app, issued["id"]) == [status_lists.INVALID]
    assert statuses(app, renewed.json["id"]) == [status_lists.VALID]
    again = act(desk, issued, "renewal", valid_until=str(today() + timedelta(days=400)))
    assert (again.status_code, again.json["successor"]) == (409, renewed.json["id"])


@pytest.mark.parametrize(
    ("days_left", "allowed"),
    [pytest.param(31, False, id="a day too early"), pytest.param(30, True, id="on the first day"), pytest.param(0, True, id="on its last day")],
)
def test_a_licence_is_renewed_within_the_window_of_its_type(desk: Desk, person: Person, days_left: int, *, allowed: bool) -> None:
    slug = "road-transport-qualification"
    ends = today() + timedelta(days=days_left)
    dates = {"valid_from": str(today() - timedelta(days=300)), "valid_until": str(ends)}
    issued = desk.issue(person, type=slug, fields=example_fields(slug), **dates)
    answer = act(desk, issued, "renewal", valid_until=str(ends + timedelta(days=365)))
    assert (answer.status_code == 201) is allowed, answer.text
    if not allowed:
        assert (answer.status_code, answer.json["code"], answer.json["renewable_from"]) == (
            409,
            "licence-not-renewable",
            str(today() + timedelta(days=1)),
        )


def test_a_licence_is_renewed_after_its_end_where_the_type_has_a_time_for_it(desk: Desk, person: Person) -> None:
    slug = "road-transport-qualification"
    ends = today() + timedelta(days=10)
    issued = desk.issue(person, type=slug, fields=example_fields(slug), valid_from=str(today()), valid_until=str(ends))
    with shifted(timedelta(days=200)):
        desk.renew_token()
        late = act(desk, issued, "renewal", valid_until=str(ends + timedelta(days=700)))
        assert (late.status_code, late.json["code"]) == (409, "licence-not-renewable")
    with shifted(timedelta(days=100)):
        desk.renew_token()
        assert act(desk, issued, "renewal", valid_until=str(ends + timedelta(days=700))).status_code == 201


def test_a_licence_is_not_renewed_longer_than_its_type_allows(desk: Desk, person: Person) -> None:
    slug = "road-transport-qualification"
    ends = today() + timedelta(days=20)
    issued = desk.issue(person, type=slug, fields=example_fields(slug), valid_from=str(today()), valid_until=str(ends))
    longest = (ends + timedelta(days=1)).replace(year=ends.year + 6)
    too_long = act(desk, issued, "renewal", valid_until=str(longest + timedelta(days=1)))
    assert (too_long.status_code, too_long.json["field"]) == (422, "valid_until")
    assert act(desk, issued, "renewal", valid_until=str(longest)).status_code == 201


def test_a_change_says_what_changes_and_leaves_the_rest(desk: Desk, person: Person) -> None:
    issued = desk.issue(person)
    changed = act(desk, issued, "change", fields={"address": "示例市新路二号"})
    assert changed.status_code == 201, changed.text
    read = desk.get(f"/licences/{changed.json['id']}").json
    assert read["fields"] == {**example_fields("driving-licence"), "address": "示例市新路二号"}
    assert (read["valid_from"], read["valid_until"], read["licence_number"]) == (
        issued["valid_from"],
        issued["valid_until"],
        issued["licence_number"],
    )
    wrong = act(desk, read, "change", fields={"vehicle_class": None})
    assert (wrong.status_code, wrong.json["field"]) == (422, "fields.vehicle_class")


def test_a_lost_licence_is_replaced_by_one_that_says_the_same(desk: Desk, person: Person) -> None:
    issued = desk.issue(person)
    replaced = act(desk, issued, "replacement")
    assert replaced.status_code == 201
    assert desk.get(f"/licences/{replaced.json['id']}").json["fields"] == example_fields("driving-licence")


def test_a_licence_moves_to_another_department_and_back_if_nobody_takes_it(app: Flask, client: FlaskClient, desk: Desk, person: Person) -> None:
    other, third, issued = Desk(app, client), Desk(app, client), desk.issue(person)
    out = act(desk, issued, "transfer-out", to=other.department)
    assert (out.status_code, out.json["state"], out.json["state_code"]) == (201, "transferred", "06")
    assert statuses(app, issued["id"]) == [status_lists.SUSPENDED]
    assert act(third, issued, "transfer-in").status_code == 404
    assert act(desk, issued, "resumption").json["state"] == "valid"
    assert act(other, issued, "transfer-in").status_code == 404
    act(desk, issued, "transfer-out", to=other.department)
    taken = act(other, issued, "transfer-in")
    assert (taken.status_code, taken.json["issuer"], taken.json["predecessor"]) == (201, other.department, issued["id"])
    assert taken.json["identifier"].split(".")[-4:-1] == [other.department, issued["identifier"].split(".")[-3], "002"]
    assert statuses(app, issued["id"]) == [status_lists.INVALID]
    assert act(desk, issued, "resumption").status_code == 409


@pytest.mark.parametrize(
    ("path", "more", "field"),
    [
        pytest.param("suspension", {"effective_on": "2999-01-01"}, "effective_on", id="from a day ahead"),
        pytest.param("suspension", {"effective_on": "1990-01-01"}, "effective_on", id="from before its first day"),
        pytest.param("suspension", {"effective_on": "soon"}, "effective_on", id="from no day"),
        pytest.param("suspension", {"to": "x"}, "to", id="to somebody, though nothing moves"),
        pytest.param("transfer-out", {}, "to", id="to nobody"),
        pytest.param("transfer-out", {"to": "x" * 18}, "to", id="to what is no department"),
        pytest.param("renewal", {}, "valid_until", id="until no day"),
        pytest.param("renewal", {"valid_until": "2024-01-01"}, "valid_until", id="until a day that is over"),
        pytest.param("change", {"fields": {"shoe_size": 42}}, "fields.shoe_size", id="with a field that there is not"),
        pytest.param("change", {"co_holders": [{"number": "379999199001010000"}]}, "co_holders", id="for more holders than may be"),
        pytest.param("change", {"licence_number": "X1"}, "licence_number", id="with another number than the holder's"),
        pytest.param("cancellation", {"reason": "  "}, "reason", id="for no reason"),
        pytest.param("cancellation", {"legal_basis": None}, "legal_basis", id="on no law"),
    ],
)
def test_a_faulty_act_is_refused_by_the_member_at_fault(desk: Desk, person: Person, path: str, more: dict[str, Any], field: str) -> None:
    issued = desk.issue(person)
    answer = act(desk, issued, path, **more)
    assert (answer.status_code, answer.json["field"]) == (422, field), answer.text
    assert desk.get(f"/licences/{issued['id']}").json["state"] == "valid"


def test_an_annulment_reaches_back_to_the_first_day_and_other_acts_to_the_one_before(desk: Desk, person: Person) -> None:
    issued = desk.issue(person)
    assert act(desk, issued, "suspension", effective_on=f"{YEAR - 1}-06-01").status_code == 201
    too_early = act(desk, issued, "resumption", effective_on=f"{YEAR - 1}-05-31")
    assert (too_early.status_code, too_early.json["code"]) == (422, "effective-date-refused")
    assert act(desk, issued, "resumption", effective_on=f"{YEAR - 1}-07-01").status_code == 201
    then = desk.get(f"/licences/{issued['id']}?at={YEAR - 1}-06-15").json["standing"]
    assert (then["state"], then["recorded_state"], then["act"]) == ("suspended", None, "suspend")
    assert [one["from"][:10] for one in then["suspensions"]] == [f"{YEAR - 1}-05-31"]  # midnight in China
    assert desk.get(f"/licences/{issued['id']}?at={YEAR - 1}-07-01").json["standing"]["state"] == "valid"
    assert desk.get(f"/licences/{issued['id']}?at={BEGINS - timedelta(days=1)}").json["standing"]["state"] is None
    assert act(desk, issued, "annulment", effective_on=BEGINS.isoformat()).status_code == 201
    for day in (BEGINS, f"{YEAR - 1}-06-15", f"{YEAR - 1}-07-01"):
        assert desk.get(f"/licences/{issued['id']}?at={day}").json["standing"]["state"] == "annulled"


@pytest.mark.parametrize("at", ["yesterday", "2026-13-01", "2026-01-01T10:00:00", "2999-01-01", "-1", "2026-01-01%00", f"{date.max}T23:59:59-12:00"])
def test_a_moment_that_is_none_or_lies_ahead_is_refused(desk: Desk, person: Person, at: str) -> None:
    answer = desk.get(f"/licences/{desk.issue(person)['id']}?at={at}")
    assert answer.status_code in (400, 422), answer.text
    assert answer.json.get("field", "at") == "at"


def test_one_key_does_an_act_once_and_answers_the_same(desk: Desk, person: Person) -> None:
    issued, key = desk.issue(person), {"Idempotency-Key": f"act-{person.number[-8:]}"}
    first = desk.post(f"/licences/{issued['id']}/change", WHY, **key)
    again = desk.post(f"/licences/{issued['id']}/change", WHY, **key)
    assert (first.status_code, again.status_code, again.json["id"]) == (201, 201, first.json["id"])
    reused = desk.post(f"/licences/{issued['id']}/cancellation", WHY, **key)
    assert (reused.status_code, reused.json["code"]) == (422, "idempotency-key-reused")
    other = desk.issue(person)
    assert desk.post(f"/licences/{other['id']}/suspension", WHY, **{"Idempotency-Key": "s" + key["Idempotency-Key"]}).json["state"] == "suspended"
    assert desk.post(f"/licences/{other['id']}/suspension", WHY, **{"Idempotency-Key": "s" + key["Idempotency-Key"]}).status_code == 201


def test_another_departments_licence_is_not_found_by_any_act(app: Flask, client: FlaskClient, desk: Desk, person: Person) -> None:
    issued, other = desk.issue(person), Desk(app, client)
    bodies = {"renewal": {"valid_until": ENDS.isoformat()}, "transfer-out": {"to": other.department}}
    for path in (*PATHS.values(), "change", "replacement", "renewal", "transfer-out", "transfer-in"):
        assert act(other, issued, path, **bodies.get(path, {})).status_code == 404, path
    assert other.get(f"/licences/{issued['id']}/history").status_code == 404


@pytest.mark.parametrize(
    ("paths", "winners"),
    [
        pytest.param(["revocation"] * 6, {1}, id="six who revoke"),
        pytest.param(["change"] * 6, {1}, id="six who change"),
        pytest.param(["suspension"] * 3 + ["lapse"] * 3, {1, 2}, id="some who suspend and some who let lapse"),
        pytest.param(["replacement", "change", "revocation"] * 2, {1}, id="a replacement, a change and a revocation"),
    ],
)
def test_of_acts_at_once_one_wins_and_the_licence_has_one_story(app: Flask, desk: Desk, person: Person, paths: list[str], winners: set[int]) -> None:
    issued = desk.issue(person)
    answers: list[Any] = []
    barrier = threading.Barrier(len(paths))

    def attempt(path: str) -> None:
        client = app.test_client()
        barrier.wait()
        answers.append(client.post(f"/api/v1/licences/{issued['id']}/{path}", json=WHY, headers=desk.headers))

    threads = [threading.Thread(target=attempt, args=(path,)) for path in paths]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    outcomes = Counter(answer.status_code for answer in answers)
    assert set(outcomes) <= {201, 409}
    assert outcomes[201] in winners
    turns = desk.get(f"/licences/{issued['id']}/history").json["turns"]
    assert [one["turn"] for one in turns] == list(range(1, 2 + outcomes[201]))
    with app.app_context(), transaction() as session:
        licence = get_licence(session, UUID(issued["id"]))
        of_holder = session.scalars(select(type(licence)).where(type(licence).predecessor_id == licence.id)).all()
    assert len(of_holder) == (licence.successor_id is not None)


def test_a_department_finds_its_own_licences_page_by_page(app: Flask, client: FlaskClient, desk: Desk, person: Person) -> None:
    issued = [desk.issue(person)["id"] for _ in range(5)]
    Desk(app, client).issue(person)
    act(desk, {"id": issued[1]}, "suspension")
    found, after = [], ""
    while True:
        page = desk.get(f"/licences?limit=2{after}").json
        found += [one["id"] for one in page["licences"]]
        if page["next"] is None:
            break
        after = f"&after={page['next']}"
    assert found == issued
    for query, expected in (
        ("state=suspended", [issued[1]]),
        ("state=valid&type=driving-licence", [one for one in issued if one != issued[1]]),
        (f"expiring_before={ENDS + timedelta(days=1)}", issued),
        (f"expiring_before={ENDS}", []),
        ("due=true", []),
    ):
        assert [one["id"] for one in desk.get(f"/licences?{query}").json["licences"]] == expected, query
    with shifted(timedelta(days=20 * 365)):
        desk.renew_token()
        assert len(desk.get("/licences?state=expired").json["licences"]) == 4


def test_what_is_asked_for_by_its_end_comes_by_its_end(app: Flask, desk: Desk, person: Person) -> None:
    issued = [desk.issue(person)["id"] for _ in range(5)]
    with app.app_context(), transaction() as session:
        for days, licence_id in zip((4, 0, 2, 2, 9), issued, strict=True):
            ends = china_date(now()) + timedelta(days=days)
            session.execute(update(Licence).where(Licence.id == UUID(licence_id)).values(valid_until=ends))
    query = f"expiring_before={china_date(now()) + timedelta(days=9)}&limit=2"
    first = desk.get(f"/licences?{query}").json
    rest = desk.get(f"/licences?{query}&after={first['next']}").json
    assert [one["id"] for one in (*first["licences"], *rest["licences"])] == [issued[1], issued[2], issued[3], issued[0]]
    assert rest["next"] is None
    assert desk.get(f"/licences?{query}&after=driving-licence.{issued[0]}").json["field"] == "after"


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("state=asleep", "state"),
        ("after=x", "after"),
        ("after=a.b.c", "after"),
        ("limit=0", "limit"),
        ("expiring_before=soon", "expiring_before"),
    ],
)
def test_a_faulty_list_query_is_refused(desk: Desk, query: str, field: str) -> None:
    answer = desk.get(f"/licences?{query}")
    assert (answer.status_code, answer.json["field"]) == (422, field)


def test_a_search_by_number_is_written_down_for_the_holder(app: Flask, client: FlaskClient, desk: Desk, person: Person) -> None:
    issued, body = desk.issue(person), {"holder": {"number": person.number}, "cause": {"text": "核对办理情况"}}
    assert [one["id"] for one in desk.post("/licences/search", body).json["licences"]] == [issued["id"]]
    assert Desk(app, client).post("/licences/search", body).json["licences"] == []
    with app.app_context(), transaction() as session:
        holder = get_licence(session, UUID(issued["id"])).holder_id
        searched = select(LedgerEntry).where(LedgerEntry.act == "licences.searched", LedgerEntry.subject_id == holder)
        rows = session.scalars(searched.order_by(LedgerEntry.id)).all()
    assert (rows[0].actor, rows[0].detail["found"]) == (f"department:{desk.department}", 1)
    assert desk.post("/licences/search", {"holder": {"number": person.number}}).json["field"] == "cause"
    assert desk.post("/licences/search", {**body, "holder": {"number": "1"}}).json["field"] == "holder.number"


def test_a_search_by_number_is_paged_and_reads_of_many_no_more_than_a_page(app: Flask, client: FlaskClient, desk: Desk, person: Person) -> None:
    body = {"holder": {"number": person.number}, "cause": {"text": "核对办理情况"}, "limit": 4}
    Desk(app, client).issue(person)
    with app.app_context(), transaction() as session:
        issued = get_licence(session, UUID(desk.issue(person)["id"]))
        more_like(session, issued, 9)
    pages = [desk.post("/licences/search", body).json]
    while pages[-1]["next"]:
        pages.append(desk.post("/licences/search", {**body, "after": pages[-1]["next"]}).json)
    ids = [one["id"] for page in pages for one in page["licences"]]
    assert [len(page["licences"]) for page in pages] == [4, 4, 2]
    assert (ids, len(set(ids))) == (sorted(ids, reverse=True), 10)
    with app.app_context(), transaction() as session:
        more_like(session, issued, 300)
    with counted(app) as sent:
        assert len(desk.post("/licences/search", body).json["licences"]) == 4
    assert sent.rows < 30


@pytest.mark.parametrize(
    ("more", "field"),
    [({"after": "x"}, "after"), ({"after": 7}, "after"), ({"limit": 0}, "limit"), ({"limit": 501}, "limit"), ({"limit": "x"}, "limit")],
    ids=str,
)
def test_a_faulty_page_of_a_search_is_refused(desk: Desk, person: Person, more: dict[str, Any], field: str) -> None:
    answer = desk.post("/licences/search", {"holder": {"number": person.number}, "cause": {"text": "核对"}, **more})
    assert (answer.status_code, answer.json["field"]) == (422, field)


def test_a_department_that_may_only_suspend_does_nothing_else(app: Flask, desk: Desk, person: Person) -> None:
    issued = desk.issue(person)
    desk.limit("driving-licence", acts=["suspend"])
    assert act(desk, issued, "revocation").json["code"] == "no-authority"
    assert desk.post("/licences", body_for(person)).json["code"] == "no-authority"
    assert act(desk, issued, "suspension").status_code == 201
    assert act(desk, issued, "resumption").status_code == 403
