"""Trips to the database that requests share: what several want of it at the same moment goes there in one.

A view of the lean way may be a generator. Each `yield` is such a trip: `work` takes what several requests want, in their order, and returns what each
of them is then told; an exception that it returns for one is raised there. Where the work itself fails for several, each takes the trip alone, in
its own context, as long as there is time for that. No view holds a connection, a lock or a transaction over a trip.

Whoever asks while nobody else does goes at once. Requests are known to come in company where one was there already as the one before it was done
with. Then they wait until as many are there as went together last, not longer than `PATIENCE`: their threads go on with the next, and the answers
leave when they are known, which Granian lets them (`Held`). An answer tells of nothing that is not done, alone or in company. What may wait for
something of one's own, such as a row that another transaction holds, a view does `APART`: on a thread on which nobody else waits for it.
"""

import threading
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import AbstractContextManager
from queue import SimpleQueue
from typing import Any, NamedTuple, Protocol, TypeVar

import structlog
from sqlalchemy.exc import TimeoutError as PoolTimeout

from runtime import request_lines

log = structlog.get_logger(__name__)
HELD = "kabao.held"
PATIENCE = 0.001  # seconds
MOST, FEWEST = 16, 2  # requests a trip, in company
QUEUED = 0.00005  # seconds between two requests of which the second was there already; else a network lies between
OVERDUE = 0.01  # seconds after which nobody waits for a thread that is held up
WATCHED = 0.1  # seconds for which somebody looks at the clock after the last who waited
HOPELESS = 5.0  # seconds after which nobody else goes alone, where the work failed for several: the database hangs, or is away
Result = TypeVar("Result")
Work = Callable[[Sequence[Any]], Sequence[Any]]
Headers = list[tuple[str, str]]


class Trip(NamedTuple):
    """What a view waits for: the work, which many can share, and what this one wants of it."""

    work: Work
    wants: Any


APART = Trip(lambda wants: [None] * len(wants), None)  # no trip: what a view does after it may take long, and nobody else waits for it
Steps = Generator[Trip, Any, Result]


class Traveller(Protocol):
    """A request on its way through a view's steps."""

    trip: Trip

    @property
    def context(self) -> AbstractContextManager[Any]:
        """The request's own, in which all is done that is done for it alone."""

    def go_on(self, found: Any) -> bool:
        """Tell the view what the trip found; returns whether another trip follows."""

    def leave(self) -> None:
        """Send the answer."""

    def break_off(self) -> None:
        """Send that something went wrong, where nothing else can be said."""


def alone(steps: Steps[Result]) -> Result:
    """Take each trip of a view alone, and return what the view returns; raises whatever it does."""
    try:
        trip = next(steps)
        while True:
            trip = told(steps, _told_alone(trip))
    except StopIteration as end:
        result: Result = end.value
        return result


def _told_alone(trip: Trip) -> Any:
    try:
        return trip.work([trip.wants])[0]
    except Exception as error:  # noqa: BLE001 - it is raised where the trip was asked for
        return error


def told(steps: Steps[Any], found: Any) -> Trip:
    """Tell a view what a trip found, and return its next one; raises StopIteration with what it returns."""
    return steps.throw(found) if isinstance(found, Exception) else steps.send(found)


