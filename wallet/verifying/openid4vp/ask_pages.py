"""The officer's page to ask: which licence, which fields, why; then a code on the screen for any wallet, and in its place what came of it."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from flask import Blueprint, Response, current_app, g, jsonify, make_response, redirect, render_template, request
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response as AnyResponse
from wtforms import HiddenField, RadioField, SelectMultipleField, StringField
from wtforms.fields.choices import SelectChoice
from wtforms.validators import ValidationError as FormFault
from wtforms.widgets import CheckboxInput

from runtime.clock import now
from runtime.database import transaction
from runtime.forms import PostedForm
from runtime.guard import allow
from runtime.idempotency import claim, digest_of
from runtime.ids import new_id
from runtime.languages import Text
from runtime.problems import Refusal
from runtime.settings import Settings
from schemas.asking import LONGEST_ACT
from schemas.causes import LONGEST as LONGEST_CAUSE
from schemas.causes import is_readable
from wallet.holding.cards import label_of
from wallet.presenting.dcql_reading import MDOC, SD_JWT_VC
from wallet.register.callers import officer
from wallet.register.catalogue import LicenceTypeNotFound, get_type
from wallet.register.definitions import LicenceType
from wallet.register.departments import Action, get_department, types_under
from wallet.verifying import receipts
from wallet.verifying.openid4vp import asking, queries
from wallet.verifying.openid4vp.asking import CONSENT, DUTY, Asking, By
from wallet.verifying.openid4vp.queries import OF_EVERY_LICENCE, Wanted
from wallet.verifying.openid4vp.requests import DIRECT_POST_JWT, HASH, PresentationRequest, RequestNotFound, State, get_request
from wallet.verifying.reading import Reading, read_receipt

ask_desk = Blueprint("ask_desk", __name__, template_folder="../templates")
OFFERED = tuple(name for name in OF_EVERY_LICENCE if name != queries.IDENTIFIER and not name.startswith("licence_valid"))


class AskForm(PostedForm):
    """What to ask for, and why. `request_id` makes a form sent twice one request."""

    chosen = SelectMultipleField(option_widget=CheckboxInput())
    optional = SelectMultipleField(option_widget=CheckboxInput())
    cause = StringField(Text("请求事由", "Why you ask"))
    basis = RadioField(choices=[SelectChoice(name, asking.BASES[name]) for name in (CONSENT, DUTY)], default=CONSENT)
    confirm = StringField(Text("请持证人确认的事项（可不填）", "Words for the holder to confirm (may be left out)"))
    number = StringField(Text("发到此号码的卡包（可不填）", "Leave it in the wallet of this number (may be left out)"))
    request_id = HiddenField()

    def offer(self, licence_type: LicenceType) -> None:
        """Set the fields that may be asked for."""
        names = [*OFFERED, *(one.name for one in licence_type.fields)]
        for control in (self.chosen, self.optional):
            control.choices = [SelectChoice(name, label_of(licence_type, name)) for name in names]

    def validate_cause(self, field: Any) -> None:
        """Ask for a cause that a holder can read."""
        if not (field.data or "").strip():
            raise FormFault(Text("请填写请求事由，持证人会看到。", "Say why; the holder will read it."))
        if len(field.data.strip()) > LONGEST_CAUSE or not is_readable(field.data):
            raise FormFault(Text("事由最多200字，不能含控制字符。", "At most 200 characters, and none that cannot be read."))

    def validate_confirm(self, field: Any) -> None:
        """Take words that can be read."""
        if len(field.data or "") > LONGEST_ACT or not is_readable(field.data or ""):
            raise FormFault(Text("最多500字，不能含控制字符。", "At most 500 characters, and none that cannot be read."))


@dataclass(frozen=True, slots=True)
class Choice:
    """A licence type to choose."""

    slug: str
    name: Text


@ask_desk.route("/desk/ask", methods=["GET"])
@allow(officer)
def choose() -> Response:
    """Choose a licence type, then what of it to ask for."""
    licence_type = _type(request.args.get("type", ""))
    if licence_type is None:
        return _types_page()
    form = AskForm()
    form.offer(licence_type)
    form.request_id.data = str(new_id())
    return _form_page(form, licence_type, 200)


@ask_desk.route("/desk/ask", methods=["POST"])
@allow(officer)
def ask() -> AnyResponse:
    """Make the request and show its code."""
    licence_type = _type(request.form.get("type", ""))
    if licence_type is None:
        return _types_page(status=422)
    form = AskForm()
    form.offer(licence_type)
    if not form.validate():
        return _form_page(form, licence_type, 422)
    try:
        with transaction() as session:
            request_id = _ask(session, form, licence_type)
    except Refusal as refusal:
        control = form.number if refusal.field == "holder.number" else form.cause
        control.errors = [refusal.shown or refusal.title]
        return _form_page(form, licence_type, refusal.status)
    return redirect(f"/desk/ask/{request_id}", 303)


@ask_desk.route("/desk/ask/<uuid:request_id>")
@allow(officer)
def show(request_id: UUID) -> str:
    """Show the code as long as a wallet may answer, and then what came of it."""
    moment, settings = now(), _settings()
    with transaction() as session:
        row = _own(session, request_id)
        state = row.state_at(moment)
        result = row.result or {} if state is State.ANSWERED else {}
        readings = [_reading(session, row, one) for one in result.get("presentations", [])]
    return render_template(
        "verifying/asked.html",
        row=row,
        state=state.value,
        terms=row.terms,
        type=get_type(row.terms.types[0]),
        picture=asking.picture_data(asking.link_of(settings, row)),
        link=asking.link_of(settings, row),
        seconds=max(0, round((row.expires_at - moment).total_seconds())),
        lifetime=round((row.expires_at - row.asked_at).total_seconds()),
        result=result,
        readings=readings,
    )


@ask_desk.route("/desk/ask/<uuid:request_id>/state")
@allow(officer)
def tell_state(request_id: UUID) -> Response:
    """Tell the page's script `waiting` as long as the request stands as the page has it."""
    with transaction() as session:
        state = _own(session, request_id).state_at(now()).value
    return jsonify(state="waiting" if state == request.args.get("seen") else state)


