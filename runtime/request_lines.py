"""The lines that requests leave in the log: each written by itself, or those of requests that are answered together at once.

Where the log takes none (its disk is full, whoever read it is gone) they are lost and counted: what was done is answered.
"""

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class _Kept(threading.local):
    lines: list[str] | None = None


_KEPT = _Kept()
count_lost: Callable[[int], None] = lambda _: None  # noqa: E731 (until the metrics are there to count)


def write(line: str) -> None:
    """Write a line, which ends as lines do, or keep it until the block of `at_once` ends."""
    if _KEPT.lines is None:
        _write([line])
    else:
        _KEPT.lines.append(line)


@contextmanager
def at_once() -> Iterator[None]:
    """Write the lines of the requests that this thread answers in the block together, at its end."""
    lines = _KEPT.lines = list[str]()
    try:
        yield
    finally:
        _KEPT.lines = None
        if lines:
            _write(lines)


def _write(lines: list[str]) -> None:
    try:
        sys.stderr.write("".join(lines))
    except OSError:
        count_lost(len(lines))
