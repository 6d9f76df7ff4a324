"""Receipts: a department reads and lists its own again, and anyone may ask whether one is genuine."""

from typing import Any
from uuid import UUID

from flask import Response, current_app, g, request

from idp.oauth.callers import bearer
from idp.signin import throttle
from runtime import ledger
from runtime.clock import now
from runtime.database import transaction
from runtime.guard import allow, anyone
from runtime.openapi import FILE, ApiBlueprint
from runtime.pages import csrf
from runtime.settings import Settings
from schemas.receipts import ReceiptCheckRequestSchema, ReceiptCheckSchema, ReceiptSchema, ReceiptsQuerySchema, ReceiptsSchema
from wallet.verifying import receipt_listing
from wallet.verifying.judging import address_of, judge, judge_digest
from wallet.verifying.receipt_documents import MEDIA_TYPE, filed, make_document
from wallet.verifying.receipts import get_receipt

receipts = ApiBlueprint("receipts", __name__, description="Receipts of verifications and draws.")
csrf.exempt(receipts)
MEMBERS = ("id", "jws", "issued_at", "way", "verdict", "claims")


@receipts.route("/receipts", methods=["GET"])
@allow(bearer("receipts"))
@receipts.doc(security=[{"department": ["receipts"]}])
@receipts.arguments(ReceiptsQuerySchema, location="query")
@receipts.response(200, ReceiptsSchema)
def listed(query: dict[str, Any]) -> dict[str, Any]:
    """Give the receipts of the caller's department, the newest first."""
    limit = query.pop("limit")
    with transaction() as session:
        found, following = receipt_listing.list_receipts(session, receipt_listing.Wanted(**query), department=g.token.department, limit=limit)
    return {"receipts": found, "next": following}


@receipts.route("/receipts/<uuid:receipt_id>", methods=["GET"])
@allow(bearer("receipts"))
@receipts.doc(security=[{"department": ["receipts"]}])
@receipts.response(200, ReceiptSchema)
def read(receipt_id: UUID) -> dict[str, Any]:
    """Give a receipt that the caller's department made, with its proof once the ledger is sealed; any other is not found."""
    settings: Settings = current_app.extensions["kabao_settings"]
    with transaction() as session:
        receipt = get_receipt(session, receipt_id, department=g.token.department)
        proof = ledger.prove(session, receipt.ledger_entry_id)
    proven = {"sealed": proof is not None, "ledger": {**proof.as_json(), "row": proof.row} if proof else None}
    return {name: getattr(receipt, name) for name in MEMBERS} | proven | {"check_url": address_of(settings, receipt.id, receipt.jws)}


@receipts.route("/receipts/<uuid:receipt_id>/document", methods=["GET"])
@allow(bearer("receipts"))
@receipts.doc(security=[{"department": ["receipts"]}])
@receipts.response(200, FILE, content_type=MEDIA_TYPE)
def document(receipt_id: UUID) -> Response:
    """Make a receipt of the caller's department as a sealed PDF (PAdES B-LT) to file, with the signed receipt and its proof inside."""
    moment = now()
    with transaction() as session:
        throttle.count(session, throttle.Try("document", g.token.client_id, request.remote_addr or ""), now=moment)
    with transaction() as session:
        what = filed(session, get_receipt(session, receipt_id, department=g.token.department))
    return as_file(make_document(current_app.extensions["kabao_settings"], what, now=moment), receipt_id)


def as_file(made: bytes, receipt_id: UUID) -> Response:
    """Return a document as a file to keep, under the receipt's number."""
    headers = {"Content-Disposition": f'attachment; filename="receipt-{receipt_id}.pdf"', "Cache-Control": "no-store"}
    return Response(made, content_type=MEDIA_TYPE, headers=headers)


@receipts.route("/receipts/check", methods=["POST"])
@allow(anyone)
@receipts.arguments(ReceiptCheckRequestSchema)
@receipts.response(200, ReceiptCheckSchema)
def check(body: dict[str, Any]) -> dict[str, Any]:
    """Tell whether a receipt is genuine, and prove that it stands in the ledger; by number and digest, as on paper, nothing else is told of it."""
    with transaction() as session:
        found = judge(session, body["receipt"].strip()) if "receipt" in body else judge_digest(session, body["id"], body["digest"])
        return found.as_json()
