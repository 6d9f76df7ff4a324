"""A code that is checked without a network: a few fields of a licence, signed by its issuer and fresh for a day. The licence's identifier always goes
along: whoever is online asks the register by it.

Other than the code that works once it proves these words, not who shows them, and whoever photographs it has them; the page says so. Made by
POST and answered with the code at once, so that no address leads to it.
"""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from flask import Blueprint, current_app, g, render_template

from idp.signin.callers import matched
from runtime import ledger
from runtime.clock import now
from runtime.database import transaction
from runtime.guard import allow
from runtime.languages import Text
from runtime.settings import Settings
from wallet.holding import cards
from wallet.issuing import compact
from wallet.issuing.contents import Content, content_of
from wallet.issuing.credentials import credential_of
from wallet.presenting import choosing, showing, statements
from wallet.presenting.choosing import ALL, ChooseForm
from wallet.presenting.show_pages import CardNotShowable

offline_pages = Blueprint("offline_pages", __name__, template_folder="templates")
FRESH_FOR = timedelta(hours=24)
IDENTIFIER = "licence_identifier"
LAST = datetime.max.replace(tzinfo=UTC)
LONGEST = 900  # letters: a picture of version 19 at most, which a phone shows coarsely enough
TOO_MUCH = Text("内容太多，二维码放不下，请少选几项。", "That is too much for one picture: choose fewer fields.")


@offline_pages.route("/wallet/cards/<uuid:licence_id>/offline", methods=["GET", "POST"])
@allow(matched)
def show(licence_id: UUID) -> tuple[str, int] | str:
    """Ask which fields, and show the code for them."""
    settings: Settings = current_app.extensions["kabao_settings"]
    moment = now()
    with transaction() as session:
        card = cards.get_card(session, licence_id, g.signed_in, now=moment)
        if not card.is_valid:
            raise CardNotShowable(f"state {card.state.value}", shown=card.why_not)
        matters = choosing.matters_for(session, card)
        choices = choosing.choices_of(card, cards.facts_of(session, card, revealed=False), matters)
        form = ChooseForm()
        form.offer(choices, matters)
        form.leave_out(ALL, *statements.KINDS)
        if not form.validate_on_submit():
            meant = {one.name: " ".join(word for word in form.presets if one.is_in(word)) for one in choices}
            return _form_page(card, form, meant, 422 if form.is_submitted() else 200)
        wanted = form.wanted()
        content = content_of(session, settings, card.licence, holder_id=card.holder_id)
        place = credential_of(session, card.licence, holder_id=card.holder_id).place
        until = _until(content, moment)
        shown = list(dict.fromkeys((*wanted, IDENTIFIER)))
        code = compact.make(settings, content, fields=shown, fresh_for=until - moment, now=moment, place=place)
        if len(code) > LONGEST:
            form.form_errors.append(TOO_MUCH)
            return _form_page(card, form, {}, 422)
        about: dict[str, Any] = {"object_id": licence_id, "subject_id": card.holder_id, "now": moment}
        ledger.record(session, "code.made", actor=f"subject:{g.signed_in.subject_id}", **about, type=card.type.code, fields=shown)
    return render_template(
        "presenting/offline.html",
        card=card,
        picture=showing.picture_of(code),
        until=until,
        labels=[cards.label_of(card.type, name) for name in cards.in_order(card.type, shown)],
    )


def _until(content: Content, moment: datetime) -> datetime:
    """Return until when a code is fresh: for a day, but no longer than the licence, nor than the right of whoever makes it for another."""
    right = g.signed_in.mandate.valid_until if g.signed_in.mandate else None
    return min(moment + FRESH_FOR, *(one for one in (content.expires_at, right, LAST) if one))


def _form_page(card: cards.Card, form: ChooseForm, meant: dict[str, str], status: int) -> tuple[str, int]:
    return render_template("presenting/choose.html", card=card, form=form, meant=meant, offline=True), status
