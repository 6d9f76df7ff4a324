"""The page of a life on record: from the first licence to today, or back; made to be printed, too."""

from flask import Blueprint, g, render_template, request

from idp.signin.callers import matched
from runtime.clock import now
from runtime.database import transaction
from runtime.guard import allow
from wallet.holding import cards
from wallet.holding.timeline import Place, timeline_of

timeline_pages = Blueprint("timeline", __name__, template_folder="templates")
NEWEST = "newest"


@timeline_pages.route("/wallet/timeline")
@allow(matched)
def show() -> str:
    """Show a page of the timeline, the first year first unless the newest is asked for."""
    backwards, after = request.args.get("order") == NEWEST, Place.read(request.args.get("after"))
    with transaction() as session:
        line = timeline_of(session, g.signed_in, now=now(), backwards=backwards, after=after)
        holder = cards.holder_of(session, g.signed_in)
    return render_template("holding/timeline.html", line=line, backwards=backwards, is_first=after is None, holder=holder)
