"""Each condition of what repeats within a minute: it holds while there is something to do, and no longer once that is done."""

import time
from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
from flask import Flask, current_app
from flask.testing import FlaskClient
from sqlalchemy import delete, insert, select, update
from sqlalchemy.orm import Session

from idp.signals import pushing, streams
from idp.signals.streams import SignalStream
from keys.rotation import DataKeyRotation
from keys.rotation_jobs import rotate_data_keys
from runtime import ledger, repeating
from runtime.clock import now
from runtime.database import transaction
from runtime.ids import new_id
from tests.wallet.issuing.desks import Desk
from tests.wallet.issuing.hooks import Watcher, hook
from tests.wallet.issuing.outbox import wait_until_readable
from tests.world_people import Person, new_person
from tests.world_wallet import example_fields
from wallet.holding.licence_notices import tell_holders
from wallet.holding.use_notices import tell_of_uses
from wallet.issuing import status_jobs
from wallet.issuing.desk.counting_jobs import add_up_counts
from wallet.issuing.licence_signals import tell_of_licences
from wallet.issuing.status_building import REFRESH_AFTER
from wallet.issuing.status_jobs import rebuild_status_lists
from wallet.issuing.status_lists import StatusList
from wallet.verifying.ledger_jobs import seal_ledger
from wallet.verifying.openid4vp.request_jobs import end_requests
from wallet.verifying.openid4vp.requests import PresentationRequest

WORKS: dict[str, Callable[[], None]] = {
    work.__name__: work
    for work in (
        rebuild_status_lists,
        tell_holders,
        tell_of_licences,
        seal_ledger,
        tell_of_uses,
        pushing.push_what_is_due,
        end_requests,
        rotate_data_keys,
        add_up_counts,
    )
}
TRIED_ELSEWHERE = {"keep_room_in_status_lists"}  # beside the lists that fill: tests/wallet/issuing/test_status_places.py
WHY = {"reason": "测试吊销", "legal_basis": "《测试法》第一条"}


def holds(work: Callable[[], None], session: Session) -> bool:
    """Return whether the work is said to have something to do."""
    return bool(session.scalar(select(repeating.declared[work.__name__].if_any(now()))))


def has_work(work: Callable[[], None]) -> bool:
    with transaction() as session:
        return holds(work, session)


def do_all_of(work: Callable[[], None]) -> None:
    """Work until there is nothing to do: what other transactions of the cluster hold back comes a moment later."""
    deadline = time.monotonic() + 60
    while has_work(work):
        assert time.monotonic() < deadline, f"{work.__name__} goes on and on"
        work()


@pytest.fixture(autouse=True)
def nobody_listens(context: None) -> Iterator[None]:
    """Let no stream of one test have anything to hear in the next."""
    yield
    with transaction() as session:
        session.execute(delete(SignalStream))
        streams.changed(session)


@pytest.fixture
def desk(app: Flask, client: FlaskClient) -> Desk:
    return Desk(app, client)


@pytest.fixture
def person(app: Flask) -> Person:
    with app.app_context(), transaction() as session:
        return new_person(session)


def test_every_condition_is_tried_here() -> None:
    assert WORKS.keys() | TRIED_ELSEWHERE == repeating.declared.keys()


def test_status_lists_are_due_when_something_changed_in_one(app: Flask, desk: Desk, person: Person, context: None) -> None:
    issued = desk.issue(person)
    do_all_of(rebuild_status_lists)
    desk.post(f"/licences/{issued['id']}/revocation", WHY)
    assert has_work(rebuild_status_lists)
    rebuild_status_lists()
    assert not has_work(rebuild_status_lists)


def test_status_lists_are_due_when_one_is_old(app: Flask, desk: Desk, person: Person, context: None) -> None:
    desk.issue(person)
    do_all_of(rebuild_status_lists)
    with transaction() as session:
        session.execute(update(StatusList).values(built_at=now() - REFRESH_AFTER - timedelta(seconds=1)))
        assert holds(rebuild_status_lists, session)
        session.rollback()


