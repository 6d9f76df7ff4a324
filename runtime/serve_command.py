"""`kabao serve`: the application is built once, and the worker processes are forked from the one that built it.

So a worker begins, or begins anew after a crash, within milliseconds, and shares what it never writes to. When they are forked the application
has no thread and no connection; all that takes a state of its own in a process (the queue of ids, the security module, the counters) looks who it is.
"""

import logging
import multiprocessing
import os
import socket
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

import click
from flask.cli import ScriptInfo
from granian import Granian
from granian.constants import HTTPModes, Interfaces
from granian.log import LogLevels
from granian.server import mp as granian_workers

from runtime import memory, seats, starting
from runtime.settings import Settings

THREADS = "KABAO_THREADS"
SHARED = "PROMETHEUS_MULTIPROC_DIR"


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", default=8000, show_default=True, type=click.IntRange(1, 65535))
@click.option("--workers", default=2, show_default=True, type=click.IntRange(1), help="Worker processes; two or so for each core.")
@click.option(
    "--threads",
    default=1,
    show_default=True,
    type=click.IntRange(1),
    help="Threads a worker; more workers serve better.",
)
@click.pass_context
def serve(context: click.Context, host: str, port: int, workers: int, threads: int) -> None:
    """Serve HTTP with Granian until stopped."""
    memory.keep_to_one_pool()
    if threads > (pool_size := Settings.from_environ().pool_size):
        raise click.ClickException(f"{threads} threads would wait for each other's connections: set KABAO_POOL_SIZE to {threads}, not {pool_size}.")
    _check_is_free(host, port)
    os.environ[THREADS] = str(threads)
    with _shared_counters(workers):
        application = context.ensure_object(ScriptInfo).load_app()
        starting.look(application)
        multiprocessing.set_start_method("fork", force=True)
        _seat(threads, at_once=pool_size)
        server = Granian(
            "wsgi:create_app",
            address=host,
            port=port,
            interface=Interfaces.WSGI,
            http=HTTPModes.http1,  # where a body that is still to come says so
            workers=workers,
            blocking_threads=threads + seats.LONG_AT_ONCE + seats.STALLED_AT_ONCE,
            websockets=False,
            respawn_failed_workers=True,
            workers_kill_timeout=10,
            log_level=LogLevels.warning,
        )
        server.serve(target_loader=lambda: application, wrap_loader=False)


def _seat(threads: int, *, at_once: int) -> None:
    """Put the seats between Granian and the application, where alone an answer can be out before its thread is given back."""
    wrap = granian_workers._wsgi_call_wrap  # type: ignore[attr-defined]
    granian_workers._wsgi_call_wrap = lambda *args: seats.Seats(wrap(*args), wanted=threads, at_once=at_once)  # type: ignore[attr-defined]
    logging.getLogger("_granian").addFilter(lambda record: "Python threads" not in record.getMessage())  # that they are many: most of them wait


def _check_is_free(host: str, port: int) -> None:
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise click.ClickException(
                f"{host}:{port} cannot be used ({error.strerror}): stop what runs there, or choose another with --port."
            ) from error


@contextmanager
def _shared_counters(workers: int) -> Iterator[None]:
    """Let several workers count in one folder. The metrics library decides at its import whether it does: so before the application is loaded."""
    if workers == 1 or SHARED in os.environ:
        yield
        return
    assert "prometheus_client" not in sys.modules
    with tempfile.TemporaryDirectory(prefix="kabao-metrics-", ignore_cleanup_errors=True) as folder:
        os.environ[SHARED] = folder
        yield
