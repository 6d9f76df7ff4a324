"""`python -m bench.batches`: a batch of 100,000 lines, one in a hundred bad, killed half-way and sent again; what it cost, and the peak of memory.

A database of its own on a durable PostgreSQL under var/bench, one service process. All holders are known to the directory, and nobody has a licence.
"""

import time
from collections.abc import Callable

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

from bench.stand import FOLDER, spent
from demo import postgres
from tests.batch_sending import File, Sent, found_in, invent_file, peak_memory, send_batch
from tests.served import Kabao, kabao
from tests.world_clients import System, new_system
from tests.world_wallet import new_department
from wallet.issuing.batch_groups import GROUP

NAME = "bench_batches"
MIB = 1024 * 1024


@click.command()
@click.option("--lines", default=100_000, show_default=True, type=click.IntRange(200, 100_000))
def main(lines: int) -> None:
    """Send a batch, kill the service half-way, send it again, and once more when all is done."""
    server = postgres.start(FOLDER / "postgres")
    with kabao(server, name=NAME, folder=FOLDER / "logs" / "batches", worker=False, threads=1, log_level="WARNING") as running:
        with running.world():
            department = new_department(issue=["driving-licence"])
        with running.world() as session:
            system = new_system(session, department=department, scopes=["licences:issue"])
        _measure(running, system, invent_file(running, lines), server)
    server.psql(f"DROP DATABASE {NAME} WITH (FORCE)")


def _measure(running: Kabao, system: System, file: File, server: postgres.PostgresServer) -> None:
    processes, count = running.processes, len(file.lines)
    table = Table(
        "sending", "lines answered", "seconds", "lines/s", "ms of the service a line", "ms of PostgreSQL a line", "peak MiB", title=f"{count:,} lines"
    )
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:

        def send(what: str, heard: Callable[[Sent], None] | None = None, query: str = "?interleave=true") -> Sent:
            task = progress.add_task(what, total=count)

            def told(sent: Sent) -> None:
                if len(sent.results) % 100 == 0:
                    progress.update(task, completed=len(sent.results))
                if heard is not None:
                    heard(sent)

            tree, database = processes.tree("serve"), _database(server)
            before, begun = (spent(tree), spent(database)), time.monotonic()
            sent = send_batch(processes, file.lines, token=running.token(system, "licences:issue"), key="bench", heard=told, query=query)
            seconds, answered = time.monotonic() - begun, len(sent.results)
            if "serve" in processes.running:
                after = spent(tree), spent(_database(server))
                service, other = ((now - was) * 1000 / max(answered, 1) for now, was in zip(after, before, strict=True))
                peak = max(peak_memory(process.pid) for process in tree) / MIB
                costs = f"{service:.2f}", f"{other:.2f}", f"{peak:.0f}"
            else:
                costs = "-", "-", "-"
            progress.console.print(f"{what}: {answered:,} lines in {seconds:.0f} s")
            table.add_row(what, f"{answered:,}", f"{seconds:.1f}", f"{answered / seconds:,.0f}", *costs)
            return sent

        def kill(sent: Sent) -> None:
            if len(sent.results) == count // 2 and "serve" in processes.running:
                processes.kill("serve")

        first = send("killed half-way", kill)
        processes.serve()
        again = send("sent again")
        later = send("once more, results after all", query="")
    Console(width=140).print(table)
    _check(running, file, first, again, later)


def _check(running: Kabao, file: File, first: Sent, again: Sent, later: Sent) -> None:
    good, found = len(file.lines) - len(file.bad), found_in(running)
    assert first.broke_off
    assert {line: again.results[line] for line in first.results} == first.results
    assert {line for line, result in again.results.items() if result["status"] != 201} == file.bad
    assert later.results == again.results
    assert (found.licences, found.holders, found.credentials) == (good,) * 3, found
    assert good <= found.places <= good + GROUP, found
    Console().print(f"Each of {good:,} good lines has one licence; each of {len(file.bad):,} bad lines was reported; nothing else was written.")


def _database(server: postgres.PostgresServer) -> list[object]:
    import psutil

    first = psutil.Process(server.get_pid())
    return [first, *first.children(recursive=True)]


if __name__ == "__main__":
    main()
