"""Holders hear of an end 90, 30 and 7 days before it, once each, whatever crashes and however many workers there are."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import date, datetime, timedelta
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import delete, select, update

from idp.signin import notice_choices, notices
from idp.subjects.directory import ensure_subject
from idp.subjects.numbers import parse_number
from runtime.clock import now
from runtime.database import transaction
from tests.wallet.holding.test_wallet_pages import signed_in, someone, writing
from tests.world_people import act_for, new_organisation, new_person, open_account
from tests.world_wallet import new_department, new_licence
from wallet.holding import expiry_notices
from wallet.holding.expiry_notices import BATCH, KIND, ExpiryReminder, remind
from wallet.register.licences import CHINA, Licence

FAR = date(2090, 1, 1)  # years in which no other test's licence ends
NEXT = {90: 30, 30: 7, 7: -1}


def at(days_before: int, end: date = FAR) -> datetime:
    """Return noon in China, so many days before an end."""
    return datetime(end.year, end.month, end.day, 12, tzinfo=CHINA) - timedelta(days=days_before)


@pytest.fixture(autouse=True)
def from_the_start(app: Flask) -> Iterator[None]:
    """Every test begins with stages that have never told, and leaves none ahead of the calendar."""
    for _ in range(2):
        with writing(app) as session:
            session.execute(delete(ExpiryReminder))
        if _ == 0:
            yield


def ending(app: Flask, *numbers: str, until: date = FAR, type: str = "driving-licence") -> list[Licence]:  # noqa: A002
    with writing(app) as session:
        department = new_department(issue=[type])
        licences = [new_licence(session, type=type, department=department, number=number) for number in numbers]
    with writing(app) as session:
        session.execute(update(Licence).where(Licence.id.in_([one.id for one in licences])).values(valid_until=until))
    return licences


def run(app: Flask, moment: datetime) -> None:
    with app.app_context():
        for stage, after in NEXT.items():
            while remind(stage, after=after, now=moment) == BATCH:
                continue


def told(app: Flask, holder_id: UUID) -> list[str]:
    with writing(app) as session:
        return [one.body.zh for one in notices.latest(session, holder_id, limit=20) if one.kind == KIND][::-1]


def days(bodies: list[str]) -> list[int]:
    return [int(body.split("还有")[1].split("天")[0]) for body in bodies]


def test_a_holder_hears_ninety_thirty_and_seven_days_before_and_never_twice(app: Flask) -> None:
    person = someone(app)
    licence = ending(app, person.number)[0]
    for days_before in (95, 90, 90, 89, 31, 30, 29, 8, 7, 7, 1, 0, -1):
        run(app, at(days_before))
    bodies = told(app, licence.holder_id)
    assert days(bodies) == [90, 30, 7]
    assert "机动车驾驶证" in bodies[0]
    assert "2090-01-01" in bodies[0]


@pytest.mark.parametrize(("first", "heard"), [(80, [80, 30, 7]), (25, [25, 7]), (3, [3]), (0, [0])])
def test_where_no_worker_was_there_it_is_told_late_and_by_one_stage(app: Flask, first: int, heard: list[int]) -> None:
    licence = ending(app, someone(app).number)[0]
    for days_before in (first, *(one for one in (30, 7) if one < first)):
        run(app, at(days_before))
    assert days(told(app, licence.holder_id)) == heard


def test_what_is_issued_with_little_time_left_is_told_by_the_next_stage(app: Flask) -> None:
    run(app, at(60))
    licence = ending(app, someone(app).number)[0]
    for days_before in (59, 30, 7):
        run(app, at(days_before))
    assert days(told(app, licence.holder_id)) == [30, 7]


@pytest.mark.parametrize(
    "change", [{"state": "suspended"}, {"state": "revoked"}, {"successor_id": UUID(int=7)}], ids=["suspended", "over", "renewed"]
)
def test_nobody_hears_of_an_end_that_does_not_matter(app: Flask, change: dict[str, object]) -> None:
    licence = ending(app, someone(app).number)[0]
    with writing(app) as session:
        row = session.merge(licence)
        for name, value in change.items():
            setattr(row, name, value)
    run(app, at(30))
    assert told(app, licence.holder_id) == []


def test_a_crash_in_the_middle_of_a_batch_tells_nobody_twice(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    people = [someone(app) for _ in range(3)]
    licences = ending(app, *(one.number for one in people))
    tell, calls = notices.tell, []

    def breaking(*args: object, **values: object) -> None:
        calls.append(args)
        if len(calls) == 2:
            raise RuntimeError("the worker dies")
        tell(*args, **values)  # type: ignore[arg-type]

    monkeypatch.setattr(expiry_notices.notices, "tell", breaking)
    with pytest.raises(RuntimeError):
        run(app, at(30))
    run(app, at(30))
    assert [len(told(app, one.holder_id)) for one in licences] == [1, 1, 1]


def test_many_workers_at_once_tell_each_once(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(expiry_notices, "BATCH", 2)
    licences = ending(app, *(someone(app).number for _ in range(7)))

    def work(_: int) -> None:
        with app.app_context():
            for _ in range(8):
                remind(7, after=-1, now=at(5))

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(work, range(6)))
    work(0)
    assert [days(told(app, one.holder_id)) for one in licences] == [[5]] * 7


def test_an_organisation_s_representative_hears_whoever_has_no_account_does_not_and_who_muted_it_neither(app: Flask) -> None:
    boss, deaf = someone(app), someone(app)
    with writing(app) as session:
        firm, stranger = new_organisation(session, representative=boss), new_person(session)
        boss_id, firm_id = (ensure_subject(session, parse_number(one.number), now=now()).id for one in (boss, firm))
    assert act_for(signed_in(app, boss), firm_id).status_code == 303
    ending(app, firm.number, type="business-licence")
    silent = ending(app, stranger.number, deaf.number)
    with writing(app) as session:
        notice_choices.choose(session, silent[1].holder_id, [], now=now())
    run(app, at(7))
    assert len(told(app, boss_id)) == 1
    assert told(app, silent[0].holder_id) == told(app, silent[1].holder_id) == []


def test_the_notice_leads_to_the_card(app: Flask) -> None:
    with app.app_context(), transaction() as session:
        person = new_person(session)
        open_account(session, person)
    licence = ending(app, person.number)[0]
    run(app, at(7))
    with writing(app) as session:
        row = session.scalars(select(notices.Notice).where(notices.Notice.subject_id == licence.holder_id, notices.Notice.kind == KIND)).one()
        found = notices.find(session, licence.holder_id, row.id)
    assert found is not None
    assert found.link == f"/wallet/cards/{licence.id}"
