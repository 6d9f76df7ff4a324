"""What keeps the start short: nothing is loaded before it is needed, and workers are forked from the process that built the application.

No clock is asked here; `python -m bench --only start` does.
"""

import gc
import re
import subprocess
import sys
import threading
from io import BytesIO, TextIOWrapper
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from flask import Flask
from flask.cli import ScriptInfo
from psycopg import OperationalError
from psycopg.errors import InsufficientPrivilege, UndefinedTable
from sqlalchemy.exc import DBAPIError

import wsgi
from runtime import serve_command
from runtime.settings import Settings, SettingsError
from tests.served import free_port
from wsgi import COMMANDS, create_app

ROOT = Path(__file__).parent.parent


SETTINGS = "Settings(database_url='postgresql://x/x', master_key=bytes(range(32)), development=True)"
APPLICATION = f"import wsgi; from runtime.settings import Settings; wsgi.create_app({SETTINGS})"
HELP, WRONG = (f"import wsgi; sys.argv[1:] = [{word!r}]; wsgi.main()" for word in ("--help", "nope"))


def loaded_by(code: str) -> set[str]:
    """Return the modules that a process of its own has loaded after some code."""
    quietly = "with contextlib.suppress(SystemExit), contextlib.redirect_stdout(io.StringIO()):"
    script = f"import contextlib, io, sys\n{quietly}\n    {code}\nprint(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())


@pytest.mark.parametrize("code", ["import wsgi", HELP, WRONG])
def test_the_list_of_commands_is_shown_without_loading_one(code: str) -> None:
    assert loaded_by(code) & {"flask", "sqlalchemy", "runtime.settings", "cryptography", "granian"} == set()


def test_a_terminal_that_lacks_a_character_is_shown_its_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["kabao", "--help"])
    monkeypatch.setattr(sys, "stdout", TextIOWrapper(written := BytesIO(), encoding="latin-1"))
    with pytest.raises(SystemExit, match="0"):
        wsgi.main()
    sys.stdout.flush()
    assert rb"Kabao (\u5361\u5305)" in written.getvalue()


@pytest.mark.parametrize("name", ["verify", "receipt"])
def test_what_is_verified_offline_waits_for_no_database_and_no_application(name: str) -> None:
    loaded = {module.split(".")[0] for module in loaded_by(f"import {COMMANDS[name].module}")}
    assert loaded & {"sqlalchemy", "psycopg", "procrastinate", "marshmallow", "idp"} == set()


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_a_command_is_where_the_table_says_and_does_what_it_says(name: str) -> None:
    command = COMMANDS[name].load(name)
    assert (command.name, command.get_short_help_str(limit=1000)) == (name, COMMANDS[name].words)


def test_an_application_declares_every_job_that_there_is() -> None:
    """Whose module nobody loads would never run, however well it is tested."""
    declaring = re.compile(r"^@(?:jobs\.)?(?:every|job|outward)\b", re.MULTILINE)
    sources = [path for room in ("idp", "keys", "runtime", "wallet") for path in (ROOT / room).rglob("*.py")]
    holding = {".".join(path.relative_to(ROOT).with_suffix("").parts) for path in sources if declaring.search(path.read_text())}
    assert len(holding) > 20
    assert holding - loaded_by(APPLICATION) == set()


def test_an_application_loads_no_library_of_documents_pictures_and_workbooks() -> None:
    heavy = {"pyhanko", "fontTools", "fpdf", "PIL", "zxingcpp", "openpyxl", "python_calamine", "alembic", "requests", "granian", "demo"}
    assert {name.split(".")[0] for name in loaded_by(APPLICATION)} & {*heavy, "wsgi"} == {"wsgi"}


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (UndefinedTable("no"), "Run `kabao init`"),
        (
            InsufficientPrivilege("permission denied for table alembic_version"),
            "must belong to the role of KABAO_DATABASE_URL. It said: permission denied",
        ),
        (OperationalError("away\nand more"), "It said: away"),
    ],
)
def test_what_an_operator_can_mend_about_the_database_is_said_in_one_line(fault: Exception, said: str) -> None:
    told, status = wsgi._explained(DBAPIError("SELECT a_secret", None, fault))
    assert (said in told, "\n" in told, "a_secret" in told, status > 1) == (True, False, False, True)


def test_nothing_counts_before_the_service_has_named_the_folder_to_count_in() -> None:
    assert "prometheus_client" not in loaded_by("import runtime.serve_command")


def test_workers_are_forked_with_an_application_that_has_no_thread_and_no_connection(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    found: dict[str, Any] = {}

    class Server:
        def __init__(self, target: str, **options: Any) -> None:
            found.update(options)

        def serve(self, *, target_loader: Any, wrap_loader: bool) -> None:
            found.update(first=target_loader(), second=target_loader(), threads=set(threading.enumerate()) - before)

    before = set(threading.enumerate())
    settings: Settings = app.extensions["kabao_settings"]
    monkeypatch.setattr(serve_command, "Granian", Server)
    monkeypatch.setattr(Settings, "from_environ", lambda: settings)
    monkeypatch.setenv(serve_command.THREADS, "")
    done = CliRunner().invoke(serve_command.serve, ["--port", str(free_port()), "--workers", "1"], obj=ScriptInfo(create_app=create_app))
    assert done.exit_code == 0, done.output
    assert found["first"] is found["second"]
    assert found["threads"] == set()
    pool = found["first"].extensions["kabao_engine"].pool
    assert (pool.checkedin(), pool.checkedout()) == (0, 0)


def test_the_collector_of_garbage_is_back_once_the_application_is_built(app: Flask) -> None:
    assert gc.isenabled()
    with pytest.raises(SettingsError):
        create_app(Settings.from_environ({}))
    assert gc.isenabled()
