"""A circuit breaker: whoever failed several times in a row is left alone for a while, and then asked by one caller first.

Per process. Closed, every attempt goes through; after `failures` in a row it is open and every attempt is refused at once; after
`rest` seconds one attempt goes through as a probe, and its outcome closes the breaker or opens it for as long again.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class BreakerOpen(Exception):
    """The other side failed too often lately; it is not asked now."""


class Breaker:
    """The breaker of one other side."""

    def __init__(self, *, failures: int = 5, rest: float = 30.0, clock: Callable[[], float] = time.monotonic) -> None:
        self._most, self._rest, self._clock = failures, rest, clock
        self._failed = 0
        self._closed_until = 0.0
        self._lock = threading.Lock()

    @property
    def is_open(self) -> bool:
        """Whether attempts are refused now."""
        return self._failed >= self._most and self._clock() < self._closed_until

    @contextmanager
    def attempt(self) -> Iterator[None]:
        """Let the block ask the other side: it failed if it raises. Raises BreakerOpen instead of running the block."""
        self._admit()
        try:
            yield
        except BaseException:
            self._note(failed=True)
            raise
        self._note(failed=False)

    def _admit(self) -> None:
        with self._lock:
            if self._failed < self._most:
                return
            if self._clock() < self._closed_until:
                raise BreakerOpen
            self._closed_until = self._clock() + self._rest  # this one is the probe; the others wait for what it finds

    def _note(self, *, failed: bool) -> None:
        with self._lock:
            self._failed = self._failed + 1 if failed else 0
            if self._failed >= self._most:
                self._closed_until = self._clock() + self._rest
