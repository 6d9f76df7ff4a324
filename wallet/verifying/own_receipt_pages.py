"""The holder's own receipt of a use: what the department filed, to read, to keep as signed text or sealed PDF, and to check on the public page.

A receipt says which department looked, why, at which fields, and never their values. Which officer that was is the department's own affair and
stands in no receipt; who acted for the holder is the holder's, and stands in none either.
"""

from uuid import UUID

from flask import Blueprint, Response, current_app, g, render_template, request
from sqlalchemy.orm import Session

from idp.signin import throttle
from idp.signin.callers import matched
from runtime import ledger
from runtime.clock import now
from runtime.database import transaction
from runtime.guard import allow
from wallet.holding.ratings import UseNotFound, get_use
from wallet.verifying import reading
from wallet.verifying.judging import address_of
from wallet.verifying.receipt_documents import filed, make_document
from wallet.verifying.receipts import Receipt, ReceiptNotFound
from wallet.verifying.receipts_api import as_file

own_receipts = Blueprint("own_receipts", __name__, template_folder="templates")
JWS_TYPE = "application/jwt"


@own_receipts.route("/wallet/history/<uuid:use_id>/receipt")
@allow(matched)
def show(use_id: UUID) -> str:
    """Show what a receipt says, with the ways to keep it and to check it."""
    with transaction() as session:
        receipt = _receipt(session, use_id)
        proof = ledger.prove(session, receipt.ledger_entry_id)
        jws, claims = receipt.jws, receipt.claims
    address = address_of(current_app.extensions["kabao_settings"], receipt.id, jws)
    return render_template(
        "verifying/own_receipt.html", use_id=use_id, reading=reading.read_claims(claims), jws=jws, address=address, is_sealed=proof is not None
    )


@own_receipts.route("/wallet/history/<uuid:use_id>/receipt/signed")
@allow(matched)
def signed(use_id: UUID) -> Response:
    """Give the signed text as a file."""
    with transaction() as session:
        receipt = _receipt(session, use_id)
        jws, number = receipt.jws, receipt.id
    headers = {"Content-Disposition": f'attachment; filename="receipt-{number}.jwt"', "Cache-Control": "no-store"}
    return Response(jws, content_type=JWS_TYPE, headers=headers)


@own_receipts.route("/wallet/history/<uuid:use_id>/receipt/document")
@allow(matched)
def document(use_id: UUID) -> Response:
    """Give the receipt as a sealed PDF, with the signed text and its proof inside."""
    moment = now()
    with transaction() as session:
        throttle.count(session, throttle.Try("document", str(g.signed_in.holder_id), request.remote_addr or ""), now=moment)
    with transaction() as session:
        what = filed(session, _receipt(session, use_id))
    return as_file(make_document(current_app.extensions["kabao_settings"], what, now=moment), what.number)


def _receipt(session: Session, use_id: UUID) -> Receipt:
    """Return the receipt of a use of this wallet; raises ReceiptNotFound, for another's use and for one without a receipt alike.

    One code may have stood for several licences: who acts for another within some types is given no receipt that names one of another type.
    """
    try:
        use = get_use(session, use_id, g.signed_in)
    except UseNotFound as error:
        raise ReceiptNotFound("no such use") from error
    receipt = session.get(Receipt, use.receipt_id) if use.receipt_id is not None else None
    if receipt is None:
        raise ReceiptNotFound("a use without one")
    named = [one["licence"]["type"] for one in (receipt.claims, *receipt.claims.get("also", ())) if one.get("licence")]
    if not all(map(g.signed_in.allows_type, named)):
        raise ReceiptNotFound("beyond the mandate")
    return receipt
