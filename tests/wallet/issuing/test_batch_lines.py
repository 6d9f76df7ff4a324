"""The lines of a batch, and the same batch at work twice at once."""

import threading
from typing import Any

from flask import Flask
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from runtime.clock import now
from runtime.database import transaction
from tests.wallet.issuing.desks import body_for
from tests.world_people import new_person
from tests.world_wallet import new_department
from wallet.issuing import batches
from wallet.issuing.batch_groups import Work
from wallet.issuing.batch_lines import read_document, read_line


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(raw=st.binary(max_size=200))
def test_whatever_a_line_is_it_is_a_request_or_a_fault(raw: bytes) -> None:
    line = read_line(1, raw)
    assert (line.request is None) != (line.fault is None)


def test_the_same_batch_at_work_twice_at_once_issues_each_line_once(app: Flask) -> None:
    with app.app_context():
        department = new_department(issue=["driving-licence"])
        with transaction() as session:
            lines = [read_document(number, body_for(new_person(session))) for number in range(1, 121)]
            batch = batches.open_batch(session, caller="at once", key="k", department=department, now=now())
    work = Work(app.extensions["kabao_settings"], batch.id, "at once", department)
    outcomes: list[list[Any]] = []

    def run(backwards: bool) -> None:
        with app.app_context():
            groups = [lines[begin : begin + 30] for begin in range(0, 120, 30)]
            done = [one for group in (reversed(groups) if backwards else groups) for some in work.take(group, now=now()) for one in some]
            outcomes.append(sorted((one.line, one.licence.id) for one in done if one.licence is not None))

    threads = [threading.Thread(target=run, args=(number % 2 == 1,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(outcomes) == 4
    assert all(one == outcomes[0] for one in outcomes)
    assert len(outcomes[0]) == 120
    with app.app_context(), transaction() as session:
        assert [one.is_good for one in batches.results(session, batch.id)] == [True] * 120
