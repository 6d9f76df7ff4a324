"""A process with many threads allocates from one pool of the C library's."""

import os
import platform
import subprocess
import sys
import threading
from pathlib import Path

import click
import pytest
from flask import Flask

from runtime import memory, serve_command, worker_command

COUNT = """
import ctypes, sys, threading
from runtime import memory
if sys.argv[1] == "one":
    memory.keep_to_one_pool()
libc = ctypes.CDLL(None)
libc.malloc.restype, libc.malloc.argtypes, libc.fopen.restype = ctypes.c_void_p, [ctypes.c_size_t], ctypes.c_void_p
gate = threading.Barrier(8)
def take():
    gate.wait()
    for _ in range(50):
        libc.malloc(5_000)
    gate.wait()
threads = [threading.Thread(target=take) for _ in range(8)]
for thread in threads: thread.start()
for thread in threads: thread.join()
libc.malloc_info.argtypes, libc.fclose.argtypes = [ctypes.c_int, ctypes.c_void_p], [ctypes.c_void_p]
file = libc.fopen(b"/dev/stdout", b"w")
libc.malloc_info(0, file)
libc.fclose(file)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc has pools a thread")
@pytest.mark.parametrize(("chosen", "environ", "is_one"), [("one", {}, True), ("none", {}, False), ("one", {"MALLOC_ARENA_MAX": "4"}, False)])
def test_threads_share_one_pool_unless_the_operator_chose(chosen: str, environ: dict[str, str], is_one: bool) -> None:
    plain = {name: value for name, value in os.environ.items() if name not in ("MALLOC_ARENA_MAX", "GLIBC_TUNABLES")}
    command = [sys.executable, "-c", COUNT, chosen]
    done = subprocess.run(command, env={**plain, **environ}, cwd=Path(__file__).parents[2], capture_output=True, text=True, timeout=60, check=True)
    assert (done.stdout.count("<heap nr=") == 1) is is_one


class Kept(Exception):
    """The pool was seen to."""


@pytest.mark.parametrize("command", [serve_command.serve, worker_command.worker], ids=["serve", "worker"])
def test_both_long_running_processes_see_to_it_before_they_have_threads(app: Flask, monkeypatch: pytest.MonkeyPatch, command: click.Command) -> None:
    def keep() -> None:
        assert threading.active_count() == before
        raise Kept

    monkeypatch.setattr(memory, "keep_to_one_pool", keep)
    before = threading.active_count()
    assert isinstance(app.test_cli_runner().invoke(command).exception, Kept)