def test_status_lists_are_due_in_a_process_that_has_not_looked_whether_they_moved(app: Flask, context: None, monkeypatch: pytest.MonkeyPatch) -> None:
    do_all_of(rebuild_status_lists)
    monkeypatch.delitem(current_app.extensions, status_jobs.MOVED)
    assert has_work(rebuild_status_lists)


def test_holders_are_to_be_told_when_something_happened_to_a_licence(app: Flask, desk: Desk, person: Person, context: None) -> None:
    do_all_of(tell_holders)
    desk.issue(person)
    wait_until_readable(app)
    assert has_work(tell_holders)
    do_all_of(tell_holders)


def test_a_stream_is_to_be_told_also_of_what_turns_out_to_concern_it_not(
    app: Flask, client: FlaskClient, desk: Desk, person: Person, context: None
) -> None:
    """Else it would be asked about the same events each second until one came that did."""
    with hook() as heard:
        Watcher(app, client).make(heard.url)
        do_all_of(tell_of_licences)
        desk.issue(person, type="marriage-certificate", fields=example_fields("marriage-certificate"), valid_until=None)
        wait_until_readable(app)
        assert has_work(tell_of_licences)
        do_all_of(tell_of_licences)
        assert heard.kinds() == []


def test_nobody_listens_and_nothing_is_asked(app: Flask, desk: Desk, person: Person, context: None) -> None:
    desk.issue(person)
    wait_until_readable(app)
    assert not has_work(tell_of_licences)


def test_the_ledger_is_to_be_sealed_when_a_row_has_no_place_and_uses_told_when_it_has(app: Flask, context: None) -> None:
    do_all_of(seal_ledger)
    do_all_of(tell_of_uses)
    with transaction() as session:
        ledger.record(session, "test.act", actor="operator", object_id="test", now=now())
    assert (has_work(seal_ledger), has_work(tell_of_uses)) == (True, False)
    seal_ledger()
    assert (has_work(seal_ledger), has_work(tell_of_uses)) == (False, True)
    do_all_of(tell_of_uses)


def test_a_stream_is_to_be_pushed_when_its_receiver_has_not_got_all(
    app: Flask, client: FlaskClient, desk: Desk, person: Person, context: None
) -> None:
    with hook() as heard:
        stream_id = Watcher(app, client).make(heard.url)["id"]
        assert not has_work(pushing.push_what_is_due)
        desk.issue(person)
        wait_until_readable(app)
        do_all_of(tell_of_licences)
        assert has_work(pushing.push_what_is_due)
        pushing.push_signals(stream_id=stream_id)
        assert not has_work(pushing.push_what_is_due)
        assert heard.kinds() == ["licence.issued"]


def test_a_request_is_to_be_ended_when_its_time_is_over(app: Flask, context: None) -> None:
    do_all_of(end_requests)
    row = {"department": "11379999000000035T", "by_consent": False, "verifier": "x", "response_mode": "direct_post", "nonce": "n", "state": "s"}
    with transaction() as session:
        moment = now()
        for expires_at, due in ((moment + timedelta(minutes=1), False), (moment - timedelta(seconds=1), True)):
            made = {"terms_sealed": b"", "asked_at": moment, "expires_at": expires_at}
            session.execute(insert(PresentationRequest).values(row | made | {"id": new_id()}))
            assert holds(end_requests, session) == due
        session.rollback()


def test_a_rotation_is_due_once_its_rows_may_follow(app: Flask, context: None) -> None:
    assert not has_work(rotate_data_keys)
    moment = now()
    times = {"began_at": moment, "used_from": moment}
    with transaction() as session:
        row = insert(DataKeyRotation).values(purpose="test", version=2, held_up=0, moves_from=moment + timedelta(hours=1), **times)
        session.execute(row)
        assert not holds(rotate_data_keys, session)
        session.execute(update(DataKeyRotation).where(DataKeyRotation.purpose == "test").values(moves_from=moment))
        assert holds(rotate_data_keys, session)
        session.rollback()


def test_counts_are_to_be_added_up_when_a_licence_was_issued(app: Flask, desk: Desk, person: Person, context: None) -> None:
    do_all_of(add_up_counts)
    desk.issue(person)
    assert has_work(add_up_counts)
    do_all_of(add_up_counts)
