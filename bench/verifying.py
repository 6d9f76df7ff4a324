"""`python -m bench.verifying`: what a verification costs, alone over HTTP and in a batch, beside the two signatures that it cannot do without.

One service process on a durable PostgreSQL under var/bench; receipt, ledger row and the holder's history are written in both. The bare limit is two
P-256 verifications in this process, measured before and after, since others work on the machine; costs are of processor time for the same reason.
"""

import json
import time
from collections.abc import Sequence
from functools import partial
from itertools import count

import click
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA
from cryptography.hazmat.primitives.hashes import SHA256
from rich.console import Console
from rich.table import Table

from bench import report
from bench.bare import DATA
from bench.load import Outcome
from bench.measuring import Budget, Measured, Path, measure
from bench.paths import CAUSE, NONCE, presentations, verify
from bench.stand import Stand, stand
from keys import suites
from runtime.clock import now
from tests.batch_sending import peak_memory, send_batch

PATH = "/api/v1/verifications:batch"
SINGLE = Path("single", "verify one presentation over HTTP, in two statements", Budget(0.8), verify)
SINGLE_GOAL, GOAL = 1500, 0.75
MIB = 1024 * 1024
_keys = count()


@click.command()
@click.option("--seconds", default=5.0, show_default=True, help="How long single verifications are measured.")
@click.option("--lines", default=10_000, show_default=True, type=click.IntRange(100, 10_000), help="How many lines the batch has.")
@click.option("--only", type=click.Choice(["single", "batch"]), help="Measure this only.")
def main(seconds: float, lines: int, only: str | None) -> None:
    """Measure verifying."""
    console, progress = Console(width=report.WIDTH), Console(stderr=True)
    before = two_signatures_ms()
    with progress.status("Verifying ..."), stand() as standing:
        found = [measure(SINGLE, standing, seconds=seconds)] if only != "batch" else []
        found += [measure(batch_of(lines), standing, seconds=seconds)] if only != "single" else []
        peak = max(peak_memory(one.pid) for one in standing.processes.tree("serve")) / MIB
    bare = min(before, two_signatures_ms())
    report.say_where(console)
    console.print(_table(found, bare))
    console.print(
        f"Two bare P-256 verifications take {bare:.3f} ms of the processor in this run, so {1000 / bare:,.0f} presentations/s are the bare limit."
    )
    console.print(f"The service's largest process has had {peak:.0f} MiB.\n")


def batch_of(lines: int) -> Path:
    """Return a batch of some lines as a path; what is counted are its lines."""
    return Path(
        "batch", f"verify in a batch of {lines:,}, each line", Budget(0.25), lambda standing, _: partial(_send, standing, lines_of(standing, lines))
    )


def lines_of(standing: Stand, number: int) -> list[bytes]:
    """Return the lines of a batch: the cause of all, then presentations in turn."""
    shown = [json.dumps({"presented": one["presented"], "nonce": NONCE}).encode() for one in presentations(standing)]
    return [json.dumps({"cause": CAUSE}).encode(), *(shown[turn % len(shown)] for turn in range(number))]


def _send(standing: Stand, lines: Sequence[bytes]) -> Outcome:
    begun = now()
    sent = send_batch(standing.processes, lines, token=standing.token, key=f"bench-{next(_keys)}", path=PATH)
    good = sum(one["status"] == 201 and one["verification"]["verdict"] == "valid" for one in sent.results.values())
    return Outcome(len(lines) - 1, (now() - begun).total_seconds(), 0, 0, 0, 0, len(lines) - 1 - good)


def two_signatures_ms(*, seconds: float = 0.7) -> float:
    """Return what two bare verifications take of the processor."""
    key = suites.ES256.generate()
    public, signature, algorithm = key.public_key(), key.sign(DATA, ECDSA(SHA256())), ECDSA(SHA256())  # type: ignore[call-arg, arg-type, call-overload]
    least, until = float("inf"), time.monotonic() + seconds
    while time.monotonic() < until:
        begun = time.thread_time()
        for _ in range(200):
            public.verify(signature, DATA, algorithm)  # type: ignore[call-arg, arg-type, union-attr]
        least = min(least, (time.thread_time() - begun) * 10)
    return least


def _table(found: Sequence[Measured], bare: float) -> Table:
    table = Table(title="Verifying", title_justify="left")
    table.add_column("what", overflow="fold")
    for heading in (
        "/s",
        "CPU ms",
        "PostgreSQL ms",
        "and for jobs",
        "p50 ms",
        "p99 ms",
        "errors",
        "/s a core",
        "with PostgreSQL",
        "of the bare limit",
    ):
        table.add_column(heading, justify="right")
    table.add_column("budget")
    table.add_column("verdict", overflow="fold")
    for one in found:
        waits = [report.ms(value) if value else "-" for value in (one.outcome.p50, one.outcome.p99)]
        share = f"{bare / one.cpu_ms:.0%}" if one.cpu_ms else "-"
        costs = f"{one.cpu_ms:.3f}", f"{one.postgres_ms:.3f}", f"{one.jobs_ms:.3f}"
        rates = [f"{1000 / ms:,.0f}" if ms else "-" for ms in (one.cpu_ms, one.cpu_ms + one.postgres_ms)]
        row = f"{one.outcome.rate:,.0f}", *costs, *waits, str(one.outcome.errors), *rates, share
        table.add_row(f"{one.name}: {one.title}", *row, report.budget(one.budget), one.verdict)
    table.caption = (
        f"The goal of a single one is {SINGLE_GOAL:,} a second and core, PostgreSQL's part included; of a batch {GOAL:.0%} of the bare limit."
    )
    return table


if __name__ == "__main__":
    main()
