"""The holder's own sealed documents: asked for on the card's page, made at once, given as a file, and written into the history."""

from uuid import UUID

from flask import Blueprint, Response, current_app, g, request

from idp.signin import throttle
from idp.signin.callers import matched
from runtime.clock import now
from runtime.database import transaction
from runtime.guard import allow
from runtime.problems import InvalidBody
from schemas.documents import KINDS
from wallet.holding import cards
from wallet.holding.uses import Way, record_use
from wallet.issuing.desk.own_causes import DOWNLOADED
from wallet.issuing.documents import kept
from wallet.issuing.documents_api import as_file

document_pages = Blueprint("document_pages", __name__)


@document_pages.route("/wallet/cards/<uuid:licence_id>/document", methods=["POST"])
@allow(matched)
def download(licence_id: UUID) -> Response:
    """Give a fresh document of a card that is in force; by POST, so that no address leads to one."""
    kind, moment, settings = request.form.get("kind", ""), now(), current_app.extensions["kabao_settings"]
    if kind not in KINDS:
        raise InvalidBody("another form of document", field="kind")
    holder_id, actor = g.signed_in.holder_id, f"subject:{g.signed_in.subject_id}"
    with transaction() as session:
        throttle.count(session, throttle.Try("document", str(holder_id), request.remote_addr or ""), now=moment)
    with transaction() as session:
        card = cards.get_card(session, licence_id, g.signed_in, now=moment)
        draft = kept.draft(session, settings, card.licence, kind=kind, now=moment, holder_id=holder_id)
        fields = [fact.name for fact in cards.facts_of(session, card, revealed=False)]
    made = draft.seal(settings)
    use = {"holder_id": holder_id, "licence_id": licence_id, "department": card.licence.issuer_code, "cause": str(DOWNLOADED[kind]), "fields": fields}
    with transaction() as session:
        document_id = kept.keep(session, draft, actor=actor, now=now())
        record_use(session, **use, way=Way.DOCUMENT, verdict="valid", receipt_id=document_id, now=moment, acted_by=g.signed_in.subject_id)
    return as_file(made, card.licence, form=kind)
