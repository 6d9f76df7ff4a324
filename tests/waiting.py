"""Waiting for what other threads and processes do, not longer than a busy machine may take."""

import time
from collections.abc import Callable


def until(is_so: Callable[[], bool]) -> None:
    """Wait until something is so."""
    deadline = time.monotonic() + 30
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.01)
