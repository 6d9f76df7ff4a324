"""The demonstration's own processes: started, watched, and stopped together; no other process is ever touched."""

import ctypes
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import requests

ROOT = Path(__file__).parent.parent
GRACE = 10.0
LIBC = ctypes.CDLL(None)
PR_SET_PDEATHSIG = 1


class NotStarted(Exception):
    """Something could not be started; the message is a sentence that says what to do."""


def check_port(port: int) -> None:
    """Raise NotStarted if a local port is taken."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise NotStarted(
                f"Port {port} is in use. Stop what uses it (see: ss -ltnp 'sport = :{port}'), or choose three others: make demo PORT=9000"
            ) from error


@dataclass
class Processes:
    """Child processes by name, each with a log file of its own."""

    logs: Path
    running: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    files: list[IO[bytes]] = field(default_factory=list)

    def start(self, name: str, *arguments: str, environ: Mapping[str, str]) -> None:
        """Start a Python program of ours."""
        self.logs.mkdir(parents=True, exist_ok=True)
        log = (self.logs / f"{name}.log").open("ab")
        self.files.append(log)
        command = [sys.executable, *arguments]
        self.running[name] = subprocess.Popen(
            command,
            cwd=ROOT,
            env={**os.environ, **environ},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            preexec_fn=_end_with_parent,
        )

    def wait_until_answering(self, name: str, url: str, *, seconds: float = 120) -> None:
        """Wait for an address to answer 200; raises NotStarted with the end of the log if it does not."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            self.check_alive()
            try:
                if requests.get(url, timeout=2).status_code == requests.codes.ok:
                    return
            except requests.RequestException:
                pass
            time.sleep(0.1)
        raise NotStarted(f"{name} does not answer at {url}. Its log ends:\n{self.tail(name)}")

    def check_alive(self) -> None:
        """Raise NotStarted if a process has ended by itself."""
        for name, process in self.running.items():
            if process.poll() is not None:
                raise NotStarted(f"{name} has stopped (exit {process.returncode}). Its log ends:\n{self.tail(name)}")

    def tail(self, name: str, *, lines: int = 12) -> str:
        """Return the end of a process's log."""
        return "\n".join((self.logs / f"{name}.log").read_text("utf-8", errors="replace").splitlines()[-lines:])

    def stop(self) -> None:
        """Ask every process to end, the last started first, and end those that do not."""
        for process in reversed(self.running.values()):
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + GRACE
        for process in self.running.values():
            try:
                process.wait(max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        self.running.clear()
        for log in self.files:
            log.close()
        self.files.clear()


def _end_with_parent() -> None:
    """Have Linux end this process when the demonstration is killed and cannot do it itself (prctl(2)); elsewhere nothing happens."""
    if hasattr(LIBC, "prctl"):
        LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
