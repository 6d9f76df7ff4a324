from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest
from alembic import command
from click.testing import CliRunner, Result
from flask import Flask
from flask.cli import ScriptInfo

from demo import postgres
from keys.sealing import SealBroken
from migrations import commands, shape
from migrations.commands import config_for
from runtime import ledger
from runtime.clock import now
from runtime.database import transaction
from runtime.settings import Settings
from tests.served import Processes
from wsgi import create_app


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


def prepared(url: str, *, master_key: bytes = bytes(range(7, 39))) -> Result:
    """Run `kabao init` on a database."""
    settings = Settings(database_url=url, master_key=master_key, development=True)

    def made() -> Flask:
        app = create_app(settings)
        apps.append(app)
        return app

    apps: list[Flask] = []
    try:
        return CliRunner().invoke(commands.init, [], obj=ScriptInfo(create_app=made), env={"KABAO_MASTER_KEY": "set"})
    finally:
        for app in apps:
            app.extensions["kabao_cache"].stop()
            app.extensions["kabao_engine"].dispose()


def at(url: str) -> str:
    with psycopg.connect(url) as connection:
        row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    assert row is not None
    return str(row[0])


@pytest.mark.parametrize("usual", ["read committed", "repeatable read"])
def test_of_some_who_prepare_one_installation_at_once_each_finds_it_ready(empty_url: str, tmp_path: Path, usual: str) -> None:
    with psycopg.connect(empty_url, autocommit=True) as connection:
        connection.execute(f"ALTER DATABASE test_migrations SET default_transaction_isolation = '{usual}'")
    processes = Processes(tmp_path, empty_url)
    with ThreadPoolExecutor(max_workers=3) as pool:
        done = list(pool.map(lambda _: processes.command("init"), range(3)))
    assert [(one.returncode, one.stderr) for one in done] == [(0, "")] * 3
    with psycopg.connect(empty_url) as connection:
        roots = connection.execute("SELECT count(*) FROM signing_keys WHERE use = 'root'").fetchone()
    assert roots == (1,)


def test_whoever_has_another_master_key_does_not_even_change_the_shape(empty_url: str) -> None:
    assert prepared(empty_url).exit_code == 0
    command.downgrade(config_for(empty_url), "0058")
    refused = prepared(empty_url, master_key=bytes(range(40, 72)))
    assert isinstance(refused.exception, SealBroken)
    assert at(empty_url) == "0058"
    assert prepared(empty_url).exit_code == 0
    assert at(empty_url) == shape.NEWEST


def test_a_database_that_is_newer_than_the_program_is_left_and_said_to_be(empty_url: str) -> None:
    assert prepared(empty_url).exit_code == 0
    with psycopg.connect(empty_url) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    told = prepared(empty_url)
    assert (told.exit_code, "The database is at 9999" in told.output) == (1, True), told.output


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
