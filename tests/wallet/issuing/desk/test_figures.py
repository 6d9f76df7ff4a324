"""The numbers on the desk's pages are those of the register, whoever changes it; a page asks as often for many licences as for one."""

import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import delete, select, text, update

from bench.statements import counted
from runtime.clock import now
from runtime.database import transaction
from tests.wallet.issuing.desk.conftest import WHY, Officer, new_officer
from tests.world_people import Person, new_person
from tests.world_wallet import new_department, new_licence
from wallet.issuing import expiry
from wallet.issuing.desk import statistics, watch
from wallet.issuing.desk.counting_jobs import add_up_counts
from wallet.issuing.desk.recount_commands import recount
from wallet.issuing.desk.watch import Light
from wallet.register import counts
from wallet.register.acts import Act
from wallet.register.counts import Difference, LicenceCount, LicenceCountChange
from wallet.register.licences import Licence, LicenceState, china_date


@pytest.fixture
def department(app: Flask) -> str:
    with app.app_context():
        return new_department(issue=["driving-licence", "birth-certificate"])


@pytest.fixture
def officer(app: Flask, department: str) -> Officer:
    return new_officer(app, department)


def differences(app: Flask, department: str) -> list[Difference]:
    with app.app_context(), transaction() as session:
        return [one for one in counts.recount(session) if one.department == department]


def figures(app: Flask, department: str) -> tuple[Any, ...]:
    with app.app_context(), transaction() as session:
        moment = now()
        standings = statistics.standings(session, department=department)
        months = statistics.months(session, department=department, now=moment)
        return standings, months, watch.lights(session, department=department, now=moment)


def give(app: Flask, department: str, person: Person, count: int = 1) -> list[Licence]:
    with app.app_context(), transaction() as session:
        return [new_licence(session, type="driving-licence", department=department, number=person.number) for _ in range(count)]


def set_end(app: Flask, licences: list[Licence], days: int) -> None:
    with app.app_context(), transaction() as session:
        ends = china_date(now()) + timedelta(days=days)
        session.execute(update(Licence).where(Licence.id.in_([one.id for one in licences])).values(valid_until=ends))


def test_every_act_is_counted_as_it_is_done_and_as_a_recount_finds_it(app: Flask, officer: Officer, person: Person) -> None:
    pages = [officer.issued(person) for _ in range(4)]
    for name in ("suspend", "resume", "suspend"):
        assert officer.post(f"{pages[0]}/{name}", **WHY).status_code == 303
    assert officer.post(f"{pages[1]}/replace", **WHY).status_code == 303
    assert officer.post(f"{pages[2]}/revoke", **WHY).status_code == 303
    (standing,), months, _ = figures(app, officer.department)
    assert standing.counts == {LicenceState.VALID: 2, LicenceState.SUSPENDED: 1, LicenceState.REVOKED: 1, LicenceState.LAPSED: 1}
    assert (months[-1].issued, months[-1].acts) == (5, {Act.SUSPEND: 2, Act.RESUME: 1, Act.REPLACE: 1, Act.REVOKE: 1})
    assert differences(app, officer.department) == []


def test_what_ends_by_the_calendar_keeps_its_light_until_it_has_a_successor(app: Flask, department: str, person: Person) -> None:
    licences = give(app, department, person, 3)
    set_end(app, licences, -3)
    set_end(app, licences[:1], 20)
    with app.app_context(), transaction() as session:
        while expiry.lapse_expired(session, now=now()):
            pass
    standings, months, (lights,) = figures(app, department)
    assert lights.counts == {Light.RED: 2, Light.YELLOW: 1}
    assert standings[0].counts == {LicenceState.VALID: 1, LicenceState.LAPSED: 2}
    assert months[-1].acts == {Act.EXPIRE: 2}
    assert differences(app, department) == []


def test_a_licence_that_is_taken_away_or_given_to_another_department_is_counted_there(app: Flask, department: str, person: Person) -> None:
    first, second = give(app, department, person, 2)
    with app.app_context():
        other = new_department(issue=["driving-licence"])
        with transaction() as session:
            session.execute(update(Licence).where(Licence.id == first.id).values(issuer_code=other))
            session.execute(delete(Licence).where(Licence.id == second.id))
    assert figures(app, department)[0] == []
    assert figures(app, other)[0][0].counts == {LicenceState.VALID: 1}


def test_adding_up_changes_no_number(app: Flask, department: str, person: Person) -> None:
    give(app, department, person, 3)
    before = figures(app, department)
    with app.app_context():
        for _ in range(2):
            add_up_counts()
            assert figures(app, department) == before
        with transaction() as session:
            assert session.scalars(select(LicenceCountChange).where(LicenceCountChange.department == department)).all() == []


