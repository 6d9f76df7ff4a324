"""Who is before a page, as its head says it: the person, masked, and the organisation that they act for."""

from flask import g
from sqlalchemy import bindparam, func, select

from idp.signin.callers import find_signed_in
from idp.signin.operators import Operator
from idp.subjects import directory
from idp.subjects.directory import COLUMNS, Subject
from runtime import straight
from runtime.pages import Visitor
from runtime.straight import Straight
from wallet.holding.cards import shown_name
from wallet.holding.kept_cards import mark_of
from wallet.register.departments import Officer

VISITOR = Straight(
    "find_visitor",
    select(
        *(getattr(Subject, name) for name in COLUMNS),
        select(Operator.subject_id).where(Operator.subject_id == Subject.id).scalar_subquery(),
        select(func.min(Officer.department_code)).where(Officer.subject_id == Subject.id).scalar_subquery(),
    ).where(Subject.id == bindparam("id")),
)


def find_visitor() -> Visitor | None:
    """Return who is signed in, read once a request, or None."""
    if "visitor" not in g:
        g.visitor = _read()
    found: Visitor | None = g.visitor
    return found


def _read() -> Visitor | None:
    signed_in = find_signed_in()
    if signed_in is None:
        return None
    ((*columns, operator, department),) = straight.run_alone(VISITOR, {"id": signed_in.subject_id})
    name = shown_name(Subject(**dict(zip(COLUMNS, columns, strict=True))))
    organisation = shown_name(directory.read_subject(signed_in.acting_for)) if signed_in.acting_for else None
    return Visitor(name, organisation, department is not None, operator is not None and signed_in.acting_for is None, mark_of(signed_in))
