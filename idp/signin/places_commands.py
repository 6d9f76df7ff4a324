"""`kabao places`: the ranges of addresses from which a device's place is told."""

import csv
from pathlib import Path

import click
from flask.cli import AppGroup

from idp.signin.places import read_address, replace_all
from runtime.database import transaction

SHOWN_FAULTS = 50
places = AppGroup("places", help="Say where addresses are, from a file of your own.")


@places.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--encoding", default="utf-8-sig", show_default=True, help="The file's encoding.")
def import_file(file: Path, encoding: str) -> None:
    """Take the ranges of a CSV FILE in place of all that were known: range (CIDR), 中文, English.

    A first line that names the columns is passed over. Ends with status 1 if a line could not be taken; the others are kept.
    """
    try:
        with file.open(encoding=encoding, newline="") as text:
            reader = csv.reader(text)
            rows = [(reader.line_num, row) for row in reader if row and not row[0].lstrip().startswith("#")]
    except (UnicodeDecodeError, LookupError, csv.Error) as error:
        raise click.ClickException(f"{file.name} cannot be read as CSV in {encoding}: {error}") from error
    if rows and "/" not in rows[0][1][0] and read_address(rows[0][1][0].strip()) is None:
        rows = rows[1:]
    with transaction() as session:
        taken, faults = replace_all(session, rows)
    for fault in faults[:SHOWN_FAULTS]:
        click.echo(f"{file.name}:{fault.line}: {fault.why}", err=True)
    click.echo(f"{taken} taken, {len(faults)} left out")
    if faults:
        raise click.exceptions.Exit(1)
