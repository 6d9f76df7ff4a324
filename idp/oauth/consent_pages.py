"""The page on which a person sees which portals they allowed what, and takes it back."""

from flask import Blueprint, Response, g, redirect, render_template, request, url_for

from idp.oauth import consents, scopes
from idp.oauth.clients import find_client
from idp.oauth.grantees import Grantee
from idp.signin.callers import signed_in
from runtime.clock import now
from runtime.database import transaction
from runtime.guard import allow

consent_pages = Blueprint("consents", __name__, template_folder="templates")


@consent_pages.route("/account/portals", methods=["GET"])
@allow(signed_in)
def listed() -> str:
    """Show what the person, or the organisation that they act for, allowed."""
    with transaction() as session:
        given = consents.consents_of(session, g.signed_in.holder_id)
    portals = [(row, find_client(row.client_id), [scopes.OF_PEOPLE[scope] for scope in scopes.OF_PEOPLE if scope in row.scopes]) for row in given]
    return render_template("oauth/portals.html", portals=portals)


@consent_pages.route("/account/portals/withdrawal", methods=["POST"])
@allow(signed_in)
def withdraw() -> Response:
    """Take back what a portal was allowed."""
    with transaction() as session:
        grantee = Grantee(g.signed_in.holder_id, g.signed_in.subject_id)
        consents.withdraw(session, grantee, request.form.get("client_id", ""), now=now())
    response: Response = redirect(url_for("consents.listed"), 303)  # type: ignore[assignment]
    return response
