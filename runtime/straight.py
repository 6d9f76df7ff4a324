"""Statements of hot paths, sent by the database's own library within a session's transaction: prepared once a connection, values in
PostgreSQL's binary form, and the transaction's BEGIN, or its COMMIT, in the same round trip.

A statement is made once, by SQLAlchemy's Core; what differs is how it is sent. Whatever else runs in the session runs in the same transaction.
Where one statement is all of a transaction, no session is needed for it.
"""

import itertools
import json
import select as polling
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from functools import cached_property
from typing import Any
from uuid import UUID

import psycopg
from flask import current_app
from psycopg.errors import InvalidSqlStatementName, error_from_result
from psycopg.pq import ConnStatus, ExecStatus, TransactionStatus
from psycopg.pq.abc import PGconn, PGresult
from sqlalchemy import (
    ARRAY,
    BigInteger,
    Connection,
    Date,
    DateTime,
    Engine,
    Executable,
    Integer,
    LargeBinary,
    SmallInteger,
    String,
    Uuid,
    bindparam,
    event,
    insert,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.dialects.postgresql.asyncpg import dialect as numbered
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from runtime import compact_json

BINARY = 1
EPOCH, FIRST_DAY = datetime(2000, 1, 1, tzinfo=UTC), date(2000, 1, 1).toordinal()
MICROSECOND = timedelta(microseconds=1)
VERSION_OF_JSONB = b"\x01"
PREPARED = "kabao_prepared"
FORGETTING = ("DROP", "ALTER", "ROLLBACK", "DISCARD", "DEALLOCATE")
NUMBERS = itertools.count()
GOOD = (ExecStatus.COMMAND_OK, ExecStatus.TUPLES_OK)
Encode = Callable[[Any], bytes]
Decode = Callable[[bytes], Any]


def _whole(size: int) -> tuple[Encode, Decode]:
    return lambda value: value.to_bytes(size, "big", signed=True), lambda raw: int.from_bytes(raw, "big", signed=True)


FORMS: tuple[tuple[type[Any], tuple[Encode, Decode]], ...] = (
    (Uuid, (lambda value: value.bytes, lambda raw: UUID(bytes=bytes(raw)))),
    (
        DateTime,
        (
            lambda value: ((value - EPOCH) // MICROSECOND).to_bytes(8, "big", signed=True),
            lambda raw: EPOCH + timedelta(microseconds=int.from_bytes(raw, "big", signed=True)),
        ),
    ),
    (
        Date,
        (
            lambda value: (value.toordinal() - FIRST_DAY).to_bytes(4, "big", signed=True),
            lambda raw: date.fromordinal(int.from_bytes(raw, "big", signed=True) + FIRST_DAY),
        ),
    ),
    (LargeBinary, (bytes, bytes)),
    (JSONB, (lambda value: VERSION_OF_JSONB + compact_json.write(value), lambda raw: json.loads(bytes(raw)[1:]))),
    (String, (str.encode, lambda raw: bytes(raw).decode())),
    (SmallInteger, _whole(2)),
    (BigInteger, _whole(8)),
    (Integer, _whole(4)),
)

OIDS: tuple[tuple[type[Any], int], ...] = ((Uuid, 2950), (LargeBinary, 17), (String, 25), (Integer, 23))


def _array_of(item: Any) -> tuple[Encode, Decode]:
    """Return how a list of values, none of them null, is written; lists are not read."""
    encode, oid = form_of(item)[0], next(oid for known, oid in OIDS if isinstance(item, known))

    def write(values: Any) -> bytes:
        raws = [encode(value) for value in values]
        head = (1, 0, oid, len(raws), 1) if raws else (0, 0, oid)
        return b"".join((*(number.to_bytes(4, "big") for number in head), *(len(raw).to_bytes(4, "big") + raw for raw in raws)))

    return write, _unread


def _unread(_: bytes) -> Any:
    raise NotImplementedError("lists are not read")


class Straight:
    """A statement of Core, ready to be sent; its parameters are named, and of the types that `FORMS` knows.

    It is prepared under a name that no other in the process has, whatever two features call theirs.
    """

    def __init__(self, name: str, statement: Executable) -> None:
        self.name, self.statement = f"{next(NUMBERS)}_{name}".encode(), statement

    @cached_property
    def _compiled(self) -> Any:
        return self.statement.compile(dialect=numbered())  # type: ignore[attr-defined]

    @cached_property
    def sql(self) -> bytes:
        """The text, with `$1`, `$2` … for values, each cast to its type."""
        return str(self._compiled).encode()

    @cached_property
    def encoders(self) -> list[tuple[str, Encode]]:
        """The names of the values in their order, and how each is written."""
        return [(name, form_of(self._compiled.binds[name].type)[0]) for name in self._compiled.positiontup]

    @cached_property
    def decoders(self) -> list[Decode]:
        """How each column of a row is read."""
        columns: Any = getattr(self.statement, "selected_columns", None) or getattr(self.statement, "_returning", ())
        return [form_of(column.type)[1] for column in columns]

    @cached_property
    def formats(self) -> list[int]:
        """The format of each value."""
        return [BINARY] * len(self.encoders)

    def values(self, named: Mapping[str, Any]) -> list[bytes | None]:
        """Return the values in their order, as they are sent."""
        return [None if (value := named[name]) is None else encode(value) for name, encode in self.encoders]

    def rows(self, result: PGresult) -> list[tuple[Any, ...]]:
        """Read the rows of a result."""
        return [
            tuple(None if (raw := result.get_value(row, at)) is None else decode(raw) for at, decode in enumerate(self.decoders))
            for row in range(result.ntuples)
        ]


def run(session: Session, statement: Straight, values: Mapping[str, Any], *, is_last: bool = False) -> list[tuple[Any, ...]]:
    """Run a statement in the session's transaction and return its rows; raises DBAPIError, as the session would.

    `is_last` commits together with it: nothing that is done in the session afterwards belongs to the transaction. Where it is the first, too, it
    needs no BEGIN and no COMMIT.
    """
    if is_last and _is_untouched(session):
        return run_alone(statement, values)
    connection = session.connection()
    held = connection.connection
    dbapi: psycopg.Connection[Any] = held.dbapi_connection  # type: ignore[assignment]
    wire, prepared = dbapi.pgconn, held.info.setdefault(PREPARED, set())
    for hear in connection.dispatch.before_cursor_execute:  # whoever counts statements counts these
        hear(connection, None, statement.sql.decode(), (), None, False)  # noqa: FBT003 - the event's own form
    try:
        result = _send(wire, prepared, statement, statement.values(values), is_last=is_last)
        if result.status not in GOOD:
            raise error_from_result(result)
    except psycopg.Error as error:
        is_lost = wire.status != ConnStatus.OK
        if is_lost:
            connection.invalidate(error)
        raise _failure_of(error, is_lost=is_lost) from None
    prepared.add(statement.name)
    return statement.rows(result)


def _is_untouched(session: Session) -> bool:
    """Whether nothing was sent to the database in the session's transaction so far."""
    begun = session.get_transaction()
    return begun is not None and not begun._connections and session.get_nested_transaction() is None


def run_alone(statement: Straight, values: Mapping[str, Any]) -> list[tuple[Any, ...]]:
    """Run a statement that is a transaction of its own, and return its rows once what it wrote is durable; raises DBAPIError."""
    engine: Engine = current_app.extensions["kabao_engine"]
    try:
        held = engine.raw_connection()
    except psycopg.Error as failure:  # a session's engine would say it in SQLAlchemy's words; the pool alone says it in the driver's
        raise _failure_of(failure, is_lost=False) from None
    try:
        dbapi: psycopg.Connection[Any] = held.dbapi_connection  # type: ignore[assignment]
        for hear in engine.dispatch.before_cursor_execute:
            hear(None, None, statement.sql.decode(), (), None, False)  # noqa: FBT003 - the event's own form
        try:
            return statement.rows(_send_alone(dbapi.pgconn, held.info.setdefault(PREPARED, set()), statement, statement.values(values)))
        except psycopg.Error as failure:
            is_lost = dbapi.pgconn.status != ConnStatus.OK
            error = psycopg.OperationalError("the connection is lost") if is_lost else failure
            if is_lost:
                held.invalidate(error)
            raise _failure_of(error, is_lost=is_lost) from None
    finally:
        held.close()


def _failure_of(error: psycopg.Error, *, is_lost: bool) -> Exception:
    return DBAPIError.instance(None, None, error, psycopg.Error, hide_parameters=True, connection_invalidated=is_lost)


def _send_alone(wire: PGconn, prepared: set[bytes], statement: Straight, values: list[bytes | None]) -> PGresult:
    """Send a statement, and once more if it was not prepared any longer: then it has done nothing."""
    try:
        return _send_prepared(wire, prepared, statement, values)
    except InvalidSqlStatementName:
        prepared.clear()
        return _send_prepared(wire, prepared, statement, values)


def _send_prepared(wire: PGconn, prepared: set[bytes], statement: Straight, values: list[bytes | None]) -> PGresult:
    if statement.name not in prepared:
        _good(wire.close_prepared(statement.name))
        _good(wire.prepare(statement.name, statement.sql))
        prepared.add(statement.name)
    return _good(wire.exec_prepared(statement.name, values, statement.formats, BINARY))  # type: ignore[arg-type] # null it takes, too


def _good(result: PGresult) -> PGresult:
    if result.status not in GOOD:
        raise error_from_result(result)
    return result


def _send(wire: PGconn, prepared: set[bytes], statement: Straight, values: list[bytes | None], *, is_last: bool) -> PGresult:
    """Send the statement with what must go before and after it, and return its result or, where that failed before, the one that failed."""
    wire.enter_pipeline_mode()
    try:
        before = 0
        if wire.transaction_status == TransactionStatus.IDLE:
            wire.send_query_params(b"BEGIN", None)
            before += 1
        if statement.name not in prepared:
            wire.send_close_prepared(statement.name)  # what the driver left of an earlier one; nothing, mostly
            wire.send_prepare(statement.name, statement.sql)
            before += 2
        wire.send_query_prepared(statement.name, values, statement.formats, BINARY)
        if is_last:
            wire.send_query_params(b"COMMIT", None)
        wire.pipeline_sync()
        results = list(_results(wire))
    finally:
        if wire.status == ConnStatus.OK:
            wire.exit_pipeline_mode()
    failed = next((result for result in results if result.status not in GOOD), None)
    return failed or results[before]


def _results(wire: PGconn) -> Iterator[PGresult]:
    """Yield the result of each command, waiting for them without the interpreter's lock."""
    poll = polling.poll()
    poll.register(wire.socket, polling.POLLIN | polling.POLLOUT)
    while wire.flush():
        poll.poll()
        wire.consume_input()
    poll.modify(wire.socket, polling.POLLIN)
    while True:
        while wire.is_busy():
            poll.poll()
            wire.consume_input()
        result = wire.get_result()
        if result is None:
            continue
        if result.status == ExecStatus.PIPELINE_SYNC:
            return
        yield result


def insert_one(name: str, table: type[Any], columns: Iterable[str]) -> Straight:
    """Return the statement that adds one row of some columns to a table."""
    return Straight(name, insert(table).values({column: bindparam(column) for column in columns}).inline())


def watch(engine: Engine) -> None:
    """Know of each connection what is prepared there: the driver forgets all, ours too, where a transaction or a part of one is undone, and where
    something of the schema is dropped or altered.

    One that comes back to the pool with nothing to undo, as it does after a commit, keeps all that is prepared.
    """
    event.listen(engine, "after_cursor_execute", _forget_if_altered)
    event.listen(engine, "rollback", _forget)
    event.listen(engine, "rollback_savepoint", lambda connection, *_: _forget(connection))
    event.listen(engine, "reset", lambda dbapi, record, _: _is_idle(dbapi) or record.info.pop(PREPARED, None))


def _forget_if_altered(connection: Connection, cursor: Any, statement: str, *_: Any) -> None:
    if (cursor.statusmessage or "").startswith(FORGETTING) or ";" in statement:
        _forget(connection)


def _is_idle(dbapi: psycopg.Connection[Any]) -> bool:
    return bool(dbapi.pgconn.transaction_status == TransactionStatus.IDLE)


def _forget(connection: Connection) -> None:
    if not connection.invalidated:
        connection.connection.info.pop(PREPARED, None)


def form_of(kind: Any) -> tuple[Encode, Decode]:
    """Return how a value of a type of Core is written to the wire, and read from it."""
    if isinstance(kind, ARRAY):
        return _array_of(kind.item_type)
    return next(form for known, form in FORMS if isinstance(kind, known))
