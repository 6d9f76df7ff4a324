"""Brings a test database to the newest shape."""

import psycopg
from procrastinate.schema import SchemaManager
from sqlalchemy import create_engine

from migrations.tables import metadata
from runtime.database import driver_url


def create(url: str) -> None:
    """Create every table."""
    engine = create_engine(driver_url(url))
    metadata.create_all(engine)
    engine.dispose()
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(SchemaManager.get_schema())
        connection.execute("CREATE TABLE alembic_version (version_num text)")