def test_what_was_undone_counts_for_nothing(app: Flask, department: str, person: Person) -> None:
    with app.app_context(), transaction() as session:
        new_licence(session, type="driving-licence", department=department, number=person.number)
        session.rollback()
    assert figures(app, department)[0] == []


def test_what_changes_nothing_that_is_counted_writes_no_change(app: Flask, department: str, person: Person) -> None:
    (licence,) = give(app, department, person)
    with app.app_context():
        add_up_counts()
        with transaction() as session:
            session.execute(
                update(Licence).where(Licence.id == licence.id).values(due_since=now(), licence_number_sealed=licence.licence_number_sealed)
            )
            assert session.scalars(select(LicenceCountChange).where(LicenceCountChange.department == department)).all() == []


def test_many_who_issue_and_add_up_at_once_lose_and_double_nothing(app: Flask, department: str) -> None:
    with app.app_context(), transaction() as session:
        people = [new_person(session) for _ in range(4)]
    over, failed = threading.Event(), list[BaseException]()

    def at_once(work: Callable[[], object]) -> threading.Thread:
        def run() -> None:
            try:
                work()
            except BaseException as error:  # noqa: BLE001 (told to the test)
                failed.append(error)

        thread = threading.Thread(target=run)
        thread.start()
        return thread

    def add_up() -> None:
        with app.app_context():
            while not over.is_set():
                add_up_counts()

    adding = [at_once(add_up) for _ in range(2)]
    issuing = [at_once(lambda one=one: give(app, department, one, 5)) for one in people for _ in range(2)]  # type: ignore[misc]
    for one in issuing:
        one.join()
    over.set()
    for one in adding:
        one.join()
    assert failed == []
    (standing,), months, _ = figures(app, department)
    assert (standing.counts, months[-1].issued) == ({LicenceState.VALID: 40}, 40)
    assert differences(app, department) == []


def test_a_recount_says_which_numbers_are_wrong_and_mends_them(app: Flask, department: str, person: Person) -> None:
    (licence,) = give(app, department, person)
    wrong = {LicenceCount.department == department, LicenceCount.kind == counts.STANDING}
    with app.app_context():
        add_up_counts()
        with transaction() as session:
            session.execute(update(LicenceCount).where(*wrong).values(count=7))
    assert differences(app, department) == [Difference(department, "standing", "valid", None, licence.type_code, 7, 1)]
    told = app.test_cli_runner().invoke(recount, [])
    assert told.exit_code == 1
    assert f"{department} {licence.type_code} standing valid: 7 is told, 1 is so" in told.output
    mended = app.test_cli_runner().invoke(recount, ["--mend"])
    assert mended.exit_code == 0, mended.output
    assert differences(app, department) == []
    assert figures(app, department)[0][0].counts == {LicenceState.VALID: 1}
    again = app.test_cli_runner().invoke(recount, [])
    assert (again.exit_code, again.output) == (0, "Every number is right.\n")


@pytest.mark.parametrize("path", ["/desk/expiring", "/desk/statistics", "/desk/licences?state=valid"])
def test_a_page_asks_as_often_for_many_licences_as_for_one(app: Flask, officer: Officer, path: str) -> None:
    def asked(count: int) -> int:
        with app.app_context(), transaction() as session:
            people = [new_person(session) for _ in range(count)]
        set_end(app, [give(app, officer.department, one)[0] for one in people], 5)
        officer.get(path)
        with counted(app) as statements:
            assert officer.get(path).status_code == 200
        return len(statements.sent)

    assert asked(1) == asked(6)


def test_figures_and_lights_are_read_without_reading_a_licence(app: Flask, officer: Officer, person: Person) -> None:
    give(app, officer.department, person)
    with counted(app) as statements:
        figures(app, officer.department)
    assert [one for one in statements.sent if "FROM licences" in one] == []
    assert len([one for one in statements.sent if "licence_counts" in one]) == 3


def test_the_page_says_of_which_moment_its_figures_are(officer: Officer) -> None:
    assert all("截至" in officer.get(path).text for path in ("/desk/expiring", "/desk/statistics"))


def test_counting_is_the_databases_own(app: Flask) -> None:
    with app.app_context(), transaction() as session:
        triggers = session.scalars(text("SELECT tgname FROM pg_trigger WHERE tgrelid = 'licences'::regclass AND NOT tgisinternal ORDER BY 1")).all()
    assert triggers == ["count_licences_delete", "count_licences_insert", "count_licences_update"]
