"""Places: drawn from the whole list, taken once, and never wanting."""

import random
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import pytest
from flask import Flask
from sqlalchemy import SmallInteger, String, cast, func, insert, select

from runtime.clock import now
from runtime.database import transaction
from runtime.settings import Settings
from tests.wallet.issuing.desks import Desk
from tests.world_people import Person
from wallet.issuing import records, status_lists, status_places
from wallet.issuing.credentials import Credential
from wallet.issuing.status_jobs import keep_room_in_status_lists
from wallet.issuing.status_lists import SIZE, VALID, Place, StatusEntry, StatusList, draw, open_list, state_of
from wallet.issuing.status_places import MOST_DRAWN, draw_many

BITS = 1  # the tests here have lists of their own


def test_places_are_drawn_from_the_whole_list() -> None:
    drawn = [status_lists.draw("abc").index for _ in range(4000)]
    assert len(set(drawn)) > 3950
    assert min(drawn) < SIZE // 100
    assert SIZE - SIZE // 100 < max(drawn) < SIZE


def test_many_places_are_taken_at_once_and_are_spread_over_the_list(app: Flask, settings: Settings) -> None:
    with app.app_context():
        places = draw_many(settings, 5000, now=now(), bits=BITS)
        with transaction() as session:
            assert all(state_of(session, place) == VALID for place in places[:50])
    indices = [place.index for place in places]
    assert len(set(places)) == len(places) == 5000
    assert min(indices) < SIZE // 100
    assert max(indices) > SIZE - SIZE // 100
    assert 0.4 < sum(index < SIZE // 2 for index in indices) / 5000 < 0.6
    rising = sum(one < other for one, other in pairwise(indices))
    assert 0.4 < rising / 5000 < 0.6, "the order in which they are given says nothing of where they stand"


@pytest.mark.parametrize("count", [-1, MOST_DRAWN + 1])
def test_so_many_places_are_not_given_at_once(app: Flask, settings: Settings, count: int) -> None:
    with app.app_context(), pytest.raises(ValueError, match="at most"):
        draw_many(settings, count, now=now())


def test_no_places_are_given_to_whom_none_are_wanted(app: Flask, settings: Settings) -> None:
    with app.app_context():
        assert draw_many(settings, 0, now=now(), bits=BITS) == []


def test_batches_that_draw_at_once_never_share_a_place(app: Flask, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """The list is made small, so that they meet all the time."""
    monkeypatch.setattr(status_places, "SIZE", 4000)
    monkeypatch.setattr(status_places, "SAMPLE", 4000)
    with app.app_context(), transaction() as session:
        status_lists.make_list(session, settings, now=now(), bits=BITS)

    def take(_: int) -> list[Place]:
        with app.app_context():
            return draw_many(settings, 200, now=now(), bits=BITS)

    with ThreadPoolExecutor(max_workers=8) as pool:
        taken = [place for places in pool.map(take, range(16)) for place in places]
    assert len(taken) == len(set(taken)) == 3200


def test_two_hundred_licences_issued_at_once_never_share_a_place(app: Flask, desk: Desk, person: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    """They draw from a hundred places, until those are taken; then from the whole list."""
    first_draws = iter(random.choices(range(100), k=300))
    monkeypatch.setattr(records, "ATTEMPTS", 400)
    monkeypatch.setattr(records, "draw", lambda list_id: Place(list_id, drawn) if (drawn := next(first_draws, None)) is not None else draw(list_id))
    with ThreadPoolExecutor(max_workers=8) as pool:
        issued = {str(one["id"]) for one in pool.map(lambda _: desk.issue(person), range(200))}
    assert len(issued) == 200
    with app.app_context(), transaction() as session:
        twice = select(Credential.status_index).group_by(Credential.status_list, Credential.status_index).having(func.count() > 1)
        assert session.scalars(twice).all() == []
        drawn = select(func.count()).where(Credential.status_index < 100)
        assert (session.scalar(drawn) or 0) >= 80, "they did meet"


def asked_for() -> bool:
    """Whether the worker would be asked to keep room."""
    with transaction() as session:
        return bool(session.scalar(select(status_places.may_be_full(now()))))


def test_a_half_full_list_is_closed_once_the_next_is_open(app: Flask, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    with app.app_context():
        with transaction() as session:
            first = status_lists.make_list(session, settings, now=now(), bits=BITS)
        assert open_list(settings, now=now(), bits=BITS) == first
        keep_room_in_status_lists()
        assert open_list(settings, now=now(), bits=BITS) == first, "an empty list stays open"
        assert not asked_for(), "nothing is queued while there is room"
        with transaction() as session:
            every_second_one = select(cast(first, String), func.generate_series(0, SIZE - 1, 2), cast(VALID, SmallInteger))
            session.execute(insert(StatusEntry).from_select(["list_id", "index", "status"], every_second_one))
        monkeypatch.setattr(status_places, "FULL", SIZE * 2 // 5)
        assert any(asked_for() for _ in range(20))
        keep_room_in_status_lists()
        following = open_list(settings, now=now(), bits=BITS)
        assert following != first
        with transaction() as session:
            are_open = select(StatusList.is_open).where(StatusList.id.in_([first, following])).order_by(StatusList.made_at)
            assert session.scalars(are_open).all() == [False, True]
            session.query(StatusEntry).filter_by(list_id=first).delete()


def test_a_batch_that_finds_little_room_opens_the_next_list(app: Flask, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(status_places, "SIZE", 4000)
    monkeypatch.setattr(status_places, "SAMPLE", 400)
    monkeypatch.setattr(status_places, "FULL", 2000)
    with app.app_context():
        with transaction() as session:
            status_lists.make_list(session, settings, now=now(), bits=BITS)
        places = [place for _ in range(10) for place in draw_many(settings, 1000, now=now(), bits=BITS)]
    assert len(set(places)) == 10_000
    assert len({place.list_id for place in places}) >= 3
