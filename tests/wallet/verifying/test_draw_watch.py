"""Draws give what the matter needs and no more, leave a line by which they are watched, and are flagged when odd; none is stopped."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from flask import Flask, current_app
from sqlalchemy import delete, select

from idp.signin import notices, operators
from runtime import events
from runtime.clock import now
from runtime.database import transaction
from runtime.ids import new_id
from tests.wallet.issuing.outbox import wait_until_readable
from tests.wallet.verifying.test_desk_pages import BROWSER, new_officer
from tests.world_people import citizen_number, csrf_token, new_person, open_account, sign_in
from tests.world_verifying import CAUSE, TYPE, Counter, new_browser, new_token
from tests.world_wallet import new_department
from wallet.issuing.life import revoke_licence
from wallet.register import matter_fields
from wallet.register.catalogue import get_type
from wallet.register.licences import CHINA
from wallet.register.matter_fields import MatterRefused
from wallet.verifying import draw_watch, draw_watch_jobs
from wallet.verifying.draw_watch import DrawFlag, Drawn, Pattern

MATTER = "370100-GA-0021"
NOON = datetime(2031, 5, 6, 4, 0, tzinfo=UTC)  # in China
NIGHT = datetime(2031, 5, 6, 15, 0, tzinfo=UTC)


def need(*fields: str, matter: str = MATTER) -> None:
    with transaction() as session:
        matter_fields.set_fields(session, get_type(TYPE), matter, fields, actor="operator:x", now=now())


@pytest.fixture
def nothing_drawn(counter: Counter) -> Any:
    with transaction() as session:
        session.execute(delete(Drawn))
        session.execute(delete(DrawFlag))
    with transaction() as session:
        session.execute(delete(matter_fields.MatterFields))
    yield
    with transaction() as session:
        session.execute(delete(matter_fields.MatterFields))


pytestmark = pytest.mark.usefixtures("nothing_drawn")


def test_without_a_word_on_the_matter_only_what_holders_show_as_a_rule_is_given(counter: Counter) -> None:
    given = counter.draw().json["fields"]
    usual = [one.name for one in get_type(TYPE).fields if not one.hidden_by_default]
    assert set(given) <= set(usual)
    assert given["vehicle_class"] == "C1"
    assert "address" not in given
    refused = counter.draw(fields=["vehicle_class", "address"])
    assert (refused.status_code, refused.json["code"], refused.json["allowed"]) == (403, "beyond-matter", usual)
    assert counter.person.name not in refused.text


def test_a_matter_gives_what_its_entry_says_and_no_more(counter: Counter) -> None:
    need("address")
    cause = {**CAUSE, "matter": MATTER}
    assert counter.draw(cause=cause).json["fields"].keys() == {"address"}
    assert counter.draw(cause=cause, fields=["address"]).json["fields"].keys() == {"address"}
    assert counter.draw(cause=cause, fields=[]).json["fields"] == {}
    assert counter.draw(cause=cause, fields=["vehicle_class"]).json["code"] == "beyond-matter"
    assert counter.draw(cause=cause, fields=["shoe_size"]).json["code"] == "field-unknown"
    assert "address" not in counter.draw(cause={**CAUSE, "matter": "another"}).json["fields"]
    need()
    assert counter.draw(cause=cause).json["fields"] == {}


def test_a_refused_draw_leaves_nothing_and_an_allowed_one_leaves_a_line(counter: Counter) -> None:
    assert counter.draw(fields=["address"]).status_code == 403
    with transaction() as session:
        assert session.scalars(select(Drawn)).all() == []
    receipt_id = counter.draw(key="k").json["receipt"]["id"]
    counter.draw(key="k")
    with transaction() as session:
        (line,) = session.scalars(select(Drawn)).all()
    assert (str(line.id), line.department, line.holder_id) == (receipt_id, counter.department, counter.holder_id)
    assert line.type_code == get_type(TYPE).code
    assert line.system


def test_a_draw_that_finds_nothing_leaves_a_line_and_many_of_them_are_flagged(counter: Counter) -> None:
    """Who tries numbers learns who has which licence, and is watched like who draws one; nobody is named, and it is no draw of theirs."""
    with transaction() as session:
        people = [new_person(session) for _ in range(3)]
    for person in [*people, people[0]]:
        assert counter.draw(holder={"number": person.number}).json["code"] == "licence-not-found"
    with transaction() as session:
        revoke_licence(session, counter.licence, department=counter.issuer, reason="伪造材料", legal_basis="行政许可法", now=now())
    assert counter.draw().json["code"] == "licence-not-valid"
    with transaction() as session:
        lines = session.scalars(select(Drawn)).all()
        assert [(one.missed, one.department) for one in lines] == [(True, counter.department)] * 5
        assert len({one.holder_id for one in lines}) == 4, "a number is known again"
        assert counter.holder_id not in {one.holder_id for one in lines}
        assert draw_watch.drawn_by(session, [counter.department]) == []
        settings = replace(current_app.extensions["kabao_settings"], draws_of_holders=3, draws_by_departments=0)
        assert [one.pattern for one in draw_watch.find_odd(session, settings, now=now()) if one.department == counter.department] == [Pattern.HOLDERS]


@pytest.mark.parametrize(("fields", "code"), [(["address"], "beyond-matter"), (["shoe_size"], "field-unknown")], ids=["beyond", "unknown"])
def test_who_asks_for_too_much_learns_of_no_number_whether_there_is_a_licence(counter: Counter, fields: list[str], code: str) -> None:
    """That refusal leaves no line and tells no holder: were it of those alone who have a licence, numbers could be tried by it unseen."""
    with transaction() as session:
        person = new_person(session)
    numbers = [counter.person.number, person.number, citizen_number()]
    answers = [counter.draw(holder={"number": number}, fields=fields) for number in numbers]
    with transaction() as session:
        revoke_licence(session, counter.licence, department=counter.issuer, reason="伪造材料", legal_basis="行政许可法", now=now())
    answers.append(counter.draw(fields=fields))
    assert {(one.status_code, one.json["code"]) for one in answers} == {(answers[0].status_code, code)}


@pytest.mark.parametrize(
    ("matter", "fields", "named"),
    [("", ["address"], "matter"), (" ", [], "matter"), ("m" * 65, [], "matter"), ("a\x00b", [], "matter"), (MATTER, ["shoe_size"], "fields")],
)
def test_what_is_no_matter_and_no_field_is_refused(counter: Counter, matter: str, fields: list[str], named: str) -> None:
    with pytest.raises(MatterRefused) as refused, transaction() as session:
        matter_fields.set_fields(session, get_type(TYPE), matter, fields, actor="operator:x", now=now())
    assert refused.value.field == named


def drawn(times: int, *, at: datetime, department: str = "d", system: str = "s", holder: UUID | None = None) -> None:
    with transaction() as session:
        for number in range(times):
            about = {"department": department, "system": system, "type_code": get_type(TYPE).code, "holder_id": holder or new_id()}
            draw_watch.note(session, new_id(), **about, now=at - timedelta(seconds=number))  # type: ignore[arg-type]


def flagged(at: datetime, **thresholds: int) -> list[tuple[str, int]]:
    few = {"draws_an_hour": 10**6, "draws_of_holders": 10**6, "draws_at_night": 10**6, "draws_by_departments": 10**6, **thresholds}
    settings = replace(current_app.extensions["kabao_settings"], **few)
    with transaction() as session:
        draw_watch.watch(session, settings, now=at)
    with transaction() as session:
        return [(one.pattern, one.counted) for one in session.scalars(select(DrawFlag).order_by(DrawFlag.flagged_at, DrawFlag.pattern))]


def test_each_pattern_is_flagged_past_its_threshold_and_not_at_it(counter: Counter) -> None:
    one = new_id()
    drawn(3, at=NOON, holder=one)
    assert flagged(NOON, draws_an_hour=3, draws_of_holders=1, draws_at_night=0, draws_by_departments=1) == []
    assert flagged(NOON, draws_an_hour=2) == [(Pattern.RATE, 3)]
    assert flagged(NOON + timedelta(hours=2), draws_an_hour=2) == [(Pattern.RATE, 3)]
    drawn(2, at=NOON)
    assert flagged(NOON, draws_of_holders=3) == [(Pattern.RATE, 3)]
    assert (Pattern.HOLDERS, 3) in flagged(NOON, draws_of_holders=2)
    drawn(1, at=NOON, department="e", holder=one)
    assert (Pattern.DEPARTMENTS, 2) in flagged(NOON, draws_by_departments=1)
    drawn(4, at=NIGHT)
    assert (Pattern.NIGHT, 4) in flagged(NIGHT, draws_at_night=3)


@pytest.mark.parametrize(
    ("hour", "minute", "is_night"), [(6, 59, True), (7, 0, False), (20, 59, False), (21, 0, True), (0, 0, True)], ids=lambda one: f"{one}"
)
def test_night_is_from_nine_to_seven_by_the_clock_of_china(counter: Counter, hour: int, minute: int, is_night: bool) -> None:
    at = NOON.astimezone(CHINA).replace(hour=hour, minute=minute)
    drawn(1, at=at)
    assert flagged(at, draws_at_night=0) == ([(Pattern.NIGHT, 1)] if is_night else [])


def test_a_night_is_one_until_its_morning(counter: Counter) -> None:
    """What was flagged in the evening is not flagged again after midnight; the next evening it is."""
    evening = NOON.astimezone(CHINA).replace(hour=23)
    found = []
    for hours in (0, 5, 24):
        drawn(1, at=evening + timedelta(hours=hours))
        found.append(len(flagged(evening + timedelta(hours=hours), draws_at_night=0)))
    assert found == [1, 1, 2]


def test_departments_that_found_nothing_drew_from_nobody(counter: Counter) -> None:
    number = citizen_number()
    for department in "de":
        with transaction() as session:
            draw_watch.note_miss(session, department=department, system="s", type_code=get_type(TYPE).code, number=number, now=NOON)
    assert flagged(NOON, draws_by_departments=1) == []
    holder = new_id()
    for department in "de":
        drawn(1, at=NOON, department=department, holder=holder)
    assert flagged(NOON, draws_by_departments=1) == [(Pattern.DEPARTMENTS, 2)]


def test_the_same_is_flagged_once_a_day_and_again_on_the_next(counter: Counter) -> None:
    drawn(3, at=NOON)
    for minute in range(3):
        flagged(NOON + timedelta(minutes=minute), draws_an_hour=1)
    assert len(flagged(NOON, draws_an_hour=1)) == 1
    drawn(3, at=NOON + timedelta(days=1))
    assert len(flagged(NOON + timedelta(days=1), draws_an_hour=1)) == 2


def test_supervisors_hear_by_an_event_and_operators_by_a_notice(app: Flask, counter: Counter) -> None:
    supervisor = new_department(supervise=[TYPE])
    with transaction() as session:
        person = new_person(session)
        person_id = open_account(session, person)
        operators.add_operator(session, person_id, now=now())
    drawn(3, at=NOON)
    flagged(NOON, draws_an_hour=1)
    wait_until_readable(app)
    token = new_token(counter.client, supervisor, scopes=("events",))
    found: list[Any] = []
    after = "0-0"
    while page := counter.client.get(f"/api/v1/events?limit=500&after={after}", headers={"Authorization": f"Bearer {token}"}).json["events"]:
        found += page
        with transaction() as session:
            last = session.scalars(select(events.Event).where(events.Event.id == UUID(page[-1]["id"]))).one()
            after = str(events.Cursor(last.transaction, last.sequence))
    told = [one for one in found if one["kind"] == "draws.flagged" and one["detail"].get("system") == "s"]
    assert told[-1]["detail"] == {"pattern": "rate", "counted": 3, "threshold": 1, "department": "d", "system": "s"}
    with transaction() as session:
        assert notices.latest(session, person_id)[0].kind == "draws-flagged"
        operators.remove_operator(session, person_id, now=now())


def test_a_supervisor_sees_the_flags_of_its_types_alone_and_writes_down_that_it_looked(counter: Counter) -> None:
    drawn(3, at=now())
    flagged(now(), draws_an_hour=1)
    supervisor, stranger = new_browser(counter.client.application), new_browser(counter.client.application)
    sign_in(supervisor, new_officer(new_department(supervise=[TYPE])))
    sign_in(stranger, new_officer(new_department(supervise=["marriage-certificate"])))
    page = supervisor.get("/desk/draws", headers=BROWSER).text
    for shown in ("Many draws of one type", "3 times, threshold 1", "3 in the last hour", "those that found nothing, too"):
        assert shown in page
    with transaction() as session:
        flag_id = session.scalars(select(DrawFlag.id)).one()
    other = stranger.get("/desk/draws", headers=BROWSER).text
    assert "Nothing looks odd" in other
    path, form = f"/desk/draws/flags/{flag_id}", {"csrf_token": csrf_token(page)}
    assert stranger.post(path, data={"csrf_token": csrf_token(other)}, headers=BROWSER).status_code in (400, 404)
    assert supervisor.post(path, data=form, headers=BROWSER).status_code == 303
    assert supervisor.post(path, data=form, headers=BROWSER).status_code == 404
    assert "Looked at" in supervisor.get("/desk/draws", headers=BROWSER).text
    nobody = new_browser(counter.client.application)
    sign_in(nobody, new_officer(new_department()))
    assert "supervises no type" in nobody.get("/desk/draws", headers=BROWSER).text


def test_lines_a_month_old_are_forgotten_and_flags_stay(counter: Counter) -> None:
    drawn(2, at=now() - timedelta(days=32))
    drawn(1, at=now())
    draw_watch_jobs.forget_watched_draws()
    draw_watch_jobs.watch_draws()
    with transaction() as session:
        assert len(session.scalars(select(Drawn)).all()) == 1
