"""Who keeps up answers, no more threads than wanted take turns at that, and whoever goes away or is held up is stood in for."""

import io
import queue
import random
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
from flask import Flask

from runtime import seats
from tests.waiting import until


def environ(path: str, **more: str) -> dict[str, Any]:
    return {"PATH_INFO": path, "wsgi.input": io.BytesIO(b"{}"), **more}


class Worker:
    """Seats for one, and threads that bring them requests as a server's do."""

    def __init__(self) -> None:
        self.standing = seats.Seats(self._run, wanted=1, at_once=2)
        self.answered: queue.Queue[str] = queue.Queue()
        self.is_over = threading.Event()

    def _run(self, protocol: Any, environ: dict[str, Any]) -> None:
        environ["wsgi.input"].read()
        if environ["PATH_INFO"] in ("/slow", *seats.LONG):
            assert self.is_over.wait(30)
        self.answered.put(environ["PATH_INFO"])

    def bring(self, path: str, **more: str) -> threading.Thread:
        """Begin a request on a thread of its own."""
        thread = threading.Thread(target=self.standing, args=(None, environ(path, **more)), daemon=True)
        thread.start()
        return thread

    def crowd(self) -> threading.Thread:
        """Let this thread be the one that keeps up, and return another that waits since it is too many."""
        self.standing.answered = {threading.get_ident(): time.monotonic() + 3600, 0: time.monotonic() + 3600}
        waiting = self.bring("/token", CONTENT_LENGTH="2")
        assert self.answered.get(timeout=30) == "/token", "its answer is out"
        until(lambda: self.standing.waiting == 1)
        del self.standing.answered[0]
        assert waiting.is_alive()
        return waiting


@pytest.fixture
def worker() -> Iterator[Worker]:
    worker = Worker()
    yield worker
    worker.is_over.set()


def test_a_thread_that_is_too_many_waits_and_is_called_once_another_goes_away(worker: Worker) -> None:
    waiting = worker.crowd()
    away = worker.bring(seats.LONG[0])
    until(lambda: worker.standing.away == 1)
    assert worker.standing.waiting == 1, "one keeps up, so nobody is called"
    worker.standing.answered = {}
    worker.bring("/signals/polls/1")
    waiting.join(30)
    assert not waiting.is_alive()
    worker.is_over.set()
    away.join(30)
    until(lambda: worker.standing.away == 0)


def test_a_thread_that_is_too_many_comes_back_once_the_others_answer_nothing(worker: Worker) -> None:
    waiting = worker.crowd()
    worker.standing.answered = {threading.get_ident(): time.monotonic()}
    waiting.join(30)
    assert not waiting.is_alive()
    assert worker.standing.waiting == 0


@pytest.mark.parametrize("length", [{"CONTENT_LENGTH": "100000"}, {"HTTP_TRANSFER_ENCODING": "chunked"}], ids=["long", "in pieces"])
def test_a_body_that_may_be_long_in_coming_takes_no_turn_and_lets_no_thread_rest(length: dict[str, str]) -> None:
    away: list[int] = []
    standing = seats.Seats(lambda protocol, environ: away.append(standing.away), wanted=0, at_once=0)
    standing(None, environ("/token", **length))
    assert (away, standing.away, standing.waiting) == ([1], 0, 0)


def test_no_more_than_so_many_work_at_once_and_the_others_come_after_them(worker: Worker) -> None:
    first = [worker.bring("/slow") for _ in range(2)]
    until(lambda: worker.standing._turns.empty())
    third = worker.bring("/token")
    third.join(0.2)
    assert third.is_alive()
    assert worker.answered.empty()
    worker.is_over.set()
    assert sorted(worker.answered.get(timeout=30) for _ in range(3)) == ["/slow", "/slow", "/token"]
    for thread in (*first, third):
        thread.join(30)


def test_a_short_body_that_does_not_come_takes_no_turn(worker: Worker) -> None:
    is_asked, is_sent = threading.Event(), threading.Event()

    class Slow(io.BytesIO):
        def read(self, *size: int | None) -> bytes:
            is_asked.set()
            assert is_sent.wait(30)
            return b"{}"

    slow = [threading.Thread(target=worker.standing, args=(None, environ("/token", CONTENT_LENGTH="2") | {"wsgi.input": Slow()})) for _ in range(3)]
    for thread in slow:
        thread.start()
    assert is_asked.wait(30)
    worker.bring("/quick")
    assert worker.answered.get(timeout=30) == "/quick"
    is_sent.set()
    assert [worker.answered.get(timeout=30) for _ in slow] == ["/token"] * 3
    for thread in slow:
        thread.join(30)


