"""Many rows added to one table at once: COPY in PostgreSQL's binary form, within a session's transaction."""

from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import Any

import psycopg
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from runtime.binary_forms import Encode, form_of
from runtime.database import Base

HEAD, END = b"PGCOPY\n\xff\r\n\0" + bytes(8), b"\xff\xff"
NULL = b"\xff\xff\xff\xff"


class Copy:
    """The rows of one table; `columns` are those that are given, of the types that `binary_forms` knows."""

    def __init__(self, table: type[Base], columns: Iterable[str]) -> None:
        self.table, self._name, self.columns = table.__table__, table.__tablename__, tuple(columns)

    @cached_property
    def sql(self) -> str:
        """The statement."""
        return f"COPY {self._name} ({', '.join(self.columns)}) FROM STDIN (FORMAT BINARY)"

    @cached_property
    def _encoders(self) -> list[tuple[str, Encode]]:
        return [(name, form_of(self.table.columns[name].type)[0]) for name in self.columns]

    def write(self, session: Session, rows: Iterable[Mapping[str, Any]]) -> None:
        """Add rows, if there are any; raises DBAPIError."""
        pieces = [self._row(row) for row in rows]
        if not pieces:
            return
        connection = session.connection()
        dbapi: psycopg.Connection[Any] = connection.connection.dbapi_connection  # type: ignore[assignment]
        for hear in connection.dispatch.before_cursor_execute:  # whoever counts statements counts these
            hear(connection, None, self.sql, (), None, True)  # noqa: FBT003 - the event's own form
        try:
            with dbapi.cursor() as cursor, cursor.copy(self.sql.encode()) as copy:
                copy.write(b"".join((HEAD, *pieces, END)))
        except psycopg.Error as error:
            raise DBAPIError.instance(None, None, error, psycopg.Error, hide_parameters=True, connection_invalidated=dbapi.closed) from None

    def _row(self, row: Mapping[str, Any]) -> bytes:
        pieces = [len(self.columns).to_bytes(2, "big")]
        for name, encode in self._encoders:
            value = row[name]
            if value is None:
                pieces.append(NULL)
            else:
                raw = encode(value)
                pieces += (len(raw).to_bytes(4, "big"), raw)
        return b"".join(pieces)
