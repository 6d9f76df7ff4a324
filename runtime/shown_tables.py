"""Tables that commands print: as wide as the terminal, and as wide as they are where a file or another program reads them, so that nothing is cut."""

import sys

from rich.console import Console
from rich.table import Table

WIDE = 240


def print_table(table: Table) -> None:
    """Print a table on standard output."""
    Console(width=None if sys.stdout.isatty() else WIDE).print(table)
