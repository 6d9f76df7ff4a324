"""`kabao keys derivation` and `rewrap`: the two steps of changing the master key (docs/recipes/rotate-data-keys.md); and `seal-master-key`."""

import base64

import click
from flask import current_app
from flask.cli import with_appcontext

from keys import rewrapping, sealing
from runtime import sealed_master_key
from runtime.clock import now
from runtime.commands import explained
from runtime.database import transaction
from runtime.problems import Refusal
from runtime.settings import Settings


@click.command("derivation")
@with_appcontext
def derivation() -> None:
    """Print the derivation key, a secret to be set beside a new master key."""
    settings: Settings = current_app.extensions["kabao_settings"]
    with transaction() as session:
        sealing.check_master_key(session, settings)
    click.echo("KABAO_DERIVATION_KEY=" + base64.urlsafe_b64encode(settings.derivation).decode())


@click.command("rewrap")
@with_appcontext
def rewrap() -> None:
    """Seal every key under KABAO_MASTER_KEY, from under KABAO_FORMER_MASTER_KEY; all or none."""
    try:
        with transaction() as session:
            count = rewrapping.rewrap(session, current_app.extensions["kabao_settings"], now=now())
    except Refusal as refusal:
        raise click.ClickException(f"{refusal.reason}; see docs/recipes/rotate-data-keys.md") from refusal
    click.echo(f"{count} keys rest under the new master key. Take KABAO_FORMER_MASTER_KEY away; KABAO_DERIVATION_KEY stays for good.")


@click.command("seal-master-key")
@with_appcontext
def seal_master_key() -> None:
    """Print KABAO_MASTER_KEY sealed under a key of the security module, to be set in place of the bare one."""
    settings: Settings = current_app.extensions["kabao_settings"]
    if settings.pkcs11 is None:
        raise click.ClickException("No security module is named: see docs/recipes/hsm.md")
    with transaction() as session:
        sealing.check_master_key(session, settings)
    with explained():
        click.echo("KABAO_MASTER_KEY=" + sealed_master_key.seal(settings.pkcs11, settings.master_key))
