"""The table of what was found, for a terminal or a file."""

import os
import platform
import shutil
import sys
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from bench.bare import Bare
from bench.measuring import Budget, Measured

WIDTH = 150
# What is measured by a command of its own, since it needs a stand of its own or takes long: the command, its rows, what they may cost, how long.
FURTHER = (
    (
        "bench.issuing",
        "issue by API; each line of a batch; credentials by OpenID4VCI; a sealed PDF; an act",
        "issue by API 2 ms CPU",
        "1 min",
    ),
    ("bench.formats", "each form of a licence by itself: SD-JWT VC, mdoc, VC-JWT, sealed PDF, compact code", "-", "1 min"),
    ("bench.delivery", "from an act to the webhook, and to the status list", "status list 2 s", "1 min"),
    ("bench.growth", "register and desk at 10^4, 10^5 and 10^6 licences", "1.2 times the first", "20 min"),
    ("bench.batches", "a batch of 100,000 lines, killed half-way", "bounded memory", "10 min"),
    ("bench.imports", "`kabao licence import` of 100,000 rows, CSV and XLSX", "bounded memory", "10 min"),
    ("bench.beside", "tokens beside oidc-provider", "-", "1 min"),
    ("bench.verifying", "a verification alone and in a batch, beside two bare signatures", "0.8 and 0.25 ms CPU", "1 min"),
    ("bench.statuses", "building and reading status lists", "-", "1 min"),
    ("bench.grants", "codes and tokens in a full database", "-", "1 min"),
    ("bench.rotation", "sealing a register anew", "-", "1 min"),
)


def show(console: Console, measured: Sequence[Measured], bare: Sequence[Bare]) -> None:
    """Print the paths beside their budgets, then the bare acts."""
    say_where(console)
    console.print(_paths(measured))
    if bare:
        console.print(_acts(bare))
        console.print(_further())


def say_where(console: Console) -> None:
    """Print what was measured on: the processors are shared, and by how many is part of every figure."""
    by = "wrk" if shutil.which("wrk") else "threads of our own (wrk is not installed)"
    python = f"Python {platform.python_version()} of {sys.base_prefix}"  # how that was built is up to a fifth of a figure
    shared = f"{os.cpu_count()} processors ({platform.machine()}), which the load and PostgreSQL (fsync on) share"
    busy = f"{os.getloadavg()[0]:.1f} processes were running in the last minute"
    console.print(f"\n{python}; one Granian worker, one thread; {shared}; load by {by}; {busy}.\n")


def _paths(measured: Sequence[Measured]) -> Table:
    table = Table(title="Paths", title_justify="left")
    table.add_column("path", overflow="fold")
    for heading in ("/s", "CPU ms", "PostgreSQL ms", "and for jobs", "p50 ms", "p90 ms", "p99 ms", "max ms", "errors"):
        table.add_column(heading, justify="right")
    table.add_column("budget")
    table.add_column("verdict", overflow="fold")
    for one in measured:
        outcome = one.outcome
        times = [ms(value) for value in (one.cpu_ms, one.postgres_ms, one.jobs_ms, outcome.p50, outcome.p90, outcome.p99, outcome.longest)]
        table.add_row(f"{one.name}: {one.title}", f"{outcome.rate:,.0f}", *times, str(outcome.errors), budget(one.budget), one.verdict)
    return table


def _acts(bare: Sequence[Bare]) -> Table:
    table = Table(title="Bare acts", title_justify="left")
    table.add_column("act")
    table.add_column("ms", justify="right")
    for one in bare:
        table.add_row(one.title, f"{one.ms:.3f}")
    return table


def _further() -> Table:
    table = Table("by python -m", "what", "budget", "takes", title="Measured by commands of their own", title_justify="left")
    for row in FURTHER:
        table.add_row(*row)
    return table


def budget(one: Budget | None) -> str:
    """Return a budget in words."""
    return f"{one.ms:g} ms {'CPU' if one.of == 'cpu' else one.of}" if one else "-"


def ms(value: float) -> str:
    """Return milliseconds in as many digits as they deserve."""
    return f"{value:.2f}" if value < 100 else f"{value:,.0f}"
