"""`kabao serve` and `kabao worker`: the two long-running processes."""

import os
import shutil
import socket
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click
from flask import current_app
from flask.cli import with_appcontext
from granian import Granian
from granian.constants import Interfaces
from granian.log import LogLevels

from runtime import jobs
from runtime.problems import Refusal
from runtime.seats import LONG_AT_ONCE
from runtime.settings import Settings

THREADS = "KABAO_THREADS"
SHARED = "PROMETHEUS_MULTIPROC_DIR"
OWN_FOLDER = str(Path(tempfile.gettempdir()) / "kabao-metrics-")


@contextmanager
def explained() -> Iterator[None]:
    """Let a Refusal end a command with its own words, or those of its kind where it has none."""
    try:
        yield
    except Refusal as refusal:
        raise click.ClickException(f"{refusal.reason or refusal.title.en} ({refusal.code})") from refusal


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
def serve(host: str, port: int, workers: int, threads: int) -> None:
    """Serve HTTP with Granian until stopped."""
    if threads > (pool_size := Settings.from_environ().pool_size):
        raise click.ClickException(f"{threads} threads would wait for each other's connections: set KABAO_POOL_SIZE to {threads}, not {pool_size}.")
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise click.ClickException(
                f"{host}:{port} cannot be used ({error.strerror}): stop what runs there, or choose another with --port."
            ) from error
    if workers > 1:
        _share_counters()
    os.environ[THREADS] = str(threads)
    try:
        Granian(
            "wsgi:create_app",
            factory=True,
            address=host,
            port=port,
            interface=Interfaces.WSGI,
            workers=workers,
            blocking_threads=threads + LONG_AT_ONCE,
            websockets=False,
            respawn_failed_workers=True,
            workers_kill_timeout=10,
            log_level=LogLevels.warning,
        ).serve()
    finally:
        if (folder := os.environ.get(SHARED, "")).startswith(OWN_FOLDER):
            shutil.rmtree(folder, ignore_errors=True)


def _share_counters() -> None:
    """Let the workers count in one folder. The metrics library decides at its import whether it does, so the process begins anew with it named."""
    if SHARED not in os.environ:
        os.environ[SHARED] = tempfile.mkdtemp(prefix=Path(OWN_FOLDER).name, dir=Path(OWN_FOLDER).parent)
        os.execv(sys.executable, [sys.executable, "-m", "wsgi", *sys.argv[1:]])  # noqa: S606 - this very program


@click.command()
@click.option("--concurrency", default=4, show_default=True, type=click.IntRange(1), help="Jobs at a time.")
@click.option("--outward", default=8, show_default=True, type=click.IntRange(1), help="Deliveries to other servers at a time, beside them.")
@with_appcontext
def worker(concurrency: int, outward: int) -> None:
    """Run background jobs until stopped: deliveries, status lists, sealing of the ledger, pruning."""
    app = current_app._get_current_object()  # type: ignore[attr-defined]
    jobs.run_worker(app, current_app.extensions["kabao_settings"], concurrency=concurrency, outward_concurrency=outward)
