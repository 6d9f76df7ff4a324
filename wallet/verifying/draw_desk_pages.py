"""The officer's page to draw a licence on the department's authority (依职权调用), signed in by two factors: what the matter needs, and a receipt.

Each try counts at a door of its own, so that nobody finds out by trying who has which licence; each draw leaves a line by which it is watched.
"""

from uuid import UUID

import structlog
from flask import Blueprint, Response, current_app, g, make_response, redirect, render_template, request
from werkzeug.wrappers import Response as AnyResponse

from idp.signin import throttle
from runtime.clock import now
from runtime.database import transaction
from runtime.guard import allow
from runtime.idempotency import claim, digest_of
from runtime.ids import new_id
from runtime.problems import Refusal
from runtime.settings import Settings
from wallet.register import matter_fields
from wallet.register.callers import strong_officer
from wallet.register.catalogue import LicenceTypeNotFound, get_type
from wallet.register.definitions import LicenceType, Matter
from wallet.register.departments import Action, get_department, types_under
from wallet.register.licences import LicenceNotFound
from wallet.verifying import draw_watch
from wallet.verifying.attesting import Asker
from wallet.verifying.draw_forms import DrawForm
from wallet.verifying.draws import DrawRequest, LicenceNotValid, draw_by_authority

log = structlog.get_logger(__name__)
draw_desk = Blueprint("draw_desk", __name__, template_folder="templates")


@draw_desk.route("/desk/draws/new", methods=["GET"])
@allow(strong_officer)
def choose() -> Response:
    """Choose a licence type, then say whose, why and for which matter."""
    licence_type = _type(request.args.get("type", ""))
    if licence_type is None:
        return _types_page()
    matters = _matters(licence_type)
    form = DrawForm()
    form.offer(licence_type, matters)
    return _form_page(form, licence_type)


@draw_desk.route("/desk/draws/new", methods=["POST"])
@allow(strong_officer)
def draw() -> AnyResponse:
    """Draw the licence and go on to its receipt, with what was given; a refusal is said beside the number."""
    licence_type = _type(request.form.get("type", ""))
    if licence_type is None:
        return _types_page(status=422)
    matters = _matters(licence_type)
    form = DrawForm()
    form.offer(licence_type, matters)
    if not form.validate():
        return _form_page(form, licence_type, status=422)
    try:
        receipt_id = _draw(form, licence_type, next((one for one in matters if one.code == form.matter.data), None))
    except Refusal as refusal:
        log.info("refused", code=refusal.code, reason=refusal.reason, field=refusal.field)
        if isinstance(refusal, LicenceNotFound | LicenceNotValid):
            _note_miss(licence_type, form.number.data)
        form.number.errors = [refusal.shown or refusal.title]
        response = _form_page(form, licence_type, status=refusal.status)
        response.headers.update(refusal.headers)
        return response
    return redirect(f"/desk/receipts/{receipt_id}", 303)


def _draw(form: DrawForm, licence_type: LicenceType, matter: Matter | None) -> UUID:
    settings: Settings = current_app.extensions["kabao_settings"]
    moment, receipt_id, officer_id = now(), new_id(), g.signed_in.subject_id
    with transaction() as session:
        throttle.count(session, throttle.Try("draw", str(officer_id), request.remote_addr or ""), now=moment)
    cause = {"text": form.cause.data.strip(), **({"matter": matter.code, "matter_name": matter.name.zh} if matter else {})}
    digest = digest_of([licence_type.slug, *form.told], pepper=settings.derived_key("idempotency"))
    asker = Asker(g.officer_of, get_department(g.officer_of).name, officer_id)
    with transaction() as session:
        key = form.request_id.data or None
        before = claim(session, caller=f"officer:{officer_id}:draw", key=key, digest=digest, result_id=receipt_id, now=moment)
        if before is not None:
            return before
        wanted = DrawRequest(licence_type.code, cause, form.number.data.strip())
        draw_by_authority(session, settings, wanted, asker=asker, receipt_id=receipt_id, now=moment)
    return receipt_id


def _note_miss(licence_type: LicenceType, number: str) -> None:
    who = {"department": g.officer_of, "system": str(g.signed_in.subject_id), "type_code": licence_type.code}
    with transaction() as session:
        draw_watch.note_miss(session, **who, number=number, now=now())


def _type(slug: str) -> LicenceType | None:
    """Return a type that the department may draw, None for any other."""
    try:
        found = get_type(slug)
    except LicenceTypeNotFound:
        return None
    return found if found.code in _drawable() else None


def _drawable() -> set[str]:
    return types_under(department=g.officer_of, action=Action.DRAW, now=now())


def _matters(licence_type: LicenceType) -> list[Matter]:
    with transaction() as session:
        return matter_fields.matters_of(session, licence_type)


def _types_page(*, status: int = 200) -> Response:
    types = sorted((get_type(code) for code in _drawable()), key=lambda one: one.name.zh)
    page = render_template("verifying/draw_type.html", types=types, department=get_department(g.officer_of).name)
    return make_response(page, status)


def _form_page(form: DrawForm, licence_type: LicenceType, *, status: int = 200) -> Response:
    form.request_id.data = str(new_id())
    return make_response(render_template("verifying/draw.html", form=form, type=licence_type, department=get_department(g.officer_of).name), status)
