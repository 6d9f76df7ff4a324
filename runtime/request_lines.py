"""The lines that requests leave in the log: each written by itself, or those of requests that are answered together at once."""

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager


class _Kept(threading.local):
    lines: list[str] | None = None


_KEPT = _Kept()


def write(line: str) -> None:
    """Write a line, which ends as lines do, or keep it until the block of `at_once` ends."""
    if _KEPT.lines is None:
        sys.stderr.write(line)
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
            sys.stderr.write("".join(lines))
