"""Statements that stand alone: one round trip to the database each, prepared once a connection, and not waiting for the disk.

For what must be known to every process at once and may be forgotten if the database's machine dies within the last half second. A
transaction of the general kind costs four times as much, most of it on this side of the wire.
"""

from collections import deque
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import psycopg
from flask import Flask, current_app
from psycopg.pq import ConnStatus, ExecStatus
from psycopg.pq.abc import PGconn
from sqlalchemy import Engine, event
from sqlalchemy.exc import DBAPIError

from runtime.settings import Settings

OPTIONS = "-c timezone=UTC -c statement_timeout=15000 -c lock_timeout=10000 -c synchronous_commit=off"
BINARY = 1
EPOCH = datetime(2000, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Statement:
    """A statement with `$1`, `$2` … for values in PostgreSQL's binary form."""

    name: bytes
    sql: bytes


class Quick:
    """The connections of one application in one process: as many as there were statements at the same moment."""

    def __init__(self, database_url: str) -> None:
        self._url = database_url
        self._free: deque[tuple[psycopg.Connection, set[bytes]]] = deque()

    def run(self, statement: Statement, *values: bytes) -> int:
        """Run a statement and return how many rows it wrote; raises DBAPIError.

        Where the server was away since the connection was made, the statement is run once more, on a fresh one.
        """
        try:
            connection, prepared = self._free.pop()
        except IndexError:
            return self._run(*self._connect(), statement, values)
        try:
            return self._run(connection, prepared, statement, values)
        except DBAPIError as error:
            if not error.connection_invalidated:
                raise
            self.close()
            return self._run(*self._connect(), statement, values)

    def close(self) -> None:
        """Close the connections that nobody uses at the moment."""
        while self._free:
            self._free.pop()[0].close()

    def _run(self, connection: psycopg.Connection, prepared: set[bytes], statement: Statement, values: tuple[bytes, ...]) -> int:
        wire, name = connection.pgconn, statement.name
        try:
            if name not in prepared:
                _check(wire, wire.prepare(name, statement.sql).status)
                prepared.add(name)
            result = wire.exec_prepared(name, values, [BINARY] * len(values))
            _check(wire, result.status)
        except psycopg.Error as error:
            is_lost = wire.status != ConnStatus.OK
            connection.close()
            raise DBAPIError(None, None, error, connection_invalidated=is_lost) from None
        self._free.append((connection, prepared))
        return result.command_tuples or 0

    def _connect(self) -> tuple[psycopg.Connection, set[bytes]]:
        try:
            return psycopg.connect(self._url, autocommit=True, options=OPTIONS, application_name="kabao quick", connect_timeout=5), set()
        except psycopg.Error as error:
            raise DBAPIError(None, None, error, connection_invalidated=True) from None


def run(statement: Statement, *values: bytes) -> int:
    """Run a statement on the current application's database; see `Quick.run`."""
    quick: Quick = current_app.extensions["kabao_quick"]
    return quick.run(statement, *values)


def moment(when: datetime) -> bytes:
    """Return a time as PostgreSQL's binary `timestamptz`: microseconds since 2000."""
    return ((when - EPOCH) // timedelta(microseconds=1)).to_bytes(8, "big", signed=True)


def init_app(app: Flask, settings: Settings) -> None:
    """Give the application its quick connections, which are closed when its engine is disposed of."""
    quick = app.extensions["kabao_quick"] = Quick(settings.database_url)
    engine: Engine = app.extensions["kabao_engine"]
    event.listen(engine, "engine_disposed", lambda _: quick.close())


def _check(wire: PGconn, status: int) -> None:
    if status not in (ExecStatus.COMMAND_OK, ExecStatus.TUPLES_OK):
        raise psycopg.OperationalError(wire.error_message.decode(errors="replace")[:200])
