"""The officer's desk (核验台): scan, paste, type or photograph what the holder shows, say why, read the verdict, print the receipt."""

from typing import Any
from uuid import UUID

import segno
from flask import Blueprint, Response, current_app, g, make_response, redirect, render_template
from werkzeug.wrappers import Response as AnyResponse

from runtime.clock import now
from runtime.database import transaction
from runtime.guard import allow
from runtime.idempotency import claim, digest_of
from runtime.ids import new_id
from runtime.pages import csrf
from runtime.problems import Refusal
from runtime.rough_input import reads_its_form, take_form
from runtime.settings import Settings
from wallet.presenting import qr_codes
from wallet.register.callers import officer
from wallet.register.catalogue import get_type
from wallet.register.departments import Action, get_department, types_under
from wallet.verifying import receipts
from wallet.verifying.attesting import Asker
from wallet.verifying.desk_forms import MOST_FORM, DeskForm, blank_form
from wallet.verifying.judging import address_of
from wallet.verifying.reading import read_receipt
from wallet.verifying.verification import VerificationRequest, verify_presented

desk = Blueprint("desk", __name__, template_folder="templates")


@desk.route("/desk", methods=["GET"])
@allow(officer)
def show() -> Response:
    """Show the desk, with the officer's own last receipts."""
    return _desk_page(blank_form(), 200)


@desk.route("/desk", methods=["POST"])
@csrf.exempt
@reads_its_form
@allow(officer)
def verify() -> AnyResponse:
    """Verify what was shown and go on to its receipt; a refusal is said beside what was brought."""
    take_form(MOST_FORM)
    csrf.protect()
    form = DeskForm()
    if not form.validate():
        return _desk_page(form, 422)
    try:
        receipt_id = _verify(form, form.asked())
    except Refusal as refusal:
        form.where.errors = [refusal.shown or refusal.title]
        if isinstance(refusal, qr_codes.CodeSpent | qr_codes.CodeExpired):
            form.presented.data = ""  # nothing more comes of it: the next one scanned must not be added to it
        return _desk_page(form, refusal.status)
    return redirect(f"/desk/receipts/{receipt_id}", 303)


@desk.route("/desk/receipts/<uuid:receipt_id>")
@allow(officer)
def receipt(receipt_id: UUID) -> str:
    """Show a receipt of the officer's department: the verdict, the fields while they are kept, what to print; and what comes next."""
    with transaction() as session:
        found = receipts.get_receipt(session, receipt_id, department=g.officer_of)
    reading, address = read_receipt(found), address_of(current_app.extensions["kabao_settings"], receipt_id, found.jws)
    picture = segno.make_qr(address, error="m").svg_data_uri(scale=6, border=2, dark="#000", light="#fff")
    form = blank_form(cause=reading.cause["text"] if found.officer_id == g.signed_in.subject_id else "")
    seen = {"reading": reading, "jws": found.jws, "address": address, "picture": picture}
    return render_template("verifying/receipt.html", form=form, **seen, **_next_draw(found))


def _next_draw(receipt: receipts.Receipt) -> dict[str, Any]:
    """Say whether the department may draw now, and again the type of a receipt."""
    types = types_under(department=g.officer_of, action=Action.DRAW, now=now())
    return {"may_draw": bool(types), "draw_again": get_type(receipt.type_code).slug if receipt.type_code in types else None}


def _verify(form: DeskForm, asked: VerificationRequest) -> UUID:
    settings: Settings = current_app.extensions["kabao_settings"]
    moment, receipt_id, officer_id = now(), new_id(), g.signed_in.subject_id
    named = [asked.named.identifier, asked.named.number] if asked.named else []
    digest = digest_of([asked.presented, asked.cause["text"], *named], pepper=settings.derived_key("idempotency"))
    asker = Asker(g.officer_of, get_department(g.officer_of).name, officer_id)
    with transaction() as session:
        key = form.request_id.data or None
        before = claim(session, caller=f"officer:{officer_id}", key=key, digest=digest, result_id=receipt_id, now=moment)
        if before is not None:
            return before
        verify_presented(session, settings, asked, asker=asker, receipt_id=receipt_id, now=moment)
    return receipt_id


def _desk_page(form: DeskForm, status: int) -> Response:
    form.request_id.data = str(new_id())
    with transaction() as session:
        latest = receipts.latest_of_officer(session, g.signed_in.subject_id, department=g.officer_of)
        readings = [read_receipt(one) for one in latest]
    department = get_department(g.officer_of).name
    return make_response(render_template("verifying/desk.html", form=form, readings=readings, department=department), status)
