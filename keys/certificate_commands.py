"""`kabao keys renew`, and `kabao keys root`: certificates of the service's own keys, and the roots."""

from pathlib import Path

import click
from flask import current_app
from flask.cli import AppGroup, with_appcontext
from rich.console import Console
from rich.table import Column, Table

from keys import certificates, renewal, revocation_lists, ring, trust_anchors
from keys.paths import fingerprint_of
from keys.sealing import present
from runtime.commands import explained
from runtime.database import transaction

root = AppGroup("root", help="The roots: ours, the one that follows, and those of authorities outside.")


@click.command("renew")
@click.argument("use", type=click.Choice(ring.CERTIFIED_USES))
@click.option("--hsm/--no-hsm", default=None, help="Make the key in the security module, or not; by default where the present one is.")
@click.option("--switch", is_flag=True, help="Let the next key sign at once, rather than after the time that the schedule says.")
@with_appcontext
def renew(use: str, *, hsm: bool | None, switch: bool) -> None:
    """Make the next key of USE with a certificate; the worker lets it sign once it is known."""
    with explained(), transaction() as session:
        if switch:
            row = renewal.switch(session, use, now=present())
        else:
            row = renewal.renew(session, current_app.extensions["kabao_settings"], use, now=present(), in_token=hsm)
    click.echo(f"{row.kid} {'signs' if switch else 'is next'} for {use}.")


@root.command("list")
def list_roots() -> None:
    """Show every root that is trusted."""
    table = Table("whose", "state", "until", Column("fingerprint (SHA-256)", no_wrap=True))
    with transaction() as session:
        for row in ring.listed(session):
            if row.use == ring.ROOT and row.state != ring.GONE:
                one = certificates.root_certificate_of(row)
                table.add_row("ours", row.state, f"{one.not_valid_after_utc:%Y-%m-%d}", fingerprint_of(one))
        for one in trust_anchors.trusted(session):
            table.add_row(one.subject.rfc4514_string(), "trusted", f"{one.not_valid_after_utc:%Y-%m-%d}", fingerprint_of(one))
    console = Console()
    console.width = max(console.width, 140)
    console.print(table)


@root.command("publish")
@click.option("--hsm", is_flag=True, help="Make its key in the security module.")
def publish_root(*, hsm: bool) -> None:
    """Make the next root: it is trusted and published from now on, signs nothing yet, and the present one vouches for it."""
    with explained(), transaction() as session:
        one = certificates.create_root(session, current_app.extensions["kabao_settings"], now=present(), in_token=hsm)
    click.echo(f"{fingerprint_of(one)} is the next root. Give it to those who verify (/certificates/root.pem), then: kabao keys root switch")


@root.command("switch")
def switch_root() -> None:
    """Let the next root sign; the one before goes on being trusted, and signs its revocation list alone."""
    with explained(), transaction() as session:
        row = ring.activate_next(session, ring.ROOT, now=present())
        revocation_lists.renew(session, current_app.extensions["kabao_settings"], now=present())
    click.echo(f"{row.kid} is the root from now on. Renew the departments' certificates: kabao department certificate renew CODE")


@root.command("trust")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
def trust_root(file: Path) -> None:
    """Trust the root in FILE (PEM) for certificates of our departments that are imported here."""
    with explained(), transaction() as session:
        row = trust_anchors.add(session, file.read_bytes(), now=present())
    click.echo(f"{row.fingerprint} is trusted.")


@root.command("distrust")
@click.argument("fingerprint")
def distrust_root(fingerprint: str) -> None:
    """Trust a root outside no longer, by its FINGERPRINT."""
    with explained(), transaction() as session:
        trust_anchors.remove(session, fingerprint, now=present())
    click.echo(f"{fingerprint} is trusted no longer.")
