"""`kabao client`: register, show, change, close, export and import clients; tokens, policies and issuers are in `registration.commands`."""

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import click
from flask import current_app
from flask.cli import AppGroup
from rich.table import Column, Table

from idp.oauth import client_authentication, clients, owners, scopes
from idp.oauth.registration import changes as registration
from idp.oauth.registration.commands import issuer, policy, token
from idp.oauth.registration.documents import operator_document_of
from idp.oauth.registration.security import effective_security
from idp.signin.assurance import read_level
from runtime.clock import now
from runtime.database import transaction
from runtime.languages import Text
from runtime.problems import Refusal
from runtime.shown_tables import print_table

OPERATOR = "operator"
client = AppGroup("client", help="Register portals and departments' systems.")


@client.command()
@click.argument("client_id")
@click.option("--name", nargs=2, required=True, metavar="ZH EN", help="Its name in both languages.")
@click.option("--owner", required=True, help="The credit code of the department or organisation that answers for it.")
@click.option("--jwks", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="Its public keys (private_key_jwt).")
@click.option("--secret", is_flag=True, help="Make a secret (client_secret_basic) and print it once.")
@click.option(
    "--public", is_flag=True, help="It can keep neither (none): an application on people's own devices, or in a browser. PKCE guards its codes."
)
@click.option("--native", is_flag=True, help="It is installed on people's devices, and may be called back by a scheme of its own.")
@click.option(
    "--redirect-uri", "redirect_uris", multiple=True, help="Where people come back to from signing in, letter by letter; more than one may be given."
)
@click.option("--post-logout-redirect-uri", "post_logout_redirect_uris", multiple=True, help="Where they come back to from signing out.")
@click.option("--backchannel-logout-uri", help="Where it is told that a session ended.")
@click.option(
    "--grant",
    "grant_types",
    multiple=True,
    type=click.Choice(clients.GRANT_TYPES),
    help=f"If none is given {clients.CLIENT_CREDENTIALS}, of a public client {clients.AUTHORIZATION_CODE}.",
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
def add(client_id: str, jwks: Path | None, *, secret: bool, public: bool, **said: Any) -> None:
    """Register a client: by its keys, by a secret that is made, or as a public one."""
    if (jwks is not None) + secret + public != 1:
        raise click.ClickException("Say how it proves itself: --jwks FILE, --secret, or --public for a client that can keep neither.")
    method = clients.PRIVATE_KEY_JWT if jwks else clients.CLIENT_SECRET_BASIC if secret else clients.NONE
    document = {**_document_of(said, is_public=public), "token_endpoint_auth_method": method, "jwks": _read_key_set(jwks) if jwks else None}
    with _explained(), transaction() as session:
        owners.check_code(said["owner"])
        row, made = registration.add(session, document, client_id=client_id, now=now(), actor=OPERATOR)
        warnings = registration.warnings_of(session, row)
    click.echo(f"{client_id} is registered ({method}).")
    _warn(warnings)
    _tell(made)


def _document_of(said: dict[str, Any], *, is_public: bool) -> dict[str, Any]:
    """Return what the options say of a client, in the words of RFC 7591: so the rules are those of every other door."""
    zh, en = said["name"]
    usual = clients.AUTHORIZATION_CODE if is_public else clients.CLIENT_CREDENTIALS
    as_said = ("owner", "redirect_uris", "post_logout_redirect_uris", "backchannel_logout_uri", "sector", "first_party")
    return {
        **{name: list(value) if isinstance(value := said[name], tuple) else value for name in as_said},
        "client_name#zh": zh,
        "client_name#en": en,
        "application_type": "native" if said["native"] else None,
        "grant_types": list(said["grant_types"]) or [usual],
        "scope": " ".join(said["scopes"]),
        "levels": dict(map(_read_demand, said["levels"])),
    }


def _read_demand(unverified: str) -> tuple[str, str]:
    scope, _, level = unverified.partition("=")
    if scope not in scopes.OF_PEOPLE or read_level(level) is None:
        raise click.ClickException(f"{unverified} is not a demand such as number=ial3 or openid=aal2.")
    return scope, level


def _read_key_set(file: Path) -> Any:
    try:
        return json.loads(file.read_bytes())
    except ValueError as error:
        raise click.ClickException(f"{file} is not a JSON Web Key Set.") from error


@client.command()
@click.argument("client_id")
def show(client_id: str) -> None:
    """Show all that is registered of a client; no secret."""
    with _explained(), transaction() as session:
        row = clients.get_row(session, client_id)
        document, state = operator_document_of(row), "disabled" if row.disabled_at else "open"
        safeguards = effective_security(row)
    table = Table("member", "value", title=f"{client_id} ({state})")
    for name, value in document.items():
        table.add_row(name, value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))
    print_table(table)
    in_effect = Table("security in effect", "is", title="what its registration and its profile come to")
    for one in safeguards:
        in_effect.add_row(one.name.en, one.word.en)
    print_table(in_effect)


@client.command()
@click.argument("client_id")
@click.option("--set", "changes", multiple=True, metavar="MEMBER=VALUE", help="A member of RFC 7591 and its value: JSON, or a text as it stands.")
@click.option("--unset", multiple=True, metavar="MEMBER", help="A member that goes back to its default.")
def edit(client_id: str, changes: tuple[str, ...], unset: tuple[str, ...]) -> None:
    """Change members of a client's registration; what is not named stays."""
    said = dict(map(_read_change, changes))
    with _explained(), transaction() as session:
        document = {name: value for name, value in operator_document_of(clients.get_row(session, client_id)).items() if name not in unset}
        changed, secret = registration.change(session, client_id, {**_without_derived(document, said), **said}, now=now(), actor=OPERATOR)
        method, warnings = changed.auth_method, registration.warnings_of(session, changed)
    click.echo(f"{client_id} is changed.")
    _warn(warnings)
    _tell(secret)
    if not client_authentication.is_offered(method, current_app.extensions["kabao_settings"]):
        click.echo(f"The settings do not offer {method} now: until they do, this client cannot prove itself.", err=True)


