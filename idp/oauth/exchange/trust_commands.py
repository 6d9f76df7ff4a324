"""`kabao trust`: whose word counts besides ours, and at which client."""

import json
from pathlib import Path

import click
from flask.cli import AppGroup
from rich.table import Column, Table

from idp.oauth import scopes
from idp.oauth.exchange import issuers
from runtime.clock import now
from runtime.database import transaction
from runtime.problems import Refusal
from runtime.shown_tables import print_table

trust = AppGroup("trust", help="Trust identity systems whose signed assertions a client may bring (RFC 7523).")


@trust.command()
@click.argument("issuer")
@click.option("--client", "client_id", required=True, help="The client that may bring its assertions.")
@click.option("--jwks", required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path), help="The issuer's public keys.")
@click.option("--scope", "asked", multiple=True, required=True, type=click.Choice(sorted(scopes.ALL)), help="What its word is good for.")
def add(issuer: str, client_id: str, jwks: Path, asked: tuple[str, ...]) -> None:
    """Trust an ISSUER at a client, or on other terms than before."""
    try:
        key_set = json.loads(jwks.read_bytes())
        with transaction() as session:
            issuers.trust(session, issuer=issuer, client_id=client_id, jwks=key_set, asked=asked, now=now())
    except ValueError as error:
        raise click.ClickException(f"{jwks} is not a JSON Web Key Set.") from error
    except Refusal as refusal:
        raise click.ClickException(refusal.reason) from refusal
    click.echo(f"{issuer} is trusted at {client_id}.")


@trust.command("list")
def list_trust() -> None:
    """Show every issuer that is trusted."""
    table = Table(Column("issuer", overflow="fold"), Column("client", no_wrap=True), "scopes")
    with transaction() as session:
        for row in issuers.listed(session):
            table.add_row(row.issuer, row.client_id, " ".join(row.scopes))
    print_table(table)


@trust.command()
@click.argument("issuer")
@click.option("--client", "client_id", required=True, help="The client at which it is trusted.")
def remove(issuer: str, client_id: str) -> None:
    """Trust an ISSUER no longer at a client; tokens already given live on, ten minutes at most."""
    try:
        with transaction() as session:
            issuers.distrust(session, issuer=issuer, client_id=client_id, now=now())
    except Refusal as refusal:
        raise click.ClickException(refusal.reason) from refusal
    click.echo(f"{issuer} is no longer trusted at {client_id}.")
