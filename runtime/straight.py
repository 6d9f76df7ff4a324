"""Statements of hot paths, sent by the database's own library within a session's transaction: prepared once a connection, values in
PostgreSQL's binary form, and the transaction's BEGIN, or its COMMIT, in the same round trip.

A statement is made once, by SQLAlchemy's Core; what differs is how it is sent. Whatever else runs in the session runs in the same transaction.
Where one statement is all of a transaction, no session is needed for it.
"""

import itertools
import select as polling
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any, Self, TypeVar

import psycopg
from psycopg.errors import InvalidSqlStatementName, error_from_result
from psycopg.pq import ConnStatus, ExecStatus, TransactionStatus
from psycopg.pq.abc import PGconn, PGresult
from sqlalchemy import Connection, Engine, Executable, bindparam, event, insert
from sqlalchemy.dialects.postgresql.asyncpg import dialect as numbered
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session
from sqlalchemy.pool import ConnectionPoolEntry, PoolProxiedConnection

from runtime.binary_forms import Decode, Encode, form_of
from runtime.clashes import READ_ONLY
from runtime.present import extension

BINARY = 1
PREPARED = "kabao_prepared"
FORGETTING = ("DROP", "ALTER", "ROLLBACK", "DISCARD", "DEALLOCATE")
NUMBERS = itertools.count()
GOOD = (ExecStatus.COMMAND_OK, ExecStatus.TUPLES_OK)
Result = TypeVar("Result")


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
        is_lost = _is_lost(wire, error)
        if is_lost:
            _forget_all(connection.engine, held, error)
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
    with Alone() as alone:
        return alone.run(statement, values)


class Alone:
    """A connection for statements each of which is a transaction of its own; taken when the first is sent, and given back at the end of the block."""

    def __init__(self) -> None:
        self._engine: Engine = extension("kabao_engine")
        self._held: PoolProxiedConnection | None = None

    def __enter__(self) -> Self:
        """Begin; no connection is taken yet."""
        return self

    def __exit__(self, *_: object) -> None:
        """Give the connection back."""
        if self._held is not None:
            self._held.close()

    def run(self, statement: Straight, values: Mapping[str, Any]) -> list[tuple[Any, ...]]:
        """Run a statement, and return its rows once what it wrote is durable; raises DBAPIError."""
        self._heard(statement)
        return statement.rows(self._on_wire(_send_alone, statement, statement.values(values)))

    def run_all(self, statements: Sequence[tuple[Straight, Mapping[str, Any]]]) -> list[list[tuple[Any, ...]]]:
        """Run statements in one transaction and one round trip, and return the rows of each; raises DBAPIError, and then none was run."""
        for statement, _ in statements:
            self._heard(statement)
        results = self._on_wire(_send_all, [(statement, statement.values(values)) for statement, values in statements])
        return [statement.rows(result) for (statement, _), result in zip(statements, results, strict=True)]

    def _heard(self, statement: Straight) -> None:
        """Let those hear who count statements."""
        for hear in self._engine.dispatch.before_cursor_execute:
            hear(None, None, statement.sql.decode(), (), None, False)  # noqa: FBT003 - the event's own form

    def _on_wire(self, work: Callable[..., Result], *arguments: Any) -> Result:
        held = self._held or self._take()
        wire: PGconn = held.dbapi_connection.pgconn  # type: ignore[union-attr]
        try:
            return work(wire, held.info.setdefault(PREPARED, set()), *arguments)
        except psycopg.Error as failure:
            is_lost = _is_lost(wire, failure)
            error = psycopg.OperationalError("the connection is lost") if wire.status != ConnStatus.OK else failure
            if is_lost:
                self._held = None
                _forget_all(self._engine, held, error)
                held.invalidate(error)
                held.close()
            raise _failure_of(error, is_lost=is_lost) from None

    def _take(self) -> PoolProxiedConnection:
        try:
            self._held = self._engine.raw_connection()
        except psycopg.Error as failure:  # a session's engine would say it in SQLAlchemy's words; the pool alone says it in the driver's
            raise _failure_of(failure, is_lost=False) from None
        return self._held