class Hall:
    """Where the requests of one process wait for each other; `turns` are what its threads work by, all of which are there when none is at work."""

    def __init__(self, turns: "SimpleQueue[None]") -> None:
        self.has_company = False
        self._turns, self._threads = turns, turns.qsize()
        self._apart = threading.Semaphore(self._threads)
        self._waiting: list[Traveller] = []
        self._lock = threading.Lock()
        self._since = self._ended = 0.0
        self._is_watched = self._has_gone = False
        self._expected = FEWEST

    def begin(self) -> None:
        """A thread begins with a request."""
        if time.perf_counter() - self._ended < QUEUED:
            self.has_company = True
            self._expected += self._has_gone  # it was there while the others went

    def end(self, traveller: Traveller | None) -> None:
        """A thread has done with a request, which is answered unless it is to wait; and goes for all who wait, if it is time."""
        if traveller is not None:
            self._wait(traveller)
        self._has_gone = bool(self._waiting) and (len(self._waiting) >= min(self._expected, MOST) or time.perf_counter() - self._since >= PATIENCE)
        if self._has_gone:
            self._go()
        self._ended = time.perf_counter()

    def _wait(self, traveller: Traveller) -> None:
        with self._lock:
            self._waiting.append(traveller)
            if len(self._waiting) > 1:
                return
            self._since, is_watched, self._is_watched = time.perf_counter(), self._is_watched, True
        if is_watched:
            return
        try:
            threading.Thread(target=self._watch, name="kabao together", daemon=True).start()
        except RuntimeError:  # no thread is to be had, and nobody may wait without one
            self._is_watched = False
            self._go()

    def _go(self) -> None:
        with self._lock:
            waiting, self._waiting = self._waiting, []
        if waiting:
            self.has_company, self._expected = len(waiting) > 1, max(len(waiting), FEWEST)
            for one in travel(waiting):
                self._let_go_apart(one)

    def _let_go_apart(self, one: Traveller) -> None:
        """Take the rest of one's way on a thread of its own, which takes turns as all do; here, if there are as many as turns, or none to be had.

        So the server's own threads are held up before there are ever more of these.
        """
        if not self._apart.acquire(blocking=False):
            _go_alone(one)
            return
        try:
            threading.Thread(target=self._go_apart, args=(one,), name="kabao apart", daemon=True).start()
        except RuntimeError:
            self._apart.release()
            _go_alone(one)

    def _go_apart(self, one: Traveller) -> None:
        self._turns.get()
        try:
            _go_alone(one)
        finally:
            self._apart.release()
            self._turns.put(None)

    def _watch(self) -> None:
        """Go for those whose time has come while no thread is at work, as long as there are such at all."""
        while True:
            time.sleep(PATIENCE)
            passed = time.perf_counter() - self._since
            if self._waiting and passed >= PATIENCE and (self._turns.qsize() == self._threads or passed > OVERDUE):
                self._turns.get()
                try:
                    self._go()
                finally:
                    self._turns.put(None)
            with self._lock:
                if not self._waiting and passed > WATCHED:
                    self._is_watched = False
                    return


def travel(waiting: Sequence[Traveller]) -> list[Traveller]:
    """Take the trips of some requests together, until they have their answers, and let these leave; returns those that are to go on apart."""
    done: list[Traveller] = []
    apart: list[Traveller] = []
    with request_lines.at_once():
        left = list(waiting)
        while left:
            left = _farther(left, done, apart)
    for one in done:
        try:
            one.leave()
        except Exception:  # noqa: BLE001 - it is told of there
            _break_off(one)
    return apart


def _go_alone(one: Traveller) -> None:
    """Take what is left of one's way with nobody else, and let the answer leave."""
    try:
        while one.go_on(_found(one.trip.work, [one])[0]):
            pass
        one.leave()
    except Exception:  # noqa: BLE001 - it is told of there
        _break_off(one)


def _farther(left: Sequence[Traveller], done: list[Traveller], apart: list[Traveller]) -> list[Traveller]:
    """Take the next trip of some requests, those that want the same together; returns those that have yet another before them."""
    parties: dict[Work, list[Traveller]] = {}
    for one in left:
        (apart if one.trip is APART else parties.setdefault(one.trip.work, [])).append(one)
    further: list[Traveller] = []
    for work, some in parties.items():
        for one, found in zip(some, _found(work, some), strict=True):
            try:
                (further if one.go_on(found) else done).append(one)
            except Exception:  # noqa: BLE001 - it is told of there
                _break_off(one)
    return further


def _break_off(one: Traveller) -> None:
    """Let what goes wrong with one request, which was just raised, break off that one alone."""
    with one.context:
        log.exception("a request broke off")
    one.break_off()


def _found(work: Work, some: Sequence[Traveller]) -> Sequence[Any]:
    """Return what each is told; where the work fails for several, what each is told alone, or that there is no time for it."""
    try:
        with some[0].context:
            return work([one.trip.wants for one in some])
    except Exception as error:  # noqa: BLE001 - it is raised where the trip was asked for
        if len(some) == 1:
            return [error]
    until = time.perf_counter() + HOPELESS
    return [_found(work, [one])[0] if time.perf_counter() < until else PoolTimeout("no time to ask alone") for one in some]


class Held:
    """Granian's protocol for one request; what is answered by a view that still waits is not sent."""

    __slots__ = ("_protocol", "hall", "traveller")

    def __init__(self, protocol: Any, hall: Hall) -> None:
        self._protocol, self.hall = protocol, hall
        self.traveller: Traveller | None = None

    def response_bytes(self, status: int, headers: Headers, body: bytes) -> None:
        """Send an answer, unless it is to come later."""
        if self.traveller is None:
            self._protocol.response_bytes(status, headers, body)

    def response_iter(self, status: int, headers: Headers, body: Any) -> None:
        """Send an answer piece by piece."""
        self._protocol.response_iter(status, headers, body)

    def wait(self, traveller: Traveller) -> None:
        """Let the answer come later: the request waits for others as soon as its thread has done with it."""
        self.traveller = traveller

    def answer(self, status: int, headers: Headers, body: bytes) -> None:
        """Send what came later; the two know each other no more, so that neither waits for the collector of garbage."""
        self.traveller = None
        self._protocol.response_bytes(status, headers, body)
