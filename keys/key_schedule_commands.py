"""`kabao keys schedule` shows what comes next, `kabao keys add` gives a use its first key of a suite."""

import click
from flask import current_app
from flask.cli import with_appcontext
from rich.console import Console
from rich.table import Column, Table

from keys import key_schedule, renewal, ring, suites
from keys.sealing import present
from runtime.database import transaction

WIDTH = 106  # of a row with its key's whole name: in a narrower window it goes on in the next line, and no word of it is taken apart


@click.command("schedule")
@with_appcontext
def schedule() -> None:
    """Show which key is published, takes over or goes, and when; the worker does it."""
    moment, table = present(), Table("when (UTC)", "what", "use", "suite", Column("kid", no_wrap=True))
    with transaction() as session:
        settings = current_app.extensions["kabao_settings"]
        steps = sorted([*key_schedule.plan(session, settings), *renewal.plan(session, settings)], key=lambda step: step.at)
    for step in steps:
        when = "due now" if step.at <= moment else f"{step.at:%Y-%m-%d %H:%M}"
        table.add_row(when, step.what, step.use, step.suite, step.kid or "(to be made)")
    console = Console()
    console.width = max(console.width, WIDTH)
    console.print(table)
    if not settings.key_rotation:
        console.print("Keys without a certificate are rotated by command alone (KABAO_KEY_ROTATION_DAYS is 0).")


@click.command("add")
@click.argument("use", type=click.Choice(ring.MANY_SUITES))
@click.option("--suite", required=True, type=click.Choice(sorted(suites.ALL_SUITES)))
@with_appcontext
def add(use: str, suite: str) -> None:
    """Give a use an active key of a suite that it has none of: a client cannot have cached what was never there."""
    if suite not in ring.USUAL_SUITES[use]:
        raise click.ClickException(f"{suite} is not for {use}.")
    with transaction() as session:
        ring.alone(session)
        if any(row.use == use and row.suite == suite and row.state == ring.ACTIVE for row in ring.listed(session)):
            raise click.ClickException(f"{use} has an active key of {suite}; to change it: kabao keys publish {use} --suite {suite}")
        settings = current_app.extensions["kabao_settings"]
        row = ring.add(session, settings, use=use, suite=suites.ALL_SUITES[suite], state=ring.ACTIVE, now=present())
    click.echo(f"{row.kid} is active for {use}.")
