"""Callers that keep asking while the ground shakes, and remember what they were told."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPException
from typing import Any
from uuid import uuid4

from tests.served import Processes, send
from tests.world_clients import bearer

PAUSE = 0.15
Document = dict[str, Any]


@dataclass
class Told:
    """What callers were told: answers by Idempotency-Key, the requests that stayed without one, and every status seen."""

    acknowledged: dict[str, Any] = field(default_factory=dict)
    unanswered: dict[str, Document] = field(default_factory=dict)
    sent: dict[str, Document] = field(default_factory=dict)
    statuses: Counter[int] = field(default_factory=Counter)
    surprises: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Caller:
    """A department's system that posts documents to one address, each under a key of its own."""

    processes: Processes
    token: str
    path: str
    told: Told
    documents: Callable[[], Document]

    def keep_asking(self, stopped: threading.Event) -> None:
        """Post one document after another, over a connection that is made again whenever it breaks."""
        connection = self.processes.connection(timeout=20)
        while not stopped.is_set():
            try:
                key, document = uuid4().hex, self.documents()
            except StopIteration:
                return
            self.told.sent[key] = document
            try:
                self.hear(key, document, *self.ask(connection, key, document))
            except (OSError, HTTPException):
                self.told.unanswered[key] = document
                connection.close()
                time.sleep(PAUSE)
        connection.close()

    def ask(self, connection: Any, key: str, document: Document) -> tuple[int, Any]:
        """Post one document; return the status and, if it is JSON, the body."""
        answer = send(connection, "POST", self.path, document=document, headers={**bearer(self.token), "Idempotency-Key": key})
        return answer.status, answer.json

    def hear(self, key: str, document: Document, status: int, body: Any) -> None:
        """Remember an answer."""
        self.told.statuses[status] += 1
        if status == 201:
            self.told.acknowledged[key] = body
            return
        self.told.unanswered[key] = document
        if status != 503:
            self.told.surprises.append(f"{status} {body}")
        time.sleep(PAUSE)


@contextmanager
def asking(callers: list[Caller]) -> Iterator[None]:
    """Let every caller ask in a thread of its own for the length of the block."""
    stopped = threading.Event()
    threads = [threading.Thread(target=caller.keep_asking, args=(stopped,)) for caller in callers]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stopped.set()
        for thread in threads:
            thread.join()
