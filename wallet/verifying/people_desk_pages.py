"""The counter where people are identified (身份核实窗口): officers whose department may identify by a document of some type."""

from typing import Any

import structlog
from flask import Blueprint, Response, current_app, g, make_response, render_template, request, url_for
from wtforms import BooleanField, Field, Form, SelectField, StringField
from wtforms.fields.choices import SelectChoice
from wtforms.validators import StopValidation

from idp.signin import throttle
from idp.signin.assurance import TWO_FACTORS
from idp.signin.callers import GoAndRaise
from idp.signin.counter_codes import DIGITS
from idp.signin.forms import LONGEST_NAME, NUMBER, add_refusal, filled, is_number
from idp.signin.recency import is_recent
from idp.signin.recovery import COUNTER_LIFETIME
from idp.subjects.numbers import LONGEST as LONGEST_NUMBER
from idp.subjects.numbers import parse_number
from runtime.clock import now
from runtime.database import transaction
from runtime.forms import PostedForm
from runtime.guard import allow
from runtime.languages import Text
from runtime.problems import Refusal
from runtime.settings import Settings
from wallet.register.callers import strong_officer
from wallet.register.catalogue import get_type
from wallet.register.departments import Action, NoAuthority, get_department, types_under
from wallet.verifying import people
from wallet.verifying.people import Desk, Seen

log = structlog.get_logger(__name__)
people_desk = Blueprint("people_desk", __name__, template_folder="templates")
PROVE, RECOVER = "prove", "recover"


def confirmed(_: Form, field: Field) -> None:
    """Ask for a tick: an officer says that they looked."""
    if not field.data:
        raise StopValidation(Text("请逐项确认后再提交。", "Confirm each point first."))


class PersonForm(PostedForm):
    """Whom the officer has before them, what they looked at, and the code of the person's account."""

    number = StringField(NUMBER, [filled(Text("请填写号码。", "Give the number."), longest=LONGEST_NUMBER), is_number])
    name = StringField(Text("姓名", "Name"), [filled(Text("请填写姓名。", "Give the name."), longest=LONGEST_NAME)])
    document = SelectField(Text("查验的证件", "Document that you looked at"))
    present = BooleanField(Text("本人在场", "The person is here"), [confirmed])
    likeness = BooleanField(Text("相貌与证件照片一致", "They look like the photograph"), [confirmed])
    genuine = BooleanField(Text("证件真实、在有效期内", "The document is genuine, and valid today"), [confirmed])
    code = StringField(Text("窗口码", "Counter code"))


class WithdrawalForm(PostedForm):
    """Whose proof is withdrawn, and why."""

    withdrawn_number = StringField(NUMBER, [filled(Text("请填写号码。", "Give the number."), longest=LONGEST_NUMBER), is_number])
    why = SelectField(Text("撤回原因", "Why"), choices=[SelectChoice(word, text) for word, text in people.REASONS.items()])


@people_desk.route("/desk/people", methods=["GET"])
@allow(strong_officer)
def show() -> Response:
    """Show the counter."""
    return _page(_person_form(), _withdrawal_form())


@people_desk.route("/desk/people", methods=["POST"])
@allow(strong_officer)
def identify() -> Response:
    """Prove who the person is, or let them back into their account; a refusal is said beside what was typed."""
    form, act = _person_form(), request.form.get("act")
    if act == RECOVER:
        _check_fresh()
    if not form.validate() or (act != RECOVER and not _has_code(form)):
        return _page(form, _withdrawal_form(), status=422)
    try:
        _count()
        done = _let_back_in(form) if act == RECOVER else _prove(form)
    except Refusal as refusal:
        return _refused(form, _withdrawal_form(), form, refusal)
    return _page(_person_form(empty=True), _withdrawal_form(), **done)


@people_desk.route("/desk/people/withdrawal", methods=["POST"])
@allow(strong_officer)
def withdraw() -> Response:
    """Withdraw what the department proved of a person."""
    form = WithdrawalForm()
    if not form.validate():
        return _page(_person_form(empty=True), form, status=422)
    try:
        _count()
        with transaction() as session:
            people.withdraw(session, parse_number(form.withdrawn_number.data), why=form.why.data, desk=_desk(), now=now())
    except Refusal as refusal:
        return _refused(_person_form(empty=True), form, form, refusal)
    return _page(_person_form(empty=True), _withdrawal_form(), withdrawn=True)


def _count() -> None:
    """Slow an officer who tries number after number: what is refused says whom the registry knows, and who has an account. Raises SlowDown."""
    with transaction() as session:
        throttle.count(session, throttle.Try("people", str(g.signed_in.subject_id), request.remote_addr or ""), now=now())


def _check_fresh() -> None:
    """Lead an officer to a fresh proof before they let anybody into an account: at a desk that was left open, whoever came by could."""
    if not is_recent(g.signed_in.auth_time, now=now()):
        raise GoAndRaise(f"/signin/step-up?aal={TWO_FACTORS}")


def _prove(form: PersonForm) -> dict[str, Any]:
    present, seen = now(), _seen(form)
    with transaction() as session:
        throttle.count(session, throttle.Try("second", seen.number.value, request.remote_addr or ""), now=present)
    with transaction() as session:
        people.prove(session, seen, code=form.code.data, desk=_desk(), now=present)
    return {"proven": seen.number.masked()}


def _let_back_in(form: PersonForm) -> dict[str, Any]:
    seen, present = _seen(form), now()
    with transaction() as session:
        code = people.let_back_in(session, seen, desk=_desk(), now=present)
    settings: Settings = current_app.extensions["kabao_settings"]
    where = settings.public_url + url_for("recovery.by_code")
    return {"recovery_code": code, "for_whom": seen.number.masked(), "good_until": present + COUNTER_LIFETIME, "where": where}


def _seen(form: PersonForm) -> Seen:
    return Seen(parse_number(form.number.data), form.name.data, form.document.data)


def _desk() -> Desk:
    return Desk(g.officer_of, g.signed_in.subject_id)


def _has_code(form: PersonForm) -> bool:
    if sum(character.isdigit() for character in form.code.data or "") == DIGITS:
        return True
    form.code.errors = [Text("请输入本人账号“实名等级”页面上的8位窗口码。", "Give the eight digits from the level page of the person's own account.")]
    return False


def _person_form(*, empty: bool = False) -> PersonForm:
    """Return the form with the documents by which the department may identify; raises NoAuthority if there is none."""
    codes = types_under(department=g.officer_of, action=Action.IDENTIFY, now=now())
    if not codes:
        raise NoAuthority("no identify authority")
    form = PersonForm()
    for one in (form.number, form.name, form.code, form.present, form.likeness, form.genuine) if empty else ():
        one.data = None  # who was there before is no business of who comes next
    form.document.choices = [SelectChoice(code, get_type(code).name) for code in sorted(codes)]
    return form


def _withdrawal_form() -> WithdrawalForm:
    form = WithdrawalForm()
    form.withdrawn_number.data = None
    return form


def _refused(person: PersonForm, withdrawal: WithdrawalForm, form: Any, refusal: Refusal) -> Response:
    log.info("refused", code=refusal.code, reason=refusal.reason, field=refusal.field)
    add_refusal(form, refusal)
    response = _page(person, withdrawal, status=refusal.status)
    response.headers.update(refusal.headers)
    return response


def _page(form: PersonForm, withdrawal: WithdrawalForm, *, status: int = 200, **done: Any) -> Response:
    department = get_department(g.officer_of).name
    page = render_template("verifying/people.html", form=form, withdrawal=withdrawal, department=department, **done)
    return make_response(page, status)
