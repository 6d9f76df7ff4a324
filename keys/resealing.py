"""One batch of a rotation: read the rows of a table that stand under another key, renew them, write them back in one statement.

Rows are locked as they are read, and those that another holds are left for a later pass: the batch waits for nobody, so that it can
be in no deadlock, and nobody can change a row between its reading and its writing.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import structlog
from sqlalchemy import ColumnElement, Row, String, and_, cast, func, inspect, literal, or_, select, text, tuple_
from sqlalchemy.dialects import postgresql
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from keys import sealing
from keys.sealed_tables import SealedTable, declared
from keys.sealing import INDEX, SealBroken, Sealer, prefix_of

log = structlog.get_logger(__name__)
DIALECT = postgresql.dialect()  # type: ignore[no-untyped-call]
KEY = "its__"  # before the name of a column of the primary key, which no other column begins with


@dataclass
class Batch:
    """What came of a batch: how many rows were renewed, how many cannot be, and the key of the last row read (None: there was none)."""

    renewed: int = 0
    broken: int = 0
    last: list[str] | None = None
    full: bool = field(default=False)


def renew_batch(session: Session, table: SealedTable, purpose: str, version: int, *, after: Sequence[str] | None, size: int) -> Batch:
    """Renew the next rows of a table after a primary key, in the order of the primary key."""
    rows = _read(session, table, purpose, version, after=after, size=size)
    if not rows:
        return Batch()
    last = rows[-1]._mapping
    batch = Batch(last=[_written(last[column.name]) for column in inspect(table.table).primary_key], full=len(rows) == size)
    renewed = _renewed(table, rows, purpose, version, batch)
    if renewed:
        batch.renewed = _write(session, table, _columns_written(table, purpose), renewed, batch)
    return batch


def count_old(session: Session, table: SealedTable, purpose: str, version: int) -> int:
    """Count the rows of a table that stand under another key version, however long it takes."""
    session.execute(text("SET LOCAL statement_timeout = 0"))
    return session.scalar(select(func.count()).select_from(table.table).where(_old(table, purpose, version))) or 0


def undeclared(session: Session, purpose: str) -> list[str]:
    """Return the columns of the database that by their names stand under the keys of a purpose, and of which this process knows nothing."""
    ending = "sealed" if purpose != INDEX else "index"
    query = "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = current_schema() AND data_type = 'bytea'"
    named = session.execute(text(query + " AND column_name LIKE :ending"), {"ending": f"%\\_{ending}"})
    known = {(table.name, column) for table in declared.values() for column in (*table.sealed, *table.indexed, *table.left)}
    return sorted(f"{table}.{column}" for table, column in named if (table, column) not in known)


def count_queued(session: Session, version: int) -> int:
    """Count the jobs that still carry something sealed under another key, in the argument that such jobs name `sealed`, in base64."""
    carried = "substring(decode(args->>'sealed', 'base64') FROM 1 FOR 2) <> :prefix"
    query = f"SELECT count(*) FROM procrastinate_jobs WHERE status IN ('todo', 'doing') AND args ? 'sealed' AND {carried}"  # noqa: S608 - a text of ours
    return session.scalar(text(query), {"prefix": prefix_of(version)}) or 0


def _read(session: Session, table: SealedTable, purpose: str, version: int, *, after: Sequence[str] | None, size: int) -> Sequence[Row[Any]]:
    session.execute(text("SET LOCAL statement_timeout = 0"))  # a long stretch of rows that are done may lie before the next
    key = inspect(table.table).primary_key
    names = dict.fromkeys([*(column.name for column in key), table.row, *table.sealed, *table.indexed])
    query = select(*(table.table.__table__.c[name] for name in names)).where(_old(table, purpose, version))
    if after is not None:
        begins = [cast(literal(value, String), column.type) for value, column in zip(after, key, strict=True)]
        query = query.where(tuple_(*key) > tuple_(*begins))
    locked = query.order_by(*key).limit(size).with_for_update(skip_locked=True, key_share=purpose != INDEX)
    return session.execute(locked).all()


def _written(value: object) -> str:
    """Return a part of a primary key as PostgreSQL reads it from a text."""
    return "\\x" + value.hex() if isinstance(value, bytes) else str(value)


def _old(table: SealedTable, purpose: str, version: int) -> ColumnElement[bool]:
    columns = [table.table.__table__.c[name] for name in table.columns_of(purpose)]
    return or_(*(and_(column.is_not(None), func.substring(column, 1, 2) != prefix_of(version)) for column in columns))


def _renewed(table: SealedTable, rows: Sequence[Row[Any]], purpose: str, version: int, batch: Batch) -> list[dict[str, Any]]:
    """Return the primary key of each row, as `its__…`, and its columns as they are to be written."""
    sealer: Sealer = sealing.sealer()
    key, written, found = [column.name for column in inspect(table.table).primary_key], _columns_written(table, purpose), []
    for row in rows:
        values = dict(row._mapping)
        try:
            changed = table.renewed(values, purpose, version, sealer=sealer)
        except (SealBroken, LookupError) as error:
            log.error("a row cannot be renewed", table=table.name, row=str(values.get("id", "")), error=type(error).__name__)
            batch.broken += 1
            continue
        found.append({**{KEY + name: values[name] for name in key}, **{name: changed.get(name, values[name]) for name in written}})
    return found


def _columns_written(table: SealedTable, purpose: str) -> list[str]:
    """Return the columns that a rotation may change: those of its purpose, and what is sealed under an index that names the row."""
    columns = table.columns_of(purpose)
    return [*columns, *table.sealed] if purpose == INDEX and table.row in columns else columns


def _write(session: Session, table: SealedTable, columns: list[str], rows: list[dict[str, Any]], batch: Batch) -> int:
    try:
        with session.begin_nested():
            return _update(session, table, columns, rows)
    except IntegrityError:
        pass
    done = 0
    for row in rows:  # two rows turn out to be of one value: leave that one, renew the others
        try:
            with session.begin_nested():
                done += _update(session, table, columns, [row])
        except IntegrityError as error:
            log.error("a row cannot be renewed", table=table.name, row=str(row.get(KEY + "id", "")), error=type(error).__name__)
            batch.broken += 1
    return done


def _update(session: Session, table: SealedTable, columns: list[str], rows: list[dict[str, Any]]) -> int:
    """Write rows in one statement, an array a column."""
    kinds = {column.name: column.type.compile(DIALECT) for column in table.table.__table__.columns}
    names = list(rows[0])
    arrays = ", ".join(f"CAST(%({name})b AS {kinds[name.removeprefix(KEY)]}[])" for name in names)  # b: as they are, not written out in text
    changes = ", ".join(f"{name} = given.{name}" for name in columns)
    keys = " AND ".join(f"it.{name.removeprefix(KEY)} = given.{name}" for name in names if name.startswith(KEY))
    statement = f"UPDATE {table.name} AS it SET {changes} FROM unnest({arrays}) AS given ({', '.join(names)}) WHERE {keys}"  # noqa: S608 - names of ours
    return session.connection().exec_driver_sql(statement, {name: [row[name] for row in rows] for name in names}).rowcount