def _ask(session: Session, form: AskForm, licence_type: LicenceType) -> UUID:
    settings, moment, request_id, officer_id = _settings(), now(), new_id(), g.signed_in.subject_id
    optional = [name for name in form.optional.data if name not in form.chosen.data]
    told = [licence_type.slug, form.chosen.data, optional, form.cause.data, form.basis.data, form.confirm.data, form.number.data]
    digest = digest_of(told, pepper=settings.derived_key("idempotency"))
    key = form.request_id.data or None
    before = claim(session, caller=f"officer:{officer_id}:ask", key=key, digest=digest, result_id=request_id, now=moment)
    if before is not None:
        return before
    act = (form.confirm.data or "").strip() or None
    wanted = Wanted(licence_type.slug, form.chosen.data, optional, (SD_JWT_VC,) if act else (SD_JWT_VC, MDOC))
    made = Asking(
        queries.compose(settings, [wanted]),
        cause={"text": form.cause.data.strip()},
        response_mode=DIRECT_POST_JWT,
        prefix=HASH,
        basis=form.basis.data or CONSENT,
        act=act,
        number=(form.number.data or "").strip() or None,
    )
    return asking.ask(session, settings, made, by=By(g.officer_of, officer_id=officer_id), request_id=request_id, now=moment).id


def _reading(session: Session, row: PresentationRequest, one: dict[str, Any]) -> Reading:
    return read_receipt(receipts.get_receipt(session, UUID(one["receipt"]["id"]), department=row.department))


def _own(session: Session, request_id: UUID) -> PresentationRequest:
    row = get_request(session, request_id)
    if row.department != g.officer_of or row.officer_id != g.signed_in.subject_id:
        raise RequestNotFound("another's")
    return row


def _type(slug: str) -> LicenceType | None:
    """Return a type that the department may verify, None for any other."""
    try:
        found = get_type(slug)
    except LicenceTypeNotFound:
        return None
    return found if found.code in types_under(department=g.officer_of, action=Action.VERIFY, now=now()) else None


def _types_page(*, status: int = 200) -> Response:
    types = [get_type(code) for code in types_under(department=g.officer_of, action=Action.VERIFY, now=now())]
    choices = [Choice(one.slug, one.name) for one in sorted(types, key=lambda one: one.name.zh)]
    return make_response(render_template("verifying/ask_type.html", choices=choices, department=get_department(g.officer_of).name), status)


def _form_page(form: AskForm, licence_type: LicenceType, status: int) -> Response:
    if status != 200:
        form.request_id.data = str(new_id())
    return make_response(render_template("verifying/ask.html", form=form, type=licence_type), status)


def _settings() -> Settings:
    settings: Settings = current_app.extensions["kabao_settings"]
    return settings
