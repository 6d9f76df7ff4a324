"""A Kabao of its own for a test: its own database, and the service and the worker as real processes on a free port.

The public address stays the default one whatever the port, so that the helpers which invent clients and people serve here too.
Every process that is started here is in a process group of its own, and no other is ever touched.
"""

import base64
import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlencode

import psutil
from flask import Flask
from sqlalchemy.orm import Session

from demo import postgres
from keys.init import init_keys
from runtime.clock import now
from runtime.database import transaction
from runtime.settings import Settings
from tests import schema
from tests.world_clients import System
from wsgi import create_app

ROOT = Path(__file__).parent.parent
MASTER_KEY = bytes(range(11, 43))
START_SECONDS, STOP_SECONDS = 40, 15


@dataclass(frozen=True)
class Answer:
    """What came back: the status, the headers by their lower-case names, and the body."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body, read as JSON."""
        return json.loads(self.body)

    @property
    def text(self) -> str:
        """The body, as text."""
        return self.body.decode()


@dataclass
class Processes:
    """The service and the worker over one database; what they write is kept in `folder`."""

    folder: Path
    database_url: str
    threads: int = 8
    workers: int = 1
    log_level: str = "INFO"
    port: int = 0
    public_url: str = "http://127.0.0.1:8000"
    environ: Mapping[str, str] = field(default_factory=dict)
    running: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.port = self.port or free_port()

    def serve(self) -> None:
        """Start the service, and return once it answers."""
        self._start("serve", "--port", str(self.port), "--workers", str(self.workers), "--threads", str(self.threads))
        self.wait_until("/healthz")

    def work(self) -> None:
        """Start the worker, and return once it has said that it starts."""
        before = self.log("worker").count("worker starts")
        self._start("worker")
        deadline = time.monotonic() + START_SECONDS
        while self.log("worker").count("worker starts") == before:
            self._check_alive("worker")
            assert time.monotonic() < deadline, "the worker does not start"
            time.sleep(0.05)

    def kill(self, name: str) -> None:
        """Kill a process and all that it started, with no chance to clean up."""
        process = self.running.pop(name)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    def stop(self) -> None:
        """Ask all to end, and kill what does not."""
        for process in self.running.values():
            process.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + STOP_SECONDS
        for name in list(self.running):
            try:
                self.running[name].wait(max(0.1, deadline - time.monotonic()))
                del self.running[name]
            except subprocess.TimeoutExpired:
                self.kill(name)

    def wait_until(self, path: str, *, status: int = 200) -> float:
        """Return how many seconds went by until an address answered with a status."""
        began = time.monotonic()
        while time.monotonic() - began < START_SECONDS:
            self._check_alive("serve")
            try:
                with self.connection(timeout=2) as connection:
                    if send(connection, "GET", path).status == status:
                        return time.monotonic() - began
            except (OSError, HTTPException):
                pass
            time.sleep(0.02)
        raise AssertionError(f"{path} does not answer {status}; the log ends:\n{self.log('serve')[-2000:]}")

    def connection(self, *, timeout: float = 30) -> "Connection":
        """Return a connection to the service, which it keeps alive."""
        return Connection("127.0.0.1", self.port, timeout=timeout)

    def log(self, name: str) -> str:
        """Return all that a process wrote."""
        path = self.folder / f"{name}.log"
        return path.read_text(errors="replace") if path.exists() else ""

    def tree(self, name: str) -> list[psutil.Process]:
        """Return a process and all that it started."""
        first = psutil.Process(self.running[name].pid)
        return [first, *first.children(recursive=True)]

    def command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a command of `kabao` to its end."""
        return subprocess.run(
            [sys.executable, "-m", "wsgi", *arguments], cwd=ROOT, env=self.environment(), capture_output=True, text=True, timeout=60, check=False
        )

    def _start(self, name: str, *options: str) -> None:
        with (self.folder / f"{name}.log").open("ab") as log:
            self.running[name] = subprocess.Popen(
                [sys.executable, "-m", "wsgi", name, *options],
                cwd=ROOT,
                env=self.environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def environment(self) -> dict[str, str]:
        """Return what every process of it is started with."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("KABAO_")}
        return {
            **kept,
            "KABAO_ENVIRONMENT": "development",
            "KABAO_PUBLIC_URL": self.public_url,
            "KABAO_DATABASE_URL": self.database_url,
            "KABAO_MASTER_KEY": base64.urlsafe_b64encode(MASTER_KEY).decode(),
            "KABAO_LOG_LEVEL": self.log_level,
            **self.environ,
        }

    def _check_alive(self, name: str) -> None:
        status = self.running[name].poll()
        assert status is None, f"{name} has ended ({status}):\n{self.log(name)[-2000:]}"


