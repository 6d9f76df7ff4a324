"""Places in bulk, and room for more: a batch takes thousands of places at once, and the next list is opened before the present one is full."""

import random
from datetime import datetime

from sqlalchemy import ARRAY, ColumnElement, Integer, SmallInteger, func, literal, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session, load_only

from runtime.database import transaction
from runtime.settings import Settings
from wallet.issuing.status_lists import OPENING_LOCK, VALID, WITH_SUSPENSION, Place, StatusEntry, StatusList, draw, make_list, open_list
from wallet.issuing.status_packing import SIZE

FULL = SIZE // 2
SAMPLE = 1024
GLANCE, FILLING = 100, 40  # places that are looked at, and how many of them are taken in a list that may be half full
MOST_DRAWN = 20_000
ROUNDS = 60
ATTEMPTS = 30


def draw_many(settings: Settings, count: int, *, now: datetime, bits: int = WITH_SUSPENSION) -> list[Place]:
    """Take many free places at random, for a batch, and return them in random order; they are taken whatever becomes of the batch.

    Each round is a short transaction of its own: two batches that held their places until they end would wait for each other's, and some
    for ever. A place that is then not used stands as valid for good, and is nobody's. Do not call it while holding places drawn one by one.
    """
    if not 0 <= count <= MOST_DRAWN:
        raise ValueError(f"at most {MOST_DRAWN} places at a time")
    taken: list[Place] = []
    for _ in range(ROUNDS):
        asked = count - len(taken)
        if not asked:
            return taken
        list_id = open_list(settings, now=now, bits=bits)
        got = take_some(list_id, asked)
        taken += got
        if asked >= SAMPLE and len(got) < asked // 2:
            with transaction() as session:
                keep_room(session, settings, now=now)
    raise RuntimeError("the open status list is full")


def keep_room(session: Session, settings: Settings, *, now: datetime) -> int:
    """Open the next list of a width where the present one is about half full, and close that; returns how many were.

    How full is asked of a sample of its places: a thousand look-ups, however many it holds, and true to a few in a hundred. In a list half
    full, a place drawn at random is free at the second attempt on average; those who issue never wait for a list.
    """
    if not session.scalar(select(func.pg_try_advisory_xact_lock(OPENING_LOCK))):
        return 0
    opened = 0
    for found in session.scalars(select(StatusList).where(StatusList.is_open).options(load_only(StatusList.bits, StatusList.is_open))).all():
        if _estimated_entries(session, found.id) >= FULL:
            make_list(session, settings, now=now, bits=found.bits)
            found.is_open = False
            opened += 1
    return opened


def may_be_full(now: datetime) -> ColumnElement[bool]:
    """Return the condition that an open list may be half full, by a glance at a few of its places: one that is, is found out within a try or two."""
    seen = random.SystemRandom().sample(range(SIZE), GLANCE)
    taken = select(func.count()).where(StatusEntry.list_id == StatusList.id, StatusEntry.index == func.any(seen)).scalar_subquery()
    return select(StatusList.id).where(StatusList.is_open, taken >= FILLING).exists()


def take_some(list_id: str, count: int) -> list[Place]:
    """Take those of as many places, drawn at random from a list, that are free, and return them in random order.

    A transaction of its own, at whose end they are taken for good; in it they are taken in the list's order, so that no two takers wait for
    each other in a ring.
    """
    drawn = sorted(random.SystemRandom().sample(range(SIZE), count))
    rows = select(literal(list_id), func.unnest(literal(drawn, ARRAY(Integer))), literal(VALID, SmallInteger))
    statement = insert(StatusEntry).from_select(["list_id", "index", "status"], rows).on_conflict_do_nothing()
    with transaction() as session:
        taken = [Place(list_id, index) for index in session.scalars(statement.returning(StatusEntry.index))]
    random.SystemRandom().shuffle(taken)
    return taken


def _estimated_entries(session: Session, list_id: str) -> int:
    sample = random.SystemRandom().sample(range(SIZE), SAMPLE)
    held = select(func.count()).where(StatusEntry.list_id == list_id, StatusEntry.index == func.any(sample))
    return (session.scalar(held) or 0) * SIZE // SAMPLE


def take_one(session: Session, list_id: str) -> Place:
    """Take a free place at random, in the caller's transaction; in a list half full a second draw is seldom needed and a thirtieth never."""
    for _ in range(ATTEMPTS):
        place = draw(list_id)
        row = insert(StatusEntry).values(list_id=place.list_id, index=place.index, status=VALID).on_conflict_do_nothing()
        if session.execute(row.returning(StatusEntry.index)).first() is not None:
            return place
    raise RuntimeError("the open status list is full")