class Protocol:
    """Keeps what a server would answer."""

    def __init__(self) -> None:
        self.answers: list[tuple[int, list[tuple[str, str]], bytes]] = []

    def response_bytes(self, *answer: Any) -> None:
        self.answers.append(answer)


def test_half_of_a_short_body_is_no_body_and_takes_no_turn() -> None:
    protocol = Protocol()
    seats.Seats(lambda protocol, environ: pytest.fail("half a form is another form"), wanted=1, at_once=0)(
        protocol, environ("/token", CONTENT_LENGTH="3")
    )
    assert protocol.answers == [(400, [], b"")]


@pytest.mark.parametrize("path", ["/desk/upload", seats.LONG[0]])
@pytest.mark.parametrize("size", [(), (2,), (7,)], ids=["all", "pieces", "a piece that is longer"])
def test_whoever_reads_half_of_a_long_body_is_told_that_more_should_come(path: str, size: tuple[int, ...]) -> None:
    def run(protocol: Any, environ: dict[str, Any]) -> None:
        assert environ["wsgi.input"].read(*size) == b"{}"
        with pytest.raises(OSError, match="cut off"):
            environ["wsgi.input"].read(*size)

    seats.Seats(run, wanted=1, at_once=1)(None, environ(path, CONTENT_LENGTH="100000"))


def test_a_body_of_a_known_length_is_read_to_its_end_and_no_further() -> None:
    body = seats.Measured(io.BytesIO(b"abcdef"), 5)
    assert [body.read(2), body.read(9), body.read(2), body.read()] == [b"ab", b"cde", b"", b""]


def test_a_failure_gives_the_turn_back() -> None:
    def run(protocol: Any, environ: dict[str, Any]) -> None:
        raise RuntimeError("a fault of ours")

    standing = seats.Seats(run, wanted=1, at_once=1)
    for _ in range(2):
        with pytest.raises(RuntimeError):
            standing(None, environ("/token"))


KINDS: dict[str, dict[str, str]] = {
    "short": {"CONTENT_LENGTH": "2"},
    "none": {},
    "long": {"CONTENT_LENGTH": "100000"},
    "in pieces": {"HTTP_TRANSFER_ENCODING": "chunked"},
    "cut off": {"CONTENT_LENGTH": "3"},
}


@pytest.mark.parametrize("wanted", [1, 3])
def test_whatever_comes_in_whatever_order_all_is_answered_and_nobody_is_left_waiting_or_counted(wanted: int) -> None:
    chance, to_come, worked = random.Random(wanted), queue.SimpleQueue[tuple[str, str, float]](), queue.SimpleQueue[str]()
    for _ in range(400):
        to_come.put((chance.choice(("/token", "/token", seats.LONG[0])), chance.choice(list(KINDS)), chance.random()))

    def run(protocol: Any, environ: dict[str, Any]) -> None:
        worked.put("")
        if environ["chance"] < 0.1:
            raise RuntimeError("a fault of ours")
        time.sleep(environ["chance"] / 500)

    protocol, standing = Protocol(), seats.Seats(run, wanted=wanted, at_once=4)

    def work() -> None:
        with suppress(queue.Empty):
            while True:
                path, kind, share = to_come.get_nowait()
                with suppress(RuntimeError):
                    standing(protocol, environ(path, **KINDS[kind]) | {"chance": share})

    threads = [threading.Thread(target=work, daemon=True) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
        assert not thread.is_alive()
    assert worked.qsize() + len(protocol.answers) == 400
    assert (standing.waiting, standing.away, standing._turns.qsize(), standing._bell.acquire(blocking=False)) == (0, 0, 4, False)


def test_no_more_than_so_many_may_take_long_at_once(app: Flask) -> None:
    told: list[bool] = []
    standing = seats.Seats(lambda protocol, environ: told.append(environ[seats.NO_SEAT]), wanted=1, at_once=1)
    for standing.away in (0, seats.LONG_AT_ONCE - 1, seats.LONG_AT_ONCE):
        standing(None, environ("/signals/polls/1"))
    assert told == [False, False, True]
    answer = app.test_client().get("/healthz", environ_overrides={seats.NO_SEAT: True, "HTTP_COOKIE": "x=y"})
    assert (answer.status_code, answer.headers["Retry-After"]) == (429, str(seats.RETRY_AFTER))