class Connection(HTTPConnection):
    """A kept connection that closes at the end of its block."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


@dataclass
class Kabao:
    """The processes, and beside them the same application in this process, over the same database, to invent a world with."""

    processes: Processes
    app: Flask

    def world(self) -> AbstractContextManager[Session]:
        """Open a transaction of the test's own, within the application."""
        return _world(self.app)

    def token(self, system: System, scope: str) -> str:
        """Return an access token that a system asked the service for."""
        with self.processes.connection() as connection:
            answer = send(connection, "POST", "/token", form={**system.proof(), "grant_type": "client_credentials", "scope": scope})
        assert answer.status == 200, answer.text
        return str(answer.json["access_token"])


@contextmanager
def _world(app: Flask) -> Iterator[Session]:
    with app.app_context(), transaction() as session:
        yield session


@contextmanager
def kabao(server: postgres.PostgresServer, *, name: str, folder: Path, worker: bool = True, **options: Any) -> Iterator[Kabao]:
    """Make a fresh database with its first keys, start the service (and the worker) over it, and stop them at the end."""
    database_url = schema.create(server, name)
    app = create_app(Settings(database_url=database_url, master_key=MASTER_KEY, development=True, log_level="WARNING"))
    app.config["TESTING"] = True
    with _world(app) as session:
        init_keys(session, app.extensions["kabao_settings"], now=now())
    processes = Processes(folder, database_url, **options)
    try:
        processes.serve()
        if worker:
            processes.work()
        yield Kabao(processes, app)
    finally:
        processes.stop()
        app.extensions["kabao_cache"].stop()
        app.extensions["kabao_engine"].dispose()


def send(
    connection: HTTPConnection,
    method: str,
    path: str,
    *,
    document: Any = None,
    form: Mapping[str, str] | None = None,
    headers: Mapping[str, str] | None = None,
) -> Answer:
    """Send a request over a kept connection, with a JSON document or a form as its body, and read the whole answer."""
    body, kind = None, {}
    if document is not None:
        body, kind = json.dumps(document).encode(), {"Content-Type": "application/json"}
    elif form is not None:
        body, kind = urlencode(form).encode(), {"Content-Type": "application/x-www-form-urlencoded"}
    connection.request(method, path, body=body, headers={**kind, **(headers or {})})
    response = connection.getresponse()
    return Answer(response.status, {name.lower(): value for name, value in response.getheaders()}, response.read())


def free_port() -> int:
    """Return a port that nothing listens on."""
    return free_ports(1)[0]


def free_ports(count: int) -> list[int]:
    """Return ports that nothing listens on, below those from which connections outwards take theirs: one of them would keep a server from it."""
    found: list[int] = []
    for port in random.sample(range(11_000, 20_000), 100):
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            found.append(port)
        if len(found) == count:
            return found
    raise AssertionError("no port is free")


def kill_postgres(server: postgres.PostgresServer) -> None:
    """Kill the postmaster and its children, as a cut of the power to PostgreSQL alone would."""
    postmaster = psutil.Process(server.get_pid())
    postmaster.suspend()  # from here on it has no more children
    family = [postmaster, *postmaster.children(recursive=True)]
    for act in (psutil.Process.suspend, psutil.Process.kill):
        for process in family:
            with suppress(psutil.NoSuchProcess):  # one that was ending by itself
                act(process)
    psutil.wait_procs(family, timeout=10)


def revive_postgres(server: postgres.PostgresServer) -> None:
    """Start PostgreSQL again; it recovers from its write-ahead log."""
    postgres.run(server)
