"""A pool of connections before which requests queue, so that more threads than it has connections for do not wait for each other.

A request holds up to three at once (`THREE`). Many that each held one and waited for a second would wait until they gave up; so a thread that holds
none waits for a turn first, and there are so few turns that of those who hold some one can always have what it lacks.
"""

import queue
import threading
from typing import Any

from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.pool import ConnectionPoolEntry, QueuePool

THREE = 3  # its own, the session's, and a cache's that loads


class Holder(threading.local):
    """How many connections the present thread holds."""

    def __init__(self) -> None:
        self.held = [0]  # a list, for another thread may give back what this one took


class QueuedPool(QueuePool):
    """A pool that gives a first connection to so many threads only as can all come to their end."""

    def __init__(self, creator: Any, pool_size: int = 5, max_overflow: int = 10, **more: Any) -> None:
        super().__init__(creator, pool_size=pool_size, max_overflow=max_overflow, **more)
        self._turns: queue.SimpleQueue[None] = queue.SimpleQueue()
        self._holder, self._holders = Holder(), dict[ConnectionPoolEntry, list[int]]()
        for _ in range(max(1, (pool_size + max_overflow - 1) // (THREE - 1))):
            self._turns.put(None)

    def _do_get(self) -> ConnectionPoolEntry:
        held = self._holder.held
        if not held[0]:
            self._wait()
        held[0] += 1
        try:
            entry = super()._do_get()
        except BaseException:
            self._let_go(held)
            raise
        self._holders[entry] = held
        return entry

    def _do_return_conn(self, record: ConnectionPoolEntry) -> None:
        held = self._holders.pop(record)
        try:
            super()._do_return_conn(record)
        finally:
            self._let_go(held)

    def _wait(self) -> None:
        try:
            self._turns.get(timeout=self._timeout)
        except queue.Empty:
            pass
        else:
            return
        raise PoolTimeout("no turn came")

    def _let_go(self, held: list[int]) -> None:
        held[0] -= 1
        if not held[0]:
            self._turns.put(None)
