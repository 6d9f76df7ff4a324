"""`kabao client`: register, list and disable clients."""

import json
from pathlib import Path
from typing import Any

import click
from flask.cli import AppGroup
from rich.console import Console
from rich.table import Column, Table

from idp.oauth import clients, scopes
from idp.signin.assurance import Level, read_level
from runtime.clock import now
from runtime.database import transaction
from runtime.languages import Text
from runtime.problems import Refusal

client = AppGroup("client", help="Register portals and departments' systems.")


@client.command()
@click.argument("client_id")
@click.option("--name", nargs=2, required=True, metavar="ZH EN", help="Its name in both languages.")
@click.option("--owner", required=True, help="The credit code of the department or organisation that answers for it.")
@click.option("--jwks", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="Its public keys (private_key_jwt).")
@click.option("--secret", is_flag=True, help="Make a secret (client_secret_basic) and print it once.")
@click.option(
    "--redirect-uri", "redirect_uris", multiple=True, help="Where people come back to from signing in, letter by letter; more than one may be given."
)
@click.option("--post-logout-redirect-uri", "post_logout_redirect_uris", multiple=True, help="Where they come back to from signing out.")
@click.option("--backchannel-logout-uri", help="Where it is told that a session ended.")
@click.option(
    "--grant", "grant_types", multiple=True, type=click.Choice(clients.GRANT_TYPES), default=[clients.CLIENT_CREDENTIALS], show_default=True
)
@click.option("--scope", "scopes", multiple=True, type=click.Choice(sorted(scopes.ALL)), help="What it may ask for; more than one may be given.")
@click.option("--sector", help="Clients of one sector know a person by the same name; by default the host of the first redirect URI.")
@click.option(
    "--require",
    "levels",
    multiple=True,
    metavar="SCOPE=LEVEL",
    help="How well a person must be known, and how strongly signed in, for a scope: number=ial3, openid=aal2, licences=ial3aal2. Usually ial2.",
)
@click.option("--first-party", is_flag=True, help="Ask no consent, save for the full number and for licences.")
def add(client_id: str, name: tuple[str, str], jwks: Path | None, secret: bool, **rest: Any) -> None:  # noqa: FBT001 (click passes by name)
    """Register a client."""
    made = clients.new_secret() if secret else None
    method = clients.CLIENT_SECRET_BASIC if secret else clients.PRIVATE_KEY_JWT if jwks else clients.NONE
    key_set = _read_key_set(jwks) if jwks else None
    rest["levels"] = dict(map(_read_demand, rest["levels"]))
    with transaction() as session:
        try:
            clients.register_client(
                session, client_id=client_id, name=Text(*name), jwks=key_set, client_secret=made, auth_method=method, now=now(), **rest
            )
        except Refusal as refusal:
            raise click.ClickException(refusal.reason or refusal.title.en) from refusal
    click.echo(f"{client_id} is registered ({method}).")
    if made:
        click.echo(f"Its secret, shown this once: {made}")


def _read_demand(unverified: str) -> tuple[str, Level]:
    scope, _, text = unverified.partition("=")
    level = read_level(text)
    if scope not in scopes.OF_PEOPLE or level is None:
        raise click.ClickException(f"{unverified} is not a demand such as number=ial3 or openid=aal2.")
    return scope, level


def _read_key_set(file: Path) -> Any:
    try:
        return json.loads(file.read_text())
    except ValueError as error:
        raise click.ClickException(f"{file} is not a JSON Web Key Set.") from error


@client.command("list")
def list_clients() -> None:
    """Show every client."""
    table = Table(Column("client", no_wrap=True), "name", "proof", "grants and scopes", "state")
    with transaction() as session:
        for row in clients.listed(session):
            state = "disabled" if row.disabled_at else "open"
            table.add_row(row.client_id, row.name["zh"], row.auth_method, " ".join([*row.grant_types, *row.scopes]), state)
    Console().print(table)


@client.command()
@click.argument("client_id")
def disable(client_id: str) -> None:
    """Close a client's registration at once."""
    with transaction() as session:
        try:
            clients.disable_client(session, client_id, now=now())
        except Refusal as refusal:
            raise click.ClickException(refusal.reason) from refusal
    click.echo(f"{client_id} is disabled.")
