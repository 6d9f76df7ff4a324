"""`kabao keys`: list, rotate, forget; for the data keys see `rotation_commands`."""

import click
from flask import current_app
from flask.cli import AppGroup
from rich.table import Column, Table

from keys import ring, suites
from keys.certificate_commands import renew, root
from keys.key_schedule_commands import add, schedule
from keys.rewrapping_commands import derivation, rewrap, seal_master_key
from keys.rotation_commands import rotate_data, rotation
from keys.sealing import present
from runtime.commands import explained
from runtime.database import transaction
from runtime.shown_tables import print_table

keys = AppGroup("keys", help="List and rotate signing keys and data keys.")
keys.add_command(rotate_data)
keys.add_command(rotation)
keys.add_command(derivation)
keys.add_command(rewrap)
keys.add_command(seal_master_key)
keys.add_command(schedule)
keys.add_command(add)
keys.add_command(renew)
keys.add_command(root)


@keys.command("list")
def list_keys() -> None:
    """Show every key: its use, suite, state, age, and where its private part is."""
    short = (Column(name, no_wrap=True) for name in ("use", "suite", "state", "since (UTC)"))
    table = Table(next(short), Column("kid", overflow="fold"), *short, Column("private part", overflow="fold"))
    with transaction() as session:
        for row in ring.listed(session):
            table.add_row(row.use, row.kid, row.suite, row.state, f"{row.changed_at:%Y-%m-%d %H:%M}", _place(row))
    print_table(table)


def _place(row: ring.SigningKey) -> str:
    if row.token is not None:
        return f"token {row.token['token']} ({row.token['serial']}), key {row.token['key']}"
    return "sealed" if row.wrapped is not None else "-"


@keys.command()
@click.argument("use", type=click.Choice(ring.ROTATED_USES))
@click.option("--suite", type=click.Choice(sorted(suites.ALL_SUITES)), help="By default the first of the use: ES256, ECDH-ES.")
@click.option("--hsm", is_flag=True, help="Make it in the security module; its successors will be made there, too.")
def publish(use: str, suite: str | None, *, hsm: bool) -> None:
    """Make the next key of a use and publish it; it does not sign yet."""
    named = suite or ring.USUAL_SUITES[use][0]
    if named not in ring.POSSIBLE_SUITES[use]:
        raise click.ClickException(f"{named} is not for {use}.")
    settings = current_app.extensions["kabao_settings"]
    with explained(), transaction() as session:
        row = ring.add(session, settings, use=use, suite=suites.ALL_SUITES[named], state=ring.NEXT, in_token=hsm, now=present())
    click.echo(f"Published {row.kid}. Once caches of the key set have run out (5 minutes), run: kabao keys rotate {use}")


@keys.command()
@click.argument("use", type=click.Choice(ring.ROTATED_USES))
@click.option("--suite", type=click.Choice(sorted(suites.ALL_SUITES)), help="Of which suite, where several next keys wait.")
def rotate(use: str, suite: str | None) -> None:
    """Let the published next key sign, and retire the one before it."""
    with explained(), transaction() as session:
        row = ring.activate_next(session, use, suite=suite, now=present())
    click.echo(f"{row.kid} signs for {use} from now on.")


@keys.command()
@click.argument("kid")
def forget(kid: str) -> None:
    """Withdraw a retired key for good."""
    with explained(), transaction() as session:
        ring.forget(session, current_app.extensions["kabao_settings"], kid, now=present())
    click.echo(f"{kid} is gone.")
