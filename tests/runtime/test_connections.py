"""What every connection is told, whatever is usual in the operator's database and network: whoever waited for a lock sees what its holder committed,
and nobody waits for a machine that is silent.
"""

import asyncio
import os
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime

import psycopg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from demo.postgres import PostgresServer
from runtime.cache import Cache
from runtime.database import CONNECTION, build_engine
from runtime.jobs import outward_queue_at, queue_at
from runtime.quick import Quick, Statement
from runtime.settings import Settings
from tests import schema
from tests.conftest import MASTER_KEY
from tests.waiting import until

SHOWN = "SELECT current_setting('transaction_isolation') AS isolation, split_part(current_setting('datestyle'), ',', 1) AS style"
WAITING = "SELECT count(*) FROM pg_locks WHERE NOT granted"


@pytest.fixture(scope="module")
def url(server: PostgresServer) -> str:
    """A database whose owner would rather have every transaction repeatable, and times as people write them."""
    url = schema.create(server, "repeatable_" + os.environ.get("PYTEST_XDIST_WORKER", "main"))
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CREATE TABLE turns (taken int)")
        connection.execute("INSERT INTO turns VALUES (0)")
        for name, value in {"default_transaction_isolation": "repeatable read", "datestyle": "German, DMY", "timezone": "Asia/Shanghai"}.items():
            connection.execute(f"ALTER DATABASE {connection.info.dbname} SET {name} = '{value}'")
    return url


def test_who_waited_for_a_row_sees_what_became_of_it(url: str) -> None:
    engine = build_engine(Settings(database_url=url, master_key=MASTER_KEY, development=True))

    def take() -> int:
        with engine.begin() as connection:
            return connection.execute(text("UPDATE turns SET taken = taken + 1 WHERE taken = 0")).rowcount

    with psycopg.connect(url, autocommit=True) as looking, ThreadPoolExecutor(1) as thread:
        with engine.begin() as first:
            first.execute(text("UPDATE turns SET taken = 1 WHERE taken = 0"))
            second = thread.submit(take)
            until(lambda: looking.execute(WAITING).fetchone() != (0,))
        assert second.result() == 0
    engine.dispose()


def test_times_are_read_whatever_way_of_writing_them_is_usual_there(url: str) -> None:
    engine = build_engine(Settings(database_url=url, master_key=MASTER_KEY, development=True))
    with engine.connect() as connection:
        read = connection.execute(text("SELECT timestamptz '2028-02-29 16:00+00', date '2028-03-01'")).one()
    assert tuple(read) == (datetime(2028, 2, 29, 16, tzinfo=UTC), date(2028, 3, 1))
    engine.dispose()


def test_a_statement_that_stands_alone_does(url: str) -> None:
    quick = Quick(url)
    assert quick.run(Statement(b"isolation", b"SELECT current_setting('transaction_isolation')")) == [b"read committed"]
    quick.close()


@pytest.mark.parametrize("queue_of", [queue_at, outward_queue_at])
def test_the_queue_does(url: str, queue_of: type) -> None:
    async def ask() -> object:
        queue = queue_of(url)
        async with queue.open_async():
            return await queue.connector.execute_query_one_async(SHOWN)

    with ThreadPoolExecutor(1) as thread:  # this one may have the loop of a test in a browser before it
        assert thread.submit(asyncio.run, ask()).result() == {"isolation": "read committed", "style": "ISO"}


def test_no_connection_waits_for_a_machine_that_is_silent(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[dict[str, object]] = []

    def connect(*_: object, **options: object) -> None:
        told.append(options)
        raise psycopg.OperationalError("connection failed")

    cache, quick, engine = Cache(url), Quick(url), build_engine(Settings(database_url=url, master_key=MASTER_KEY, development=True))
    queues = [queue_of(url).connector for queue_of in (queue_at, outward_queue_at)]
    monkeypatch.setattr(psycopg, "connect", connect)
    for go in (engine.connect, lambda: quick.run(Statement(b"one", b"SELECT 1"))):
        with pytest.raises(DBAPIError):
            go()
    cache.get("topic", "key", lambda: None)
    until(lambda: len(told) >= 3)
    cache.stop()
    told += [queue._pool_args["kwargs"] for queue in queues]  # type: ignore[attr-defined]
    assert [{**CONNECTION, **options} == options for options in told] == [True] * len(told)
