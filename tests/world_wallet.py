"""Invented departments, with their keys and authorities, and licences that they issue."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import date, timedelta
from typing import Any
from uuid import UUID

from flask import current_app
from sqlalchemy.orm import Session

from idp.subjects.directory import ensure_subject, get_subject, number_of
from idp.subjects.numbers import parse_number
from runtime.clock import now
from runtime.database import transaction
from runtime.languages import Text
from tests.world_people import Person, credit_code
from wallet.issuing.life import issue_licence
from wallet.issuing.requests import LicenceRequest
from wallet.register import catalogue, departments
from wallet.register.catalogue import LicenceType
from wallet.register.definitions import read_definition
from wallet.register.departments import Action
from wallet.register.licences import Licence, china_date

DEFINITIONS = {document["slug"]: read_definition(document) for document in catalogue.read_folder()}


def apply_catalogue() -> None:
    """Put the catalogue in force, once a database; in a transaction of its own."""
    if not catalogue._in_force().get("resident-identity-card"):
        with transaction() as session:
            catalogue.apply(session, list(catalogue.read_folder()), now=now())


def new_department(
    session: Session | None = None,
    *,
    issue: Iterable[str] = (),
    verify: Iterable[str] = (),
    draw: Iterable[str] = (),
    supervise: Iterable[str] = (),
    identify: Iterable[str] = (),
) -> str:
    """Add a department with its key and its authorities over types, named by slug, and return its code.

    The session is not used: keys and authorities are read in other transactions, so they are committed here.
    """
    apply_catalogue()
    code, granted = (
        credit_code(kind="11"),
        {
            Action.ISSUE: issue,
            Action.VERIFY: verify,
            Action.DRAW: draw,
            Action.SUPERVISE: supervise,
            Action.IDENTIFY: identify,
        },
    )
    with transaction() as own:
        name = Text(f"示例市第{code[8:16]}局", f"Example Office {code[8:16]}")
        departments.add_department(own, current_app.extensions["kabao_settings"], code=code, name=name, now=now())
        for action, slugs in granted.items():
            for slug in slugs:
                departments.grant(own, department=code, type_code=catalogue.get_type(slug).code, action=action, now=now())
    return code


def make_officer(session: Session, *, department: str, person: Person) -> UUID:
    """Let a person act for a department, and return the person's subject id."""
    subject_id = ensure_subject(session, parse_number(person.number), now=now()).id
    departments.add_officer(session, department=department, subject_id=subject_id, now=now())
    return subject_id


def example_fields(type_name: str, **changes: Any) -> dict[str, Any]:
    """Return the examples of the fields of a type (by its slug), with some changed (None takes one away)."""
    values = {one.name: one.example for one in DEFINITIONS[type_name].fields} | changes
    return {name: value for name, value in values.items() if value is not None}


def example_dates(licence_type: LicenceType) -> tuple[date, date | None]:
    """Return dates of validity that suit a type: from yesterday, for as long as it may be, or six years."""
    begins = china_date(now()) - timedelta(days=1)
    if licence_type.validity.rule == "permanent":
        return begins, None
    ends = begins + timedelta(days=365 * min(licence_type.validity.max_years or 6, 6))
    last_before = {"day": ends, "month": ends.replace(day=1) - timedelta(days=1), "year": ends.replace(month=1, day=1) - timedelta(days=1)}
    return begins, max(begins, last_before[licence_type.validity.ends_on])


def new_licence(
    session: Session,
    *,
    type: str,  # noqa: A002 the word of the API
    department: str,
    number: str | None = None,
    person_subject_id: UUID | None = None,
    fields: dict[str, Any] | None = None,
    valid_from: date | None = None,
    valid_until: date | None = None,
) -> Licence:
    """Issue a licence of a type to whom the number names, or to a subject; fields are the type's examples with those given."""
    if person_subject_id is not None:
        number = number_of(get_subject(session, person_subject_id)).value
    assert number is not None
    begins, ends = example_dates(DEFINITIONS[type])
    request = LicenceRequest(type, number, {**example_fields(type), **(fields or {})}, valid_from or begins, valid_until or ends)
    request = replace(request, licence_number=DEFINITIONS[type].number_example)
    return issue_licence(session, current_app.extensions["kabao_settings"], request, department=department, now=now(), seconded=True)
