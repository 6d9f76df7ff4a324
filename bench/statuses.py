"""`python -m bench.statuses`: what status lists cost: their sizes beside the published ones, building beside zlib alone, and ten million licences.

A database of its own on a durable PostgreSQL under var/bench, and a real worker; all is deleted at the end. Times of pure work are CPU times.
"""

import base64
import json
import os
import random
import subprocess
import sys
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from statistics import median

import click
import psycopg
from flask import Flask
from rich.console import Console
from rich.table import Table
from sqlalchemy import select, update

from bench.stand import FOLDER
from demo import postgres
from keys.init import init_keys
from runtime.clock import now
from runtime.database import transaction
from runtime.settings import Settings
from tests import schema
from wallet.issuing import status_building, status_lists
from wallet.issuing.status_lists import INVALID, Place, StatusChange, StatusEntry, StatusList, set_status
from wallet.issuing.status_packing import SIZE, THOROUGH, compress, decompress, pack, put
from wallet.issuing.status_places import draw_many
from wsgi import create_app

NAME = "bench_statuses"
VECTORS = Path(__file__).parent.parent / "tests" / "vectors" / "status_list" / "draft-20.json"
REVOKED = 0.05
KB = 1024
FILL = """INSERT INTO status_entries SELECT %(id)s, index, CASE WHEN random() < %(revoked)s THEN 1 ELSE 0 END
    FROM (SELECT index FROM generate_series(0, %(last)s) index WHERE random() < 0.5 ORDER BY random()) places"""
SIZES = "SELECT pg_table_size(%s::regclass), pg_indexes_size(%s::regclass)"
TABLES = ("status_entries", "status_lists", "status_builds", "status_changes")


@click.command()
@click.option("--lists", default=20, show_default=True, type=click.IntRange(1, 200), help="Lists to fill by half: half a million licences each.")
@click.option("--tries", default=10, show_default=True, type=click.IntRange(1, 100), help="Revocations that are waited for.")
def main(lists: int, tries: int) -> None:
    """Measure status lists."""
    console = Console(width=150)
    console.print(_sizes())
    console.print(_builds())
    server = postgres.start(FOLDER / "postgres")
    url = schema.create(server, NAME)
    settings = Settings(database_url=url, master_key=os.urandom(32), development=True, log_level="WARNING")
    app = create_app(settings)
    try:
        with app.app_context():
            console.print(_province(settings, lists, tries))
    finally:
        _clear(app, server)


def _clear(app: Flask, server: postgres.PostgresServer) -> None:
    app.extensions["kabao_cache"].stop()
    app.extensions["kabao_engine"].dispose()
    with closing(psycopg.connect(server.get_uri(), autocommit=True)) as connection:
        connection.execute(f"DROP DATABASE {NAME} WITH (FORCE)")


def _cpu_ms(work: Callable[[], object], *, times: int = 5) -> float:
    found = []
    for _ in range(times):
        begun = time.thread_time()
        work()
        found.append(time.thread_time() - begun)
    return median(found) * 1000


def _chosen(size: int, rate: float) -> list[tuple[int, int]]:
    return [(index, INVALID) for index in random.Random(20).sample(range(size), int(size * rate))]


def _sizes() -> Table:
    table = Table(
        "entries", "revoked", "size", "as published", title="Sizes of the compressed list of one bit (KB of 1024 bytes)", title_justify="left"
    )
    for size, row in json.loads(VECTORS.read_text())["sizes"]["table"].items():
        for rate, published in row.items():
            lst = compress(pack(_chosen(int(size), float(rate) / 100), bits=1, size=int(size)))
            table.add_row(f"{int(size):,}", f"{rate} %", f"{len(lst) / KB:.1f} KB" if len(lst) >= KB else f"{len(lst)} B", published)
    return table


def _builds() -> Table:
    headings = (
        "bits",
        "revoked",
        "lst",
        "zlib 9 alone",
        "a build (unpack, 100 changes, pack)",
        "from all entries",
        "a quick build",
        "its lst",
    )
    table = Table(*headings, title=f"Building a list of {SIZE:,} (CPU ms)", title_justify="left")
    for bits in (1, 2):
        for rate in (0.0001, 0.01, REVOKED):
            entries = _chosen(SIZE, rate)
            packed = pack(entries, bits=bits)
            lst = compress(packed)
            alone = _cpu_ms(lambda packed=bytes(packed): zlib.compress(packed, THOROUGH))  # type: ignore[misc]
            build = _cpu_ms(lambda lst=lst, bits=bits: _build(lst, bits, thorough=True))  # type: ignore[misc]
            whole = _cpu_ms(lambda entries=entries, bits=bits: compress(pack(entries, bits=bits)))  # type: ignore[misc]
            quick = _cpu_ms(lambda lst=lst, bits=bits: _build(lst, bits, thorough=False))  # type: ignore[misc]
            sizes = [f"{len(one) / KB:.1f} KB" for one in (lst, compress(packed, thorough=False))]
            table.add_row(str(bits), f"{rate:.2%}", sizes[0], *(f"{ms:.1f}" for ms in (alone, build, whole, quick)), sizes[1])
    return table


