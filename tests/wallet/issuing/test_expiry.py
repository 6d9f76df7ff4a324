import threading
from collections import Counter
from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import select

from keys import sealing
from runtime.clock import now, shifted
from runtime.database import transaction
from runtime.events import Event
from runtime.ledger import LedgerEntry
from tests.wallet.issuing.desks import Desk
from tests.world_people import Person
from wallet.issuing import expiry, status_lists
from wallet.issuing.credentials import credential_of
from wallet.issuing.expiry_jobs import lapse_expired_licences
from wallet.register.licences import LicenceState, china_date, get_licence

WHY = {"reason": "测试理由", "legal_basis": "《测试法》第一条"}


def ending(desk: Desk, person: Person, *, days: int = 5) -> str:
    return str(desk.issue(person, valid_until=str(china_date(now()) + timedelta(days=days)))["id"])


def test_what_has_expired_lapses_once_with_turn_ledger_and_event(app: Flask, desk: Desk, person: Person) -> None:
    over, last_day, suspended = ending(desk, person), ending(desk, person, days=6), ending(desk, person)
    desk.post(f"/licences/{suspended}/suspension", WHY)
    with shifted(timedelta(days=6)), app.app_context():
        lapse_expired_licences()
        lapse_expired_licences()
        moment = now()
    with app.app_context(), transaction() as session:
        assert [get_licence(session, UUID(one)).state for one in (over, last_day, suspended)] == ["lapsed", "valid", "suspended"]
        licence = get_licence(session, UUID(over))
        assert licence.state_at(moment) is LicenceState.EXPIRED
        for table, column in ((Event, Event.kind), (LedgerEntry, LedgerEntry.act)):
            rows = session.scalars(select(column).where(table.object_id == over)).all()
            assert sorted(rows) == ["licence.issued", "licence.lapsed"]
        assert status_lists.state_of(session, credential_of(session, licence).place) == status_lists.VALID
    turns = desk.get(f"/licences/{over}/history").json["turns"]
    assert [(one["act"], one["state"], one["actor"]) for one in turns[1:]] == [("expire", "lapsed", "calendar")]


def test_workers_at_once_let_each_licence_lapse_once(app: Flask, desk: Desk, person: Person) -> None:
    ids = {ending(desk, person) for _ in range(12)}
    barrier = threading.Barrier(4)

    def work() -> None:
        with app.app_context():
            barrier.wait()
            for _ in range(5):
                with transaction() as session:
                    expiry.lapse_expired(session, now=now() + timedelta(days=6))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with app.app_context(), transaction() as session:
        rows = session.scalars(select(Event.object_id).where(Event.kind == "licence.lapsed", Event.object_id.in_(ids))).all()
    assert Counter(rows) == dict.fromkeys(ids, 1)


def test_what_was_in_suspense_beyond_its_last_day_expired_when_it_was_resumed(app: Flask, desk: Desk, person: Person) -> None:
    licence = ending(desk, person)
    desk.post(f"/licences/{licence}/suspension", WHY)
    with shifted(timedelta(days=9)):
        desk.renew_token()
        assert desk.post(f"/licences/{licence}/resumption", WHY).json["state"] == "expired"
        with app.app_context():
            lapse_expired_licences()
        history = desk.get(f"/licences/{licence}/history").json["turns"]
        assert [one["act"] for one in history] == ["issue", "suspend", "resume", "expire"]
        on = str(china_date(now()) - timedelta(days=1))
        standing = desk.get(f"/licences/{licence}?at={on}").json["standing"]
    assert (standing["state"], standing["recorded_state"]) == ("suspended", "suspended")
    assert history[-1]["effective_at"] >= history[-2]["effective_at"], "no turn but an annulment reaches back before the one that it follows"


def test_a_worker_whose_clock_is_ahead_ends_no_licence_before_its_time(
    app: Flask, desk: Desk, person: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    licence = ending(desk, person)
    with app.app_context():
        known = replace(sealing.sealer(), ahead=-timedelta(days=9))
    with monkeypatch.context() as there, app.app_context():
        there.setattr(sealing, "_sealer", lambda: known)
        there.setattr("runtime.clock._shift", timedelta(days=9))
        lapse_expired_licences()
    with app.app_context(), transaction() as session:
        assert get_licence(session, UUID(licence)).state == "valid"
