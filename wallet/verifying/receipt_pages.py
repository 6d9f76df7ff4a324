"""The pages on which anyone may ask whether a receipt is genuine, and an officer takes one of the department's as a file."""

from typing import Any
from uuid import UUID

from flask import Blueprint, Response, current_app, g, make_response, render_template, request
from wtforms import TextAreaField
from wtforms.validators import ValidationError as FormFault

from idp.signin import throttle
from runtime.clock import now
from runtime.database import transaction
from runtime.forms import PostedForm
from runtime.guard import allow, anyone
from runtime.languages import Text
from wallet.register.callers import officer
from wallet.verifying.check_pages import DOOR
from wallet.verifying.judging import judge, judge_digest
from wallet.verifying.reading import read_claims
from wallet.verifying.receipt_documents import filed, make_document
from wallet.verifying.receipts import MAX_TEXT, get_receipt
from wallet.verifying.receipts_api import as_file

receipt_pages = Blueprint("receipt_pages", __name__, template_folder="templates")


class ReceiptForm(PostedForm):
    """The text of a receipt."""

    receipt = TextAreaField(Text("回执内容", "The receipt"))

    def validate_receipt(self, field: Any) -> None:
        """Ask for something, of bounded length."""
        if not (field.data or "").strip():
            raise FormFault(Text("请粘贴回执内容。", "Paste the receipt."))
        if len(field.data) > MAX_TEXT:
            raise FormFault(Text("内容过长，不是回执。", "It is too long to be a receipt."))


@receipt_pages.route("/receipts/check", methods=["GET", "POST"])
@allow(anyone)
def check() -> Response:
    """Ask for a receipt, and say whether it is one."""
    form = ReceiptForm()
    if not form.is_submitted():
        return _page(form)
    if not form.validate():
        return _page(form, status=422)
    with transaction() as session:
        judgement = judge(session, "".join(form.receipt.data.split()))
    reading = read_claims(judgement.claims) if judgement.claims else None
    return _page(form, judgement=judgement, reading=reading)


@receipt_pages.route("/receipts/<uuid:receipt_id>/<string(length=43):unverified_digest>")
@allow(anyone)
def shown(receipt_id: UUID, unverified_digest: str) -> Response:
    """Say whether the receipt on a paper is genuine, and of what it must be, so that its code cannot serve on another paper."""
    with transaction() as session:
        throttle.count(session, throttle.Try(DOOR, "", request.remote_addr or ""), now=now())
    with transaction() as session:
        judgement = judge_digest(session, receipt_id, unverified_digest)
    return _page(ReceiptForm(), judgement=judgement, statement=judgement.statement)


@receipt_pages.route("/desk/receipts/<uuid:receipt_id>/document")
@allow(officer)
def document(receipt_id: UUID) -> Response:
    """Give a receipt of the officer's department as a sealed PDF."""
    moment = now()
    with transaction() as session:
        throttle.count(session, throttle.Try("document", str(g.signed_in.subject_id), request.remote_addr or ""), now=moment)
    with transaction() as session:
        what = filed(session, get_receipt(session, receipt_id, department=g.officer_of))
    return as_file(make_document(current_app.extensions["kabao_settings"], what, now=moment), receipt_id)


def _page(form: ReceiptForm, *, status: int = 200, **found: Any) -> Response:
    response = make_response(render_template("verifying/check_receipt.html", form=form, **found), status)
    response.headers["Cache-Control"] = "no-store"
    return response
