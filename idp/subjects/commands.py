"""`kabao registry`: fill the population registry and the legal-person registry from files; see how a number stands."""

import csv
import itertools
from collections.abc import Iterator
from pathlib import Path

import click
from flask.cli import AppGroup
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from sqlalchemy.orm import Session

from idp.subjects import directory, history, registries
from idp.subjects.numbers import Number, NumberRefused, parse_number
from idp.subjects.registries import RegistryUnavailable
from idp.subjects.registry_import import Loading
from idp.subjects.registry_rows import SOURCES, SURPLUS, Source
from runtime.database import transaction

BATCH = 500
SHOWN_FAULTS = 200
LONGEST_SAID = 500

registry = AppGroup("registry", help="Fill the population and the legal-person registry; see how a number stands.")
Row = tuple[int, dict[str, str]]


@registry.command("import")
@click.argument("kind", type=click.Choice(sorted(SOURCES)))
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--encoding", default="utf-8-sig", show_default=True, help="The file's encoding; gb18030 for files of older systems.")
def import_file(kind: str, file: Path, encoding: str) -> None:
    """Take people or organisations from a CSV FILE.

    A line that cannot be taken is reported with its number and the reason, and the others are kept. Ends with status 1
    if there were such lines. Columns that are not known are named, and not used.
    """
    loading = Loading(SOURCES[kind])
    with Progress(
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), console=Console(stderr=True)
    ) as progress:
        task = progress.add_task(kind, total=_lines(file))
        rows = _rows(file, encoding, loading.source)
        while batch := list(itertools.islice(rows, BATCH)):
            with transaction() as session:
                loading.load(session, batch)
            progress.update(task, completed=batch[-1][0])
        progress.update(task, completed=progress.tasks[0].total)
    _report(loading, file)


@registry.command()
@click.argument("number")
def show(number: str) -> None:
    """Show how whoever has NUMBER, or had it, stands in the registry and here: the state, former numbers, what changed, and when.

    Names are not shown, and numbers masked. Two numbers that are two subjects here, and one in the registry, are told by it.
    """
    try:
        parsed = parse_number(number)
    except NumberRefused as refused:
        raise click.ClickException((refused.shown or refused.title).en) from refused
    with transaction() as session:
        click.echo(f"registry: {_registered(session, parsed)}")
        subject = directory.find_subject(session, parsed)
        if subject is None:
            click.echo("here: never met")
            return
        since = f" since {subject.state_since:%Y-%m-%d}" if subject.state_since else ""
        click.echo(f"here: {subject.kind} {directory.number_of(subject).masked()}, {subject.state}{since}, met on {subject.added_at:%Y-%m-%d}")
        click.echo(f"subject: {subject.id}")
        for former in directory.former_numbers_of(session, subject):
            click.echo(f"former number: {former.masked()}")
        for change in history.changes_of(session, subject.id):
            happened = f", of {change.told.on}" if change.told.on else ""
            click.echo(f"{change.told.at:%Y-%m-%d %H:%M} UTC: {change.what} changed, told by {change.told.by}{happened}")


def _registered(session: Session, number: Number) -> str:
    try:
        record = registries.open_registry(session).find(number)
    except RegistryUnavailable:
        return "cannot be asked"
    return "no such number" if record is None else f"{record.number.masked()}, {record.state}"


def _report(loading: Loading, file: Path) -> None:
    for fault in loading.faults[:SHOWN_FAULTS]:
        click.echo(f"{file.name}:{fault.line}: {fault.why.zh} / {fault.why.en}", err=True)
    if len(loading.faults) > SHOWN_FAULTS:
        click.echo(f"... and {len(loading.faults) - SHOWN_FAULTS} more", err=True)
    click.echo(f"{loading.loaded} taken, {len(loading.faults)} left out")
    if loading.faults:
        raise click.exceptions.Exit(1)


def _lines(file: Path) -> int:
    with file.open("rb") as raw:
        return sum(chunk.count(b"\n") for chunk in iter(lambda: raw.read(1 << 20), b""))


def _rows(file: Path, encoding: str, source: Source) -> Iterator[Row]:
    try:
        with file.open(encoding=encoding, errors="replace", newline="") as text:
            reader = csv.DictReader(text, restval="")
            header = list(reader.fieldnames or ())
            names = source.column_names(header)
            if unused := source.unused(header):
                click.echo(f"{file.name}: columns that are not known and not used: {', '.join(unused)[:LONGEST_SAID]}", err=True)
            for row in reader:
                surplus = "".join(row.get(None) or ())  # cells without a column stand under None
                yield reader.line_num, {ours: row[theirs] for theirs, ours in names.items()} | ({SURPLUS: surplus} if surplus.strip() else {})
    except KeyError as missing:
        raise click.ClickException(
            f"{file.name}, read as {encoding}, has no column {missing}. Its first line must name the columns, in English or in Chinese: "
            + ", ".join("/".join(aliases[:2]) for aliases in source.required.values())
            + ". Files of older systems are often in gb18030: --encoding gb18030"
        ) from missing
    except (csv.Error, LookupError) as error:
        raise click.ClickException(f"{file.name} cannot be read as CSV in {encoding}: {error}") from error
