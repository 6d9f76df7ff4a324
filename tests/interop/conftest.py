"""A served Kabao, Node with the programs of `package-lock.json`, and a place for portals to be called back at."""

import fcntl
import json
import os
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator
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


def major_version(program: str) -> int:
    """Return the first number of a Node's version."""
    said = subprocess.run([program, "--version"], capture_output=True, text=True, timeout=NODE_SECONDS, check=False).stdout
    return int(said.removeprefix("v").partition(".")[0] or 0)


@pytest.fixture(scope="session")
def node() -> Program:
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

    def run(name: str, **given: Any) -> dict[str, Any]:
        environ = {**os.environ, "NODE_NO_WARNINGS": "1"}
        done = subprocess.run(
            [program, HERE / f"{name}.mjs"], input=json.dumps(given), capture_output=True, text=True, timeout=NODE_SECONDS, env=environ, check=False
        )
        assert done.returncode == 0, done.stderr[-3000:]
        answer: dict[str, Any] = json.loads(done.stdout)
        return answer

    return run


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
