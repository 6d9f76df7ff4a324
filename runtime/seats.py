"""Which threads of a process answer: as many as `kabao serve --threads` says, usually one, and beside them those whose requests take long.

Threads that take turns at the interpreter's lock make each request half as dear again, and the server hands a request to any thread that is free.
So a thread that is too many waits here, once its answer is out, until another goes away with what takes long (a batch, a receiver that polls), or
is held up by whatever it may be: whoever has answered nothing for a quarter of a second is not counted. Of two batches at the same door the second
is told to come again.

A body that stands still holds its thread until the connection ends, for Granian has no limit of its own. There are threads enough for what is clumsy,
and none of them works before a short body is there; whoever means it is held off by a proxy that takes requests whole before it hands them on.
"""

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from io import BytesIO
from queue import SimpleQueue
from typing import Any

from flask import Flask, Response, current_app, request

from runtime import together
from runtime.problems import TooManyRequests

LONG = ("/api/v1/licences:batch", "/api/v1/verifications:batch", "/api/v1/receipts:bundle")
TAKES_LONG = (*LONG, "/desk/receipts/archive", "/account/download", "/signals/polls/", "/api/docs/assets/")
LONG_AT_ONCE = 6
STALLED_AT_ONCE = 57  # threads for requests whose bodies do not come, or that wait for their turn
HELD_UP = 0.25  # seconds without an answer
SHORT_DIGITS = 5  # of the length of a body: below 100,000 bytes
RETRY_AFTER = 15
NO_SEAT = "kabao.no_seat"
Environ = dict[str, Any]
Run = Callable[[Any, Environ], Any]


class Seats:
    """What a worker of Granian runs for each request: `run`, on no more than `wanted` threads while these keep up, and never on more than `at_once`.

    A short body is read before: whoever does not send it holds a thread and nothing else. With a longer one a request counts as one that takes long.
    Nothing is done for whoever sent half of a body and went: Granian gives the half as though it were all.
    """

    def __init__(self, run: Run, *, wanted: int, at_once: int) -> None:
        self.run, self.wanted = run, wanted
        self.answered: dict[int, float] = {}  # when a thread answered last, of those that may be free
        self.waiting = self.away = 0
        self._lock, self._watch, self._bell = threading.Lock(), threading.Lock(), threading.Semaphore(0)
        self._turns: SimpleQueue[None] = SimpleQueue()  # a tenth of what a semaphore costs
        for _ in range(at_once):
            self._turns.put(None)
        self.hall = together.Hall(self._turns)

    def __call__(self, protocol: Any, environ: Environ) -> None:
        """Answer a request on the thread that brought it; the answer is out when `run` returns."""
        if environ["PATH_INFO"].startswith(TAKES_LONG) or not _is_short(environ):
            self._go_away(protocol, environ)
            return
        if not _read_ahead(environ):
            protocol.response_bytes(400, [], b"")
            return
        held = environ[together.HELD] = together.Held(protocol, self.hall)
        self._turns.get()
        self.hall.begin()
        try:
            self.run(held, environ)
        finally:
            try:
                self.hall.end(held.traveller)
            finally:
                self._turns.put(None)
        self.answered[threading.get_ident()] = time.monotonic()
        if len(self.answered) > self.wanted:
            self._wait()

    def _go_away(self, protocol: Any, environ: Environ) -> None:
        if length := environ.get("CONTENT_LENGTH"):
            environ["wsgi.input"] = Measured(environ["wsgi.input"], int(length))
        with self._lock:
            environ[NO_SEAT] = self.away >= LONG_AT_ONCE
            self.away += 1
            self.answered.pop(threading.get_ident(), None)
            if self.waiting and self._count() < self.wanted:
                self.waiting -= 1
                self._bell.release()
        try:
            self.run(protocol, environ)
        finally:
            with self._lock:
                self.away -= 1

    def _wait(self) -> None:
        with self._lock:
            if self._count() <= self.wanted:
                return
            self.answered.pop(threading.get_ident(), None)
            self.waiting += 1
        with self._watch:  # of those who wait one looks at a clock, and the others need not be woken for that
            while not self._bell.acquire(timeout=HELD_UP):
                with self._lock:
                    if self.waiting and self._count() < self.wanted:
                        self._bell.release(self.waiting)  # for all, this one included
                        self.waiting = 0

    def _count(self) -> int:
        """Return how many keep up, and forget the others."""
        since = time.monotonic() - HELD_UP
        self.answered = {thread: at for thread, at in self.answered.copy().items() if at > since}
        return len(self.answered)


def _is_short(environ: Environ) -> bool:
    """Whether a body has an end that is near, or there is none: what is still to come keeps its connection until its thread returns."""
    length = environ.get("CONTENT_LENGTH")
    return len(length) <= SHORT_DIGITS if length else "HTTP_TRANSFER_ENCODING" not in environ


def _read_ahead(environ: Environ) -> bool:
    """Read a short body, and say whether it came to its end."""
    if not (length := int(environ.get("CONTENT_LENGTH") or 0)):
        return True
    body = environ["wsgi.input"].read(length)
    environ["wsgi.input"] = BytesIO(body)
    return len(body) == length


class Measured:
    """A body of a length that is known, whose reader is told if it breaks off."""

    def __init__(self, body: Any, length: int) -> None:
        self._body, self._left = body, length

    def read(self, size: int = -1, /) -> bytes:
        """Return the next bytes, none at the end; raises ConnectionError if there should be more."""
        wanted = self._left if size < 0 else min(size, self._left)
        piece: bytes = self._body.read(wanted)
        if wanted and not piece:
            raise ConnectionError("cut off")
        self._left -= len(piece)
        return piece


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


def init_app(app: Flask) -> None:
    """Give the application its seats."""
    app.extensions["kabao_long_seats"] = {path: threading.Semaphore(1) for path in LONG}
    app.before_request(_check_seat)


def _check_seat() -> None:
    if request.environ.get(NO_SEAT):
        raise TooManyRequests("too many long requests in this process", retry_after=RETRY_AFTER)
