"""Changes of status and builds at the same moment: none is ever lost, no build holds a change up, and a killed builder leaves all as it was."""

import random
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
from flask import Flask
from sqlalchemy import func, select
from sqlalchemy.exc import DBAPIError

from runtime.clock import now
from runtime.database import transaction
from runtime.settings import Settings
from wallet.issuing import status_building, status_jobs, status_lists, status_packing
from wallet.issuing.status_building import StatusBuild, rebuild_next
from wallet.issuing.status_jobs import rebuild_status_lists
from wallet.issuing.status_lists import INVALID, SUSPENDED, VALID, Place, StatusChange, StatusEntry, StatusList, set_status

ENTRIES, WORKERS, CHANGES = 60, 6, 40


@pytest.fixture
def list_id(app: Flask, settings: Settings) -> Iterator[str]:
    """A list of its own with some places taken."""
    with app.app_context():
        rebuild_status_lists()
        with transaction() as session:
            list_id = status_lists.make_list(session, settings, now=now(), bits=2)
            session.add_all(StatusEntry(list_id=list_id, index=index, status=VALID) for index in range(ENTRIES))
        yield list_id
        with transaction() as session:
            for table in (StatusChange, StatusEntry, StatusBuild):
                session.query(table).filter_by(list_id=list_id).delete()
            session.query(StatusList).filter_by(id=list_id).delete()
            status_lists.cache.changed(session, status_lists.TOPIC)


def published(list_id: str) -> list[int | None]:
    with transaction() as session:
        row = session.execute(select(StatusList.bits, StatusList.lst).where(StatusList.id == list_id)).one()
    found = status_packing.StatusBits(row.bits, status_packing.decompress(row.lst))
    return [found.status_at(index) for index in range(ENTRIES)]


def standing(list_id: str) -> list[int]:
    with transaction() as session:
        return list(session.scalars(select(StatusEntry.status).where(StatusEntry.list_id == list_id).order_by(StatusEntry.index)))


def test_changes_and_builds_at_once_lose_nothing(app: Flask, list_id: str) -> None:
    stopping = threading.Event()

    def build() -> None:
        with app.app_context():
            while not stopping.is_set():
                rebuild_status_lists()

    def change(seed: int) -> None:
        chosen = random.Random(seed)
        with app.app_context():
            for _ in range(CHANGES):
                with transaction() as session:  # few places, so that they meet; in any order, one a transaction
                    set_status(session, Place(list_id, chosen.randrange(12)), chosen.choice([VALID, INVALID, SUSPENDED]))

    builders = [threading.Thread(target=build) for _ in range(2)]
    for builder in builders:
        builder.start()
    with ThreadPoolExecutor(max_workers=WORKERS) as pool:
        list(pool.map(change, range(WORKERS)))
    stopping.set()
    for builder in builders:
        builder.join()
    rebuild_status_lists()
    assert published(list_id) == standing(list_id)
    assert len(set(standing(list_id))) > 1
    with transaction() as session:
        assert session.scalar(select(func.count()).where(StatusChange.list_id == list_id)) == 0
        replayed = bytearray(2**18)
        for changes in session.scalars(select(StatusBuild.changes).where(StatusBuild.list_id == list_id).order_by(StatusBuild.built_at)):
            status_packing.put(replayed, status_building.decode_changes(changes), bits=2)
    assert status_packing.StatusBits(2, bytes(replayed)).packed[:15] == bytes(status_packing.pack(enumerate(standing(list_id)), bits=2))[:15]


def test_a_change_that_is_under_way_waits_for_no_build_and_is_in_the_next(app: Flask, settings: Settings, list_id: str) -> None:
    with transaction() as other:
        set_status(other, Place(list_id, 1), INVALID)
        with transaction() as session:
            set_status(session, Place(list_id, 2), SUSPENDED)
        rebuild_status_lists()
        assert published(list_id)[:3] == [VALID, VALID, SUSPENDED]
    with transaction() as building:
        assert rebuild_next(building, settings, now=now())
        before = time.monotonic()
        with transaction() as session:
            set_status(session, Place(list_id, 3), INVALID)
        assert time.monotonic() - before < 1, "who revokes does not wait for the builder"
    assert published(list_id)[:4] == [VALID, INVALID, SUSPENDED, VALID]
    rebuild_status_lists()
    assert published(list_id)[:4] == [VALID, INVALID, SUSPENDED, INVALID]


def test_a_list_that_one_builder_has_in_hand_is_passed_over_by_another(app: Flask, settings: Settings, list_id: str) -> None:
    with transaction() as session:
        set_status(session, Place(list_id, 1), INVALID)
    with transaction() as building:
        assert rebuild_next(building, settings, now=now())
        with transaction() as other:
            assert not rebuild_next(other, settings, now=now())


def test_what_a_killed_builder_did_is_done_again(app: Flask, settings: Settings, database_url: str, list_id: str) -> None:
    with transaction() as session:
        set_status(session, Place(list_id, 1), INVALID)
    with pytest.raises(DBAPIError):
        _build_and_die(settings, database_url)
    assert published(list_id)[1] == VALID
    rebuild_status_lists()
    assert published(list_id)[1] == INVALID


@pytest.mark.parametrize(("seconds", "begins"), [(60.0, b"\x78\xda"), (0.0, b"\x78\x01")], ids=["thorough", "quick"])
def test_a_run_that_takes_long_compresses_less_and_says_the_same(
    app: Flask, list_id: str, monkeypatch: pytest.MonkeyPatch, seconds: float, begins: bytes
) -> None:
    monkeypatch.setattr(status_jobs, "THOROUGH_SECONDS", seconds)
    with transaction() as session:
        set_status(session, Place(list_id, 1), INVALID)
    rebuild_status_lists()
    assert published(list_id)[:3] == [VALID, INVALID, VALID]
    with transaction() as session:
        assert session.get_one(StatusList, list_id).lst[:2] == begins


def _build_and_die(settings: Settings, database_url: str) -> None:
    with transaction() as session:
        assert rebuild_next(session, settings, now=now())
        pid = session.scalar(select(func.pg_backend_pid()))
        with psycopg.connect(database_url, autocommit=True) as operator:
            operator.execute("SELECT pg_terminate_backend(%s)", (pid,))
        session.scalar(select(1))
