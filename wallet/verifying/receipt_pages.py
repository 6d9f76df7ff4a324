"""The page on which anyone may ask whether a receipt is genuine."""

from typing import Any

from flask import Blueprint, Response, make_response, render_template
from wtforms import TextAreaField
from wtforms.validators import ValidationError as FormFault

from runtime.database import transaction
from runtime.forms import PostedForm
from runtime.guard import allow, anyone
from runtime.languages import Text
from wallet.verifying.reading import read_claims
from wallet.verifying.receipts import MAX_TEXT, judge

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


def _page(form: ReceiptForm, *, status: int = 200, **found: Any) -> Response:
    return make_response(render_template("verifying/check_receipt.html", form=form, **found), status)
