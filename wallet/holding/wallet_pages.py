"""The wallet's pages: the cards, and the history of uses. Whoever acts for an organisation sees its wallet."""

from uuid import UUID

from flask import Blueprint, g, redirect, render_template, request
from werkzeug.wrappers import Response

from idp.signin.callers import matched
from idp.signin.destinations import local_path
from idp.subjects import directory
from runtime.clock import now
from runtime.database import transaction
from runtime.guard import allow
from runtime.problems import InvalidBody
from wallet.holding import awaiting, cards, favourites, history, sifting
from wallet.holding.piles import Place, sums_of
from wallet.holding.shelf import numbered_shelf, shelf_of
from wallet.holding.sifting import FAVOURITE, Sieve

wallet = Blueprint("wallet", __name__, template_folder="templates")
AT_HAND = Sieve(show=FAVOURITE)


@wallet.route("/wallet")
@allow(matched)
def show_cards() -> str:
    """Show the cards, by family: all, or those that the address asks for."""
    return _cards_page(Sieve.of(family=request.args.get("family"), show=request.args.get("show")), Place.read(request.args.get("after")))


@wallet.route("/wallet", methods=["POST"])
@allow(matched)
def search() -> str:
    """Show the cards of which some words are said, or that of a licence number; by POST, so that no address holds what was looked for."""
    return _cards_page(Sieve.of(words=request.form.get("words", "")), Place.read(request.form.get("after")))


@wallet.route("/wallet/favourites", methods=["POST"])
@allow(matched)
def favour() -> Response:
    """Keep a card at hand (`add`), or no longer (`remove`)."""
    added, removed, person_id = request.form.get("add"), request.form.get("remove"), g.signed_in.subject_id
    with transaction() as session:
        if added is not None:
            card = cards.get_card(session, _licence_id(added, "add"), g.signed_in, now=now())
            favourites.add(session, person_id, card.id, now=now())
        else:
            favourites.remove(session, person_id, _licence_id(removed or "", "remove"))
    return redirect(local_path(request.form.get("next") or "/wallet"), 303)


@wallet.route("/wallet/history")
@allow(matched)
def show_history() -> str:
    """Show who looked at which card, when and why."""
    with transaction() as session:
        entries = history.history_of(session, g.signed_in, before=request.args.get("before", type=UUID), limit=history.PAGE + 1)
    return render_template("holding/history.html", entries=entries[: history.PAGE], more=len(entries) > history.PAGE)


def _cards_page(sieve: Sieve, after: Place | None) -> str:
    viewer, moment = g.signed_in, now()
    with transaction() as session:
        holder = directory.get_subject(session, viewer.holder_id)  # held: the cards of both shelves ask for it again
        waits = awaiting.awaiting(session, viewer, now=moment)
        sums = sums_of(session, viewer, now=moment)
        page = numbered_shelf(session, viewer, sieve.words, now=moment) if sieve.words and after is None else None
        if page is None or not page.cards:
            page = shelf_of(session, viewer, sieve, now=moment, sums=sums, after=after, without_favourites=sieve.is_open)
        has_first = sieve.is_open and after is None and sums.shows[FAVOURITE] > 0
        first = shelf_of(session, viewer, AT_HAND, now=moment, sums=sums).cards if has_first else []
        kept = {card.id for card in first}
        if not sieve.is_open:
            kept = favourites.favourites_among(session, viewer.subject_id, [card.id for card in page.cards])
    return render_template(
        "holding/wallet.html",
        families=cards.by_family(page.cards),
        page=page,
        is_whole=page.after is None and after is None,
        is_first=after is None,
        at_hand=[card for card in first if not card.licence.is_succeeded],
        favourites=kept,
        sieve=sieve,
        shows=sifting.SHOWS,
        counts=sums.shows,
        own_families=sums.families,
        count=sums.count,
        waits=waits,
        most_others=awaiting.MOST_OTHERS,
        holder=cards.shown_name(holder),
        acting=g.signed_in.acting_for is not None,
        for_child=g.signed_in.mandate is not None and g.signed_in.mandate.is_for_child,
    )


def _licence_id(unverified: str, field: str) -> UUID:
    try:
        return UUID(unverified)
    except ValueError as error:
        raise InvalidBody("not an id", field=field) from error
