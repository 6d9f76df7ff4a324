"""Run by Alembic: applies the migrations to the database that the settings (or the caller) name."""

from typing import Any

from alembic import context
from sqlalchemy import create_engine, pool, text

from migrations.tables import metadata
from runtime.database import CONNECTION, SESSION_OPTIONS, driver_url

LOCK = int.from_bytes(b"kabaoup", "big")


def ours(_: Any, name: str | None, kind: str, *rest: Any) -> bool:
    """Leave the queue's own tables to the queue."""
    return not (kind == "table" and name is not None and name.startswith("procrastinate_"))


def run() -> None:
    """Migrate in one transaction: all of it, or none. Of two at once the second waits, and finds what the first made."""
    url = context.config.get_main_option("sqlalchemy.url")
    assert url is not None
    engine = create_engine(driver_url(url), poolclass=pool.NullPool, connect_args={**CONNECTION, "options": SESSION_OPTIONS})
    with engine.connect() as connection:
        context.configure(connection=connection, target_metadata=metadata, include_object=ours, compare_server_default=True)
        with context.begin_transaction():
            connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": LOCK})
            context.run_migrations()


run()
