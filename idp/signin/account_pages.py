"""The first page of one's own account: who I am, what needs my attention, and for whom I act."""

from uuid import UUID

from flask import Blueprint, Response, g, redirect, render_template

from idp.signin import acting as acting_for
from idp.signin import callers, overview
from idp.signin.callers import matched, signed_in
from idp.signin.destinations import local_path
from idp.signin.forms import ActingForm
from idp.subjects import mandates
from runtime.clock import now
from runtime.database import transaction
from runtime.guard import allow
from runtime.problems import InvalidBody

account_pages = Blueprint("account", __name__, template_folder="templates")


@account_pages.get("/account")
@allow(signed_in)
def account() -> str:
    """Show the account at a glance, and the organisations that its owner may act for."""
    present = now()
    with transaction() as session:
        seen = overview.overview_of(session, g.signed_in.subject_id, lifetimes=callers.lifetimes(), now=present)
        organisations = mandates.all_of(session, person_id=g.signed_in.subject_id, now=present)
    return render_template("signin/account.html", seen=seen, signed_in=g.signed_in, organisations=organisations)


@account_pages.post("/account/acting")
@allow(signed_in)
def acting() -> Response:
    """Act for an organisation from now on, or for oneself alone."""
    form = ActingForm()
    organisation_id = _organisation(form.organisation.data)
    if organisation_id is not None:
        matched.admit()
    present = now()
    with transaction() as session:
        acting_for.begin(session, g.signed_in, organisation_id, now=present)
    response: Response = redirect(local_path(form.next.data), 303)  # type: ignore[assignment]
    return response


def _organisation(unverified: str | None) -> UUID | None:
    if not unverified:
        return None
    try:
        return UUID(unverified)
    except ValueError as error:
        raise InvalidBody("not an id", field="organisation") from error
