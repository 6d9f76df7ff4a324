"""`kabao keys rotate-data` begins a rotation of a data key, `kabao keys rotation` shows how far it is, or does the work itself."""

import time
from datetime import datetime, timedelta

import click
from flask import current_app
from flask.cli import with_appcontext
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table

from keys import rotation as rotations
from keys import rotation_jobs
from keys.rotation import DataKeyRotation, RotationStep
from keys.sealing import present
from runtime.database import transaction
from runtime.problems import Refusal

LATEST = 2
REFRESH_SECONDS = 1.0


@click.command("rotate-data")
@click.argument("purpose", type=click.Choice(rotations.PURPOSES))
@with_appcontext
def rotate_data(purpose: str) -> None:
    """Begin the rotation of a data key: `seal` or `index`. The worker does it while the service runs."""
    try:
        with transaction() as session:
            begun = rotations.begin(session, current_app.extensions["kabao_settings"], purpose, now=present())
    except Refusal as refusal:
        raise click.ClickException(f"The last rotation of the {purpose} key has not ended; see: kabao keys rotation") from refusal
    used, moves = f"{begun.used_from:%H:%M:%S}", f"{begun.moves_from:%H:%M:%S}"
    click.echo(f"Key {purpose}:{begun.version} is made. It is written under from {used}, rows follow from {moves} UTC.")
    click.echo("A worker does it. To watch: kabao keys rotation --watch; to lend a hand: kabao keys rotation --work")


@click.command("rotation")
@click.option("--watch", is_flag=True, help="Keep showing until all is done.")
@click.option("--work", is_flag=True, help="Do the work here, too, as fast as this process can.")
@with_appcontext
def rotation(watch: bool, work: bool) -> None:  # noqa: FBT001 - flags of the command line
    """Show how far the rotations of data keys are."""
    console = Console()
    if not (watch or work):
        console.print(progress(now=present()))
        return
    with Live(progress(now=present()), console=console, auto_refresh=False) as live:
        while _work_or_wait(work=work):
            live.update(progress(now=present()), refresh=True)
        live.update(progress(now=present()), refresh=True)


def progress(*, now: datetime) -> Group:
    """Return the last rotations as they are shown: each table with its rows, its speed and the time that is left."""
    with transaction() as session:
        shown = [_table(rotation, rotations.steps_of(session, rotation), now=now) for rotation in rotations.rotations(session)[:LATEST]]
    return Group(*shown) if shown else Group("No data key was ever rotated.")


def _work_or_wait(*, work: bool) -> bool:
    """Go on for a moment; return whether there is anything left to wait for."""
    deadline = time.monotonic() + REFRESH_SECONDS
    if work:
        for which in rotation_jobs.due(now=present()):
            rotation_jobs.work(which, goes_on=lambda: time.monotonic() < deadline)
    with transaction() as session:
        is_open = bool(rotations.open_rotations(session))
    if is_open:
        time.sleep(max(0.0, deadline - time.monotonic()))
    return is_open


def _table(rotation: DataKeyRotation, steps: list[RotationStep], *, now: datetime) -> Table:
    table = Table(title=f"{rotation.purpose}:{rotation.version}  {_state(rotation, now=now)}", title_justify="left")
    for name in ("table", "renewed", "of", "rows/s", "left", "pass"):
        table.add_column(name, justify="left" if name == "table" else "right")
    for step in steps:
        rate = _rate(step)
        left = timedelta(seconds=round(((step.total or 0) - step.renewed) / rate)) if rate and step.ended_at is None else ""
        total = "" if step.total is None else f"{step.total:,}"
        broken = f" ({step.broken:,} broken)" if step.broken else ""
        done = "done" if step.ended_at else str(left)
        table.add_row(step.table_name, f"{step.renewed:,}{broken}", total, f"{rate:,.0f}" if rate else "", done, str(step.passes))
    return table


def _state(rotation: DataKeyRotation, *, now: datetime) -> str:
    if rotation.ended_at:
        return f"done at {rotation.ended_at:%Y-%m-%d %H:%M:%S}; the old key is gone"
    if rotation.held_up and now < rotation.moves_from:
        return f"held up: {rotation.held_up:,} rows cannot be renewed (the log names them); tried again at {rotation.moves_from:%H:%M:%S}"
    if now < rotation.used_from:
        return f"made; written under from {rotation.used_from:%H:%M:%S} UTC"
    if now < rotation.moves_from:
        return f"in use; rows follow from {rotation.moves_from:%H:%M:%S} UTC"
    return "in use; rows follow"


def _rate(step: RotationStep) -> float:
    if step.began_at is None or step.moved_at is None or step.moved_at <= step.began_at:
        return 0.0
    return step.renewed / (step.moved_at - step.began_at).total_seconds()
