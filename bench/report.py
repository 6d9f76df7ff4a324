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
    by = "wrk" if shutil.which("wrk") else "threads of our own (wrk is not installed)"
    shared = f"{os.cpu_count()} processors ({platform.machine()}), which the load and PostgreSQL (fsync on) share"
    console.print(f"\nOne Granian worker, one thread; {shared}; load by {by}; {os.getloadavg()[0]:.1f} processes were running in the last minute.\n")
    console.print(_paths(measured))
    if bare:
        console.print(_acts(bare))


def _paths(measured: Sequence[Measured]) -> Table:
    table = Table(title="Paths", title_justify="left")
    table.add_column("path", overflow="fold")
    for heading in ("/s", "CPU ms", "PostgreSQL ms", "p50 ms", "p90 ms", "p99 ms", "max ms", "errors"):
        table.add_column(heading, justify="right")
    table.add_column("budget")
    table.add_column("verdict", overflow="fold")
    for one in measured:
        outcome = one.outcome
        times = [_ms(value) for value in (one.cpu_ms, one.postgres_ms, outcome.p50, outcome.p90, outcome.p99, outcome.longest)]
        table.add_row(f"{one.name}: {one.title}", f"{outcome.rate:,.0f}", *times, str(outcome.errors), _budget(one.budget), one.verdict)
    return table


def _acts(bare: Sequence[Bare]) -> Table:
    table = Table(title="Bare acts", title_justify="left")
    table.add_column("act")
    table.add_column("ms", justify="right")
    for one in bare:
        table.add_row(one.title, f"{one.ms:.3f}")
    return table


def _budget(budget: Budget | None) -> str:
    return f"{budget.ms:g} ms {'CPU' if budget.of == 'cpu' else budget.of}" if budget else "-"


def _ms(value: float) -> str:
    return f"{value:.2f}" if value < 100 else f"{value:,.0f}"
