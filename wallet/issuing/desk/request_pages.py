"""A second pair of eyes at the desk: what waits, what is asked for, and the answer of another officer."""

from uuid import UUID

from flask import Blueprint, Response, current_app, flash, g, make_response, redirect, render_template, request, url_for
from marshmallow import ValidationError
from werkzeug.wrappers import Response as AnyResponse
from wtforms import StringField, TextAreaField

from runtime.clock import now
from runtime.database import transaction
from runtime.forms import PostedForm
from runtime.guard import allow
from runtime.languages import Text
from runtime.problems import Refusal
from runtime.settings import Settings
from schemas.causes import LONGEST as LONGEST_CAUSE
from schemas.causes import is_readable
from schemas.licence_acts import RefusalSchema
from wallet.issuing import pending
from wallet.issuing.desk import looking, own_causes
from wallet.issuing.desk.asked import facts_of
from wallet.issuing.pending import Doer, RequestState
from wallet.register.acts import ACT_TEXTS, Act
from wallet.register.callers import officer, strong_officer
from wallet.register.catalogue import get_type

request_desk = Blueprint("request_desk", __name__, template_folder="templates")
APPROVED, REFUSED = Text("已复核通过并办理。", "Approved, and done."), Text("已退回。", "It is refused.")
WHY_COVERED = Text("请填写查看事由，最多200字；持证人可以看到。", "Say why you look, in at most 200 characters; the holder can read it.")


class RefuseForm(PostedForm):
    """Why it is refused."""

    reason = TextAreaField(Text("退回理由", "Why it is refused"))


class RevealForm(PostedForm):
    """Why somebody looks at what is covered."""

    cause = StringField(Text("查看事由", "Why you look"))


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
    """Show what is asked for, and of its people nothing in full."""
    return _page(request_id, RefuseForm(), 200)


@request_desk.route("/desk/requests/<uuid:request_id>", methods=["POST"])
@allow(officer)
def uncovered(request_id: UUID) -> Response:
    """Show it whole, for a cause that is written down: whoever approves must see what they approve."""
    form, cause = RevealForm(), (request.form.get("cause") or "").strip()
    if not form.validate() or not 0 < len(cause) <= LONGEST_CAUSE or not is_readable(cause):
        form.cause.errors = [WHY_COVERED]
        return _page(request_id, RefuseForm(), 422, reveal=form)
    with transaction() as session:
        row = pending.get_request(session, request_id, department=g.officer_of)
        named = tuple(pending.order_in(row).document.get("fields", {}))
        looking.take_down_request(session, row, named=named, officer_id=g.signed_in.subject_id, cause=cause, now=now())
    return _page(request_id, RefuseForm(), 200, revealed=True)


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


def _page(request_id: UUID, form: RefuseForm, status: int, *, revealed: bool = False, reveal: RevealForm | None = None) -> Response:
    """Show a request. What it asks of an officer who has seen it, or who has tried to decide, is the decision."""
    moment = now()
    with transaction() as session:
        row = pending.get_request(session, request_id, department=g.officer_of)
    licence_type, is_mine = get_type(row.type_code), pending.is_by(row, _doer())
    facts = facts_of(pending.order_in(row), licence_type, revealed=revealed)
    is_covered, may_decide = any(fact.is_covered for fact in facts), row.state_at(moment) is RequestState.PENDING and not is_mine
    reveal = reveal or RevealForm(formdata=None, cause=str(own_causes.DECIDING) if may_decide else "")
    page = render_template(
        "issuing/request.html",
        form=form,
        reveal=reveal,
        row=row,
        type=licence_type,
        title=ACT_TEXTS[Act(row.act)],
        state=row.state_at(moment),
        is_mine=is_mine,
        is_covered=is_covered,
        may_decide=may_decide,
        decides=may_decide and (not is_covered or bool(form.errors or form.form_errors)),
        facts=facts,
        refusal=pending.refusal_of(row),
    )
    return make_response(page, status)


def _doer() -> Doer:
    return Doer(g.officer_of, person_id=g.signed_in.subject_id)


def _before() -> UUID | None:
    try:
        return UUID(request.args.get("before", ""))
    except ValueError:
        return None
