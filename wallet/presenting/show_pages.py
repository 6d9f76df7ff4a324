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
from wallet.holding.shelf import shelf_of
from wallet.holding.sifting import VALID, Sieve
from wallet.presenting import choosing, qr_codes, showing, stating
from wallet.presenting.choosing import Choice, ChooseForm
from wallet.presenting.statements import HOLDS, KINDS, REPRESENTS, Question

show = Blueprint("show", __name__, template_folder="templates")
KEPT, REMEMBERED = "shown_code", "presets"
MOST_OTHERS, MOST_REMEMBERED = 30, 12


class CardNotShowable(Refusal):
    """The licence is not valid now, so nothing of it can be shown."""

    code, status, title = "card-not-showable", 409, Text("此证照当前不能出示。", "This licence cannot be shown now.")


@show.route("/wallet/cards/<uuid:licence_id>/show")
@allow(matched)
def choose(licence_id: UUID) -> str:
    """Ask which fields to show."""
    with transaction() as session:
        card, choices = _choices(session, licence_id)
        form = _form(session, card, choices, _others(session, card))
    remembered = browser.get(REMEMBERED, {}).get(card.type.code)
    if remembered in form.presets:
        form.preset.data = remembered
    return _form_page(card, choices, form)


@show.route("/wallet/cards/<uuid:licence_id>/show", methods=["POST"])
@allow(matched)
def make_code(licence_id: UUID) -> tuple[str, int] | AnyResponse:
    """Make a code for the chosen fields; one of the same licence that still waited is withdrawn by it."""
    with transaction() as session:
        card, choices = _choices(session, licence_id)
        others = _others(session, card)
        form = _form(session, card, choices, others)
        if not form.validate_on_submit():
            return _form_page(card, choices, form), 422
        also = {one.id: form.wanted_of(_choices_of(session, one)) for one in others if str(one.id) in (form.also.data or ()) and not form.statement}
        until = g.signed_in.mandate.valid_until if g.signed_in.mandate else None
        who = {"holder_id": g.signed_in.holder_id, "person_id": g.signed_in.subject_id, "until": until}
        code = qr_codes.create(session, **who, licence_id=licence_id, fields=form.wanted(), also=also, statement=form.statement, now=now())
    _remember(card, form.preset.data)
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
        also = [_also(session, UUID(one), names) for one, names in shown.also.items()]
    content = _kept_content(code_id)
    if shown.state is showing.CodeState.WAITING and content is None:
        return redirect(f"/wallet/cards/{licence_id}/show", 303)
    return _code_page(card, shown, content or "", next((use for use in uses if use.at == shown.spent_at), None), also)


@show.route("/wallet/cards/<uuid:licence_id>/codes/<uuid:code_id>/withdrawal", methods=["POST"])
@allow(matched)
def withdraw(licence_id: UUID, code_id: UUID) -> AnyResponse:
    """Let a code that nobody used yet end now; one that was used says so on its page."""
    with transaction() as session:
        cards.get_card(session, licence_id, g.signed_in, now=now())
        showing.get_shown(session, code_id, holder_id=g.signed_in.holder_id, licence_id=licence_id, now=now())
        qr_codes.withdraw(session, code_id, holder_id=g.signed_in.holder_id, person_id=g.signed_in.subject_id, now=now())
    return redirect(f"/wallet/cards/{licence_id}/codes/{code_id}", 303)


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
    return card, _choices_of(session, card)


def _choices_of(session: Session, card: Card) -> list[Choice]:
    return choosing.choices_of(card, cards.facts_of(session, card, revealed=False), choosing.matters_for(session, card))


def _others(session: Session, card: Card) -> list[Card]:
    """Return the other valid cards of the wallet, those that stand first in it."""
    found = shelf_of(session, g.signed_in, Sieve(show=VALID), now=now(), limit=MOST_OTHERS + 1).cards
    return [one for one in found if one.id != card.id][:MOST_OTHERS]


def _also(session: Session, licence_id: UUID, names: list[str]) -> tuple[Card, list[Text]]:
    """Return a further card under a code, and what is seen of it."""
    card = cards.get_card(session, licence_id, g.signed_in, now=now())
    return card, [cards.label_of(card.type, name) for name in cards.in_order(card.type, names)]


def _remember(card: Card, preset: str) -> None:
    """Remember which preset was used last for a type of licence, in this browser and until its sign-out."""
    kept = {**browser.get(REMEMBERED, {}), card.type.code: preset}
    browser[REMEMBERED] = dict(list(kept.items())[-MOST_REMEMBERED:])


def _form(session: Session, card: Card, choices: list[Choice], others: list[Card]) -> ChooseForm:
    form = ChooseForm()
    form.offer(choices, choosing.matters_for(session, card), others)
    form.leave_out(*(kind for kind in KINDS if not _is_stated(session, kind)))
    return form


def _is_stated(session: Session, kind: str) -> bool:
    """Whether a yes or no can be said under a card; for whom someone acts only while they do."""
    if kind == HOLDS:
        return True
    if kind == REPRESENTS and g.signed_in.acting_for is None:
        return False
    who = {"holder_id": g.signed_in.holder_id, "person_id": g.signed_in.subject_id}
    return bool(stating.statements_of(session, Question(kind), **who, now=now()))


def _form_page(card: Card, choices: list[Choice], form: ChooseForm) -> str:
    meant = {choice.name: " ".join(word for word in form.presets if choice.is_in(word)) for choice in choices}
    return render_template("presenting/choose.html", card=card, form=form, meant=meant, most=qr_codes.MOST_LICENCES)


def _code_page(card: Card, shown: showing.Shown, content: str, use: Entry | None, also: list[tuple[Card, list[Text]]]) -> str:
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
        also=also,
        preset=browser.get(REMEMBERED, {}).get(card.type.code) if also else next((one for one in shown.fields if one in KINDS), None),
        labels=[cards.label_of(card.type, name) for name in cards.in_order(card.type, shown.fields)],
        lifetime=int(settings.qr_lifetime.total_seconds()),
    )


def _kept_content(code_id: UUID) -> str | None:
    kept = browser.get(KEPT, {})
    return kept.get("content") if kept.get("id") == str(code_id) else None
