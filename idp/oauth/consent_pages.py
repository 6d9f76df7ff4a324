"""The page on which a person sees which portals know them and what, and takes back what they allowed."""

from flask import Blueprint, Response, flash, g, redirect, render_template, request, url_for

from idp.oauth import acquaintances, consents
from idp.oauth.acquaintances import Place
from idp.oauth.grantees import Grantee
from idp.signin.callers import signed_in
from idp.subjects import directory
from idp.subjects.mandates import NotWithinMandate
from runtime.clock import now
from runtime.database import transaction
from runtime.guard import allow
from runtime.languages import Text

consent_pages = Blueprint("consents", __name__, template_folder="templates")
TAKEN_BACK = Text("已收回，即时生效。该门户须重新征得同意。", "Taken back, at once. The portal must ask again.")


@consent_pages.route("/account/portals", methods=["GET"])
@allow(signed_in)
def listed() -> str:
    """Show a page of which portals know the person, or the organisation that they act for, and what."""
    viewer, after = g.signed_in, Place.read(request.args.get("after"))
    with transaction() as session:
        known, following = acquaintances.acquaintances_of(session, viewer.holder_id, after=after, only=viewer.portals)
        holder = directory.name_of(directory.get_subject(session, g.signed_in.acting_for)) if g.signed_in.acting_for else None
    return render_template("oauth/portals.html", portals=known, following=following, is_first=after is None, acting_for=holder)


@consent_pages.route("/account/portals/withdrawal", methods=["POST"])
@allow(signed_in)
def withdraw() -> Response:
    """Take back what a portal was allowed."""
    client_id = request.form.get("client_id", "")
    if not g.signed_in.allows_portal(client_id):
        raise NotWithinMandate("another portal")
    with transaction() as session:
        was_there = consents.take_back(session, Grantee(g.signed_in.holder_id, g.signed_in.subject_id), client_id, now=now())
    if was_there:
        flash(str(TAKEN_BACK), "success")
    response: Response = redirect(url_for("consents.listed"), 303)  # type: ignore[assignment]
    return response
