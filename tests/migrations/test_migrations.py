from collections.abc import Iterator

import psycopg
import pytest
from alembic import command
from flask import Flask

from demo import postgres
from migrations.commands import config_for
from runtime import ledger
from runtime.clock import now
from runtime.database import transaction


@pytest.fixture
def empty_url(server: postgres.PostgresServer) -> Iterator[str]:
    """A database of its own, with nothing in it."""
    yield postgres.create_database(server, "test_migrations", afresh=True)
    with psycopg.connect(server.get_uri(), autocommit=True) as connection:
        connection.execute("DROP DATABASE test_migrations WITH (FORCE)")


def tables(url: str) -> set[str]:
    with psycopg.connect(url) as connection:
        return {row[0] for row in connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")}


def test_migrations_lead_to_the_tables_of_the_code_and_all_the_way_back(empty_url: str) -> None:
    config = config_for(empty_url)
    command.upgrade(config, "head")
    command.check(config)
    command.downgrade(config, "base")
    assert tables(empty_url) == {"alembic_version"}
    command.upgrade(config, "head")


@pytest.mark.parametrize(
    "statement",
    [
        pytest.param("UPDATE ledger_entries SET act = 'another' WHERE id = %s", id="changed"),
        pytest.param("UPDATE ledger_entries SET detail = '{}' WHERE id = %s", id="emptied"),
        pytest.param("UPDATE ledger_entries SET position = 9999999 WHERE id = %s", id="moved"),
        pytest.param("DELETE FROM ledger_entries WHERE id = %s", id="deleted"),
    ],
)
def test_the_database_itself_keeps_a_sealed_row_as_it_is(app: Flask, database_url: str, statement: str) -> None:
    with app.app_context():
        with transaction() as session:
            entry = ledger.record(session, "test.act", actor="operator", object_id="x", now=now(), count=1)
        with transaction() as session:
            while ledger.seal(session, sign=lambda claims: "unsigned", now=now()):
                pass
    with psycopg.connect(database_url) as connection, pytest.raises(psycopg.errors.RestrictViolation):
        connection.execute(statement, (entry,))
