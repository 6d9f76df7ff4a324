"""`kabao resource`: register, list and disable the resource servers that take our access tokens."""

from typing import Any

import click
from flask import current_app
from flask.cli import AppGroup
from rich.table import Column, Table

from idp.oauth import owners, resources, scopes
from keys import suites
from runtime.clock import now
from runtime.database import transaction
from runtime.languages import Text
from runtime.problems import Refusal
from runtime.shown_tables import print_table

resource = AppGroup("resource", help="Register the APIs of others that take our access tokens.")


@resource.command()
@click.argument("identifier")
@click.option("--name", nargs=2, required=True, metavar="ZH EN", help="Its name in both languages, as people read it before consenting.")
@click.option("--owner", required=True, help="The credit code of the department or organisation that answers for it.")
@click.option("--scope", "takes", multiple=True, type=click.Choice(sorted(scopes.ALL)), help="A scope that it takes; all unless one is given.")
@click.option("--signing-alg", type=click.Choice(sorted(suites.SUITES)), help="How tokens for it are signed; by the active key unless given.")
@click.option("--client", "client_id", help="The client by which it asks whether a token is good.")
def add(identifier: str, name: tuple[str, str], **rest: Any) -> None:
    """Register a resource server by its absolute URI, which becomes the audience of its tokens."""
    settings = current_app.extensions["kabao_settings"]
    with transaction() as session:
        try:
            owners.check_code(rest["owner"])
            resources.add_resource(session, identifier=identifier, name=Text(*name), settings=settings, now=now(), **rest)
        except Refusal as refusal:
            raise click.ClickException(refusal.reason or refusal.title.en) from refusal
        is_known = owners.is_known(session, rest["owner"])
    click.echo(f"{identifier} is registered. Each client that may have tokens for it names it, beside those that it has already:")
    click.echo(f"  kabao client edit CLIENT --set 'resources=[\"{identifier}\"]'")
    if not is_known:
        click.echo(owners.UNKNOWN.en, err=True)


@resource.command("list")
def list_resources() -> None:
    """Show every resource server."""
    table = Table(Column("resource", no_wrap=True), "name", "scopes", "asks as", "state")
    with transaction() as session:
        for row in resources.listed(session):
            state = "disabled" if row.disabled_at else "open"
            table.add_row(row.identifier, row.name["zh"], " ".join(row.scopes) or "all", row.client_id or "-", state)
    print_table(table)


@resource.command()
@click.argument("identifier")
def disable(identifier: str) -> None:
    """Give out no more tokens for a resource server."""
    with transaction() as session:
        try:
            resources.disable_resource(session, identifier, now=now())
        except Refusal as refusal:
            raise click.ClickException(refusal.reason) from refusal
    click.echo(f"{identifier} is disabled.")
