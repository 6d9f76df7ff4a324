"""`kabao wallet-maker`: whose word on wallets and their keys counts."""

import json
from pathlib import Path

import click
from flask.cli import AppGroup
from rich.table import Column, Table

from idp.oauth.attested import makers
from runtime.clock import now
from runtime.database import transaction
from runtime.problems import Refusal
from runtime.shown_tables import print_table

wallet_maker = AppGroup("wallet-maker", help="Trust makers of wallets, who attest wallets and keys (OpenID4VCI 1.0 appendices D and E).")
FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@wallet_maker.command()
@click.argument("issuer")
@click.option("--jwks", type=FILE, help="The maker's public keys, each with its kid.")
@click.option("--root", "roots", type=FILE, multiple=True, help="A root (PEM) that the maker's certificates lead to; it never travels itself.")
@click.option("--for", "purposes", multiple=True, required=True, type=click.Choice(makers.PURPOSES), help="What its word is good for.")
def trust(issuer: str, jwks: Path | None, roots: tuple[Path, ...], purposes: tuple[str, ...]) -> None:
    """Trust the maker that signs as ISSUER, or on other terms than before."""
    try:
        key_set = json.loads(jwks.read_bytes()) if jwks else None
        with transaction() as session:
            pems = [root.read_bytes() for root in roots]
            makers.trust(session, issuer=issuer, jwks=key_set, roots=pems, purposes=purposes, now=now())
    except ValueError as error:
        raise click.ClickException(f"{jwks} is not a JSON Web Key Set.") from error
    except Refusal as refusal:
        raise click.ClickException(refusal.reason) from refusal
    click.echo(f"{issuer} is trusted for {' and '.join(purposes)}.")


@wallet_maker.command("list")
def list_makers() -> None:
    """Show every maker that is trusted."""
    table = Table(Column("issuer", overflow="fold"), "for", "keys", "roots")
    with transaction() as session:
        for row in makers.listed(session):
            table.add_row(row.issuer, " ".join(row.purposes), str(len((row.jwks or {}).get("keys", ()))), str(len(row.roots)))
    print_table(table)


@wallet_maker.command()
@click.argument("issuer")
def distrust(issuer: str) -> None:
    """Trust the maker that signs as ISSUER no longer; tokens already given live on, ten minutes at most."""
    try:
        with transaction() as session:
            makers.distrust(session, issuer, now=now())
    except Refusal as refusal:
        raise click.ClickException(refusal.reason) from refusal
    click.echo(f"{issuer} is no longer trusted.")
