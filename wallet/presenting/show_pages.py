"""Showing a licence: choose the fields, then the code, for five minutes and one use.

The code's content is kept nowhere but in the holder's own browser, in its signed form cookie, so that the page can be
loaded again and tell how the code stands; no address holds it.
"""

from uuid import UUID

from flask import Blueprint, Response, current_app, g, jsonify, redirect, render_template
from flask import session as browser
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response as AnyResponse

from idp.signin.callers import matched
from runtime.clock import now
from runtime.database import transaction
from runtime.guard import allow
from runtime.languages import Text
from runtime.problems import Refusal
from runtime.settings import Settings
from wallet.holding import cards, history
from wallet.holding.cards import Card
from wallet.holding.history import Entry
from wallet.presenting import choosing, qr_codes, showing
from wallet.presenting.choosing import Choice, ChooseForm

show = Blueprint("show", __name__, template_folder="templates")
KEPT = "shown_code"


class CardNotShowable(Refusal):
    """The licence is not valid now, so nothing of it can be shown."""

    code, status, title = "card-not-showable", 409, Text("此证照当前不能出示。", "This licence cannot be shown now.")


@show.route("/wallet/cards/<uuid:licence_id>/show")
@allow(matched)
def choose(licence_id: UUID) -> str:
    """Ask which fields to show."""
    with transaction() as session:
        card, choices = _choices(session, licence_id)
    return _form_page(card, choices, _form(choices))


@show.route("/wallet/cards/<uuid:licence_id>/show", methods=["POST"])
@allow(matched)
def make_code(licence_id: UUID) -> tuple[str, int] | AnyResponse:
    """Make a code for the chosen fields; one of the same licence that still waited is withdrawn by it."""
    with transaction() as session:
        card, choices = _choices(session, licence_id)
        form = _form(choices)
        if not form.validate_on_submit():
            return _form_page(card, choices, form), 422
        who = {"holder_id": g.signed_in.holder_id, "person_id": g.signed_in.subject_id}
        code = qr_codes.create(session, **who, licence_id=licence_id, fields=form.wanted(), now=now())
    browser[KEPT] = {"id": str(code.id), "content": code.content}
    return redirect(f"/wallet/cards/{licence_id}/codes/{code.id}", 303)


@show.route("/wallet/cards/<uuid:licence_id>/codes/<uuid:code_id>")
@allow(matched)
def show_code(licence_id: UUID, code_id: UUID) -> str | AnyResponse:
    """Show the code while it waits, and afterwards what became of it."""
    moment = now()
    with transaction() as session:
        card = cards.get_card(session, licence_id, g.signed_in, now=moment)
        shown = showing.get_shown(session, code_id, holder_id=g.signed_in.holder_id, licence_id=licence_id, now=moment)
        uses = history.history_of(session, g.signed_in, licence_id=licence_id) if shown.spent_at else []
    content = _kept_content(code_id)
    if shown.state is showing.CodeState.WAITING and content is None:
        return redirect(f"/wallet/cards/{licence_id}/show", 303)
    return _code_page(card, shown, content or "", next((use for use in uses if use.at == shown.spent_at), None))


@show.route("/wallet/cards/<uuid:licence_id>/codes/<uuid:code_id>/state")
@allow(matched)
def tell_state(licence_id: UUID, code_id: UUID) -> Response:
    """Tell the page's script whether the code still waits."""
    with transaction() as session:
        cards.get_card(session, licence_id, g.signed_in, now=now())
        shown = showing.get_shown(session, code_id, holder_id=g.signed_in.holder_id, licence_id=licence_id, now=now())
    return jsonify(state=shown.state.value, seconds_left=shown.seconds_left)


def _choices(session: Session, licence_id: UUID) -> tuple[Card, list[Choice]]:
    card = cards.get_card(session, licence_id, g.signed_in, now=now())
    if not card.is_valid:
        raise CardNotShowable(f"state {card.state.value}", shown=card.why_not)
    return card, choosing.choices_of(card, cards.facts_of(session, card, revealed=False))


def _form(choices: list[Choice]) -> ChooseForm:
    form = ChooseForm()
    form.offer(choices)
    return form


def _form_page(card: Card, choices: list[Choice], form: ChooseForm) -> str:
    usual = {choice.name for choice in choices if choice.usual}
    return render_template("presenting/choose.html", card=card, form=form, usual=usual)


def _code_page(card: Card, shown: showing.Shown, content: str, use: Entry | None) -> str:
    settings: Settings = current_app.extensions["kabao_settings"]
    return render_template(
        "presenting/code.html",
        card=card,
        shown=shown,
        use=use,
        content=content,
        picture=showing.picture_of(content) if content else "",
        spoken=showing.spoken(content),
        fields=shown.fields,
        labels=[cards.label_of(card.type, name) for name in cards.in_order(card.type, shown.fields)],
        lifetime=int(settings.qr_lifetime.total_seconds()),
    )


def _kept_content(code_id: UUID) -> str | None:
    kept = browser.get(KEPT, {})
    return kept.get("content") if kept.get("id") == str(code_id) else None
