"""`python -m bench.imports`: `kabao licence import` of 100,000 rows, one in a hundred bad, as CSV and as a workbook: time, memory, rejected rows.

A database of its own on a durable PostgreSQL under var/bench; each file is imported by the command itself, in a process of its own. Peaks are
those of the command and of the process that reads workbooks, which the command starts.
"""

import csv
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import click
import psutil
from rich.console import Console
from rich.table import Table

from bench.stand import FOLDER, family, spent
from demo import postgres
from runtime.clock import now
from tests.batch_sending import found_in
from tests.served import ROOT, Kabao, kabao
from tests.workbooks import write
from tests.world_crowd import add_crowd
from tests.world_people import citizen_number
from tests.world_wallet import new_department

NAME = "bench_imports"
MAPPING = ROOT / "docs" / "recipes" / "batches" / "driving-licences.yaml"
COLUMNS = ["身份证号", "姓名", "准驾车型", "初次领证日期", "性别", "出生日期", "住址", "档案编号", "有效期起", "有效期止"]
GOOD = ["小型汽车", "01/07/2012", "女", "1990-06-15", "示例路1号", "379900123456", "2026年1月1日", "2032/1/1"]
ONE_BAD_IN = 100
MIB, LOOK_EVERY = 1024 * 1024, 0.2
HEADINGS = ("file", "rows", "rejected", "seconds", "rows/s", "CPU ms a row", "PostgreSQL ms a row", "peak MiB", "of the reader")


@dataclass(frozen=True)
class Run:
    """How an import went; peaks in bytes, of the command and of what it started."""

    seconds: float
    processor: float
    database: float
    peak: int
    reader_peak: int
    rejected: int
    said: str


@click.command()
@click.option("--rows", default=100_000, show_default=True, type=click.IntRange(100, 100_000))
def main(rows: int) -> None:
    """Import a file of each kind, and the first of them once more when all is done."""
    server, console = postgres.start(FOLDER / "postgres"), Console(width=150)
    options = {"worker": False, "threads": 1, "log_level": "WARNING"}
    with kabao(server, name=NAME, folder=FOLDER / "logs" / "imports", **options) as running, TemporaryDirectory() as kept:
        table = Table(*HEADINGS, title=f"{rows:,} rows")
        for kind in ("csv", "xlsx"):
            file = _invent(running, Path(kept) / f"licences.{kind}", rows)
            with running.world():
                department = new_department(issue=["driving-licence"])
            _add(table, kind, rows, _import(running, file, department, server))
            if kind == "csv":
                _add(table, "csv, once more", rows, _import(running, file, department, server))
        console.print(table)
        console.print(str(found_in(running)))
    server.psql(f"DROP DATABASE {NAME} WITH (FORCE)")


def _invent(running: Kabao, path: Path, count: int) -> Path:
    """Write a file of as many people as rows; now and then a row is bad, each time in another way."""
    with running.world():
        crowd = list(add_crowd(running.processes.database_url, count, now=now()))
    rows = [_row(number, name, place) for place, (_, number, name) in enumerate(crowd)]
    if path.suffix == ".xlsx":
        return write(path, [COLUMNS, *rows])
    with path.open("w", encoding="utf-8", newline="") as out:
        csv.writer(out).writerows([COLUMNS, *rows])
    return path


def _row(number: str, name: str, place: int) -> list[str]:
    good = [number, name, *GOOD]
    if place % ONE_BAD_IN != ONE_BAD_IN // 2:
        return good
    ways = ({0: citizen_number()}, {2: "Z9"}, {3: "昨天"}, {8: "2099-01-01"}, {0: "号码"})
    changes = ways[place // ONE_BAD_IN % len(ways)]
    return [changes.get(column, cell) for column, cell in enumerate(good)]


def _import(running: Kabao, file: Path, department: str, server: postgres.PostgresServer) -> Run:
    rejected = file.with_name("rejected.csv")
    arguments = ["licence", "import", str(file), "--mapping", str(MAPPING), "--department", department, "--rejected", str(rejected)]
    before, begun = spent(family(server.get_pid())), time.monotonic()
    process = subprocess.Popen(
        [sys.executable, "-m", "wsgi", *arguments],
        cwd=ROOT,
        env=running.processes.environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    watch = Watch(process.pid, server.get_pid())
    said, _ = process.communicate()
    watch.over.set()
    watch.join()
    assert process.returncode == 1, said
    with rejected.open(encoding="utf-8-sig", newline="") as lines:
        count = sum(1 for _ in csv.reader(lines)) - 1
    return Run(time.monotonic() - begun, watch.processor, watch.database - before, watch.peak, watch.reader_peak, count, said)


class Watch(threading.Thread):
    """Looks at a process and its children until they are over."""

    def __init__(self, pid: int, database_pid: int | None) -> None:
        super().__init__(daemon=True)
        self.pid, self.database_pid, self.over = pid, database_pid, threading.Event()
        self.peak = self.reader_peak = 0
        self.processor = self.database = 0.0
        self.start()

    def run(self) -> None:
        """Keep the most that was seen."""
        while not self.over.wait(LOOK_EVERY):
            try:
                first, *rest = family(self.pid)
                self.peak = max(self.peak, first.memory_info().rss)
                self.reader_peak = max([self.reader_peak, *(one.memory_info().rss for one in rest)])
                self.processor = max(self.processor, spent([first, *rest]))
                self.database = max(self.database, spent(family(self.database_pid)))
            except psutil.NoSuchProcess:
                continue


def _add(table: Table, what: str, rows: int, run: Run) -> None:
    costs = f"{run.processor * 1000 / rows:.2f}", f"{run.database * 1000 / rows:.2f}"
    peaks = f"{run.peak / MIB:.0f}", f"{run.reader_peak / MIB:.0f}"
    table.add_row(what, f"{rows:,}", f"{run.rejected:,}", f"{run.seconds:.0f}", f"{rows / run.seconds:,.0f}", *costs, *peaks)


if __name__ == "__main__":
    main()
