"""PostgreSQL, through SQLAlchemy: the declarative base, the engine of an application, and transactions.

A view opens the transaction; nothing beneath it commits. Statement parameters never reach an error or a log.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any, ClassVar
from uuid import UUID

from flask import Flask, current_app
from sqlalchemy import (
    ColumnElement,
    CursorResult,
    DateTime,
    Engine,
    ExceptionContext,
    LargeBinary,
    MetaData,
    Uuid,
    create_engine,
    delete,
    event,
    func,
    literal_column,
    select,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, Session

from runtime import straight
from runtime.clashes import READ_ONLY
from runtime.settings import Settings

NAMING = {
    "ix": "ix_%(column_0_N_label)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}
PRUNE_BATCH, PRUNE_SECONDS = 1_000, 5.0
SESSION_OPTIONS = r"-c timezone=UTC -c datestyle=ISO -c intervalstyle=postgres -c default_transaction_isolation=read\ committed"
"""What holds for our statements, whatever is usual in the operator's database: whoever waited for a lock counts on seeing what its holder committed,
and the driver reads times as ISO 8601 writes them alone."""
CONNECTION: dict[str, Any] = {
    "connect_timeout": 5,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 15_000,
}
"""How long the machine at the other end may be silent (in seconds, the last in milliseconds): one that died says nothing, nor does a firewall that
forgot a connection, and TCP by itself waits for a quarter of an hour, or for two hours."""
SERVER_OPTIONS = f"{SESSION_OPTIONS} -c statement_timeout=15000 -c lock_timeout=10000 -c idle_in_transaction_session_timeout=30000"


class Base(DeclarativeBase):
    """The base of every table; its metadata is what the migrations are checked against."""

    metadata = MetaData(naming_convention=NAMING)
    type_annotation_map: ClassVar[dict[Any, Any]] = {
        datetime: DateTime(timezone=True),
        UUID: Uuid(),
        dict[str, Any]: JSONB(),
        list[str]: JSONB(),
        bytes: LargeBinary(),
    }


def driver_url(url: str) -> str:
    """Return the address with the driver that we use (psycopg 3) named in it."""
    return "postgresql+psycopg://" + url.split("://", 1)[1]


def build_engine(settings: Settings) -> Engine:
    """Make the engine of one process; it connects on first use."""
    engine = create_engine(
        driver_url(settings.database_url),
        pool_size=settings.pool_size,
        max_overflow=2 * settings.pool_size,  # a request holds up to three at once: its own, the session's, and a cache's that loads
        pool_timeout=10,
        pool_reset_on_return=None,  # `straight.watch` does it, where there is anything to undo
        pool_use_lifo=True,  # the one used last is still in the processor's caches, the server's part of it above all
        hide_parameters=True,
        connect_args={**CONNECTION, "options": SERVER_OPTIONS, "application_name": "kabao"},
    )
    straight.watch(engine)
    event.listen(engine, "handle_error", _lose_what_only_reads)
    return engine


def _lose_what_only_reads(context: ExceptionContext) -> None:
    """Use no connection any more to a server that was the first, and by now only reads."""
    if getattr(context.original_exception, "sqlstate", None) == READ_ONLY:
        context.is_disconnect = True


def init_app(app: Flask, settings: Settings) -> None:
    """Give the application its engine."""
    app.extensions["kabao_engine"] = build_engine(settings)


def engine() -> Engine:
    """Return the engine of the current application."""
    found: Engine = current_app.extensions["kabao_engine"]
    return found


@contextmanager
def transaction() -> Iterator[Session]:
    """Open a session whose block is one transaction: committed at its end, undone if anything is raised.

    Rows stay readable after the commit.
    """
    with Session(engine(), expire_on_commit=False) as session, session.begin():
        yield session


def prune(table: type[Base], over: ColumnElement[bool]) -> int:
    """Delete the rows of a table that are over, and return how many; for jobs.

    A batch a transaction, until none is left or the time of one run is up: the next run goes on. No statement holds many rows or takes
    long, rows that others hold are left to a later run, and nobody who writes waits. A batch is found by an index (see that `over` has one)
    and deleted by its rows' places, so that it costs the same in a table of millions.
    """
    place: ColumnElement[Any] = literal_column(f"{table.__tablename__}.ctid", Uuid())
    batch = select(place).select_from(table).where(over).limit(PRUNE_BATCH).with_for_update(skip_locked=True)
    statement = (
        delete(table).where(place == func.any(func.array(batch.correlate(None).scalar_subquery()))).execution_options(synchronize_session=False)
    )
    pruned, until = 0, time.monotonic() + PRUNE_SECONDS
    while True:
        with transaction() as session:
            done = session.execute(statement)
            assert isinstance(done, CursorResult)
            pruned += done.rowcount
        if done.rowcount < PRUNE_BATCH or time.monotonic() > until:
            return pruned
