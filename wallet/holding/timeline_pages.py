"""The page of a life on record: from the first licence to today, or back; made to be printed, too."""

from flask import Blueprint, g, render_template, request

from idp.signin.callers import matched
from runtime.clock import now
from runtime.database import transaction
from runtime.guard import allow
from wallet.holding import cards
from wallet.holding.timeline import timeline_of

timeline_pages = Blueprint("timeline", __name__, template_folder="templates")
NEWEST = "newest"


@timeline_pages.route("/wallet/timeline")
@allow(matched)
def show() -> str:
    """Show the whole timeline, the first year first unless the newest is asked for."""
    with transaction() as session:
        line = timeline_of(session, g.signed_in, now=now())
        holder = cards.holder_of(session, g.signed_in)
    backwards = request.args.get("order") == NEWEST
    years = [(one.year, tuple(reversed(one.moments)) if backwards else one.moments) for one in line.years]
    return render_template("holding/timeline.html", line=line, years=years[::-1] if backwards else years, backwards=backwards, holder=holder)
