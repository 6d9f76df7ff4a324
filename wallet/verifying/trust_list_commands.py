"""`kabao trust-list`: our own list of issuers, and those of other provinces that are believed here."""

from pathlib import Path

import click
from flask import current_app
from flask.cli import AppGroup
from rich.table import Column, Table

from runtime.clock import now
from runtime.commands import explained
from runtime.database import transaction
from runtime.shown_tables import print_table
from wallet.issuing import trust_list as own_list
from wallet.register import catalogue
from wallet.verifying import trust_sources
from wallet.verifying.trust_list_jobs import fetch_trust_list, take_trust_list

trust_list = AppGroup("trust-list", help="Lists of issuers: our own, and those of other provinces.")


@trust_list.command("publish")
def publish() -> None:
    """Sign our own list anew if it no longer says what is so; the worker does it each minute."""
    with explained(), transaction() as session:
        row = own_list.rebuild(session, current_app.extensions["kabao_settings"], now=now())
    click.echo(f"List {row.sequence} is signed." if row else "The list says what is so.")


@trust_list.command("add")
@click.argument("name")
@click.argument("place", metavar="URL|FILE")
@click.option("--root", required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path), help="The root that its signer is under, PEM.")
@click.option("--province", required=True, help="What the province is called, such as 虚构省.")
@click.option("--type", "types", multiple=True, required=True, help="A licence type of ours that it is believed for; may be given several times.")
def add(name: str, place: str, root: Path, province: str, types: tuple[str, ...]) -> None:
    """Believe a province's list of issuers, fetched from URL or read from FILE, for some licence types; it is called NAME here."""
    is_address = "://" in place
    with explained(), transaction() as session:
        row = trust_sources.add(
            session,
            current_app.extensions["kabao_settings"],
            name=name,
            province=province,
            url=place if is_address else None,
            given=None if is_address else _read(place),
            root=root.read_bytes(),
            types=[catalogue.get_type(one).code for one in types],
            now=now(),
        )
    click.echo(f"List {row.sequence} of {province} is believed for {', '.join(types)}. It was signed by: {row.signer}")


def _read(place: str) -> bytes:
    try:
        return Path(place).read_bytes()
    except OSError as error:
        raise click.ClickException(f"{place} is neither an address (https://…) nor a file that can be read.") from error


@trust_list.command("list")
def list_sources() -> None:
    """Show the lists of other provinces, and how each stands."""
    table = Table("name", "province", "sequence", "state", "until (UTC)", Column("why", overflow="fold"))
    with transaction() as session:
        for row in trust_sources.sources(session):
            table.add_row(row.name, row.province, str(row.sequence), row.state_at(now()), f"{row.next_update:%Y-%m-%d %H:%M}", row.fault or "")
    print_table(table)


@trust_list.command("show")
@click.argument("name")
def show(name: str) -> None:
    """Show whom the list NAME lets issue what."""
    table = Table("issuer", "types", Column("address", overflow="fold"))
    settings = current_app.extensions["kabao_settings"]
    with explained(), transaction() as session:
        row = trust_sources.get_source(session, name)
        read = trust_sources.read_again(row, settings, row.token, now=row.taken_at)
    for one in {one.uri: one for one in read.listed.values()}.values():
        granted = [g.type_code for vct, g in one.grants.items() if one.is_granted(vct, now().timestamp())]
        table.add_row(one.name.get("zh", one.code), " ".join(granted), one.uri)
    print_table(table)
    click.echo(f"{read.ignored} services are of types that were not granted to this list.")


@trust_list.command("refresh")
@click.argument("name")
@click.argument("file", required=False)
def refresh(name: str, file: str | None) -> None:
    """Fetch the list NAME now, or take the newer one in FILE; what is not newer and right leaves the last one."""
    with explained():
        if file is None:
            fetch_trust_list(name)
        else:
            take_trust_list(name, _read(file))
    with transaction() as session:
        row = trust_sources.get_source(session, name)
        click.echo(f"{row.state_at(now())}: list {row.sequence}. {row.fault or ''}")


@trust_list.command("remove")
@click.argument("name")
def remove(name: str) -> None:
    """Believe the list NAME no longer."""
    with explained(), transaction() as session:
        trust_sources.remove(session, name, now=now())
    click.echo(f"{name} is believed no longer.")
