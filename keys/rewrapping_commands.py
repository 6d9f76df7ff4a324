"""`kabao keys derivation` and `kabao keys rewrap`: the two steps of changing the master key; see docs/recipes/rotate-data-keys.md."""

import base64

import click
from flask import current_app
from flask.cli import with_appcontext

from keys import rewrapping, sealing
from runtime.clock import now
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
