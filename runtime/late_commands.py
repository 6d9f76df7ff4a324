"""A command line that imports what it runs and nothing else: its help is in the table of its commands, and each is loaded when it is called."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from flask import Flask


@dataclass(frozen=True, slots=True)
class Place:
    """Where a command is, under its own name, and the first line of its help."""

    module: str
    words: str

    def load(self, name: str) -> click.Command:
        """Import the command."""
        found: click.Command = getattr(import_module(self.module), name.replace("-", "_"))
        return found


class LateCommands(click.Group):
    """Commands by name. One that needs the application finds out how to make it in its context, as Flask's own commands do."""

    def __init__(self, places: Mapping[str, Place], *, create_app: Callable[[], "Flask"], **options: Any) -> None:
        super().__init__(commands=[click.Command(name, help=place.words) for name, place in sorted(places.items())], **options)
        self.places, self.create_app = places, create_app

    def resolve_command(self, ctx: click.Context, args: list[str]) -> tuple[str | None, click.Command | None, list[str]]:
        """Return the command that the words begin with, loaded."""
        name, known, rest = super().resolve_command(ctx, args)
        if name is None or known is None:
            return name, known, rest
        from flask.cli import ScriptInfo  # what only shows help needs no Flask

        ctx.obj = ScriptInfo(create_app=self.create_app, set_debug_flag=False, load_dotenv_defaults=False)
        return name, self.places[name].load(name), rest
