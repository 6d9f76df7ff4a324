"""A department's system that sends a great batch over a real connection: one thread writes the lines, another reads the results as they come."""

import json
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from http.client import HTTPException
from typing import Any

from sqlalchemy import func, select

from runtime.clock import now
from tests.served import Kabao, Processes
from tests.world_crowd import add_crowd
from tests.world_people import citizen_number
from tests.world_wallet import example_dates, example_fields
from wallet.issuing.credentials import Credential
from wallet.issuing.status_lists import StatusEntry
from wallet.register.catalogue import get_type
from wallet.register.licences import Licence

PATH = "/api/v1/licences:batch"
PIECE = 64 * 1024
Result = dict[str, Any]


@dataclass
class Sent:
    """What came back of one sending: results by line, what was said at the end, and whether the answer broke off."""

    results: dict[int, Result] = field(default_factory=dict)
    last: Result | None = None
    broke_off: bool = False


def send_batch(
    processes: Processes,
    lines: Iterable[bytes],
    *,
    token: str,
    key: str,
    query: str = "?interleave=true",
    heard: Callable[[Sent], None] | None = None,
    path: str = PATH,
) -> Sent:
    """Send lines and read their results at the same time; `heard` is told of each result, and may do what it likes to the service."""
    connection = processes.connection(timeout=1800)
    connection.putrequest("POST", path + query)
    headers = {"Authorization": f"Bearer {token}", "Idempotency-Key": key, "Content-Type": "application/x-ndjson", "Transfer-Encoding": "chunked"}
    for name, value in headers.items():
        connection.putheader(name, value)
    connection.endheaders()
    writer = threading.Thread(target=_write, args=(connection, lines), daemon=True)
    writer.start()
    sent = Sent()
    try:
        answer = connection.getresponse()
        assert answer.status == 200, answer.read()
        for line in answer:
            result = json.loads(line)
            if "line" in result:
                sent.results[result["line"]] = result
            else:
                sent.last = result
            if heard is not None:
                heard(sent)
    except (OSError, HTTPException, ValueError):
        sent.broke_off = True
    connection.close()
    writer.join(timeout=30)
    return sent


def _write(connection: Any, lines: Iterable[bytes]) -> None:
    with suppress(OSError):
        for piece in _pieces(lines):
            connection.send(b"%x\r\n%b\r\n" % (len(piece), piece))
        connection.send(b"0\r\n\r\n")


def _pieces(lines: Iterable[bytes]) -> Iterator[bytes]:
    piece = bytearray()
    for line in lines:
        piece += line + b"\n"
        if len(piece) >= PIECE:
            yield bytes(piece)
            piece.clear()
    if piece:
        yield bytes(piece)


def peak_memory(pid: int) -> int:
    """Return the most memory that a process has had resident, in bytes."""
    with open(f"/proc/{pid}/status") as status:
        line = next(line for line in status if line.startswith("VmHWM"))
    return int(line.split()[1]) * 1024


@dataclass(frozen=True)
class File:
    """The lines of a batch, who each is for, and which of them are bad."""

    lines: list[bytes]
    holders: list[Any]
    bad: set[int]


def invent_file(kabao: Kabao, count: int, *, one_bad_in: int = 100, type_name: str = "driving-licence") -> File:
    """Invent as many people as lines, and a licence for each; now and then a line is bad, each time in another way."""
    with kabao.world():
        begins, ends = example_dates(get_type(type_name))
        crowd = list(add_crowd(kabao.processes.database_url, count, now=now()))
    fields = example_fields(type_name)
    dates = {"valid_from": begins.isoformat(), "valid_until": ends.isoformat() if ends else None}
    lines, bad = [], set(range(one_bad_in // 2, count + 1, one_bad_in))
    for number, (_, holder, name) in enumerate(crowd, 1):
        document = {"ref": f"row-{number}", "type": type_name, "holder": {"number": holder, "name": name}, "fields": fields, **dates}
        line = json.dumps(document, ensure_ascii=False).encode()
        lines.append(_spoilt(line, document, number) if number in bad else line)
    return File(lines, [subject_id for subject_id, _, _ in crowd], bad)


def _spoilt(line: bytes, document: dict[str, Any], number: int) -> bytes:
    ways = [
        line[: len(line) // 2],
        json.dumps({**document, "holder": {"number": citizen_number()}}).encode(),
        json.dumps({**document, "fields": {**document["fields"], "vehicle_class": "Z9"}}).encode(),
        json.dumps({**document, "valid_from": "2099-01-01"}).encode(),
        b"x" * 100_000,
    ]
    return ways[number // 100 % len(ways)]


@dataclass(frozen=True)
class Found:
    """What the database holds: licences, holders with just one, credentials, places in status lists."""

    licences: int
    holders: int
    credentials: int
    places: int


def found_in(kabao: Kabao) -> Found:
    """Count what was issued."""
    with kabao.world() as session:
        licences, holders = session.execute(select(func.count(), func.count(Licence.holder_id.distinct()))).one()
        credentials = session.scalar(select(func.count()).select_from(Credential)) or 0
        places = session.scalar(select(func.count()).select_from(StatusEntry)) or 0
    return Found(licences, holders, credentials, places)
