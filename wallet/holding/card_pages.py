"""One card: its face, what it says, what became of it, who looked, and what was taken of it."""

from uuid import UUID

from flask import Blueprint, g, render_template, request

from idp.signin.callers import matched
from runtime.clock import now
from runtime.database import transaction
from runtime.guard import allow
from wallet.holding import cards, favourites, history
from wallet.holding.lives import life_of
from wallet.holding.taken import taken_of

card_pages = Blueprint("card", __name__, template_folder="templates")


@card_pages.route("/wallet/cards/<uuid:licence_id>")
@allow(matched)
def show(licence_id: UUID) -> str:
    """Show one card, its facts covered."""
    return _card_page(licence_id, revealed=False)


@card_pages.route("/wallet/cards/<uuid:licence_id>", methods=["POST"])
@allow(matched)
def reveal(licence_id: UUID) -> str:
    """Show one card with its facts open; by POST, so that no address, and no look back at one, uncovers them."""
    return _card_page(licence_id, revealed=True)


@card_pages.route("/wallet/cards/<uuid:licence_id>/history")
@allow(matched)
def show_history(licence_id: UUID) -> str:
    """Show every look at one card, a page at a time."""
    with transaction() as session:
        card = cards.get_card(session, licence_id, g.signed_in, now=now())
        before = request.args.get("before", type=UUID)
        entries = history.history_of(session, g.signed_in, licence_id=licence_id, before=before, limit=history.PAGE + 1)
    return render_template("holding/history.html", card=card, entries=entries[: history.PAGE], more=len(entries) > history.PAGE)


def _card_page(licence_id: UUID, *, revealed: bool) -> str:
    moment, holder_id = now(), g.signed_in.holder_id
    with transaction() as session:
        card = cards.get_card(session, licence_id, g.signed_in, now=moment)
        facts = cards.facts_of(session, card, revealed=revealed)
        entries = history.history_of(session, g.signed_in, licence_id=licence_id, limit=history.FIRST + 1)
        life = life_of(session, card.licence, holder_id=holder_id)
        taken = taken_of(session, holder_id=holder_id, licence_id=licence_id, now=moment)
        is_favourite = bool(favourites.favourites_among(session, g.signed_in.subject_id, [licence_id]))
    return render_template(
        "holding/card.html",
        card=card,
        face=cards.face_of(card, facts),
        facts=facts,
        revealed=revealed,
        entries=entries[: history.FIRST],
        more=len(entries) > history.FIRST,
        life=life,
        taken=taken,
        is_favourite=is_favourite,
    )
