"""The lines of a batch, however the stream is cut."""

import threading
import time
from itertools import pairwise
from typing import Any

import pytest
from flask import Flask
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from runtime.clock import now
from runtime.database import transaction
from tests.wallet.issuing.desks import body_for
from tests.world_people import new_person
from tests.world_wallet import new_department
from wallet.issuing import batches
from wallet.issuing.arriving import Arriving, StoppedSending
from wallet.issuing.batch_groups import Work
from wallet.issuing.batch_lines import BOM, read_document, read_line, split

LINE = st.binary(max_size=40).map(lambda line: line.replace(b"\n", b""))


def expected(lines: list[bytes], longest: int) -> list[tuple[int, bytes | None]]:
    """Return what each line is, the plain way."""
    found: list[tuple[int, bytes | None]] = []
    for number, line in enumerate(lines, 1):
        if len(line) > longest:
            found.append((number, None))
        elif stripped := (line.removeprefix(BOM) if number == 1 else line).strip():
            found.append((number, stripped))
    return found


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(lines=st.lists(LINE, max_size=12), cuts=st.lists(st.integers(0, 600), max_size=12), longest=st.integers(1, 40), ends=st.booleans())
def test_a_stream_has_the_same_lines_however_it_is_cut(lines: list[bytes], cuts: list[int], longest: int, ends: bool) -> None:
    body = b"\n".join(lines) + (b"\n" if ends else b"")
    places = [0, *sorted(cut for cut in cuts if cut < len(body)), len(body)]
    pieces = [body[begin:end] for begin, end in pairwise(places)]
    assert list(split(pieces, longest=longest)) == expected(lines, longest)


def test_a_line_without_end_is_never_held_whole() -> None:
    held = 0

    def pieces() -> Any:
        for _ in range(100):
            yield b"x" * 65_536
        yield b"\n{}\n"

    for number, line in split(pieces()):
        held = max(held, len(line or b""))
        assert number in (1, 2)
    assert held == 2


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(raw=st.binary(max_size=200))
def test_whatever_a_line_is_it_is_a_request_or_a_fault(raw: bytes) -> None:
    line = read_line(1, raw)
    assert (line.request is None) != (line.fault is None)


class Stuck:
    """A body of which a piece comes, and then nothing."""

    def __init__(self, *, breaks: bool) -> None:
        self.breaks, self.read_before = breaks, False

    def read(self, _: int, /) -> bytes:
        if not self.read_before:
            self.read_before = True
            return b"a\nb"
        if self.breaks:
            raise ConnectionResetError
        time.sleep(2)
        return b""


@pytest.mark.parametrize("breaks", [True, False], ids=["cut off", "silent"])
def test_a_caller_who_stops_sending_is_not_waited_for(breaks: bool) -> None:
    lines, begun = split(Arriving(Stuck(breaks=breaks), patience=0.2)), time.monotonic()
    assert next(lines) == (1, b"a")
    with pytest.raises(StoppedSending):
        next(lines)
    assert time.monotonic() - begun < 1.5


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
