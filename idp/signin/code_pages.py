"""Signing in with a code alone: for who has forgotten the password and has a verified address.

Whether a number has an account, and whether a code went anywhere, is not said, and does not show: the same rows are written, the
same job is asked for, the same page is answered, in the same time.
"""

from uuid import UUID

import structlog
from flask import Blueprint, Response, current_app, flash, make_response, render_template, request, url_for
from sqlalchemy.orm import Session
from wtforms import HiddenField, RadioField, SelectChoice, StringField, SubmitField

from idp.signin import accounts, browser_secrets, callers, contacts, entering, one_time_codes, pending, second_step, senders, throttle
from idp.signin.contacts import EMAIL, PHONE, Contact
from idp.signin.destinations import local_path, origins_of
from idp.signin.forms import NUMBER, add_refusal, filled, is_number
from idp.signin.one_time_codes import SIGNING_IN
from idp.signin.pending import PendingSignin
from idp.signin.proof_forms import LONGEST_CODE, ProofRefused
from idp.signin.second_pages import see
from idp.subjects import guardians
from idp.subjects.numbers import LONGEST as LONGEST_NUMBER
from idp.subjects.numbers import parse_number
from runtime.clock import now
from runtime.database import transaction
from runtime.forms import PostedForm
from runtime.guard import allow, anyone
from runtime.languages import Text
from runtime.pages import form_may_lead_to
from runtime.problems import Refusal

log = structlog.get_logger(__name__)
code_pages = Blueprint("code", __name__, template_folder="templates")
NOBODY = UUID(int=0)
CHANNELS = {PHONE: Text("短信", "SMS"), EMAIL: Text("电子邮件", "E-mail")}


class AskForm(PostedForm):
    """Whose code, and how it is to come."""

    number = StringField(NUMBER, [filled(Text("请填写号码。", "Give your number."), longest=LONGEST_NUMBER), is_number])
    channel = RadioField(Text("验证码发送至", "Send the code by"), choices=[])
    next = HiddenField()
    send = SubmitField(Text("获取验证码", "Send me a code"))


class EnterForm(PostedForm):
    """The code."""

    code = StringField(Text("验证码", "Code"), [filled(Text("请填写验证码。", "Give the code."), longest=LONGEST_CODE)])
    next = HiddenField()
    signin = SubmitField(Text("登录", "Sign in"))


@code_pages.route("/signin/code", methods=["GET", "POST"])
@allow(anyone)
def ask() -> Response:
    """Take a number, and have a code sent if there is anywhere to send it."""
    form = AskForm()
    offered = senders.offered(current_app.extensions["kabao_settings"])
    form.channel.choices = [SelectChoice(kind, str(CHANNELS[kind])) for kind in CHANNELS if kind in offered]
    form.channel.data = form.channel.data or next(iter(offered), None)
    goal = local_path(form.next.data or request.args.get("next"))
    if request.method != "POST" or not form.validate():
        return _page("signin/code_ask.html", form, goal, offered=offered, status=422 if request.method == "POST" else 200)
    try:
        secret = _ask(form)
    except Refusal as refusal:
        return _refused("signin/code_ask.html", form, goal, refusal, offered=offered)
    return callers.let_wait(secret, url_for("code.enter", next=goal))


@code_pages.route("/signin/code/enter", methods=["GET", "POST"])
@allow(anyone)
def enter() -> Response:
    """Take the code, and let its owner in."""
    form = EnterForm()
    goal = local_path(form.next.data or request.args.get("next"))
    with transaction() as session:
        waiting = pending.find(session, browser_secrets.held(browser_secrets.WAITING), now=now())
    if waiting is None or waiting.amr:
        if request.method == "POST":
            flash(str(one_time_codes.CodeOver.title), "info")
        elif callers.find_signed_in() is not None:
            return see(goal)  # whoever goes back after signing in goes on
        return see(url_for("code.ask", next=goal))
    if request.method != "POST" or not form.validate():
        return _page("signin/code_enter.html", form, goal, status=422 if request.method == "POST" else 200)
    try:
        return _enter(waiting, form.code.data, goal)
    except Refusal as refusal:
        return _refused("signin/code_enter.html", form, goal, refusal)


def _ask(form: AskForm) -> str:
    """Do the same for everyone: count, look up, write the row that waits and that of the code, ask for the job."""
    present, number = now(), parse_number(form.number.data)
    accounts.check_is_person(number)
    guardians.check_may_sign_in(number.born, now=present)
    with transaction() as session:
        account = accounts.find_account(session, number)
        subject_id = account.subject_id if account is not None and account.closed_at is None else None
        known_browser = callers.is_known_browser(subject_id)
        throttle.count(session, throttle.Try("code", number.value, request.remote_addr or "", known_browser), now=present)
    with transaction() as session:
        contact = _newest(session, subject_id, form.channel.data)
        waiting, secret = pending.begin(session, subject_id, amr=[], now=present)
        one_time_codes.issue(session, contact, bound_to=waiting, purpose=SIGNING_IN, now=present)
    return secret


def _newest(session: Session, subject_id: UUID | None, kind: str) -> Contact | None:
    """Return the address of a kind that was verified last."""
    verified = [contact for contact in contacts.verified_of(session, subject_id or NOBODY) if contact.kind == kind]
    return verified[-1] if verified else None


def _enter(waiting: PendingSignin, unverified_code: str, goal: str) -> Response:
    present, browser = now(), callers.this_browser()
    # Counted by the sign-in that waits, never by its person: a bucket that several such sign-ins share would say that there is one.
    attempt = throttle.Try("second", str(waiting.id), browser.address)
    with transaction() as session:
        throttle.count(session, attempt, now=present)
    with transaction() as session:
        code = one_time_codes.redeem(session, unverified_code, bound_to=waiting.id, purpose=SIGNING_IN, now=present)
    if code is None or waiting.subject_id is None or code.contact_id is None:
        with transaction() as session:
            if code is None:
                one_time_codes.check_open(session, bound_to=waiting.id, purpose=SIGNING_IN, now=present)
        raise ProofRefused("another code", field="code")
    with transaction() as session:
        contact = contacts.find(session, waiting.subject_id, code.contact_id)
        if contact is None or accounts.is_closed(session, waiting.subject_id) or not pending.finish(session, waiting.id, now=present):
            raise ProofRefused("too late", field="code")
        throttle.give_back(session, attempt, now=present)
        amr = second_step.AMR[second_step.OF_KIND[contact.kind]]
        entry = entering.enter(session, subject_id=waiting.subject_id, amr=amr, browser=browser, now=present)
    return callers.let_in(entry, goal)


def _refused(template: str, form: AskForm | EnterForm, goal: str, refusal: Refusal, **shown: object) -> Response:
    log.info("refused", code=refusal.code, reason=refusal.reason, field=refusal.field)
    add_refusal(form, refusal)
    response = _page(template, form, goal, status=refusal.status, **shown)
    response.headers.update(refusal.headers)
    return response


def _page(template: str, form: AskForm | EnterForm, goal: str, *, status: int = 200, **shown: object) -> Response:
    form.next.data = goal
    shown["signed_in"] = callers.find_signed_in()
    return form_may_lead_to(make_response(render_template(template, form=form, goal=goal, **shown), status), *origins_of(goal))
