"""Trips that requests share: each is told its own, one's misfortune is its own, and nobody waits long, or without company."""

import threading
import time
from collections.abc import Sequence
from contextlib import nullcontext
from queue import SimpleQueue
from typing import Any

import pytest

from runtime import together
from runtime.together import Hall, Steps, Trip, alone, travel
from tests.waiting import until


class Database:
    """What trips go to: it notes who came together, doubles what it is asked, and fails when a zero is among it."""

    def __init__(self) -> None:
        self.trips: list[list[int]] = []

    def double(self, wants: Sequence[int]) -> list[Any]:
        """Double some numbers; one is refused alone, and with a zero nothing is done."""
        self.trips.append(list(wants))
        return [LookupError("thirteen") if one == 13 else 2 * one // (one != 0) for one in wants]

    def ask(self, *numbers: int) -> Steps[list[int]]:
        """Ask one number after the other."""
        found = []
        for number in numbers:
            found.append((yield Trip(self.double, number)))  # noqa: PERF401 - each is a trip
        return found


class Traveller:
    """A request, and what it was answered."""

    def __init__(self, steps: Steps[Any]) -> None:
        self.steps, self.context, self.trip = steps, nullcontext(), next(steps)
        self.answer: Any = None
        self.is_out = self.is_broken = False

    def go_on(self, found: Any) -> bool:
        try:
            self.trip = together.told(self.steps, found)
        except StopIteration as end:
            self.answer = end.value
        except LookupError as refusal:
            self.answer = str(refusal)
        else:
            return True
        return False

    def leave(self) -> None:
        self.is_out = True

    def break_off(self) -> None:
        self.is_broken = True


@pytest.fixture(autouse=True)
def nobody_is_expected(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody goes before time is up because as many are there as went last, unless a test says so."""
    monkeypatch.setattr(together, "FEWEST", together.MOST)


@pytest.fixture
def database() -> Database:
    return Database()


@pytest.fixture
def turns() -> "SimpleQueue[None]":
    turns: SimpleQueue[None] = SimpleQueue()
    for _ in range(2):
        turns.put(None)
    return turns


def test_alone_each_trip_is_taken_and_told(database: Database) -> None:
    assert alone(database.ask(1, 2, 3)) == [2, 4, 6]
    assert database.trips == [[1], [2], [3]]
    assert alone(database.ask()) == []


@pytest.mark.parametrize(("number", "raised"), [(0, ZeroDivisionError), (13, LookupError)])
def test_what_a_trip_raises_is_raised_where_it_was_asked_for(database: Database, number: int, raised: type[Exception]) -> None:
    def steps() -> Steps[str]:
        try:
            yield Trip(database.double, number)
        except raised:
            return "caught"
        return "not raised"

    assert alone(steps()) == "caught"
    with pytest.raises(raised):
        alone(database.ask(number))


def test_in_company_each_is_told_its_own_and_goes_on_with_whoever_goes_on(database: Database) -> None:
    three = [Traveller(database.ask(*numbers)) for numbers in ((1, 5), (2,), (3, 6, 7))]
    travel(three)
    assert database.trips == [[1, 2, 3], [5, 6], [7]]
    assert [one.answer for one in three] == [[2, 10], [4], [6, 12, 14]]
    assert all(one.is_out for one in three)


def test_those_who_want_other_things_go_apart(database: Database) -> None:
    other = Database()
    three = [Traveller(database.ask(1)), Traveller(other.ask(2)), Traveller(database.ask(3))]
    travel(three)
    assert (database.trips, other.trips) == ([[1, 3]], [[2]])
    assert [one.answer for one in three] == [[2], [4], [6]]


def test_whoever_comes_to_where_others_begin_goes_there_on_the_next_trip(database: Database) -> None:
    other = Database()

    def steps() -> Steps[list[int]]:
        return [(yield Trip(database.double, 1)), (yield Trip(other.double, 2))]

    three = [Traveller(steps()), Traveller(other.ask(3)), Traveller(steps())]
    travel(three)
    assert (database.trips, other.trips) == ([[1, 1]], [[3], [2, 2]])
    assert [one.answer for one in three] == [[2, 4], [6], [2, 4]]


def test_who_goes_on_apart_keeps_nobody_waiting_and_takes_what_further_trips_there_are_alone(database: Database, turns: "SimpleQueue[None]") -> None:
    is_held, seen = threading.Event(), list[int]()

    def steps() -> Steps[list[int]]:
        first = yield Trip(database.double, 1)
        yield together.APART
        assert is_held.wait(30)
        seen.append(turns.qsize())
        return [first, (yield Trip(database.double, 5))]

    hall, three = Hall(turns), [Traveller(steps()), Traveller(database.ask(2, 3)), Traveller(steps())]
    hall._waiting[:] = three
    hall._go()
    assert [one.is_out for one in three] == [False, True, False]
    is_held.set()
    until(lambda: all(one.is_out for one in three))
    assert [one.answer for one in three] == [[2, 10], [4, 6], [2, 10]]
    assert database.trips == [[1, 2, 1], [3], [5], [5]]
    assert max(seen) < 2, "on a turn of its own"
    until(lambda: turns.qsize() == 2)
    assert alone(steps()) == [2, 10]


def test_no_more_go_on_apart_than_there_are_turns_and_the_next_does_here(turns: "SimpleQueue[None]") -> None:
    is_held, threads = threading.Event(), list[str]()

    def steps() -> Steps[int]:
        yield together.APART
        name = threading.current_thread().name
        threads.append(name)
        assert name != "kabao apart" or is_held.wait(30)
        return len(name)

    hall, six = Hall(turns), [Traveller(steps()) for _ in range(6)]
    for first in (0, 3):  # those who were apart leave room
        hall._waiting[:] = six[first : first + 2]
        hall._go()
        until(lambda: len(threads) == 2)
        hall._waiting[:] = six[first + 2 : first + 3]
        hall._go()
        assert [one.is_out for one in six[first:]][:3] == [False, False, True]
        assert threads == ["kabao apart", "kabao apart", threading.current_thread().name]
        is_held.set()
        until(lambda: turns.qsize() == 2)
        is_held.clear()
        threads.clear()
    assert all(one.is_out for one in six)


def test_what_goes_wrong_with_one_who_goes_on_apart_breaks_off_that_one(turns: "SimpleQueue[None]") -> None:
    def steps() -> Steps[None]:
        yield together.APART
        raise ZeroDivisionError

    hall, one = Hall(turns), Traveller(steps())
    hall.end(one)
    until(lambda: one.is_broken)
    until(lambda: turns.qsize() == 2)


def test_a_refusal_is_one_s_own(database: Database) -> None:
    three = [Traveller(database.ask(number)) for number in (1, 13, 3)]
    travel(three)
    assert [one.answer for one in three] == [[2], "thirteen", [6]]
    assert database.trips == [[1, 13, 3]]


def test_where_the_work_fails_for_all_each_goes_alone_and_one_s_fault_is_one_s_own(database: Database) -> None:
    three = [Traveller(database.ask(number)) for number in (1, 0, 3)]
    travel(three)
    assert database.trips == [[1, 0, 3], [1], [0], [3]]
    assert [one.answer for one in three] == [[2], None, [6]]
    assert [(one.is_out, one.is_broken) for one in three] == [(True, False), (False, True), (True, False)]


def test_the_first_goes_alone_and_whoever_was_there_already_waits_for_company(turns: "SimpleQueue[None]") -> None:
    hall = Hall(turns)
    hall.begin()
    assert not hall.has_company, "the first"
    hall.end(None)
    time.sleep(0.01)
    hall.begin()
    assert not hall.has_company, "a network lies between"
    hall.end(None)
    hall._ended = time.perf_counter() + 1
    hall.begin()
    assert hall.has_company, "it was there before the other was done with"


def test_who_waits_goes_when_time_is_up_though_no_thread_comes_by_and_was_alone_then(database: Database, turns: "SimpleQueue[None]") -> None:
    hall, one = Hall(turns), Traveller(database.ask(1, 2))
    hall.has_company = True
    hall.end(one)
    until(lambda: one.is_out)
    assert one.answer == [2, 4]
    assert not hall.has_company
    until(lambda: not hall._is_watched)
    later = Traveller(database.ask(3))
    hall.end(later)
    until(lambda: later.is_out)


def test_two_who_wait_are_company(database: Database, turns: "SimpleQueue[None]", monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(together, "PATIENCE", 1)
    hall, two = Hall(turns), [Traveller(database.ask(number)) for number in (1, 2)]
    for one in two:
        hall.end(one)
    assert not any(one.is_out for one in two)
    until(lambda: all(one.is_out for one in two))
    assert database.trips == [[1, 2]]
    assert hall.has_company


def test_who_waits_goes_as_soon_as_as_many_are_there_as_went_last(
    database: Database, turns: "SimpleQueue[None]", monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(together, "PATIENCE", 3600)
    monkeypatch.setattr(together, "FEWEST", 2)
    hall, many = Hall(turns), [Traveller(database.ask(number)) for number in range(1, 9)]
    for one in many[:2]:
        hall.end(one)
    assert database.trips == [[1, 2]], "two are company"
    hall._ended = time.perf_counter() + 1
    hall.begin()  # another was there meanwhile
    for one in many[2:5]:
        assert len(database.trips) == 1
        hall.end(one)
    assert database.trips == [[1, 2], [3, 4, 5]]
    for one in many[5:]:
        assert len(database.trips) == 2
        hall.end(one)
    assert database.trips == [[1, 2], [3, 4, 5], [6, 7, 8]]


def test_as_many_as_share_a_trip_go_at_once(database: Database, turns: "SimpleQueue[None]", monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(together, "PATIENCE", 60)
    hall, many = Hall(turns), [Traveller(database.ask(number)) for number in range(1, together.MOST + 1)]
    for one in many[:-1]:
        hall.end(one)
    assert not any(one.is_out for one in many)
    hall.end(many[-1])
    assert all(one.is_out for one in many)
    assert [len(trip) for trip in database.trips] == [together.MOST]


def test_nobody_waits_for_a_thread_that_is_held_up(database: Database, turns: "SimpleQueue[None]") -> None:
    hall, one = Hall(turns), Traveller(database.ask(1))
    turns.get()
    hall.end(one)
    until(lambda: one.is_out)


def test_a_thread_that_comes_by_goes_for_those_whose_time_is_up(
    database: Database, turns: "SimpleQueue[None]", monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(together, "PATIENCE", 60)
    hall, one = Hall(turns), Traveller(database.ask(1))
    hall.end(one)
    hall.end(None)
    assert not one.is_out, "it is not up"
    hall._since -= 61
    hall.end(None)
    assert one.is_out


def test_that_a_request_was_there_already_is_known_by_when_the_one_before_it_was_done_with(
    turns: "SimpleQueue[None]", monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(together, "QUEUED", 5)
    hall = Hall(turns)
    hall._ended = time.perf_counter() - 6
    hall.begin()
    assert not hall.has_company
    hall.end(None)
    hall.begin()
    assert hall.has_company


def test_the_first_s_patience_is_everybody_s_and_one_thread_looks_at_the_clock(
    database: Database, turns: "SimpleQueue[None]", monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[threading.Thread] = []
    monkeypatch.setattr(threading.Thread, "start", lambda self: started.append(self))
    monkeypatch.setattr(together, "PATIENCE", 60)
    hall = Hall(turns)
    hall.end(Traveller(database.ask(1)))
    since = hall._since
    hall.end(Traveller(database.ask(2)))
    assert hall._since == since
    hall._go()
    hall.end(Traveller(database.ask(3)))
    assert hall._since > since
    assert len(started) == 1


def test_the_first_to_wait_goes_by_the_clock_on_a_turn_of_its_own(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    turns: SimpleQueue[None] = SimpleQueue()
    turns.put(None)
    hall, free = Hall(turns), list[int]()
    work = database.double

    def note(wants: Sequence[int]) -> list[Any]:
        free.append(turns.qsize())
        return work(wants)

    monkeypatch.setattr(database, "double", note)
    one = Traveller(database.ask(1))
    hall._wait(one)
    until(lambda: one.is_out)
    assert free == [0]
    until(lambda: turns.qsize() == 1)


def test_while_a_thread_is_at_work_it_is_that_one_which_goes(database: Database, turns: "SimpleQueue[None]", monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(together, "OVERDUE", 3600)
    hall, one = Hall(turns), Traveller(database.ask(1))
    turns.get()
    hall._wait(one)
    time.sleep(0.05)
    assert not one.is_out
    turns.put(None)
    until(lambda: one.is_out)


def test_who_comes_while_somebody_looks_at_the_clock_has_their_whole_patience(
    database: Database, turns: "SimpleQueue[None]", monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(together, "PATIENCE", 0.2)
    monkeypatch.setattr(together, "WATCHED", 60)
    hall, before, one = Hall(turns), Traveller(database.ask(1)), Traveller(database.ask(2))
    hall._wait(before)
    until(lambda: before.is_out)
    time.sleep(0.1)
    came = time.perf_counter()
    hall._wait(one)
    until(lambda: one.is_out)
    assert time.perf_counter() - came >= 0.2
