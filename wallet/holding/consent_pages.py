"""The page on which a holder sees what stands allowed from the wallet, and takes it back."""

from flask import Blueprint, flash, g, redirect, render_template, request
from werkzeug.wrappers import Response

from idp.oauth import consents
from idp.oauth.acquaintances import Place
from idp.oauth.consent_pages import TAKEN_BACK
from idp.oauth.grantees import Grantee
from idp.signin.callers import matched
from idp.subjects.mandates import NotWithinMandate
from runtime.clock import now
from runtime.database import transaction
from runtime.guard import allow
from wallet.holding import cards, standing_consents
from wallet.holding.offer_pages import name_of_wallet

wallet_consents = Blueprint("wallet_consents", __name__, template_folder="templates")


@wallet_consents.route("/wallet/consents")
@allow(matched)
def listed() -> str:
    """Show a page of which portals stand allowed what; on the first, which wallets elsewhere have a licence, too."""
    viewer, after = g.signed_in, Place.read(request.args.get("after"))
    with transaction() as session:
        standing, following = standing_consents.standing_of(session, viewer, after=after)
        page = {
            "standing": standing,
            "following": following,
            "is_first": after is None,
            "elsewhere": standing_consents.elsewhere_of(session, viewer, now=now()) if after is None else [],
            "acts": standing_consents.acts_of(session, viewer) if after is None else [],
            "holder": cards.holder_of(session, viewer) if viewer.acting_for else None,
        }
    return render_template("holding/consents.html", name_of_wallet=name_of_wallet, **page)


@wallet_consents.route("/wallet/consents/withdrawal", methods=["POST"])
@allow(matched)
def withdraw() -> Response:
    """Take back what a portal was allowed, and say so to whoever had allowed it."""
    client_id, viewer = request.form.get("client_id", ""), g.signed_in
    if not viewer.allows_portal(client_id):
        raise NotWithinMandate("another portal")
    with transaction() as session:
        was_there = consents.take_back(session, Grantee(viewer.holder_id, viewer.subject_id), client_id, now=now())
    if was_there:
        flash(str(TAKEN_BACK), "success")
    return redirect("/wallet/consents", 303)
