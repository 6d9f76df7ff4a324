"""One batch in the hands of two processes at once, as when it is sent again before the first sending was given up."""

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select

from runtime.clock import now
from runtime.database import transaction
from tests.wallet.issuing.desks import Desk, body_for
from tests.wallet.issuing.test_batches_api import licences_held
from tests.world_people import new_person
from wallet.issuing import batches
from wallet.issuing.batch_groups import Work
from wallet.issuing.batch_lines import read_document
from wallet.issuing.batches import BatchLine


def test_a_batch_that_is_sent_twice_at_once_issues_each_line_once(app: Flask, desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    settings, before, both = app.extensions["kabao_settings"], batches.lines_before, threading.Barrier(2)
    with app.app_context(), transaction() as session:
        people = [new_person(session) for _ in range(12)]
        batch = batches.open_batch(session, caller=desk.system.client_id, key="twice", department=desk.department, now=now())
        work = Work(settings, batch.id, caller=batch.caller, department=batch.department)
    lines = [read_document(number, body_for(person)) for number, person in enumerate(people, 1)]

    def read_at_once(*args: Any) -> Any:
        found = before(*args)
        with suppress(threading.BrokenBarrierError):
            both.wait(timeout=2)
        return found

    def send(_: int) -> list[Any]:
        with app.app_context():
            return [one.licence.id for done in work.take(lines, now=now()) for one in done]

    monkeypatch.setattr(batches, "lines_before", read_at_once)
    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(send, range(2))
    assert first == second, "both are told the same"
    assert [licences_held(app, person) for person in people] == [1] * len(people)
    with app.app_context(), transaction() as session:
        kept = session.scalars(select(BatchLine.licence_id).where(BatchLine.batch_id == work.batch_id).order_by(BatchLine.line)).all()
    assert list(kept) == first
