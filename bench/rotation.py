"""`python -m bench.rotation`: rotate both data keys over a crowd of subjects, and say how many rows a second that is.

A database of its own on a durable PostgreSQL under var/bench, one process that does the work; all is deleted at the end.
"""

import os
import time
from contextlib import closing
from datetime import timedelta

import click
import psycopg
from flask import Flask
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

from bench.stand import FOLDER
from demo import postgres
from keys import rotation, rotation_jobs, sealing
from keys.init import init_keys
from keys.rotation import PURPOSES, Stage, Which
from runtime.clock import now
from runtime.database import transaction
from runtime.settings import Settings
from tests import schema
from tests.world_crowd import add_crowd
from wsgi import create_app

NAME = "bench_rotation"
SLICE = 0.5
NONE = timedelta(0)


@click.command()
@click.option("--subjects", default=1_000_000, show_default=True, type=click.IntRange(1))
@click.option("--batch", default=rotation.BATCH, show_default=True, type=click.IntRange(1))
def main(subjects: int, batch: int) -> None:
    """Measure the rotation of the sealing key and of the index key."""
    server = postgres.start(FOLDER / "postgres")
    url = schema.create(server, NAME)
    settings = Settings(database_url=url, master_key=os.urandom(32), development=True, log_level="WARNING")
    app = create_app(settings)
    try:
        with app.app_context():
            _measure(app, settings, subjects, batch)
    finally:
        app.extensions["kabao_cache"].stop()
        app.extensions["kabao_engine"].dispose()
        with closing(psycopg.connect(server.get_uri(), autocommit=True)) as connection:
            connection.execute(f"DROP DATABASE {NAME} WITH (FORCE)")


def _measure(app: Flask, settings: Settings, subjects: int, batch: int) -> None:
    console = Console()
    with transaction() as session:
        init_keys(session, settings, now=now())
    with Progress(*_columns(), console=Console(stderr=True)) as progress:
        task = progress.add_task("adding subjects", total=subjects)
        for _ in add_crowd(settings.database_url, subjects, now=now()):
            progress.advance(task)
        with closing(psycopg.connect(settings.database_url, autocommit=True)) as connection:
            connection.execute("VACUUM ANALYZE subjects")
        table = Table("rotation", "rows", "seconds", "rows/s", "CPU of this process", title=f"{subjects:,} subjects, {batch:,} rows a batch")
        for purpose in PURPOSES:
            table.add_row(purpose, f"{subjects:,}", *_rotate(settings, purpose, subjects, batch, progress))
    console.print(table)


def _rotate(settings: Settings, purpose: str, subjects: int, batch: int, progress: Progress) -> list[str]:
    with transaction() as session:
        begun = rotation.begin(session, settings, purpose, now=now(), lead=NONE, settle=NONE)
        which = Which(begun.purpose, begun.version)
    sealing.index_of("warm")
    task = progress.add_task(f"rotating the {purpose} key", total=subjects)
    began, cpu, stage = time.monotonic(), time.process_time(), Stage.WORKING
    while stage is not Stage.DONE:
        until = time.monotonic() + SLICE
        stage = rotation_jobs.work(which, goes_on=lambda until=until: time.monotonic() < until, size=batch)  # type: ignore[misc]
        with transaction() as session:
            progress.update(task, completed=sum(step.renewed for step in rotation.steps_of(session, begun)))
    took, cpu = time.monotonic() - began, time.process_time() - cpu
    return [f"{took:.1f}", f"{subjects / took:,.0f}", f"{100 * cpu / took:.0f} %"]


def _columns() -> list[TextColumn | BarColumn | MofNCompleteColumn | TimeElapsedColumn | TimeRemainingColumn]:
    return [TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn()]


if __name__ == "__main__":
    main()
