"""Who is before a page, as its head says it: the person, masked, and the organisation that they act for."""

from flask import g

from idp.signin.callers import find_signed_in
from idp.signin.operators import is_operator
from idp.subjects import directory
from runtime.database import transaction
from runtime.pages import Visitor
from wallet.holding.cards import shown_name
from wallet.holding.kept_cards import mark_of
from wallet.register.departments import departments_of_officer


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
    with transaction() as session:
        organisation = shown_name(directory.get_subject(session, signed_in.acting_for)) if signed_in.acting_for else None
        name = shown_name(directory.get_subject(session, signed_in.subject_id))
        runs_it = signed_in.acting_for is None and is_operator(session, signed_in.subject_id)
        return Visitor(name, organisation, bool(departments_of_officer(session, signed_in.subject_id)), runs_it, mark_of(signed_in))
