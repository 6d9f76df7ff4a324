"""What is issued at the very moment at which a registry tells of its holder is due as well, a little later: two real transactions each."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import text
from sqlalchemy.orm import Session

from idp.subjects import changes, directory
from idp.subjects.history import Told
from idp.subjects.numbers import parse_number
from idp.subjects.records import ACTIVE, DECEASED
from runtime import jobs
from runtime.clock import now
from runtime.database import transaction
from tests.locks import wait_until_somebody_waits
from tests.wallet.issuing.desks import Desk
from tests.wallet.issuing.test_due_notices import WHY, dues, rename, subject_of
from tests.world_people import Person, citizen_number
from wallet.issuing import due_jobs, records

Tell = Callable[[Session, Person], object]


def another_name(session: Session, person: Person) -> None:
    changes.rename(session, subject_of(session, person), "欧阳新名", told=Told("registry", now()))


def another_number(session: Session, person: Person) -> None:
    directory.renumber(session, parse_number(person.number), parse_number(citizen_number()), told=Told("registry", now()))


def death(session: Session, person: Person) -> None:
    changes.set_state(session, subject_of(session, person), DECEASED, told=Told("registry", now()))


TOLD = [pytest.param(another_name, "name", id="name"), pytest.param(another_number, "number", id="number"), pytest.param(death, "ended", id="death")]


@pytest.fixture
def told(app: Flask, desk: Desk, person: Person) -> Desk:
    """A desk at which the person is known already."""
    desk.issue(person)
    return desk


def look_again(app: Flask) -> list[Any]:
    """Run the second looks that wait, and return when they were to be."""
    with app.app_context():
        with transaction() as session:
            waiting = text(
                "DELETE FROM procrastinate_jobs WHERE task_name = 'kabao:mark_issued_meanwhile' RETURNING id, args, scheduled_at, priority"
            )
            rows = sorted(session.execute(waiting).all())
        assert {row.priority for row in rows} <= {jobs.LATER}, "a registry's file may ask for so many that all else would wait"
        for row in rows:
            due_jobs.mark_issued_meanwhile(**row.args)
    return [row.scheduled_at for row in rows]


def check_second_look(app: Flask, told: Desk, person: Person, licence_id: str, what: str) -> None:
    """Check that a licence is due for what was told as it was issued once it is looked at again, and says of its holder what it said."""
    assert dues(app, licence_id) == [], "nobody saw it"
    (when,) = look_again(app)
    assert when > now() + timedelta(minutes=1)
    assert dues(app, licence_id) == [what]
    read = told.get(f"/licences/{licence_id}").json
    assert (read["due_for"], read["metadata"]["CZZT"], read["metadata"]["CZZTDM"]) == ([what], person.name, person.number)
    look_again(app)
    assert dues(app, licence_id) == [what], "once"


@pytest.mark.parametrize(("tell", "what"), TOLD)
def test_what_was_read_before_and_is_written_after_is_due_a_little_later(
    app: Flask, told: Desk, person: Person, monkeypatch: pytest.MonkeyPatch, tell: Tell, what: str
) -> None:
    look_again(app)
    through, was_told = records.write_alone, list[bool]()

    def write_once_it_is_told(*args: Any, **values: Any) -> Any:
        with transaction() as session:
            tell(session, person)
        was_told.append(True)
        return through(*args, **values)

    monkeypatch.setattr(records, "write_alone", write_once_it_is_told)
    issued = told.issue(person)
    assert was_told
    check_second_look(app, told, person, issued["id"], what)


@pytest.mark.parametrize(("tell", "what"), TOLD)
def test_a_successor_that_is_written_while_the_registry_waits_for_what_it_succeeds_is_due_a_little_later(
    app: Flask, told: Desk, person: Person, monkeypatch: pytest.MonkeyPatch, tell: Tell, what: str
) -> None:
    look_again(app)
    through, telling = records.write, list[Future[None]]()

    def tell_at_once() -> None:
        with app.app_context(), transaction() as session:
            tell(session, person)

    with ThreadPoolExecutor(1) as threads:

        def write_while_it_is_told(session: Session, *args: Any, **values: Any) -> Any:
            telling.append(threads.submit(tell_at_once))
            wait_until_somebody_waits(session)
            return through(session, *args, **values)

        monkeypatch.setattr(records, "write", write_while_it_is_told)
        before = told.get("/licences").json["licences"][0]
        successor = told.post(f"/licences/{before['id']}/replacement", WHY).json
        telling[0].result(30)
    check_second_look(app, told, person, successor["id"], what)


@pytest.mark.parametrize(("tell", "what"), TOLD)
def test_what_is_written_while_the_registry_s_word_is_not_kept_yet_is_due_a_little_later(
    app: Flask, told: Desk, person: Person, tell: Tell, what: str
) -> None:
    with app.app_context(), transaction() as session:
        look_again(app)
        tell(session, person)
        issued = told.issue(person)
    check_second_look(app, told, person, issued["id"], what)


def test_what_says_what_is_so_is_not_due_whenever_it_was_issued(app: Flask, told: Desk, person: Person) -> None:
    rename(app, person, "欧阳新名")
    issued = told.issue(person, holder={"number": person.number})
    look_again(app)
    assert dues(app, issued["id"]) == []
    assert told.get(f"/licences/{issued['id']}").json["metadata"]["CZZT"] == "欧阳新名"


def test_who_came_back_before_the_second_look_is_not_thought_gone(app: Flask, told: Desk, person: Person) -> None:
    with app.app_context(), transaction() as session:
        death(session, person)
    with app.app_context(), transaction() as session:
        changes.set_state(session, subject_of(session, person), ACTIVE, told=Told("registry", now()))
    issued = told.issue(person)
    look_again(app)
    assert "due_for" not in told.get(f"/licences/{UUID(issued['id'])}").json
