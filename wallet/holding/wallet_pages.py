"""The wallet's pages: the cards, one card, and the history of uses. Whoever acts for an organisation sees its wallet."""

from uuid import UUID

from flask import Blueprint, g, render_template, request

from idp.signin.callers import matched
from idp.subjects import directory
from runtime.clock import now
from runtime.database import transaction
from runtime.guard import allow
from wallet.holding import cards, history

wallet = Blueprint("wallet", __name__, template_folder="templates")


@wallet.route("/wallet")
@allow(matched)
def show_cards() -> str:
    """Show every card, by family."""
    with transaction() as session:
        found = cards.cards_of(session, g.signed_in, now=now())
        holder = cards.shown_name(directory.get_subject(session, g.signed_in.holder_id))
    return render_template(
        "holding/wallet.html",
        families=cards.by_family(found),
        count=len(found),
        valid_count=sum(card.is_valid for card in found),
        holder=holder,
        acting=g.signed_in.acting_for is not None,
        for_child=g.signed_in.mandate is not None and g.signed_in.mandate.is_for_child,
    )


@wallet.route("/wallet/cards/<uuid:licence_id>")
@allow(matched)
def show_card(licence_id: UUID) -> str:
    """Show one card, its facts covered."""
    return _card_page(licence_id, revealed=False)


@wallet.route("/wallet/cards/<uuid:licence_id>", methods=["POST"])
@allow(matched)
def reveal_card(licence_id: UUID) -> str:
    """Show one card with its facts open; by POST, so that no address, and no look back at one, uncovers them."""
    return _card_page(licence_id, revealed=True)


@wallet.route("/wallet/history")
@allow(matched)
def show_history() -> str:
    """Show who looked at which card, when and why."""
    with transaction() as session:
        entries = history.history_of(session, g.signed_in, before=request.args.get("before", type=UUID))
    return render_template("holding/history.html", entries=entries, more=len(entries) == history.PAGE)


def _card_page(licence_id: UUID, *, revealed: bool) -> str:
    with transaction() as session:
        card = cards.get_card(session, licence_id, g.signed_in, now=now())
        facts = cards.facts_of(session, card, revealed=revealed)
        entries = history.history_of(session, g.signed_in, licence_id=licence_id)
    face = cards.face_of(card, facts)
    return render_template("holding/card.html", card=card, face=face, facts=facts, revealed=revealed, entries=entries)
