"""A holder's marked copies of a licence: making one, its link while that works, what became of each, and withdrawing a link that was not used.

A link's secret is kept nowhere but in the holder's own browser, in its signed form cookie, so that the page can be loaded again.
"""

from uuid import UUID

import segno
from flask import Blueprint, Response, current_app, flash, g, make_response, redirect, render_template, request
from flask import session as browser
from werkzeug.wrappers import Response as AnyResponse

from idp.signin import throttle
from idp.signin.callers import matched
from idp.subjects.directory import get_subject
from runtime.clock import now
from runtime.database import transaction
from runtime.guard import allow
from runtime.languages import Text
from runtime.settings import Settings
from wallet.holding import cards, marked_copies
from wallet.holding.copy_forms import MarkForm
from wallet.holding.marked_copies import CopyState, Link
from wallet.issuing.documents import kept
from wallet.register.due import said_of

copy_pages = Blueprint("copy_pages", __name__, template_folder="templates")
KEPT = "marked_copy"
STATES = {
    CopyState.WAITING: Text("链接待领取", "Its link waits"),
    CopyState.FETCHED: Text("已领取", "Fetched"),
    CopyState.WITHDRAWN: Text("已撤回", "Withdrawn"),
    CopyState.OVER: Text("链接已过期，未领取", "Its link is over; not fetched"),
}


@copy_pages.route("/wallet/cards/<uuid:licence_id>/copies", methods=["GET"])
@allow(matched)
def listed(licence_id: UUID) -> Response:
    """Show the form, and every copy that was made of the card."""
    return _list_page(licence_id, MarkForm())


@copy_pages.route("/wallet/cards/<uuid:licence_id>/copies", methods=["POST"])
@allow(matched)
def make(licence_id: UUID) -> AnyResponse:
    """Make a copy, and go on to its link."""
    form = MarkForm()
    if not form.validate():
        return _list_page(licence_id, form, status=422)
    link = _make(licence_id, form)
    browser[KEPT] = {"id": str(link.id), "secret": link.secret}
    return redirect(f"/wallet/cards/{licence_id}/copies/{link.id}", 303)


@copy_pages.route("/wallet/cards/<uuid:licence_id>/copies/<uuid:copy_id>", methods=["GET"])
@allow(matched)
def shown(licence_id: UUID, copy_id: UUID) -> str:
    """Show a copy: its link, while that works and in the browser that made it, and what became of it."""
    moment, given = now(), browser.get(KEPT, {})
    with transaction() as session:
        card = cards.get_card(session, licence_id, g.signed_in, now=moment)
        copy = marked_copies.get_copy(session, copy_id, holder_id=g.signed_in.holder_id, licence_id=licence_id)
        state, marking = copy.state_at(moment), copy.marking
    link = f"{_settings().public_url}/copies/{given['secret']}" if state is CopyState.WAITING and given.get("id") == str(copy_id) else None
    picture = segno.make_qr(link, error="l").svg_data_uri(scale=6, border=2, dark="#000", light="#fff") if link else None
    return render_template(
        "holding/copy.html", card=card, copy=copy, marking=marking, state=state, state_name=STATES[state], link=link, picture=picture
    )


@copy_pages.route("/wallet/cards/<uuid:licence_id>/copies/<uuid:copy_id>/withdrawal", methods=["POST"])
@allow(matched)
def withdraw(licence_id: UUID, copy_id: UUID) -> AnyResponse:
    """Withdraw a link that was not used."""
    moment, holder_id = now(), g.signed_in.holder_id
    with transaction() as session:
        cards.get_card(session, licence_id, g.signed_in, now=moment)
        marked_copies.get_copy(session, copy_id, holder_id=holder_id, licence_id=licence_id)
        marked_copies.withdraw(session, copy_id, holder_id=holder_id, person_id=g.signed_in.subject_id, now=moment)
    flash(str(Text("链接已撤回，不能再领取。", "The link was withdrawn; nobody can use it.")), "success")
    return redirect(f"/wallet/cards/{licence_id}/copies", 303)


def _make(licence_id: UUID, form: MarkForm) -> Link:
    """Read what the copy says, make it while no transaction is open, and write it down."""
    moment, holder_id, person_id = now(), g.signed_in.holder_id, g.signed_in.subject_id
    with transaction() as session:
        throttle.count(session, throttle.Try("document", str(holder_id), request.remote_addr or ""), now=moment)
    with transaction() as session:
        card = cards.get_card(session, licence_id, g.signed_in, now=moment)
        made_by, _ = said_of(session, card.licence, get_subject(session, holder_id))
        drafted = kept.draft(session, _settings(), card.licence, kind="a4", now=moment, holder_id=holder_id)
    marking = form.marking(card, made_by=made_by, now=moment)
    pdf = drafted.seal(_settings(), marking)
    with transaction() as session:
        until = g.signed_in.mandate.valid_until if g.signed_in.mandate else None
        return marked_copies.keep(session, drafted, pdf, marking, person_id=person_id, now=moment, until=until)


def _list_page(licence_id: UUID, form: MarkForm, *, status: int = 200) -> Response:
    moment = now()
    with transaction() as session:
        card = cards.get_card(session, licence_id, g.signed_in, now=moment)
        found = marked_copies.copies_of(session, holder_id=g.signed_in.holder_id, licence_id=licence_id)
        rows = [(one, one.marking, one.state_at(moment)) for one in found]
    return make_response(render_template("holding/copies.html", card=card, form=form, rows=rows, states=STATES), status)


def _settings() -> Settings:
    settings: Settings = current_app.extensions["kabao_settings"]
    return settings
