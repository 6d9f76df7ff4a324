"""The officer's desk (核验台): paste or type what the holder shows, say why, read the verdict, print the receipt."""

from typing import Any
from uuid import UUID

from flask import Blueprint, Response, current_app, g, make_response, redirect, render_template
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response as AnyResponse
from wtforms import HiddenField, StringField, TextAreaField
from wtforms.validators import ValidationError as FormFault

from runtime.clock import now
from runtime.database import transaction
from runtime.forms import PostedForm
from runtime.guard import allow
from runtime.idempotency import claim, digest_of
from runtime.ids import new_id
from runtime.languages import Text
from runtime.problems import Refusal
from runtime.settings import Settings
from schemas.causes import LONGEST as LONGEST_CAUSE
from schemas.causes import is_readable
from wallet.issuing import sd_jwt
from wallet.presenting import qr_codes
from wallet.register.callers import officer
from wallet.register.departments import Action, get_department, types_under
from wallet.verifying import brought, receipts
from wallet.verifying.attesting import Asker
from wallet.verifying.reading import read_receipt
from wallet.verifying.verification import VerificationRequest, verify_presented

desk = Blueprint("desk", __name__, template_folder="templates")


class DeskForm(PostedForm):
    """What is shown, and why it is looked at. `request_id` makes a form sent twice one verification."""

    presented = TextAreaField(Text("持证人出示的内容", "What the holder shows"))
    cause = StringField(Text("核验事由", "Why you look at it"))
    request_id = HiddenField()

    def validate_presented(self, field: Any) -> None:
        """Ask for something, of bounded length."""
        if not (field.data or "").strip():
            raise FormFault(Text("请扫描、粘贴或输入持证人出示的内容。", "Scan, paste or type what the holder shows."))
        if len(field.data) > sd_jwt.MAX_TEXT or not is_readable(field.data.replace("\r", "").replace("\n", "")):
            raise FormFault(Text("内容过长或含有无法识别的字符。", "It is too long, or holds characters that cannot be read."))

    def validate_cause(self, field: Any) -> None:
        """Ask for a cause that a holder can read."""
        if not (field.data or "").strip():
            raise FormFault(Text("请填写核验事由，持证人会看到。", "Say why; the holder will read it."))
        if len(field.data.strip()) > LONGEST_CAUSE or not is_readable(field.data):
            raise FormFault(Text("事由最多200字，不能含控制字符。", "At most 200 characters, and none that cannot be read."))


@desk.route("/desk", methods=["GET"])
@allow(officer)
def show() -> Response:
    """Show the desk, with the officer's own last receipts."""
    form = DeskForm()
    form.request_id.data = str(new_id())
    return _desk_page(form, 200)


@desk.route("/desk", methods=["POST"])
@allow(officer)
def verify() -> AnyResponse:
    """Verify what was shown and go on to its receipt; a refusal is said beside what was typed."""
    form = DeskForm()
    if not form.validate():
        return _desk_page(form, 422)
    try:
        with transaction() as session:
            receipt_id = _verify(session, form)
    except Refusal as refusal:
        form.presented.errors = [refusal.title]
        if isinstance(refusal, qr_codes.CodeSpent | qr_codes.CodeExpired):
            form.presented.data = ""  # nothing more comes of it: the next one scanned must not be added to it
        return _desk_page(form, refusal.status)
    return redirect(f"/desk/receipts/{receipt_id}", 303)


@desk.route("/desk/receipts/<uuid:receipt_id>")
@allow(officer)
def receipt(receipt_id: UUID) -> str:
    """Show a receipt of the officer's department: the verdict, the fields while they are kept, and what to print."""
    with transaction() as session:
        found = receipts.get_receipt(session, receipt_id, department=g.officer_of)
    return render_template("verifying/receipt.html", reading=read_receipt(found), jws=found.jws)


def _verify(session: Session, form: DeskForm) -> UUID:
    settings: Settings = current_app.extensions["kabao_settings"]
    moment, receipt_id, officer_id = now(), new_id(), g.signed_in.subject_id
    presented, cause = brought.tidy(form.presented.data), form.cause.data.strip()
    digest = digest_of([presented, cause], pepper=settings.derived_key("idempotency"))
    key = form.request_id.data or None
    before = claim(session, caller=f"officer:{officer_id}", key=key, digest=digest, result_id=receipt_id, now=moment)
    if before is not None:
        return before
    request = VerificationRequest(presented, {"text": cause}, binding=brought.is_dynamic(presented))
    asker = Asker(g.officer_of, get_department(g.officer_of).name, officer_id)
    verify_presented(session, settings, request, asker=asker, receipt_id=receipt_id, now=moment)
    return receipt_id


def _desk_page(form: DeskForm, status: int) -> Response:
    if status != 200:
        form.request_id.data = str(new_id())
    with transaction() as session:
        latest = receipts.latest_of_officer(session, g.signed_in.subject_id, department=g.officer_of)
        readings = [read_receipt(one) for one in latest]
    department = get_department(g.officer_of).name
    identifies = bool(types_under(department=g.officer_of, action=Action.IDENTIFY, now=now()))
    page = render_template("verifying/desk.html", form=form, readings=readings, department=department, identifies=identifies)
    return make_response(page, status)
