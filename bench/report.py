"""The table of what was found, for a terminal or a file."""

import os
import platform
import shutil
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from bench.bare import Bare
from bench.measuring import Budget, Measured

WIDTH = 150


def show(console: Console, measured: Sequence[Measured], bare: Sequence[Bare]) -> None:
    """Print the paths beside their budgets, then the bare acts."""
    say_where(console)
    console.print(_paths(measured))
    if bare:
        console.print(_acts(bare))


def say_where(console: Console) -> None:
    """Print what was measured on: the processors are shared, and by how many is part of every figure."""
    by = "wrk" if shutil.which("wrk") else "threads of our own (wrk is not installed)"
    shared = f"{os.cpu_count()} processors ({platform.machine()}), which the load and PostgreSQL (fsync on) share"
    console.print(f"\nOne Granian worker, one thread; {shared}; load by {by}; {os.getloadavg()[0]:.1f} processes were running in the last minute.\n")


def _paths(measured: Sequence[Measured]) -> Table:
    table = Table(title="Paths", title_justify="left")
    table.add_column("path", overflow="fold")
    for heading in ("/s", "CPU ms", "PostgreSQL ms", "p50 ms", "p90 ms", "p99 ms", "max ms", "errors"):
        table.add_column(heading, justify="right")
    table.add_column("budget")
    table.add_column("verdict", overflow="fold")
    for one in measured:
        outcome = one.outcome
        times = [ms(value) for value in (one.cpu_ms, one.postgres_ms, outcome.p50, outcome.p90, outcome.p99, outcome.longest)]
        table.add_row(f"{one.name}: {one.title}", f"{outcome.rate:,.0f}", *times, str(outcome.errors), budget(one.budget), one.verdict)
    return table


def _acts(bare: Sequence[Bare]) -> Table:
    table = Table(title="Bare acts", title_justify="left")
    table.add_column("act")
    table.add_column("ms", justify="right")
    for one in bare:
        table.add_row(one.title, f"{one.ms:.3f}")
    return table


def budget(one: Budget | None) -> str:
    """Return a budget in words."""
    return f"{one.ms:g} ms {'CPU' if one.of == 'cpu' else one.of}" if one else "-"


def ms(value: float) -> str:
    """Return milliseconds in as many digits as they deserve."""
    return f"{value:.2f}" if value < 100 else f"{value:,.0f}"
