"""`kabao licence-type` and `kabao department`: the catalogue, and who may do what with it."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import click
from flask import current_app
from flask.cli import AppGroup
from rich.table import Table

from idp.subjects.directory import ensure_subject
from idp.subjects.numbers import parse_number
from runtime.clock import now
from runtime.database import transaction
from runtime.languages import Text
from runtime.problems import Refusal
from runtime.shown_tables import print_table
from schemas.licence_types import ACTS
from wallet.register import catalogue, departments
from wallet.register.catalogue import Change
from wallet.register.certificate_commands import certificate, csr, revoke_certificate
from wallet.register.departments import Action
from wallet.register.licences import CHINA

licence_type = AppGroup("licence-type", help="Show the catalogue of licence types, and apply changes to it.")
department = AppGroup("department", help="Add departments, their authorities and their officers.")
for one_command in (csr, certificate, revoke_certificate):
    department.add_command(one_command)
ACTIONS = click.Choice([action.value for action in Action])


@licence_type.command("apply")
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path), default=catalogue.CATALOGUE)
@click.option("--dry-run", is_flag=True, help="Only show the difference.")
@click.option("--yes", is_flag=True, help="Apply the difference without asking, for scripts.")
@click.option("--breaking", is_flag=True, help="Also apply what changes the meaning of fields of licences that were issued.")
def apply_types(folder: Path, *, dry_run: bool, yes: bool, breaking: bool) -> None:
    """Show how the types differ from their files in FOLDER (the catalogue that comes with Kabao), and store new versions of them.

    At a terminal it asks before it changes a type that there is already.
    """
    with _explained():
        documents = list(catalogue.read_folder(folder))
        with transaction() as session:
            changes = catalogue.differences(session, documents)
        for change in changes:
            _show(change)
        click.echo(f"{len(changes)} of {len(documents)} types differ.")
        if dry_run or not changes:
            return
        _confirm(changes, yes=yes, breaking=breaking)
        with transaction() as session:
            _check_same(changes, catalogue.differences(session, documents))
            catalogue.apply(session, documents, now=now(), breaking=breaking)
    click.echo(f"{len(changes)} of {len(documents)} types changed.")


def _show(change: Change) -> None:
    one = change.licence_type
    click.echo(f"{one.code}  {one.slug}  {'new' if change.is_new else f'version {one.version}'}")
    for difference in () if change.is_new else change.differences:
        click.echo(f"    {difference}")
    for member, why in change.breaks:
        click.echo(f"    ! {member}: {why.en}")


def _confirm(changes: list[Change], *, yes: bool, breaking: bool) -> None:
    """Go on only if what is to be done was agreed to: by a flag, at the terminal, or because it is all new."""
    if any(change.breaks for change in changes) and not breaking:
        raise click.ClickException("what is marked ! would change the meaning of issued licences; nothing was applied. --breaking applies it.")
    if not yes and sys.stdin.isatty() and not all(change.is_new for change in changes):
        click.confirm("Apply?", abort=True)


def _check_same(shown: list[Change], present: list[Change]) -> None:
    if [(one.licence_type, one.differences) for one in shown] != [(one.licence_type, one.differences) for one in present]:
        raise click.ClickException("the catalogue changed meanwhile; nothing was applied. Look again.")


@licence_type.command("list")
def list_types() -> None:
    """Show every licence type in force."""
    table = Table("code", "short name", "名称", "family", "holder", "version", "fields")
    for one in catalogue.all_types():
        table.add_row(one.code, one.slug, one.name.zh, one.family, one.holder, str(one.version), str(len(one.fields)))
    print_table(table)


@department.command("add")
@click.argument("code")
@click.argument("name_zh")
@click.argument("name_en")
@click.option("--hsm", is_flag=True, help="Make its signing key in the security module.")
def add_department(code: str, name_zh: str, name_en: str, *, hsm: bool) -> None:
    """Add the department with the credit code CODE; it gets its signing key and certificate."""
    settings, name = current_app.extensions["kabao_settings"], Text(name_zh, name_en)
    with _explained(), transaction() as session:
        departments.add_department(session, settings, code=code, name=name, now=now(), in_token=hsm)
    click.echo(f"{code} is a department now.")


@department.command("grant")
@click.argument("code")
@click.argument("action", type=ACTIONS)
@click.argument("types", nargs=-1, required=True)
@click.option("--from", "since", type=click.DateTime(["%Y-%m-%d"]), help="The day on which the authority begins; now, unless said.")
@click.option("--until", type=click.DateTime(["%Y-%m-%d"]), help="The day on which the authority ends.")
@click.option("--act", "acts", type=click.Choice(ACTS), multiple=True, help="Limit issuing to this act; may be given several times.")
def grant(code: str, action: str, types: tuple[str, ...], since: datetime | None, until: datetime | None, acts: tuple[str, ...]) -> None:
    """Let the department CODE do ACTION with licences of TYPES (codes or short names, or `all`)."""
    names = [one.code for one in catalogue.all_types()] if types == ("all",) else types
    dates: dict[str, Any] = {
        "valid_from": since.replace(tzinfo=CHINA) if since else None,
        "valid_until": until.replace(tzinfo=CHINA) if until else None,
    }
    if acts and Action(action) is not Action.ISSUE:
        raise click.ClickException("only issuing is limited to acts")
    with _explained(), transaction() as session:
        departments.get_department(code)
        granted = [catalogue.get_type(name) for name in names]
        for found in granted:
            departments.grant(session, department=code, type_code=found.code, action=Action(action), now=now(), acts=acts or None, **dates)
    for found in granted:
        click.echo(f"{code} may {action} {found.slug}.")


@department.command("withdraw")
@click.argument("code")
@click.argument("action", type=ACTIONS)
@click.argument("type_name", metavar="TYPE")
def withdraw(code: str, action: str, type_name: str) -> None:
    """End the authority of the department CODE to do ACTION with licences of TYPE."""
    with _explained(), transaction() as session:
        found = catalogue.get_type(type_name)
        departments.withdraw(session, department=code, type_code=found.code, action=Action(action), now=now())
    click.echo(f"{code} may no longer {action} {found.slug}.")


@department.command("officer")
@click.argument("code")
@click.argument("number")
@click.option("--remove", is_flag=True, help="Let the person act for it no longer.")
def officer(code: str, number: str, *, remove: bool) -> None:
    """Let the person with the citizen number NUMBER act for the department CODE."""
    with _explained(), transaction() as session:
        departments.get_department(code)
        person = parse_number(number)
        if not person.is_person:
            raise click.ClickException("an officer is a person")
        change = departments.remove_officer if remove else departments.add_officer
        change(session, department=code, subject_id=ensure_subject(session, person, now=now()).id, now=now())
    click.echo(f"{person.masked()} acts for {code}{' no longer' if remove else ''}.")


@department.command("list")
def list_departments() -> None:
    """Show every department."""
    table = Table("code", "名称", "name", "since")
    with transaction() as session:
        for one in departments.all_departments(session):
            table.add_row(one.code, one.name_zh, one.name_en, f"{one.added_at:%Y-%m-%d}")
    print_table(table)


@contextmanager
def _explained() -> Iterator[None]:
    """Let a Refusal or a faulty definition end the command with its own words."""
    try:
        yield
    except catalogue.FaultyDefinition as fault:
        raise click.ClickException(str(fault)) from fault
    except Refusal as refusal:
        raise click.ClickException(f"{(refusal.shown or refusal.title).en} ({refusal.code})") from refusal
