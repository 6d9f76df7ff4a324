"""The load: requests made ahead, sent over kept connections, bounded in time and, where each may be sent only once, in count.

wrk sends them where it is installed; else threads of our own do. A journey of several requests, each of which needs the answer before
it, is always driven by threads of our own.
"""

import itertools
import json
import os
import shutil
import socket
import statistics
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from http.client import HTTPException, HTTPResponse
from pathlib import Path

SCRIPT = Path(__file__).parent / "requests.lua"
CONNECTIONS = 8
Journey = Callable[[], None]


class Refused(Exception):
    """A step of a journey was answered by something else than it should have been."""


@dataclass(frozen=True)
class Outcome:
    """What came of a load: how many were answered, in which time, how fast (in ms), and how many badly or not at all."""

    count: int
    seconds: float
    p50: float
    p90: float
    p99: float
    longest: float
    errors: int

    @property
    def rate(self) -> float:
        """Requests a second."""
        return self.count / self.seconds if self.seconds else 0.0


def raw(method: str, path: str, *, body: bytes = b"", **headers: str) -> bytes:
    """Write a request as it goes over the wire; `Content_Type` stands for `Content-Type`."""
    named = {"Host": "127.0.0.1", **{name.replace("_", "-"): value for name, value in headers.items()}}
    if body or method == "POST":
        named["Content-Length"] = str(len(body))
    head = "".join(f"{name}: {value}\r\n" for name, value in named.items())
    return f"{method} {path} HTTP/1.1\r\n{head}\r\n".encode() + body


def drive(port: int, requests: Sequence[bytes], *, seconds: float, once: bool, connections: int = CONNECTIONS) -> Outcome:
    """Send requests in turn until the time is over or, where each may be sent only once, the last is sent."""
    if shutil.which("wrk") and seconds >= 1:
        return _by_wrk(port, requests, seconds=seconds, once=once, connections=connections)
    supply = iter(requests) if once else itertools.cycle(requests)
    return travel([_sender(port, supply) for _ in range(connections)], seconds=seconds)


def send_each(port: int, requests: Sequence[bytes]) -> Outcome:
    """Send each of some requests once, two at a time, however long it takes."""
    supply = iter(requests)
    return travel([_sender(port, supply) for _ in range(2)], seconds=60)


def travel(journeys: Sequence[Journey], *, seconds: float) -> Outcome:
    """Let each journey be made again and again by a thread of its own until the time is over; it ends by StopIteration, too."""
    times: list[float] = []
    errors: list[str] = []
    began = time.perf_counter()
    deadline = began + seconds
    threads = [threading.Thread(target=_repeat, args=(journey, deadline, times, errors)) for journey in journeys]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return _outcome(times, time.perf_counter() - began, len(errors))


def _repeat(journey: Journey, deadline: float, times: list[float], errors: list[str]) -> None:
    while (began := time.perf_counter()) < deadline:
        try:
            journey()
        except StopIteration:
            return
        except (Refused, OSError, HTTPException) as error:
            errors.append(repr(error))
        times.append((time.perf_counter() - began) * 1000)


def _sender(port: int, supply: Iterator[bytes]) -> Journey:
    kept: list[socket.socket] = []

    def one() -> None:
        request = next(supply)
        if not kept:
            kept.append(socket.create_connection(("127.0.0.1", port), timeout=30))
            kept[0].setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        kept[0].sendall(request)
        response = HTTPResponse(kept[0])
        response.begin()
        response.read()
        if response.status >= 400:
            raise Refused(response.status)

    return one


def _outcome(times: list[float], seconds: float, errors: int) -> Outcome:
    if len(times) < 2:
        times = times * 2 or [0.0, 0.0]
        cuts = [times[0]] * 99
    else:
        cuts = statistics.quantiles(times, n=100, method="inclusive")
    return Outcome(len(times), seconds, cuts[49], cuts[89], cuts[98], max(times), errors)


def _by_wrk(port: int, requests: Sequence[bytes], *, seconds: float, once: bool, connections: int) -> Outcome:
    with tempfile.NamedTemporaryFile(prefix="kabao-requests-") as file:
        file.write(b"".join(request + b"\0" for request in requests))
        file.flush()
        environ = {**os.environ, "KABAO_REQUESTS": file.name, **({"KABAO_ONCE": "1"} if once else {})}
        duration = f"{max(1, round(seconds))}s"
        command = ["wrk", "--threads=1", f"--connections={connections}", f"--duration={duration}", "--timeout=30s", f"--script={SCRIPT}"]
        done = subprocess.run([*command, f"http://127.0.0.1:{port}/"], env=environ, capture_output=True, text=True, timeout=seconds + 60, check=True)
    found = json.loads(next(line for line in done.stdout.splitlines() if line.startswith("{")))
    p50, p90, p99, longest = (found[name] / 1000 for name in ("p50", "p90", "p99", "max"))
    return Outcome(found["count"], found["microseconds"] / 1_000_000, p50, p90, p99, longest, errors=found["refused"] + found["broken"])
