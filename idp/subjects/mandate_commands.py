"""`kabao mandate`: who may act for an organisation, for whoever operates the service."""

import click
from flask.cli import AppGroup
from sqlalchemy import select

from idp.subjects import directory
from idp.subjects.mandates import ROLES, GivenMandate
from idp.subjects.numbers import CHINA, NumberRefused, parse_number
from runtime.database import transaction

mandate = AppGroup("mandate", help="Look at who may act for whom.")


@mandate.command("list")
@click.argument("number")
@click.option("--ended", is_flag=True, help="Those that ended, too.")
def list_mandates(number: str, *, ended: bool) -> None:
    """Show the mandates for an organisation (or a minor) by its NUMBER; people by their masked numbers."""
    try:
        parsed = parse_number(number)
    except NumberRefused as refused:
        raise click.ClickException((refused.shown or refused.title).en) from refused
    with transaction() as session:
        holder = directory.find_subject(session, parsed)
        if holder is None:
            raise click.ClickException("It was never met here.")
        rows = select(GivenMandate).where(GivenMandate.holder_id == holder.id).order_by(GivenMandate.id)
        for row in session.scalars(rows if ended else rows.where(GivenMandate.ended_at.is_(None))):
            person = directory.number_of(directory.get_subject(session, row.person_id)).masked()
            until = f"{row.valid_until.astimezone(CHINA):%Y-%m-%d %H:%M}" if row.valid_until else "-"
            state = f"ended {row.ended_at.astimezone(CHINA):%Y-%m-%d %H:%M} ({row.ended_why})" if row.ended_at else "stands"
            reach = f"types {_words(row.types)}, portals {_words(row.portals)}"
            click.echo(f"{person}  {ROLES[row.role].en}; {reach}; until {until}; {state}")


def _words(names: list[str] | None) -> str:
    return "all" if names is None else " ".join(names)
