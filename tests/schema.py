"""Test databases of the newest shape: the first of a process is brought there as an installation is, by the migrations; all others are copies."""

import functools
import os

from alembic import command

from demo import postgres
from migrations.commands import config_for


def create(server: postgres.PostgresServer, name: str) -> str:
    """Make a database with every table, anew if it is there, and return its address."""
    return postgres.create_database(server, name, afresh=True, like=_shape(server))


@functools.cache
def _shape(server: postgres.PostgresServer) -> str:
    """Return the name of a database that nobody but its copies knows."""
    name = "shape_" + os.environ.get("PYTEST_XDIST_WORKER", "main")
    command.upgrade(config_for(postgres.create_database(server, name, afresh=True)), "head")
    return name
