"""`python -m bench.issuing`: what issuing costs: by API, in batches, to wallets elsewhere, as documents, and an act on a licence.

One service process on a durable PostgreSQL under var/bench; the statements are counted in this process, where no cache is cold. A minute in all;
`--only` narrows it. What one of each form takes by itself, the compact code included, says `python -m bench.formats`.
"""

import time

import click
from rich.console import Console
from rich.table import Table

from bench import report
from bench.acts import ACTS, BATCH, Act, batch_request
from bench.bare import DATA
from bench.measuring import Measured, measure
from bench.stand import Stand, stand
from bench.statements import counted
from keys import suites
from tests.batch_sending import peak_memory

NAMES = (ACTS[0].name, BATCH.name, *(one.name for one in ACTS[1:]))
LINES = 100
SETTINGS = {"KABAO_THROTTLE": "track"}  # documents of one system are throttled far below what is measured here
MIB = 1024 * 1024


@click.command()
@click.option("--seconds", default=4.0, show_default=True, help="How long each is measured.")
@click.option("--only", multiple=True, type=click.Choice(NAMES), help="Measure this only; may be given more than once.")
def main(seconds: float, only: tuple[str, ...]) -> None:
    """Measure issuing."""
    console, progress = Console(width=report.WIDTH), Console(stderr=True)
    chosen = only or NAMES
    with progress.status("Setting the stand up ...") as status, stand(environ=SETTINGS) as standing:
        found: list[tuple[Measured, str]] = []
        for name in NAMES:
            if name in chosen:
                status.update(f"Measuring {name} ...")
                found.append(_measure(name, standing, seconds))
        peak = max(peak_memory(one.pid) for one in standing.processes.tree("serve")) / MIB
        status.update("Signing ...")
        signature = _signature_ms(min(seconds, 1.0))
    report.say_where(console)
    console.print(_table(found))
    console.print(f"A bare P-256 signature takes {signature:.3f} ms of the processor in this run.")
    console.print(f"The service's largest process has had {peak:.0f} MiB.\n")


def _measure(name: str, standing: Stand, seconds: float) -> tuple[Measured, str]:
    if name == BATCH.name:
        return measure(BATCH, standing, seconds=seconds), _statements_of_batch(standing)
    act = next(one for one in ACTS if one.name == name)
    statements = _statements_of(act, standing)
    return measure(act.path, standing, seconds=seconds), statements


def _statements_of(act: Act, standing: Stand) -> str:
    """Return how many statements a request sends, once what is read once is kept."""
    client = standing.kabao.app.test_client()
    for one in act.make(standing, act.round):
        one.within(client)
    requests = act.make(standing, act.round)
    with counted(standing.kabao.app) as sent:
        for one in requests:
            one.within(client)
    return f"{len(sent.sent) / act.round:g}"


def _statements_of_batch(standing: Stand) -> str:
    client = standing.kabao.app.test_client()
    batch_request(standing, LINES).within(client)
    with counted(standing.kabao.app) as sent:
        batch_request(standing, LINES).within(client)
    return f"{len(sent.sent) / LINES:.2f}"


def _signature_ms(seconds: float) -> float:
    """Return what a bare signature takes: by it, runs on a busy machine and on a quiet one can be compared."""
    key, done = suites.ES256.generate(), 0
    until, begun = time.monotonic() + seconds, time.thread_time()
    while time.monotonic() < until:
        suites.sign(key, DATA, suite=suites.ES256.name)
        done += 1
    return (time.thread_time() - begun) * 1000 / max(done, 1)


def _table(found: list[tuple[Measured, str]]) -> Table:
    table = Table(title="Issuing", title_justify="left")
    table.add_column("what", overflow="fold")
    for heading in ("/s", "CPU ms", "PostgreSQL ms", "and for jobs", "p50 ms", "p99 ms", "statements", "errors"):
        table.add_column(heading, justify="right")
    table.add_column("budget")
    table.add_column("verdict", overflow="fold")
    for one, statements in found:
        outcome = one.outcome
        waits = [report.ms(value) if value else "-" for value in (outcome.p50, outcome.p99)]
        costs = [report.ms(value) for value in (one.cpu_ms, one.postgres_ms, one.jobs_ms)]
        row = f"{outcome.rate:,.0f}", *costs, *waits, statements, str(outcome.errors), report.budget(one.budget), one.verdict
        table.add_row(f"{one.name}: {one.title}", *row)
    return table


if __name__ == "__main__":
    main()
