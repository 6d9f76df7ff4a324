"""Statements that stand alone: one round trip to the database each, prepared once a connection, and not waiting for the disk.

For what must be known to every process at once and may be forgotten if the database's machine dies within the last half second. A
transaction of the general kind costs four times as much, most of it on this side of the wire.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
from flask import Flask
from psycopg.errors import error_from_result
from psycopg.pq import ConnStatus, ExecStatus
from psycopg.pq.abc import PGconn, PGresult
from sqlalchemy import Engine, event
from sqlalchemy.exc import DBAPIError

from runtime.database import CONNECTION, SESSION_OPTIONS
from runtime.present import extension
from runtime.settings import Settings
from runtime.straight import flush, next_result

OPTIONS = f"{SESSION_OPTIONS} -c statement_timeout=15000 -c lock_timeout=10000 -c synchronous_commit=off"
BINARY = 1
BYTEA, TIMESTAMPTZ = 17, 1184  # PostgreSQL's own numbers of types
EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
Held = tuple[psycopg.Connection[Any], set[bytes]]  # a connection, and what is prepared there


@dataclass(frozen=True, slots=True)
class Statement:
    """A statement with `$1`, `$2` … for values in PostgreSQL's binary form."""

    name: bytes
    sql: bytes


class Quick:
    """The connections of one application in one process: as many as there were statements at the same moment."""

    def __init__(self, database_url: str) -> None:
        self._url = database_url
        self._free: deque[Held] = deque()

    def run(self, statement: Statement, *values: bytes) -> list[bytes]:
        """Run a statement and return the first value of each row, in binary form; raises DBAPIError.

        Where the connection was made before, the server may have been away since: then it is sent once more, on a fresh one.
        """
        try:
            held = self._free.pop()
        except IndexError:
            return self._sent(self._connect(), statement, values)
        try:
            return self._sent(held, statement, values)
        except DBAPIError as error:
            if not error.connection_invalidated:
                raise
        self.close()
        return self._sent(self._connect(), statement, values)

    def close(self) -> None:
        """Close the connections that nobody uses at the moment."""
        while self._free:
            self._free.pop()[0].close()

    def _sent(self, held: Held, statement: Statement, values: tuple[bytes, ...]) -> list[bytes]:
        prepared = held[1]
        with _told(held) as wire:
            if statement.name not in prepared:
                _check(wire, wire.prepare(statement.name, statement.sql))
                prepared.add(statement.name)
            wire.send_query_prepared(statement.name, values, [BINARY] * len(values), BINARY)
            flush(wire)
            results: list[PGresult | None] = list(iter(lambda: next_result(wire), None)) or [None]
            found, *_ = [_check(wire, one) for one in results]  # what fails as the transaction ends is told after the rows
        self._free.append(held)
        return [bytes(found.get_value(row, 0) or b"") for row in range(found.ntuples)]

    def _connect(self) -> Held:
        try:
            return psycopg.connect(self._url, autocommit=True, options=OPTIONS, application_name="kabao quick", **CONNECTION), set()
        except psycopg.Error as error:
            raise DBAPIError(None, None, error, connection_invalidated=True) from None


def run(statement: Statement, *values: bytes) -> list[bytes]:
    """Run a statement on the current application's database; see `Quick.run`."""
    quick: Quick = extension("kabao_quick")
    return quick.run(statement, *values)


def array(oid: int, values: Sequence[bytes]) -> bytes:
    """Return values, each in binary form, as PostgreSQL's binary array of a type."""
    head = (1, 0, oid, len(values), 1)
    return b"".join((*(number.to_bytes(4, "big") for number in head), *(len(one).to_bytes(4, "big") + one for one in values)))


def moment(when: datetime) -> bytes:
    """Return a time as PostgreSQL's binary `timestamptz`: microseconds since 2000."""
    return ((when - EPOCH) // timedelta(microseconds=1)).to_bytes(8, "big", signed=True)


def init_app(app: Flask, settings: Settings) -> None:
    """Give the application its quick connections, which are closed when its engine is disposed of."""
    quick = app.extensions["kabao_quick"] = Quick(settings.database_url)
    engine: Engine = app.extensions["kabao_engine"]
    event.listen(engine, "engine_disposed", lambda _: quick.close())


class _told:  # noqa: N801 - a block, written as a function would be
    """The wire of a connection, which is closed if anything goes wrong on it: that is raised as DBAPIError."""

    def __init__(self, held: Held) -> None:
        self._connection = held[0]

    def __enter__(self) -> PGconn:
        return self._connection.pgconn

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        if error is None:
            return
        is_lost = self._connection.pgconn.status != ConnStatus.OK
        self._connection.close()
        if isinstance(error, psycopg.Error):
            raise DBAPIError.instance(None, None, error, psycopg.Error, hide_parameters=True, connection_invalidated=is_lost) from None


def _check(wire: PGconn, result: PGresult | None) -> PGresult:
    if result is None or result.status not in (ExecStatus.COMMAND_OK, ExecStatus.TUPLES_OK):
        raise psycopg.OperationalError("the connection is lost") if wire.status != ConnStatus.OK or result is None else error_from_result(result)
    return result