def _is_lost(wire: PGconn, error: psycopg.Error) -> bool:
    """Whether a connection is of no use any more: it broke, or its server was the first and by now only reads."""
    return wire.status != ConnStatus.OK or error.sqlstate == READ_ONLY


def _forget_all(engine: Engine, lost: PoolProxiedConnection, error: psycopg.Error) -> None:
    """Let none of the connections be used any more that were made before one was lost, as SQLAlchemy does: they were lost with it, most likely."""
    engine.pool._invalidate(lost, error, _checkin=False)


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
    _prepare(wire, prepared, statement)
    return _good(wire.exec_prepared(statement.name, values, statement.formats, BINARY))  # type: ignore[arg-type] # null it takes, too


def _prepare(wire: PGconn, prepared: set[bytes], statement: Straight) -> None:
    if statement.name not in prepared:
        _good(wire.close_prepared(statement.name))
        _good(wire.prepare(statement.name, statement.sql))
        prepared.add(statement.name)


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


def _send_all(wire: PGconn, prepared: set[bytes], statements: Sequence[tuple[Straight, list[bytes | None]]]) -> list[PGresult]:
    """Send statements in one transaction; once more, if one was not prepared any longer: then none has done anything."""
    try:
        return _send_in_one(wire, prepared, statements)
    except InvalidSqlStatementName:
        prepared.clear()
        return _send_in_one(wire, prepared, statements)


def _send_in_one(wire: PGconn, prepared: set[bytes], statements: Sequence[tuple[Straight, list[bytes | None]]]) -> list[PGresult]:
    for statement, _ in statements:
        _prepare(wire, prepared, statement)
    wire.enter_pipeline_mode()
    try:
        for statement, values in statements:  # all up to the sync are one transaction, without BEGIN and COMMIT
            wire.send_query_prepared(statement.name, values, statement.formats, BINARY)
        wire.pipeline_sync()
        results = list(_results(wire))
    finally:
        if wire.status == ConnStatus.OK:
            wire.exit_pipeline_mode()
    return [_good(result) for result in results]


def _results(wire: PGconn) -> Iterator[PGresult]:
    """Yield the result of each command that was sent in a pipeline."""
    flush(wire)
    while True:
        result = next_result(wire)
        if result is None:
            continue
        if result.status == ExecStatus.PIPELINE_SYNC:
            return
        yield result


def flush(wire: PGconn) -> None:
    """Hand all that is to be sent to the network."""
    while wire.flush():
        _wait(wire, polling.POLLIN | polling.POLLOUT)
        wire.consume_input()


def next_result(wire: PGconn) -> PGresult | None:
    """Return the next result, or that there is none, waiting for it without the interpreter's lock."""
    while wire.is_busy():
        _wait(wire, polling.POLLIN)
        wire.consume_input()
    return wire.get_result()


def _wait(wire: PGconn, what: int) -> None:
    poll = polling.poll()
    poll.register(wire.socket, what)
    poll.poll()


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
    event.listen(engine, "reset", _undo)


def _forget_if_altered(connection: Connection, cursor: Any, statement: str, *_: Any) -> None:
    if (cursor.statusmessage or "").startswith(FORGETTING) or ";" in statement:
        _forget(connection)


def _undo(dbapi: psycopg.Connection[Any], record: ConnectionPoolEntry, _: object) -> None:
    """Undo what a connection comes back with, if there is anything; the pool itself does not (`pool_reset_on_return`)."""
    if dbapi.pgconn.transaction_status != TransactionStatus.IDLE:
        record.info.pop(PREPARED, None)
        dbapi.rollback()


def _forget(connection: Connection) -> None:
    if not connection.invalidated:
        connection.connection.info.pop(PREPARED, None)