def _build(lst: bytes, bits: int, *, thorough: bool) -> bytes:
    packed = bytearray(decompress(lst))
    put(packed, [(index * 10_007 % SIZE, INVALID) for index in range(100)], bits=bits)
    return compress(packed, thorough=thorough)


def _province(settings: Settings, lists: int, tries: int) -> Table:
    table = Table("what", "figure", title=f"{lists} lists, half full, {REVOKED:.0%} revoked", title_justify="left")
    ids = _fill(settings, lists, table)
    with closing(psycopg.connect(settings.database_url, autocommit=True)) as connection:
        connection.execute("VACUUM ANALYZE status_entries")
        for name in TABLES:
            size, index = connection.execute(SIZES, (name, name)).fetchone() or (0, 0)
            table.add_row(f"size of {name}", f"{size / KB / KB:,.0f} MB, indexes {index / KB / KB:,.0f} MB")
    table.add_row("a run of the job with nothing to do", f"{_idle_ms(settings):.1f} ms")
    table.add_row("10,000 places drawn at once", _timed(lambda: draw_many(settings, 10_000, now=now())))
    with _worker(settings):
        one = sorted(_until_published(ids[:1]) for _ in range(tries))
        table.add_row("from a revocation to its published token", f"median {median(one):.2f} s, longest {one[-1]:.2f} s of {tries}")
        every = sorted(_until_published(ids) for _ in range(max(tries // 3, 1)))
        table.add_row(
            f"the same, one in each of the {lists} lists at once, until the last", f"median {median(every):.2f} s, longest {every[-1]:.2f} s"
        )
    return table


def _fill(settings: Settings, lists: int, table: Table) -> list[str]:
    with transaction() as session:
        init_keys(session, settings, now=now())
    with transaction() as session:
        ids = [status_lists.make_list(session, settings, now=now(), bits=2) for _ in range(lists)]
        status_lists.make_list(session, settings, now=now(), bits=2)  # the one that is open
    begun, taken = time.monotonic(), 0
    with closing(psycopg.connect(settings.database_url, autocommit=True)) as connection:
        for list_id in ids:
            taken += connection.execute(FILL, {"id": list_id, "revoked": REVOKED, "last": SIZE - 1}).rowcount
    table.add_row("entries", f"{taken:,}, entered in {time.monotonic() - begun:.0f} s")
    read = 0.0
    for list_id in ids:
        read += _pack_from_entries(list_id)
    table.add_row("reading the set entries of one list", f"{read / lists * 1000:.0f} ms; a build from its changes reads none")
    return ids


def _pack_from_entries(list_id: str) -> float:
    """Put what was entered past all doors into the list, and return how long reading it took."""
    with transaction() as session:
        begun = time.monotonic()
        found = select(StatusEntry.index.label("index_"), StatusEntry.status).where(StatusEntry.list_id == list_id, StatusEntry.status != 0)
        entries = [(row.index_, row.status) for row in session.execute(found)]
        took = time.monotonic() - begun
        lst = compress(pack(entries, bits=2))
        session.execute(update(StatusList).where(StatusList.id == list_id).values(lst=lst, base=lst))
    return took


def _idle_ms(settings: Settings) -> float:
    found = []
    for _ in range(20):
        begun = time.monotonic()
        with transaction() as session:
            assert not status_building.rebuild_next(session, settings, now=now())
        found.append(time.monotonic() - begun)
    return median(found) * 1000


def _timed(work: Callable[[], object]) -> str:
    begun = time.monotonic()
    work()
    return f"{time.monotonic() - begun:.2f} s"


@contextmanager
def _worker(settings: Settings) -> Iterator[None]:
    """Run `kabao worker` for the length of the block."""
    encoded = base64.urlsafe_b64encode(settings.master_key).decode()
    environ = {
        "KABAO_DATABASE_URL": settings.database_url,
        "KABAO_MASTER_KEY": encoded,
        "KABAO_ENVIRONMENT": "development",
        "KABAO_LOG_LEVEL": "WARNING",
    }
    with subprocess.Popen([sys.executable, "-m", "wsgi", "worker"], env={**os.environ, **environ}) as process:
        time.sleep(10)
        try:
            yield
        finally:
            process.terminate()
            process.wait(30)


def _until_published(ids: list[str]) -> float:
    """Revoke one licence in each of the lists, in one transaction, and return how long after its commit the last token says so."""
    places = [Place(list_id, random.randrange(SIZE)) for list_id in ids]
    with transaction() as session:
        for place in places:
            session.merge(StatusEntry(list_id=place.list_id, index=place.index, status=0))
            session.flush()
            set_status(session, place, INVALID)
    begun = time.monotonic()
    while _waits():
        time.sleep(0.02)
    took = time.monotonic() - begun
    time.sleep(random.random())
    return took


def _waits() -> bool:
    """Whether a change is not in its list's token yet: it is taken away in the transaction that publishes the token."""
    with transaction() as session:
        return session.scalar(select(StatusChange.id).limit(1)) is not None


if __name__ == "__main__":
    main()
