"""Lines from a stream, however it is cut, and whoever stops sending it."""

import time
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from runtime.arriving import Arriving, StoppedSending
from runtime.lines import BOM, LineTooLong, LineUnreadable, TooManyLines, problem_of, read_object, renumbered, split
from runtime.problems import Refusal

LONGEST = 64 * 1024
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

    for number, line in split(pieces(), longest=LONGEST):
        held = max(held, len(line or b""))
        assert number in (1, 2)
    assert held == 2


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
    lines, begun = split(Arriving(Stuck(breaks=breaks), patience=0.2), longest=LONGEST), time.monotonic()
    assert next(lines) == (1, b"a")
    with pytest.raises(StoppedSending):
        next(lines)
    assert time.monotonic() - begun < 1.5


@pytest.mark.parametrize(
    ("raw", "refusal"),
    [
        pytest.param(None, LineTooLong, id="too long"),
        pytest.param(b"{", LineUnreadable, id="not JSON"),
        pytest.param(b"\xff", LineUnreadable, id="not UTF-8"),
        pytest.param(b"[" * 100_000, LineUnreadable, id="too deep"),
        pytest.param(b'{"a": 1, "a": 2}', LineUnreadable, id="a member twice"),
        pytest.param(b"[{}]", LineUnreadable, id="a list"),
        pytest.param(b'"text"', LineUnreadable, id="a text"),
    ],
)
def test_what_is_no_object_is_told_and_not_repeated(raw: bytes | None, refusal: type[Refusal]) -> None:
    with pytest.raises(refusal) as raised:
        read_object(raw, longest=LONGEST)
    problem = problem_of(raised.value)
    assert (problem["status"], problem["type"]) == (refusal.status, f"urn:kabao:problem:{refusal.code}")
    assert ("65536" in problem.get("detail", "")) == (refusal is LineTooLong)


def test_lines_past_the_most_are_not_looked_at_wherever_the_count_begins() -> None:
    read = renumbered(iter([(1, b"a"), (3, b"b"), (4, None), (5, b"d")]), before=6, most=10)
    assert [next(read) for _ in range(3)] == [(7, b"a"), (9, b"b"), (10, None)]
    with pytest.raises(TooManyLines) as raised:
        next(read)
    assert "10" in problem_of(raised.value)["detail"]
