"""The pages of one's own account: who I am, and for whom I act."""

from uuid import UUID

from flask import Blueprint, Response, g, redirect, render_template

from idp.signin import accounts, sessions
from idp.signin.callers import signed_in
from idp.signin.destinations import local_path
from idp.signin.forms import ActingForm
from idp.subjects import directory, mandates
from runtime.clock import now
from runtime.database import transaction
from runtime.guard import allow
from runtime.problems import InvalidBody

account_pages = Blueprint("account", __name__, template_folder="templates")


@account_pages.get("/account")
@allow(signed_in)
def account() -> str:
    """Show who is signed in, masked, and the organisations that they may act for."""
    present = now()
    with transaction() as session:
        person = directory.get_subject(session, g.signed_in.subject_id)
        organisations = mandates.organisations_of(session, person_id=person.id, now=present)
        opened_at = accounts.find_opened_at(session, person.id)
    return render_template(
        "signin/account.html",
        name=directory.name_of(person),
        number=directory.number_of(person),
        opened_at=opened_at,
        signed_in=g.signed_in,
        organisations=organisations,
    )


@account_pages.post("/account/acting")
@allow(signed_in)
def acting() -> Response:
    """Act for an organisation from now on, or for oneself alone."""
    form = ActingForm()
    organisation_id = _organisation(form.organisation.data)
    present = now()
    with transaction() as session:
        if organisation_id is not None:
            mandates.check_mandate(session, person_id=g.signed_in.subject_id, organisation_id=organisation_id, now=present)
        sessions.act_for(session, g.signed_in, organisation_id, now=present)
    response: Response = redirect(local_path(form.next.data), 303)  # type: ignore[assignment]
    return response


def _organisation(unverified: str | None) -> UUID | None:
    if not unverified:
        return None
    try:
        return UUID(unverified)
    except ValueError as error:
        raise InvalidBody("not an id", field="organisation") from error
