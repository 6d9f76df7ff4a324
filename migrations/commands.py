"""`kabao migrate` and `kabao init`: an installation's first steps, and each upgrade's."""

import base64
import os
from pathlib import Path

import click
from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from flask import current_app
from flask.cli import with_appcontext
from sqlalchemy import text

from keys import sealing
from keys.init import init_keys
from migrations import shape
from runtime import events, secret_files
from runtime.clock import now
from runtime.database import transaction
from runtime.settings import MASTER_KEY_BYTES

WITH_ALL_READ = "The database was restored: its events go on after all that anybody may have read."
READ_UP_TO = text(
    "SELECT greatest((SELECT max(cursor_transaction) FROM signal_streams), (SELECT max(cursor_transaction) FROM outbox_readers))",
)


def config_for(database_url: str) -> Config:
    """Return Alembic's configuration for a database; there is no ini file."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    config.set_main_option("sqlalchemy.url", database_url.replace("%", "%%"))
    return config


@click.command()
@click.option("--to", default="head", show_default=True, help="A revision; an older one takes steps back.")
@with_appcontext
def migrate(to: str) -> None:
    """Bring the database to the newest shape (or to a given one)."""
    config = config_for(current_app.extensions["kabao_settings"].database_url)
    try:
        (command.upgrade if to == "head" else command.downgrade)(config, to)
    except CommandError as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"The database is at {to}.")


@click.command()
@click.option("--restored", is_flag=True, help="The database was restored from a backup: let its events go on after all that anybody may have read.")
def init(*, restored: bool) -> None:
    """Prepare an installation: print a master key where none is set, else migrate and make the first keys."""
    if not secret_files.is_set(os.environ, "KABAO_MASTER_KEY"):
        fresh = base64.urlsafe_b64encode(os.urandom(MASTER_KEY_BYTES)).rstrip(b"=").decode()
        click.echo("No master key is set. Keep this one where only the service reads it, then run `kabao init` again:", err=True)
        click.echo(f"KABAO_MASTER_KEY={fresh}")
        return
    _prepare(restored=restored)


@with_appcontext
def _prepare(*, restored: bool) -> None:
    settings = current_app.extensions["kabao_settings"]
    with transaction() as session:
        at = shape.find(session)
        if at:
            sealing.check_master_key(session, settings)
    if at > shape.NEWEST:
        raise click.ClickException(f"The database is at {at}, and this version knows no further than {shape.NEWEST}: install the one that made it.")
    command.upgrade(config_for(settings.database_url), "head")
    with transaction() as session:
        made = init_keys(session, settings, now=now())
        if events.follow_on(session, read_up_to=session.scalar(READ_UP_TO) or 0, leap=restored):
            click.echo(WITH_ALL_READ if restored else "The database comes from another PostgreSQL: its events go on after the last one.")
    click.echo("The installation is ready." if made else "The installation was ready already; the database is at its newest shape.")
