"""What is usual in the operator's database changes nothing of what acts count on: whoever waited for a lock sees what its holder committed."""

import asyncio
import os
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
from sqlalchemy import text

from demo.postgres import PostgresServer
from runtime.database import build_engine
from runtime.jobs import outward_queue_at, queue_at
from runtime.quick import Quick, Statement
from runtime.settings import Settings
from tests import schema
from tests.conftest import MASTER_KEY
from tests.waiting import until

ISOLATION = "SHOW transaction_isolation"
WAITING = "SELECT count(*) FROM pg_locks WHERE NOT granted"


@pytest.fixture(scope="module")
def url(server: PostgresServer) -> str:
    """A database whose owner would rather have every transaction repeatable."""
    url = schema.create(server, "repeatable_" + os.environ.get("PYTEST_XDIST_WORKER", "main"))
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CREATE TABLE turns (taken int)")
        connection.execute("INSERT INTO turns VALUES (0)")
        connection.execute(f"ALTER DATABASE \"{connection.info.dbname}\" SET default_transaction_isolation = 'repeatable read'")
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


def test_a_statement_that_stands_alone_does(url: str) -> None:
    quick = Quick(url)
    assert quick.run(Statement(b"isolation", b"SELECT current_setting('transaction_isolation')")) == [b"read committed"]
    quick.close()


@pytest.mark.parametrize("queue_of", [queue_at, outward_queue_at])
def test_the_queue_does(url: str, queue_of: type) -> None:
    async def ask() -> object:
        queue = queue_of(url)
        async with queue.open_async():
            return await queue.connector.execute_query_one_async(ISOLATION)

    with ThreadPoolExecutor(1) as thread:  # this one may have the loop of a test in a browser before it
        assert thread.submit(asyncio.run, ask()).result() == {"transaction_isolation": "read committed"}
