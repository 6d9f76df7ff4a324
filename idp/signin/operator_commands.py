"""`kabao operator`: who runs the service."""

import click
from flask.cli import AppGroup
from rich.table import Table

from idp.signin import operators
from idp.subjects import directory
from idp.subjects.numbers import parse_number
from runtime.clock import now
from runtime.database import transaction
from runtime.problems import Refusal
from runtime.shown_tables import print_table

operator = AppGroup("operator", help="Say who runs the service: who sees /admin.")


@operator.command()
@click.argument("number")
def add(number: str) -> None:
    """Let the person with the citizen number NUMBER run the service; they sign in by two factors."""
    with transaction() as session:
        try:
            person = parse_number(number)
            if not person.is_person:
                raise click.ClickException("An operator is a person.")
            operators.add_operator(session, directory.ensure_subject(session, person, now=now()).id, now=now())
        except Refusal as refusal:
            raise click.ClickException((refusal.shown or refusal.title).en) from refusal
    click.echo(f"{person.masked()} runs the service.")


@operator.command()
@click.argument("number")
def remove(number: str) -> None:
    """Let the person with the citizen number NUMBER run the service no longer."""
    with transaction() as session:
        try:
            person = parse_number(number)
            operators.remove_operator(session, directory.ensure_subject(session, person, now=now()).id, now=now())
        except Refusal as refusal:
            raise click.ClickException((refusal.shown or refusal.title).en) from refusal
    click.echo(f"{person.masked()} runs the service no longer.")


@operator.command("list")
def list_operators() -> None:
    """Show every operator, by name and masked number."""
    table = Table("name", "number", "since")
    with transaction() as session:
        for one in operators.operators(session):
            subject = directory.get_subject(session, one.subject_id)
            table.add_row(directory.name_of(subject), directory.number_of(subject).masked(), f"{one.added_at:%Y-%m-%d}")
    print_table(table)
