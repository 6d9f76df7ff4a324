"""Brings a test database to the newest shape, as an installation is brought there: by the migrations."""

from alembic import command

from migrations.commands import config_for


def create(url: str) -> None:
    """Create every table."""
    command.upgrade(config_for(url), "head")
