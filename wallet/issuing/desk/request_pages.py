"""A second pair of eyes at the desk: what waits, what is asked for, and the answer of another officer."""

from uuid import UUID

from flask import Blueprint, Response, current_app, flash, g, make_response, redirect, render_template, request, url_for
from marshmallow import ValidationError
from werkzeug.wrappers import Response as AnyResponse
from wtforms import TextAreaField

from runtime.clock import now
from runtime.database import transaction
from runtime.forms import PostedForm
from runtime.guard import allow
from runtime.languages import Text
from runtime.problems import Refusal
from runtime.settings import Settings
from schemas.licence_acts import RefusalSchema
from wallet.issuing import pending
from wallet.issuing.orders import Order
from wallet.issuing.pending import Doer, RequestState
from wallet.register.acts import ACT_TEXTS, Act
from wallet.register.callers import officer, strong_officer
from wallet.register.catalogue import get_type
from wallet.register.definitions import LicenceType

request_desk = Blueprint("request_desk", __name__, template_folder="templates")
APPROVED, REFUSED = Text("已复核通过并办理。", "Approved, and done."), Text("已退回。", "It is refused.")
LABELS = {
    "valid_from": Text("有效期自", "Valid from"),
    "valid_until": Text("有效期至", "Valid until"),
    "licence_number": Text("证照编号", "Licence number"),
    "effective_on": Text("生效日期", "In effect from"),
    "to": Text("转往部门", "To which department"),
    "reason": Text("理由", "Reason"),
    "legal_basis": Text("法律依据", "Legal basis"),
}


class RefuseForm(PostedForm):
    """Why it is refused."""

    reason = TextAreaField(Text("退回理由", "Why it is refused"))


@request_desk.route("/desk/requests", methods=["GET"])
@allow(officer)
def listed() -> str:
    """Show what waits, or all."""
    everything = request.args.get("all") == "1"
    moment = now()
    with transaction() as session:
        rows = pending.requests_of(session, department=g.officer_of, now=moment, waiting=not everything, before=_before())
    me = Doer(g.officer_of, person_id=g.signed_in.subject_id)
    shown = [(row, ACT_TEXTS[Act(row.act)], get_type(row.type_code), row.state_at(moment), pending.is_by(row, me)) for row in rows]
    following = rows[-1].id if len(rows) == pending.PAGE else None
    return render_template("issuing/requests.html", rows=shown, everything=everything, following=following)


@request_desk.route("/desk/requests/<uuid:request_id>", methods=["GET"])
@allow(officer)
def one(request_id: UUID) -> Response:
    """Show what is asked for, whole: whoever approves must see what they approve."""
    return _page(request_id, RefuseForm(), 200)


@request_desk.route("/desk/requests/<uuid:request_id>/approve", methods=["POST"])
@allow(strong_officer)
def approve(request_id: UUID) -> AnyResponse:
    """Do what another officer asked for; what hinders it is said above, and it goes on waiting."""
    settings: Settings = current_app.extensions["kabao_settings"]
    form = RefuseForm()
    try:
        with transaction() as session:
            outcome = pending.approve(session, settings, request_id, doer=_doer(), now=now())
    except Refusal as refusal:
        form.form_errors.append(refusal.shown or refusal.title)
        return _page(request_id, form, refusal.status)
    assert outcome.licence is not None
    flash(str(APPROVED), "success")
    return redirect(url_for("licence_desk.one", licence_id=outcome.licence.id), 303)


@request_desk.route("/desk/requests/<uuid:request_id>/refuse", methods=["POST"])
@allow(strong_officer)
def refuse(request_id: UUID) -> AnyResponse:
    """Refuse it, with a reason for whoever asked."""
    form = RefuseForm()
    try:
        said = RefusalSchema().load({"reason": (form.reason.data or "").strip()})
        with transaction() as session:
            pending.refuse(session, request_id, reason=said["reason"], doer=_doer(), now=now())
    except ValidationError:
        form.reason.errors = [Text("请填写理由，2至500字。", "Say why, in 2 to 500 characters.")]
        return _page(request_id, form, 422)
    except Refusal as refusal:
        form.form_errors.append(refusal.shown or refusal.title)
        return _page(request_id, form, refusal.status)
    flash(str(REFUSED), "success")
    return redirect(url_for("request_desk.listed"), 303)


def _page(request_id: UUID, form: RefuseForm, status: int) -> Response:
    moment = now()
    with transaction() as session:
        row = pending.get_request(session, request_id, department=g.officer_of)
    licence_type = get_type(row.type_code)
    page = render_template(
        "issuing/request.html",
        form=form,
        row=row,
        type=licence_type,
        title=ACT_TEXTS[Act(row.act)],
        state=row.state_at(moment),
        is_mine=pending.is_by(row, _doer()),
        may_decide=row.state_at(moment) is RequestState.PENDING and not pending.is_by(row, _doer()),
        facts=_facts(pending.order_in(row), licence_type),
        refusal=pending.refusal_of(row),
    )
    return make_response(page, status)


def _facts(order: Order, licence_type: LicenceType) -> list[tuple[Text, str]]:
    """Return what is asked for, line by line, in words, the number in full: whoever approves answers for it."""
    said = order.document
    facts: list[tuple[Text, str]] = []
    if "holder" in said:
        facts.append((Text("持证主体号码", "Holder's number"), said["holder"]["number"]))
        facts += [(Text("持证主体名称", "Holder's name"), said["holder"]["name"])] if said["holder"]["name"] else []
    facts += [(label, str(said[name])) for name, label in LABELS.items() if said.get(name)]
    for name, value in said.get("fields", {}).items():
        field = licence_type.find_field(name)
        shown = Text("（删除）", "(taken away)") if value is None else field.shown(value) if field else value
        facts.append((field.label if field else Text(name, name), str(shown)))
    return facts


def _doer() -> Doer:
    return Doer(g.officer_of, person_id=g.signed_in.subject_id)


def _before() -> UUID | None:
    try:
        return UUID(request.args.get("before", ""))
    except ValueError:
        return None