@client.command("list")
@click.option("--lang", type=click.Choice(["zh", "en"]), help="Names in one language alone.")
def list_clients(lang: str | None) -> None:
    """Show every client."""
    table = Table(Column("client", no_wrap=True), "name", "proof", "grants and scopes", "state")
    with transaction() as session:
        for row in clients.listed(session):
            state = "disabled" if row.disabled_at else "open"
            name = row.name[lang] if lang else " / ".join(dict.fromkeys((row.name["zh"], row.name["en"])))
            table.add_row(row.client_id, name, row.auth_method, " ".join([*row.grant_types, *row.scopes]), state)
    print_table(table)


@client.command()
@click.argument("client_id")
def disable(client_id: str) -> None:
    """Close a client's registration at once."""
    with _explained(), transaction() as session:
        clients.disable_client(session, client_id, now=now())
    click.echo(f"{client_id} is disabled.")


@client.command()
@click.argument("client_id")
def enable(client_id: str) -> None:
    """Open a client's registration again."""
    with _explained(), transaction() as session:
        registration.enable(session, client_id, now=now(), actor=OPERATOR)
    click.echo(f"{client_id} is open.")


@client.command("rotate-secret")
@click.argument("client_id")
@click.option("--overlap-days", type=click.IntRange(0, 90), default=7, show_default=True, help="How long the secret before stays good.")
@click.option("--lifetime-days", type=click.IntRange(1, 3650), help="How long the new one is good; for ever if it is not said.")
@click.option("--end-former", is_flag=True, help="If a secret is being changed already, end the one before it now.")
def rotate_secret(client_id: str, overlap_days: int, lifetime_days: int | None, *, end_former: bool) -> None:
    """Give a client a further secret, and print it once."""
    overlap, lifetime = timedelta(days=overlap_days), timedelta(days=lifetime_days) if lifetime_days else None
    with _explained(), transaction() as session:
        secret = registration.rotate_secret(session, client_id, now=now(), actor=OPERATOR, overlap=overlap, lifetime=lifetime, ends_former=end_former)
    _tell(secret)
    click.echo(f"The one before stays good for {overlap_days} days.")


@client.command()
@click.argument("client_id")
def export(client_id: str) -> None:
    """Print a client's registration as JSON, in the words of RFC 7591; no secret."""
    with _explained(), transaction() as session:
        document = operator_document_of(clients.get_row(session, client_id))
    click.echo(json.dumps(document, ensure_ascii=False, indent=2))


@client.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--replace", is_flag=True, help="Replace the client of this id if there is one.")
def import_client(file: Path, *, replace: bool) -> None:
    """Register a client as a JSON file describes it, in the words of RFC 7591, with `client_id` and `owner`."""
    document = read_json_file(file)
    client_id = document.get("client_id")
    if not isinstance(client_id, str):
        raise click.ClickException("client_id: name the client that the file describes.")
    with _explained(), transaction() as session:
        is_there = session.get(clients.RegisteredClient, client_id) is not None
        put = registration.change if replace and is_there else None
        if put is not None:
            row, secret = put(session, client_id, document, now=now(), actor=OPERATOR)
        else:
            row, secret = registration.add(session, document, client_id=client_id, now=now(), actor=OPERATOR)
        warnings = registration.warnings_of(session, row)
    click.echo(f"{client_id} is registered.")
    _warn(warnings)
    _tell(secret)


def read_json_file(file: Path) -> dict[str, Any]:
    """Return the JSON object in a file."""
    try:
        found = json.loads(file.read_bytes())
    except ValueError as error:
        raise click.ClickException(f"{file} is not JSON.") from error
    if not isinstance(found, dict):
        raise click.ClickException(f"{file} holds no JSON object.")
    return found


def _read_change(unverified: str) -> tuple[str, Any]:
    name, equals, text = unverified.partition("=")
    if not equals:
        raise click.ClickException(f"{unverified}: write it as member=value.")
    try:
        return name, json.loads(text)
    except ValueError:
        return name, text


def _without_derived(document: dict[str, Any], said: dict[str, Any]) -> dict[str, Any]:
    """Leave out what follows from something that is changed: the response types, and what it is called in single languages."""
    follows = {"grant_types": ("response_types",), "client_name": ("client_name#zh", "client_name#en")}
    gone = {name for cause, names in follows.items() if cause in said for name in names}
    return {name: value for name, value in document.items() if name not in gone}


def _tell(secret: str | None) -> None:
    if secret is not None:
        click.echo(f"Its secret, shown this once: {secret}")


def _warn(warnings: Iterable[Text]) -> None:
    for warning in warnings:
        click.echo(warning.en, err=True)


@contextmanager
def _explained() -> Iterator[None]:
    """Let a Refusal end the command with the member at fault and what it should be."""
    try:
        yield
    except Refusal as refusal:
        raise click.ClickException(refusal.reason or refusal.title.en) from refusal


client.add_command(token)
client.add_command(policy)
client.add_command(issuer)
