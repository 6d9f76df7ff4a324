"""Who may work in a process at the same time: as many ordinary requests as `kabao serve --threads` says, and beside them one long one.

A long request would keep a process from all others for minutes; so it has a thread of its own, which no ordinary request takes. Of two long ones
at the same door the second is told to come again.
"""

import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from flask import Flask, Response, current_app, request

from runtime.problems import TooManyRequests
from runtime.settings import Settings

LONG = ("/api/v1/licences:batch", "/api/v1/verifications:batch", "/api/v1/receipts:bundle")
LONG_AT_ONCE = len(LONG)
RETRY_AFTER = 15
Wsgi = Callable[[dict[str, Any], Any], Iterable[bytes]]


class Seats:
    """Lets ordinary requests in as far as there are seats; threads beyond those are for long ones."""

    def __init__(self, inner: Wsgi, *, seats: int) -> None:
        self.inner = inner
        self.free = threading.Lock() if seats == 1 else threading.Semaphore(seats)  # a lock costs a tenth of a semaphore, which is Python's own

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        """Answer a request, once there is a seat for it."""
        if environ.get("PATH_INFO") in LONG:
            return self.inner(environ, start_response)
        with self.free:
            return self.inner(environ, start_response)


class LongSeat:
    """The right to go on for long in this process, until the response is closed."""

    def __init__(self, free: threading.Semaphore) -> None:
        self._free, self._taken = free, threading.Lock()

    def leave(self) -> None:
        """Give the seat back, once."""
        if self._taken.acquire(blocking=False):
            self._free.release()

    def leave_after(self, pieces: Iterable[bytes]) -> Iterator[bytes]:
        """Hand on the pieces of a response, and give the seat back at their end."""
        try:
            yield from pieces
        finally:
            self.leave()

    def leave_with(self, response: Response) -> Response:
        """Give the seat back when a response is closed, one that nobody began to read, too."""
        response.call_on_close(self.leave)
        return response


def take_long_seat(door: str = "") -> LongSeat:
    """Take the seat for a long request at this one's door, or at another that leads to the same work; raises TooManyRequests if there is none."""
    free: threading.Semaphore = current_app.extensions["kabao_long_seats"][door or request.path]
    if not free.acquire(blocking=False):
        raise TooManyRequests("a long request is under way in this process", retry_after=RETRY_AFTER)
    return LongSeat(free)


def init_app(app: Flask, settings: Settings) -> None:
    """Give the application its seats."""
    app.extensions["kabao_long_seats"] = {path: threading.Semaphore(1) for path in LONG}
    if settings.threads:
        app.wsgi_app = Seats(app.wsgi_app, seats=settings.threads)  # type: ignore[method-assign]
