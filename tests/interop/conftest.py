"""A served Kabao, Node with the programs of `package-lock.json`, and a place for portals to be called back at."""

import fcntl
import json
import os
import select
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import jwt
import pytest

from demo.postgres import PostgresServer
from keys import suites
from tests.at_address import AddressedKabao, kabao_at_address

HERE = Path(__file__).parent
NODE_SECONDS, INSTALL_SECONDS = 60, 300
OLDEST = 20
Program = Callable[..., dict[str, Any]]


@dataclass
class Node:
    """One process that runs every program, begun anew after one that ended it or took too long."""

    program: str
    process: subprocess.Popen[str] | None = None

    def __call__(self, name: str, **given: Any) -> dict[str, Any]:
        if self.process is None or self.process.poll() is not None:
            environ = {**os.environ, "NODE_NO_WARNINGS": "1"}
            self.process = subprocess.Popen([self.program, HERE / "all.mjs"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environ)
        asking, told = self.process.stdin, self.process.stdout
        assert asking is not None
        assert told is not None
        print(json.dumps({"program": name, "given": given}), file=asking, flush=True)
        line = told.readline() if select.select([told], [], [], NODE_SECONDS)[0] else ""
        if not line:
            self.stop()
        found = json.loads(line or '{"failed": "it ended, or took too long"}')
        assert "failed" not in found, f"{name}.mjs: {found['failed']}"
        answer: dict[str, Any] = found["answered"]
        return answer

    def stop(self) -> None:
        """End the process, if there is one."""
        if self.process is not None:
            self.process.kill()
            self.process.communicate()


def major_version(program: str) -> int:
    """Return the first number of a Node's version."""
    said = subprocess.run([program, "--version"], capture_output=True, text=True, timeout=NODE_SECONDS, check=False).stdout
    return int(said.removeprefix("v").partition(".")[0] or 0)


@pytest.fixture(scope="package")
def node() -> Iterator[Program]:
    """Run one of the programs here: one JSON object in, one out."""
    program, npm = shutil.which("node"), shutil.which("npm")
    if program is None or npm is None or major_version(program) < OLDEST:
        pytest.skip(f"no npm here, or no Node {OLDEST} or newer: install them to test with implementations that are not ours")
    with (HERE / "package-lock.json").open() as lock:  # of several test processes one installs, the others wait
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (HERE / "node_modules" / ".package-lock.json").exists():
            install = [npm, "ci", "--ignore-scripts", "--no-fund", "--no-audit"]
            done = subprocess.run(install, cwd=HERE, capture_output=True, text=True, timeout=INSTALL_SECONDS, check=False)
            assert done.returncode == 0, f"npm ci failed in {HERE}:\n{done.stderr[-2000:]}"

    running = Node(program)
    yield running
    running.stop()


@pytest.fixture(scope="package")
def kabao(server: PostgresServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[AddressedKabao]:
    """A Kabao that listens where its public address says, and stops with these tests: its worker looks for work every second."""
    name = "interop_" + os.environ.get("PYTEST_XDIST_WORKER", "main")
    with kabao_at_address(server, name=name, folder=tmp_path_factory.mktemp("interop")) as kabao:
        yield kabao


class _Home(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()

    def log_message(self, format: str, *_: Any) -> None:  # noqa: A002 (the name in the standard library)
        """Say nothing."""


@pytest.fixture(scope="session")
def portal_url() -> Iterator[str]:
    """Where the browser comes back to: something that answers everything with an empty page."""
    home = ThreadingHTTPServer(("127.0.0.1", 0), _Home)
    thread = threading.Thread(target=home.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{home.server_port}"
    home.shutdown()
    home.server_close()
    thread.join(timeout=5)


def private_jwk(key: suites.PrivateKey) -> dict[str, Any]:
    """Return a private key as a program of another house reads it, with the id under which its public half is registered."""
    jwk: dict[str, Any] = jwt.get_algorithm_by_name(suites.suite_of(key).name).to_jwk(key, as_dict=True)
    public = suites.public_jwk(key.public_key())
    return {**{name: jwk[name] for name in ("kty", "crv", "x", "y", "d")}, "kid": suites.thumbprint(public)}
