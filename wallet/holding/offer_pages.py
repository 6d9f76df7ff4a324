"""A holder puts a licence into another wallet, sees which wallets have it, and takes it back from one.

The link of an offer and its transaction code are kept nowhere but in the holder's own browser, in its signed form cookie, so that the page can
be loaded again; no address holds them.
"""

from dataclasses import dataclass
from uuid import UUID

import segno
from flask import Blueprint, Response, current_app, g, jsonify, redirect, render_template, request
from flask import session as browser
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response as AnyResponse

from idp.oauth.clients import find_client
from idp.oauth.exchange import pre_authorized_grant
from idp.oauth.grantees import Grantee
from idp.signin.callers import matched
from runtime.clock import now
from runtime.database import transaction
from runtime.guard import allow
from runtime.languages import Text
from runtime.problems import Refusal
from runtime.settings import Settings
from wallet.holding import cards
from wallet.issuing import formats
from wallet.issuing.oid4vci import elsewhere, offers, taking_back
from wallet.issuing.oid4vci.elsewhere import Keeping
from wallet.issuing.oid4vci.offers import CredentialOffer, OfferNotFound

offer_pages = Blueprint("offer_pages", __name__, template_folder="templates")
KEPT = "credential_offer"
WAITING, TAKEN, OVER = "waiting", "taken", "over"
UNKNOWN = Text("未登记的卡包应用", "A wallet that is not registered")


class CardNotOffered(Refusal):
    """The licence is not in force, so no wallet can have it."""

    code, status, title = "card-not-offerable", 409, Text("此证照当前不能放入其他卡包。", "This licence cannot be put into another wallet now.")


@dataclass(frozen=True, slots=True)
class Keeper:
    """A wallet that holds a licence, by the name that the holder knows it by."""

    keeping: Keeping
    name: Text
    forms: tuple[Text, ...]


@offer_pages.route("/wallet/cards/<uuid:licence_id>/wallets")
@allow(matched)
def wallets(licence_id: UUID) -> str:
    """Show which wallets have the licence, and how to put it into another."""
    with transaction() as session:
        card = cards.get_card(session, licence_id, g.signed_in, now=now())
        keepers = _keepers(session, licence_id)
    return render_template("holding/wallets.html", card=card, keepers=keepers, most=elsewhere.MOST_WALLETS)


@offer_pages.route("/wallet/cards/<uuid:licence_id>/wallets", methods=["POST"])
@allow(matched)
def make_offer(licence_id: UUID) -> AnyResponse:
    """Make an offer; one of the same licence that still waited is withdrawn by it."""
    settings, moment = _settings(), now()
    with transaction() as session:
        card = cards.get_card(session, licence_id, g.signed_in, now=moment)
        if not card.is_valid:
            raise CardNotOffered(f"state {card.state.value}", shown=card.why_not)
        is_pre_authorized = request.form.get("way") != "sign-in"
        actor = f"subject:{g.signed_in.subject_id}"
        made = offers.make(session, card.licence, _grantee(), pre_authorize=is_pre_authorized, settings=settings, actor=actor, now=moment)
    browser[KEPT] = {"id": str(made.id), "reference": made.reference, "tx_code": made.tx_code}
    return redirect(f"/wallet/cards/{licence_id}/offers/{made.id}", 303)


@offer_pages.route("/wallet/cards/<uuid:licence_id>/offers/<uuid:offer_id>")
@allow(matched)
def show_offer(licence_id: UUID, offer_id: UUID) -> str | AnyResponse:
    """Show the offer while it waits, and afterwards what became of it."""
    moment = now()
    with transaction() as session:
        card = cards.get_card(session, licence_id, g.signed_in, now=moment)
        offer = _offer(session, licence_id, offer_id)
        state = _state(session, offer)
    kept = browser.get(KEPT, {})
    if state == WAITING and kept.get("id") != str(offer_id):
        return redirect(f"/wallet/cards/{licence_id}/wallets", 303)
    link = offers.link_to(kept.get("reference", ""), _settings())
    return render_template(
        "holding/offer.html",
        card=card,
        offer=offer,
        state=state,
        link=link,
        picture=segno.make_qr(link, error="l").svg_data_uri(scale=6, border=2, dark="#000", light="#fff"),
        tx_code=kept.get("tx_code"),
        seconds_left=max(0, round((offer.made_at + offers.LIFETIME - moment).total_seconds())),
        ends_at=offer.made_at + offers.LIFETIME,
        lifetime=int(offers.LIFETIME.total_seconds()),
        takes_any=pre_authorized_grant.find_anonymous(_settings()) is not None,
    )


@offer_pages.route("/wallet/cards/<uuid:licence_id>/offers/<uuid:offer_id>/state")
@allow(matched)
def tell_state(licence_id: UUID, offer_id: UUID) -> Response:
    """Tell the page's script whether the offer still waits."""
    with transaction() as session:
        cards.get_card(session, licence_id, g.signed_in, now=now())
        state = _state(session, _offer(session, licence_id, offer_id))
    return jsonify(state=state)


@offer_pages.route("/wallet/cards/<uuid:licence_id>/wallets/taking-back", methods=["POST"])
@allow(matched)
def take_back(licence_id: UUID) -> AnyResponse:
    """Take the licence back from a wallet."""
    with transaction() as session:
        card = cards.get_card(session, licence_id, g.signed_in, now=now())
        taking_back.take_back(session, card.licence, _grantee(), client_id=request.form.get("client_id", "")[:200], now=now())
    return redirect(f"/wallet/cards/{licence_id}/wallets", 303)


def _keepers(session: Session, licence_id: UUID) -> list[Keeper]:
    found = elsewhere.keepings_of(session, holder_id=g.signed_in.holder_id, licence_id=licence_id, now=now())
    return [Keeper(one, name_of_wallet(one.client_id), tuple(formats.WORDS.get(form, Text(form, form)) for form in one.formats)) for one in found]


def name_of_wallet(client_id: str) -> Text:
    """Return what a wallet elsewhere is called; one that signed in nowhere has no name."""
    anonymous = pre_authorized_grant.find_anonymous(_settings())
    client = find_client(client_id)
    return UNKNOWN if client is None or (anonymous is not None and anonymous.client_id == client_id) else client.name


def _offer(session: Session, licence_id: UUID, offer_id: UUID) -> CredentialOffer:
    offer = offers.find(session, offer_id, holder_id=g.signed_in.holder_id)
    if offer is None or offer.licence_id != licence_id:
        raise OfferNotFound
    return offer


def _state(session: Session, offer: CredentialOffer) -> str:
    if offers.is_taken(session, offer):
        return TAKEN
    return WAITING if offer.withdrawn_at is None and offer.made_at > now() - offers.LIFETIME else OVER


def _grantee() -> Grantee:
    return Grantee(g.signed_in.holder_id, g.signed_in.subject_id)


def _settings() -> Settings:
    settings: Settings = current_app.extensions["kabao_settings"]
    return settings
