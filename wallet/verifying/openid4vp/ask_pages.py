"""The officer's page to ask: which licence, which fields, or a yes or no, and why; then a code on the screen for any wallet, and in its place what
came of it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from flask import Blueprint, Response, current_app, g, jsonify, make_response, redirect, render_template, request
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response as AnyResponse
from wtforms import BooleanField, HiddenField, RadioField, SelectMultipleField, StringField
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
from schemas.causes import is_readable
from wallet.holding.cards import label_of
from wallet.presenting.dcql_reading import MDOC, SD_JWT_VC, read_query
from wallet.presenting.statements import HOLDS, OVER_18, OVER_60, REPRESENTS, Question, find_question
from wallet.register import matter_fields
from wallet.register.callers import officer
from wallet.register.catalogue import get_type
from wallet.register.definitions import FAMILIES, LicenceType, Matter
from wallet.register.departments import Action, get_department, types_under
from wallet.register.faces import SHOWN_OF_EVERY_LICENCE
from wallet.verifying import receipts
from wallet.verifying.cause_fields import cause_given
from wallet.verifying.openid4vp import asking, queries
from wallet.verifying.openid4vp.asking import CONSENT, DUTY, Asking, By
from wallet.verifying.openid4vp.queries import Asked, Wanted, WantedAnswer
from wallet.verifying.openid4vp.requests import DIRECT_POST_JWT, HASH, PresentationRequest, RequestNotFound, State, get_request
from wallet.verifying.reading import Reading, read_receipt
from wallet.verifying.receipts import VALID

ask_desk = Blueprint("ask_desk", __name__, template_folder="../templates")
ONLY_AN_ANSWER = Text("只问“是否”，不看证照", "Only a yes or no, and no licence")
AT_ORGANISATION = "statements.0.organisation.number"


class AskForm(PostedForm):
    """What to ask for, and why. `request_id` makes a form sent twice one request."""

    chosen = SelectMultipleField(option_widget=CheckboxInput())
    optional = SelectMultipleField(option_widget=CheckboxInput())
    cause = StringField(Text("请求事由", "Why you ask"), [cause_given("请填写请求事由，持证人会看到。")])
    basis = RadioField(choices=[SelectChoice(name, asking.BASES[name]) for name in (CONSENT, DUTY)], default=CONSENT)
    confirm = StringField(Text("请持证人确认的事项（可不填）", "Words for the holder to confirm (may be left out)"))
    number = StringField(Text("发到此号码的卡包（可不填）", "Leave it in the wallet of this number (may be left out)"))
    several = BooleanField(Text("持有多张时可以一并出示", "Several licences of this kind may be shown"))
    organisation = StringField(Text("单位的统一社会信用代码（可不填）", "Credit code of the organisation (may be left out)"))
    matter = HiddenField()
    request_id = HiddenField()

    def offer(self, topic: "Topic", matter: Matter | None) -> None:
        """Set the fields that may be asked for: of a matter, those that it needs; of an answer there are none."""
        self.matter.data = matter.code if matter else ""
        names = [*SHOWN_OF_EVERY_LICENCE, *(one.name for one in topic.type.fields)] if topic.type is not None else []
        names = [name for name in names if matter is None or name in (matter.needs or ())]
        for control in (self.chosen, self.optional):
            control.choices = [SelectChoice(name, label_of(topic.type, name)) for name in names]

    def validate_confirm(self, field: Any) -> None:
        """Take words that can be read."""
        if len(field.data or "") > LONGEST_ACT or not is_readable(field.data or ""):
            raise FormFault(Text("最多500字，不能含控制字符。", "At most 500 characters, and none that cannot be read."))


@dataclass(frozen=True, slots=True)
class Topic:
    """What may be asked about: a licence of a type, or a yes or no; `key` is what it is chosen by."""

    key: str
    name: Text
    type: LicenceType | None = None
    question: Question | None = None


@ask_desk.route("/desk/ask", methods=["GET"])
@allow(officer)
def choose() -> Response:
    """Choose a licence type or a yes or no, then what of it to ask for."""
    topic = _topic(request.args.get("type", ""))
    if topic is None:
        return _types_page()
    form, matters = AskForm(), _matters(topic)
    matter = matters.get(request.args.get("matter", ""))
    form.offer(topic, matter)
    form.chosen.data = [choice.value for choice in form.chosen.choices] if matter else []
    form.request_id.data = str(new_id())
    return _form_page(form, topic, matters, 200)


@ask_desk.route("/desk/ask", methods=["POST"])
@allow(officer)
def ask() -> AnyResponse:
    """Make the request and show its code."""
    topic = _topic(request.form.get("type", ""))
    if topic is None:
        return _types_page(status=422)
    form, matters = AskForm(), _matters(topic)
    matter = matters.get(form.matter.data or "")
    is_known = matter is not None or not form.matter.data
    form.offer(topic, matter)
    if not (form.validate() and is_known):
        return _form_page(form, topic, matters, 422)
    try:
        with transaction() as session:
            request_id = _ask(session, form, topic, matter)
    except Refusal as refusal:
        control = {"holder.number": form.number, "confirm": form.confirm, AT_ORGANISATION: form.organisation}.get(refusal.field or "", form.cause)
        control.errors = [refusal.shown or refusal.title]
        return _form_page(form, topic, matters, refusal.status)
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
    asked = _asked(row)
    return render_template(
        "verifying/asked.html",
        row=row,
        state=state.value,
        terms=row.terms,
        name=asked.name,
        key=asked.key,
        says=_says(asked, result),
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


def _ask(session: Session, form: AskForm, topic: Topic, matter: Matter | None) -> UUID:
    settings, moment, request_id, officer_id = _settings(), now(), new_id(), g.signed_in.subject_id
    optional = [name for name in form.optional.data if name not in form.chosen.data]
    told = [topic.key, form.chosen.data, optional, *(one.data for one in (form.cause, form.basis, form.confirm, form.number))]
    told += [form.organisation.data, form.matter.data]
    told.append(bool(form.several.data))
    digest = digest_of(told, pepper=settings.derived_key("idempotency"))
    key = form.request_id.data or None
    before = claim(session, caller=f"officer:{officer_id}:ask", key=key, digest=digest, result_id=request_id, now=moment)
    if before is not None:
        return before
    act = (form.confirm.data or "").strip() or None
    made = Asking(
        _composed(settings, form, topic, optional, (SD_JWT_VC,) if act else (SD_JWT_VC, MDOC)),
        cause={"text": form.cause.data.strip(), **({"matter": matter.code, "matter_name": matter.name.zh} if matter else {})},
        response_mode=DIRECT_POST_JWT,
        prefix=HASH,
        basis=form.basis.data or CONSENT,
        act=act,
        number=(form.number.data or "").strip() or None,
    )
    return asking.ask(session, settings, made, by=By(g.officer_of, officer_id=officer_id), request_id=request_id, now=moment).id


def _composed(settings: Settings, form: AskForm, topic: Topic, optional: Sequence[str], formats: Sequence[str]) -> Asked:
    if topic.type is not None:
        return queries.compose(settings, [Wanted(topic.type.slug, form.chosen.data, optional, formats, bool(form.several.data))])
    assert topic.question is not None
    organisation = (form.organisation.data or "").strip() if topic.question.kind == REPRESENTS else ""
    return queries.compose(settings, [], [WantedAnswer(topic.question.kind, topic.question.slug, organisation or None)])


def _asked(row: PresentationRequest) -> Topic:
    """Return what a request of this page asks about."""
    (vct,) = [name for one in read_query(row.terms.query).credentials[:1] for alternative in one.types for name in alternative]
    question = find_question(vct)
    if question is not None:
        return _about(question)
    found = get_type(row.terms.types[0])
    return Topic(found.slug, found.name, type=found)


def _says(asked: Topic, result: dict[str, Any]) -> bool | None:
    """Return the answer to a yes or no, None where there is none that is believed."""
    if asked.question is None or result.get("verdict") != VALID:
        return None
    return all(one["fields"].get(asked.question.kind) is True for one in result["presentations"])


def _reading(session: Session, row: PresentationRequest, one: dict[str, Any]) -> Reading:
    return read_receipt(receipts.get_receipt(session, UUID(one["receipt"]["id"]), department=row.department))


def _own(session: Session, request_id: UUID) -> PresentationRequest:
    row = get_request(session, request_id)
    if row.department != g.officer_of or row.officer_id != g.signed_in.subject_id:
        raise RequestNotFound("another's")
    return row


def _topic(key: str) -> Topic | None:
    """Return what the department may ask about, None for anything else."""
    return next((one for one in _topics() if one.key == key), None)


def _topics() -> list[Topic]:
    types = [get_type(code) for code in types_under(department=g.officer_of, action=Action.VERIFY, now=now())]
    types.sort(key=lambda one: str(one.name).encode("gb18030"))  # in which the common characters stand by their sound
    questions = [Question(OVER_18), Question(OVER_60), Question(REPRESENTS), *(Question(HOLDS, one.slug) for one in types)]
    return [*(Topic(one.slug, one.name, type=one) for one in types), *map(_about, questions)]


def _about(question: Question) -> Topic:
    return Topic(question.vct, question.name, question=question)


def _types_page(*, status: int = 200) -> Response:
    topics = _topics()
    families = [(text, [one for one in topics if one.type and one.type.family == name]) for name, text in FAMILIES.items()]
    groups = [(text, found) for text, found in (*families, (ONLY_AN_ANSWER, [one for one in topics if one.question])) if found]
    page = render_template("verifying/ask_type.html", topics=topics, groups=groups, department=get_department(g.officer_of).name)
    return make_response(page, status)


def _matters(topic: Topic) -> dict[str, Matter]:
    if topic.type is None:
        return {}
    with transaction() as session:
        return {one.code: one for one in matter_fields.matters_of(session, topic.type)}


def _form_page(form: AskForm, topic: Topic, matters: dict[str, Matter], status: int) -> Response:
    if status != 200:
        form.request_id.data = str(new_id())
    matter = matters.get(form.matter.data or "")
    shown = {"topic": topic, "represents": REPRESENTS, "matters": list(matters.values()), "matter": matter}
    return make_response(render_template("verifying/ask.html", form=form, **shown), status)


def _settings() -> Settings:
    settings: Settings = current_app.extensions["kabao_settings"]
    return settings
