"""What commands have in common."""

from collections.abc import Iterator
from contextlib import contextmanager

import click

from runtime.problems import Refusal


@contextmanager
def explained() -> Iterator[None]:
    """Let a Refusal end a command with its own words, or those of its kind where it has none."""
    try:
        yield
    except Refusal as refusal:
        raise click.ClickException(f"{refusal.reason or refusal.title.en} ({refusal.code})") from refusal
