"""The hot path: what one licence costs the database, and what becomes of one that meets a place or a key which is taken."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
from flask import Flask, current_app
from flask.testing import FlaskClient
from sqlalchemy import event, func, select

from runtime.clock import now
from runtime.database import engine, transaction
from runtime.events import Event
from runtime.ledger import LedgerEntry
from tests.wallet.issuing.desks import Desk, body_for
from tests.world_people import Person, new_person
from tests.world_wallet import example_dates, example_fields, new_department
from wallet.issuing import records
from wallet.issuing.credentials import Credential
from wallet.issuing.life import issue_licence
from wallet.issuing.requests import LicenceRequest
from wallet.issuing.status_lists import Place, StatusEntry
from wallet.register.catalogue import get_type
from wallet.register.licences import Licence
from wallet.register.turns import LicenceTurn


def test_in_a_session_a_licence_with_all_that_is_told_of_it_takes_two_statements(app: Flask) -> None:
    """The holder is found; licence, turn, credential, place, ledger and event are one statement."""
    with app.app_context():
        department = new_department(issue=["driving-licence"])
        with transaction() as session:
            number = new_person(session).number
        begins, ends = example_dates(get_type("driving-licence"))
        request = LicenceRequest("driving-licence", number, example_fields("driving-licence"), begins, ends)

        def issue() -> None:
            with transaction() as session:
                issue_licence(session, current_app.extensions["kabao_settings"], request, department=department, now=now())

        assert [one.split()[0] for one in fewest(issue)] == ["SELECT", "WITH"]


@pytest.mark.parametrize("has_key", [False, True], ids=["without a key", "with one"])
def test_by_the_api_a_licence_takes_two_statements_each_of_which_is_a_transaction_of_its_own(desk: Desk, person: Person, has_key: bool) -> None:
    keys = iter(f"few-{person.number[-8:]}-{turn}" for turn in range(9))
    commits: list[int] = []

    def issue() -> None:
        answer = desk.post("/licences", body_for(person), **({"Idempotency-Key": next(keys)} if has_key else {}))
        assert answer.status_code == 201, answer.text

    with desk.app.app_context():
        event.listen(engine(), "commit", note := lambda _: commits.append(1))
        asked, written = fewest(issue, begin=commits.clear)
        event.remove(engine(), "commit", note)
    assert (asked.split()[0], written.split()[:2]) == ("SELECT", ["WITH", "place"])
    assert all(f"INSERT INTO {one} " in written for one in ("licences", "licence_turns", "credentials", "ledger_entries", "events"))
    assert ("INSERT INTO idempotency_keys" in written) is has_key


@pytest.mark.parametrize("has_key", [False, True], ids=["without a key", "with one"])
def test_a_place_that_is_taken_is_left_and_another_drawn(desk: Desk, person: Person, monkeypatch: pytest.MonkeyPatch, has_key: bool) -> None:
    with desk.app.app_context(), transaction() as session:
        taken = placed(session, desk.issue(person)["id"])
    draw, drawn = records.draw, iter([taken, taken])
    monkeypatch.setattr(records, "draw", lambda list_id: next(drawn, None) or draw(list_id))
    key = {"Idempotency-Key": f"taken-{person.number[-8:]}"} if has_key else {}
    issued = [desk.post("/licences", body_for(person), **key).json["id"] for _ in range(2)]
    assert (issued[0] == issued[1]) is has_key
    with desk.app.app_context(), transaction() as session:
        assert placed(session, issued[0]) != taken
        assert all(written(session, one) == (1, 1, 1, 1) for one in issued)


def test_what_a_key_made_is_answered_again_although_it_would_be_refused_by_now(desk: Desk, person: Person) -> None:
    key, body = {"Idempotency-Key": f"late-{person.number[-8:]}"}, body_for(person)
    first = desk.post("/licences", body, **key)
    desk.limit("driving-licence", acts=["renew"])
    assert desk.post("/licences", body).json["code"] == "no-authority"
    again, other = desk.post("/licences", body, **key), desk.post("/licences", body_for(person, valid_until=None), **key)
    assert (again.status_code, again.json) == (201, first.json)
    assert (other.status_code, other.json["code"]) == (422, "idempotency-key-reused")


def test_what_is_answered_by_a_key_again_wrote_nothing_more(desk: Desk, person: Person) -> None:
    key, places = {"Idempotency-Key": f"once-{person.number[-8:]}"}, []
    made = desk.post("/licences", body_for(person), **key).json["id"]
    for _ in range(2):
        with desk.app.app_context(), transaction() as session:
            places.append(session.scalar(select(func.count()).select_from(StatusEntry)))
        assert desk.post("/licences", body_for(person), **key).json["id"] == made
    assert places[1] == places[0]
    with desk.app.app_context(), transaction() as session:
        assert written(session, made) == (1, 1, 1, 1)
        holder = session.scalar(select(Licence.holder_id).where(Licence.id == UUID(made)))
        assert session.scalar(select(func.count()).where(Licence.holder_id == holder)) == 1


def test_a_holder_who_was_never_met_is_asked_of_the_registry(app: Flask, client: FlaskClient, desk: Desk) -> None:
    with app.app_context(), transaction() as session:
        stranger = new_person(session)
    assert desk.post("/licences", body_for(stranger), **{"Idempotency-Key": f"new-{stranger.number[-8:]}"}).status_code == 201


def fewest(act: Callable[[], None], *, begin: Callable[[], None] = lambda: None) -> list[str]:
    """Return the statements of that time of some at which an act sent the fewest: the first fills caches, word of a new list may empty them."""
    runs: list[list[str]] = []
    event.listen(engine(), "before_cursor_execute", hear := lambda *said: runs[-1].append(said[2]))
    for _ in range(5):
        begin()
        runs.append([])
        act()
    event.remove(engine(), "before_cursor_execute", hear)
    return min(runs, key=len)


def placed(session: Any, licence_id: str) -> Place:
    return session.scalars(select(Credential).where(Credential.licence_id == UUID(licence_id))).one().place  # type: ignore[no-any-return]


def written(session: Any, licence_id: str) -> tuple[int, ...]:
    """How many turns, credentials, rows of the ledger and events there are of a licence."""
    about = {LicenceTurn.licence_id: UUID(licence_id), Credential.licence_id: UUID(licence_id), LedgerEntry.object_id: licence_id}
    about |= {Event.object_id: licence_id}
    return tuple(session.scalar(select(func.count()).where(column == value)) for column, value in about.items())
