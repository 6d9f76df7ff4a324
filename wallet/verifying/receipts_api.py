"""Receipts: a department reads its own again, and anyone may ask whether one is genuine."""

from typing import Any
from uuid import UUID

from flask import g

from idp.oauth.callers import bearer
from runtime.database import transaction
from runtime.guard import allow, anyone
from runtime.openapi import ApiBlueprint
from runtime.pages import csrf
from schemas.receipts import ReceiptCheckRequestSchema, ReceiptCheckSchema, ReceiptSchema
from wallet.verifying.receipts import get_receipt, judge

receipts = ApiBlueprint("receipts", __name__, description="Receipts of verifications and draws.")
csrf.exempt(receipts)


@receipts.route("/receipts/<uuid:receipt_id>", methods=["GET"])
@allow(bearer("receipts"))
@receipts.doc(security=[{"department": ["receipts"]}])
@receipts.response(200, ReceiptSchema)
def read(receipt_id: UUID) -> dict[str, Any]:
    """Give a receipt that the caller's department made; any other is not found."""
    with transaction() as session:
        receipt = get_receipt(session, receipt_id, department=g.token.department)
    return {name: getattr(receipt, name) for name in ("id", "jws", "issued_at", "way", "verdict", "claims")}


@receipts.route("/receipts/check", methods=["POST"])
@allow(anyone)
@receipts.arguments(ReceiptCheckRequestSchema)
@receipts.response(200, ReceiptCheckSchema)
def check(body: dict[str, Any]) -> dict[str, Any]:
    """Tell whether a receipt is genuine, and prove that it stands in the ledger."""
    with transaction() as session:
        return judge(session, body["receipt"].strip()).as_json()
