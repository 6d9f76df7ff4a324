"""`kabao client token`, `kabao client policy`, `kabao client issuer`: who may register themselves, and as what."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import click
import yaml
from flask.cli import AppGroup
from rich.table import Column, Table

from idp.oauth import owners
from idp.oauth.registration import initial_tokens, policies, software_statements
from runtime.clock import now
from runtime.database import transaction
from runtime.problems import Refusal
from runtime.shown_tables import print_table

FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
token = AppGroup("token", help="Initial access tokens: leave to register clients under a policy.")
policy = AppGroup("policy", help="Policies: what clients may be that register themselves.")
issuer = AppGroup("issuer", help="Who is believed in software statements.")


@token.command("new")
@click.option("--policy", "policy_name", required=True, help="The policy that its clients stand under.")
@click.option("--uses", type=int, default=1, show_default=True, help="How many clients may be registered with it.")
@click.option("--expires", "days", type=click.IntRange(1, 366), default=7, show_default=True, metavar="DAYS", help="In how many days it ends.")
def new_token(policy_name: str, uses: int, days: int) -> None:
    """Make a token and print it once."""
    with _explained(), transaction() as session:
        row, made = initial_tokens.issue(session, policy=policy_name, uses=uses, expires_at=now() + timedelta(days=days), now=now())
    click.echo(f"Token {row.id} is good for {uses} clients until {row.expires_at:%Y-%m-%d}.")
    click.echo(f"It is shown this once: {made}")


@token.command("list")
def list_tokens() -> None:
    """Show the tokens, the newest first."""
    table = Table(Column("id", no_wrap=True), "policy", "left", "until", "state")
    with transaction() as session:
        for row in initial_tokens.latest(session):
            state = "open" if row.is_good_at(now()) else "revoked" if row.revoked_at else "over"
            table.add_row(str(row.id), row.policy, f"{row.uses_left}/{row.uses}", f"{row.expires_at:%Y-%m-%d}", state)
    print_table(table)


@token.command("revoke")
@click.argument("token_id", type=click.UUID)
def revoke_token(token_id: UUID) -> None:
    """End a token at once."""
    with _explained(), transaction() as session:
        initial_tokens.revoke(session, token_id, now=now())
    click.echo(f"{token_id} is revoked.")


@policy.command("apply")
@click.argument("file", type=FILE)
def apply_policy(file: Path) -> None:
    """Write the policy of a YAML or JSON file, in the place of an older one of its name."""
    try:
        document = yaml.safe_load(file.read_bytes())
    except (yaml.YAMLError, ValueError) as error:
        raise click.ClickException(f"{file} is neither YAML nor JSON.") from error
    with _explained(), transaction() as session:
        written = policies.apply(session, document, now=now())
        is_known = owners.is_known(session, written.owner)
    click.echo(f"{written.name} is applied.")
    if not is_known:
        click.echo(owners.UNKNOWN.en, err=True)


@policy.command("list")
def list_policies() -> None:
    """Show every policy."""
    table = Table("name", "owner", "grants", "scopes", "hosts")
    with transaction() as session:
        for row in policies.all_policies(session):
            one = policies.read(row.document)
            table.add_row(one.name, one.owner, " ".join(one.grant_types), " ".join(one.scopes), " ".join(one.redirect_hosts))
    print_table(table)


@policy.command("show")
@click.argument("name")
def show_policy(name: str) -> None:
    """Print a policy as JSON, defaults included."""
    with _explained(), transaction() as session:
        click.echo(json.dumps(policies.as_json(policies.get_policy(session, name)), ensure_ascii=False, indent=2))


@policy.command("remove")
@click.argument("name")
def remove_policy(name: str) -> None:
    """Take a policy away: nothing more is registered or changed under it."""
    with _explained(), transaction() as session:
        policies.remove(session, name, now=now())
    click.echo(f"{name} is removed.")


@issuer.command("trust")
@click.argument("name", metavar="ISSUER")
@click.option("--jwks", required=True, type=FILE, help="Its public keys.")
def trust_issuer(name: str, jwks: Path) -> None:
    """Believe the software statements that ISSUER signs."""
    try:
        keys = json.loads(jwks.read_bytes())
    except ValueError as error:
        raise click.ClickException(f"{jwks} is not a JSON Web Key Set.") from error
    with _explained(), transaction() as session:
        software_statements.trust(session, name, jwks=keys, now=now())
    click.echo(f"{name} is believed.")


@issuer.command("distrust")
@click.argument("name", metavar="ISSUER")
def distrust_issuer(name: str) -> None:
    """Believe ISSUER no longer; clients that are registered stay."""
    with _explained(), transaction() as session:
        software_statements.distrust(session, name, now=now())
    click.echo(f"{name} is believed no longer.")


@issuer.command("list")
def list_issuers() -> None:
    """Show who is believed."""
    table = Table("issuer", "since")
    with transaction() as session:
        for row in software_statements.issuers(session):
            table.add_row(row.issuer, f"{row.added_at:%Y-%m-%d}")
    print_table(table)


@contextmanager
def _explained() -> Iterator[None]:
    """Let a Refusal end the command with the member at fault and what it should be."""
    try:
        yield
    except Refusal as refusal:
        raise click.ClickException(refusal.reason or refusal.title.en) from refusal
