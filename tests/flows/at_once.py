"""Many requests at the same moment, through the service's own door."""

import threading
from collections.abc import Mapping, Sequence
from typing import Any

from tests.served import Answer, Processes, send


def at_once(processes: Processes, method: str, path: str, requests: Sequence[Mapping[str, Any]]) -> list[Answer]:
    """Send requests over as many connections, which are open before the first is sent, and return the answers in their order."""
    answers: list[Answer | None] = [None] * len(requests)
    ready = threading.Barrier(len(requests), timeout=30)

    def one(number: int) -> None:
        with processes.connection() as connection:
            connection.connect()
            ready.wait()
            answers[number] = send(connection, method, path, **requests[number])

    threads = [threading.Thread(target=one, args=(number,)) for number in range(len(requests))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = [answer for answer in answers if answer is not None]
    assert len(found) == len(requests), f"{len(requests) - len(found)} requests were not answered"
    return found
