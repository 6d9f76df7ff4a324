"""`kabao licence import`: licences from a CSV or XLSX file, straight into the register, by the same checks as the API."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import IO

import click
from flask import current_app
from flask.cli import AppGroup
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from runtime.clock import now
from runtime.database import transaction
from runtime.problems import Refusal
from runtime.settings import Settings
from wallet.issuing.batch_groups import Work
from wallet.issuing.importing import running
from wallet.issuing.importing.mappings import FaultyMapping, Mapping, read_mapping
from wallet.issuing.importing.reasons import RejectedRows
from wallet.issuing.importing.tables import SEPARATORS, Table, open_table
from wallet.register.departments import get_department

SOME_REJECTED = 1
SHOWN = 20
OWNER_ONLY = 0o600


class Unusable(click.ClickException):
    """Nothing was imported, for what was given cannot be used."""

    exit_code = 2


licence = AppGroup("licence", help="Issue licences from files.")


@licence.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--mapping", "mapping_file", required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path), help="Columns to members.")
@click.option("--department", required=True, help="The credit code of the department that issues.")
@click.option("--sheet", default="", help="The sheet of a workbook; the first, if not said.")
@click.option("--encoding", default="", help="Of a CSV file; UTF-8 or GB18030, whichever it is, if not said.")
@click.option("--separator", default="", type=click.Choice(["", *SEPARATORS]), help="Of a CSV file; found from its first line, if not said.")
@click.option("--rejected", type=click.Path(dir_okay=False, writable=True, path_type=Path), help="Where rejected rows go, with the reasons.")
@click.option("--dry-run", is_flag=True, help="Check every row and issue nothing.")
@click.option("--again", is_flag=True, help="Issue rows too that were imported before, in another file, within the last seven days.")
def import_file(file: Path, mapping_file: Path, department: str, rejected: Path | None, *, dry_run: bool, again: bool, **reading: str) -> None:
    """Issue a licence for each row of FILE (CSV or XLSX).

    A row that cannot be taken is written to the file of rejected rows, and costs no other. Killed half-way and started again with the same
    file and mapping, it goes on: each good row is issued once. Ends with status 0 if every row was taken, 1 if some were rejected, 2 if the
    file, the mapping or the department cannot be used.
    """
    settings: Settings = current_app.extensions["kabao_settings"]
    with _explained():
        get_department(department)
        if rejected is not None and rejected.exists() and rejected.samefile(file):
            raise Unusable("the rejected rows would be written over the file itself")
        text = mapping_file.read_text(encoding="utf-8-sig", errors="replace")
        mapping = read_mapping(text)
        with open_table(file, **reading) as table, _rejected(rejected) as out:
            if missing := mapping.missing(table.columns):
                raise FaultyMapping(f"the file has no column {missing[0]}; it has {', '.join(table.columns)}")
            work = _work(settings, mapping, department, running.key_of(file, mapping_text=text, sheet=reading["sheet"]), dry_run=dry_run, again=again)
            taken, refused = _run(work, mapping, table, out, file)
    click.echo(_summary(taken, refused, rejected, dry_run=dry_run))
    if refused:
        raise click.exceptions.Exit(SOME_REJECTED)


def _work(settings: Settings, mapping: Mapping, department: str, key: str, *, dry_run: bool, again: bool) -> Work:
    if dry_run:
        return running.rehearse(settings, mapping, department=department, again=again)
    with transaction() as session:
        return running.begin(session, settings, mapping, department=department, key=key, again=again, now=now())


def _run(work: Work, mapping: Mapping, table: Table, out: IO[str] | None, file: Path) -> tuple[int, int]:
    rejected = RejectedRows(out, table.columns) if out is not None else None
    taken = refused = 0
    with _progress() as progress:
        task = progress.add_task(file.name, total=None, taken=0, refused=0)
        for group in running.take(work, mapping, table):
            for one in group:
                if one.problem is None:
                    taken += 1
                    continue
                refused += 1
                if rejected is not None:
                    rejected.add(one.row, one.problem)
                elif refused <= SHOWN:
                    _show(file, one)
            if out is not None:
                out.flush()
            _advance(progress, task, taken, refused)
    return taken, refused


def _show(file: Path, one: running.Taken) -> None:
    assert one.problem is not None
    for reason in one.problem["reasons"]:
        column = f"{reason['column']}: " if reason["column"] else ""
        click.echo(f"{file.name}:{one.row.line}: {column}{reason['zh']} / {reason['en']}", err=True)


def _progress() -> Progress:
    counted = TextColumn("{task.fields[taken]} taken, {task.fields[refused]} rejected")
    return Progress(TextColumn("{task.description}"), BarColumn(), counted, TimeElapsedColumn(), console=Console(stderr=True))


def _advance(progress: Progress, task: TaskID, taken: int, refused: int) -> None:
    progress.update(task, completed=taken + refused, taken=f"{taken:,}", refused=f"{refused:,}")


def _summary(taken: int, refused: int, rejected: Path | None, *, dry_run: bool) -> str:
    done = f"{taken} rows have their licences, {refused} were rejected."
    said = f"{taken} rows could be taken, {refused} not; nothing was issued." if dry_run else done
    return f"{said} The rejected rows are in {rejected}." if refused and rejected else said


@contextmanager
def _rejected(path: Path | None) -> Iterator[IO[str] | None]:
    """Open the file of rejected rows for its owner alone; without rejected rows it holds but the names of the columns."""
    if path is None:
        with nullcontext() as nothing:
            yield nothing
        return
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, OWNER_ONLY)
    with os.fdopen(descriptor, "w", encoding="utf-8-sig", newline="") as out:
        yield out


@contextmanager
def _explained() -> Iterator[None]:
    """Let what cannot be used end the command with its own words and status 2."""
    try:
        yield
    except FaultyMapping as fault:
        raise _unusable(str(fault)) from fault
    except Refusal as refusal:
        said = refusal.shown or refusal.title
        raise _unusable(f"{said.zh} {said.en} ({refusal.code})") from refusal


def _unusable(why: str) -> click.ClickException:
    return Unusable(why)
