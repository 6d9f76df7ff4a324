"""The page of an account's history."""

from uuid import UUID

from flask import Blueprint, g, render_template, request

from idp.signin import history
from idp.signin.callers import signed_in
from runtime.database import transaction
from runtime.guard import allow

history_pages = Blueprint("account_history", __name__, template_folder="templates")


@history_pages.route("/account/history")
@allow(signed_in)
def listed() -> str:
    """Show what happened to the account, a page at a time."""
    with transaction() as session:
        entries = history.history_of(session, g.signed_in.subject_id, before=request.args.get("before", type=UUID), limit=history.PAGE + 1)
    return render_template("signin/history.html", entries=entries[: history.PAGE], more=len(entries) > history.PAGE)
