"""Counts that several workers keep in one folder of mapped files (`prometheus_client`), on a disk that may be full.

A page of a mapped file for which its disk has no room ends the process at once (SIGBUS), and all requests that the worker was at. So room is taken
before it is used, and a worker that gets none goes on in its own memory: what it counts from there on is missing in what is told of all.

Whoever declares a count imports this first: the library then keeps it so.
"""

import errno
import mmap
import os
from contextlib import suppress

import structlog
from prometheus_client import mmap_dict, values

log = structlog.get_logger(__name__)
BESIDE_A_KEY = 32  # bytes at most: its length, its padding, and two doubles


class Reserved(mmap_dict.MmapedDict):
    """A file of counts whose room is taken beforehand, or memory in its place."""

    def __init__(self, filename: str) -> None:
        memory = None
        try:
            with open(filename, "a+b") as file:
                os.posix_fallocate(file.fileno(), 0, mmap_dict._INITIAL_MMAP_SIZE)
        except OSError as error:
            with suppress(OSError):
                os.unlink(filename)  # whoever reads the folder would find half a file
            memory = _memory(error)
        super().__init__(filename if memory is None else f"/proc/self/fd/{memory}")
        if memory is not None:
            os.close(memory)  # it was opened once more by its name

    def _init_value(self, key: str) -> None:
        needed, capacity = self._used + len(key.encode()) + BESIDE_A_KEY, self._capacity
        while needed > capacity:
            capacity *= 2
        try:
            os.posix_fallocate(self._f.fileno(), 0, capacity)
        except OSError as error:
            self._move_to(_memory(error))
        super()._init_value(key)

    def _move_to(self, memory: int) -> None:
        """Go on in memory; what was counted stays in the file, as that of a worker that has ended does."""
        os.truncate(memory, self._capacity)
        moved = mmap.mmap(memory, self._capacity)
        moved[: self._used] = self._m[: self._used]
        self._f.close()
        self._f, self._m = os.fdopen(memory, "r+b"), moved


def _memory(error: OSError) -> int:
    log.error("no room for the counts that workers share: from here on some are missing", error=errno.errorcode.get(error.errno or 0, "OSError"))
    return os.memfd_create("kabao-counts")


values.MmapedDict = Reserved  # type: ignore[assignment, attr-defined]
