from collections.abc import Callable
from threading import Barrier, Thread

import pytest

from runtime.breaker import Breaker, BreakerOpen


class Clock:
    moment = 0.0

    def __call__(self) -> float:
        return self.moment


class Down(Exception):
    pass


def fail(breaker: Breaker) -> None:
    with pytest.raises(Down), breaker.attempt():
        raise Down


def succeed(breaker: Breaker) -> None:
    with breaker.attempt():
        pass


def refused(breaker: Breaker) -> bool:
    try:
        succeed(breaker)
    except BreakerOpen:
        return True
    return False


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def breaker(clock: Clock) -> Breaker:
    return Breaker(failures=3, rest=30, clock=clock)


def test_it_opens_after_failures_in_a_row_and_only_then(breaker: Breaker) -> None:
    for act in (fail, fail, succeed, fail, fail):
        act(breaker)
    assert not breaker.is_open
    fail(breaker)
    assert breaker.is_open
    assert refused(breaker)


@pytest.mark.parametrize(("probe", "opens_again"), [(succeed, False), (fail, True)], ids=["the probe succeeds", "the probe fails"])
def test_after_its_rest_one_probe_decides(breaker: Breaker, clock: Clock, probe: Callable[[Breaker], None], opens_again: bool) -> None:
    for _ in range(3):
        fail(breaker)
    clock.moment = 29.9
    assert refused(breaker)
    clock.moment = 30.1
    probe(breaker)
    assert breaker.is_open is opens_again
    assert refused(breaker) is opens_again


def test_while_the_probe_is_under_way_nobody_else_asks(breaker: Breaker, clock: Clock) -> None:
    for _ in range(3):
        fail(breaker)
    clock.moment = 31
    with breaker.attempt():
        assert refused(breaker)
    assert not refused(breaker)


def test_of_many_at_once_one_is_the_probe(breaker: Breaker, clock: Clock) -> None:
    for _ in range(3):
        fail(breaker)
    clock.moment = 31
    barrier, through = Barrier(8), []

    def ask() -> None:
        barrier.wait()
        try:
            with breaker.attempt():
                through.append(1)
                raise Down
        except (BreakerOpen, Down):
            pass

    threads = [Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(through) == 1
