"""What a browser may keep of a wallet, to show it without a network: cards with names and numbers covered, as a document.

`wallet` is the mark of one wallet in one sign-in. A browser keeps what bears its present mark alone, and forgets all else as soon as a page
with another mark, or with none, is loaded: whoever signs in next finds nothing of the one before.
"""

import hashlib
import hmac
from typing import Any

from flask import current_app
from flask_babel import force_locale, format_date

from idp.signin.sessions import SignedIn
from runtime.languages import LOCALES, Text
from wallet.holding.cards import Card

MOST = 60
NO_END = Text("长期有效", "No expiry")
UNTIL = Text("有效期至 {}", "Valid until {}")


def mark_of(viewer: SignedIn) -> str:
    """Return the mark of the wallet that is before its viewer, which says nothing of either."""
    key = current_app.extensions["kabao_settings"].derived_key("kept")
    return hmac.new(key, viewer.session_id.bytes + viewer.holder_id.bytes, hashlib.sha256).hexdigest()[:32]


def document_of(viewer: SignedIn, cards: list[Card]) -> dict[str, Any]:
    """Return what a browser may keep of some cards, of which `MOST` are given at most."""
    return {"wallet": mark_of(viewer), "cards": [_card(card) for card in cards]}


def _card(card: Card) -> dict[str, Any]:
    return {
        "id": str(card.id),
        "name": card.name.as_json(),
        "issuer": card.issuer.as_json(),
        "holder": card.holder,
        "number": card.number,
        "colour": card.colour,
        "state": card.state.value,
        "state_name": card.state_name.as_json(),
        "is_valid": card.is_valid,
        "last_day": card.valid_until.isoformat() if card.valid_until else None,
        "validity": _validity(card).as_json(),
    }


def _validity(card: Card) -> Text:
    if card.valid_until is None:
        return NO_END
    days = {}
    for form, locale in LOCALES.items():
        with force_locale(locale):
            days[form] = format_date(card.valid_until, "medium")
    return Text(UNTIL.zh.format(days["zh"]), UNTIL.en.format(days["en"]))
