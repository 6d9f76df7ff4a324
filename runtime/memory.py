"""How the C library shares out a long-running process's memory: from one pool, whatever the number of threads.

glibc gives each thread a pool of its own, up to eight a core, and gives little of them back. Ours take turns at the interpreter's lock, so pools
of their own save them nothing and only keep more memory (docs/decisions/0056-one-pool-of-memory.md).
"""

import ctypes
import os

M_ARENA_MAX = -8
CHOSEN = ("MALLOC_ARENA_MAX", "GLIBC_TUNABLES")


def keep_to_one_pool() -> None:
    """Let all threads that are still to come allocate from one pool; nothing where the C library is another, or the operator has chosen."""
    if any(name in os.environ for name in CHOSEN):
        return
    choose = getattr(ctypes.CDLL(None), "mallopt", None)
    if choose is not None:
        choose(M_ARENA_MAX, 1)
