"""The pages on which a person adds an address, shows by a code that it is theirs, and, asked once more, removes one."""

from uuid import UUID

from flask import Blueprint, Response, current_app, flash, g, make_response, render_template, request, url_for
from sqlalchemy.orm import Session
from wtforms import HiddenField, StringField, SubmitField

from idp.signin import callers, contacts, notices, one_time_codes, second_step, senders, sessions, throttle
from idp.signin.contacts import Contact, ContactRefused
from idp.signin.destinations import HOME, local_path, origins_of
from idp.signin.forms import add_refusal, filled
from idp.signin.freshness import fresh
from idp.signin.one_time_codes import VERIFYING
from idp.signin.proof_forms import LONGEST_CODE, ProofRefused
from idp.signin.second_pages import see
from idp.signin.step_up_pages import raise_session
from runtime.clock import now
from runtime.database import transaction
from runtime.forms import PostedForm
from runtime.guard import allow
from runtime.languages import Text
from runtime.pages import form_may_lead_to
from runtime.problems import Refusal

contact_pages = Blueprint("contacts", __name__, template_folder="templates")
WAYS = "/account/ways"


class AddressForm(PostedForm):
    """An address to be added."""

    address = StringField(
        Text("手机号码或电子邮箱", "Mobile number or e-mail address"),
        [filled(Text("请填写手机号码或电子邮箱。", "Give a mobile number or an e-mail address."), longest=contacts.LONGEST)],
    )
    next = HiddenField()
    add = SubmitField(Text("发送验证码", "Send a code"))


class CodeForm(PostedForm):
    """The code that was sent."""

    code = StringField(Text("验证码", "Code"), [filled(Text("请填写验证码。", "Give the code."), longest=LONGEST_CODE)])
    next = HiddenField()
    confirm = SubmitField(Text("确认", "Confirm"))


class RemovalForm(PostedForm):
    """That an address is to go; `is_last` says that it was shown to be the last one."""

    is_last = HiddenField()


class ContactNotFound(Refusal):
    """The person has no such address."""

    code, status, title = "contact-not-found", 404, Text("没有这个联系方式。", "There is no such address.")


@contact_pages.route("/account/ways/contacts/new", methods=["GET", "POST"])
@allow(fresh)
def add() -> Response:
    """Take an address, and send a code to it."""
    form = AddressForm()
    goal = local_path(form.next.data or request.args.get("next"))
    if request.method != "POST" or not form.validate():
        return _page("signin/contact_new.html", form, goal, status=422 if request.method == "POST" else 200)
    try:
        contact = _add(form.address.data)
    except Refusal as refusal:
        return _refused("signin/contact_new.html", form, goal, refusal)
    return see(url_for("contacts.verify", contact_id=contact.id, next=goal))


@contact_pages.route("/account/ways/contacts/<uuid:contact_id>", methods=["GET", "POST"])
@allow(fresh)
def verify(contact_id: UUID) -> Response:
    """Take the code; the address is then the person's, and the session has one more proof."""
    form = CodeForm()
    goal = local_path(form.next.data or request.args.get("next"))
    with transaction() as session:
        contact = _get(session, contact_id)
    if contact.verified_at is not None:
        return see(WAYS)
    if request.method != "POST" or not form.validate():
        return _page("signin/contact_verify.html", form, goal, contact=contact, status=422 if request.method == "POST" else 200)
    try:
        _verify(contact_id, form.code.data)
    except Refusal as refusal:
        return _refused("signin/contact_verify.html", form, goal, refusal, contact=contact)
    flash(str(Text("已添加 {}。", "{} was added.").format(contact.masked)), "success")
    proof = second_step.AMR[second_step.OF_KIND[contact.kind]]
    return raise_session(second_step.together(g.signed_in.amr, proof), WAYS if goal == HOME else goal)


@contact_pages.route("/account/ways/contacts/<uuid:contact_id>/send", methods=["POST"])
@allow(fresh)
def send(contact_id: UUID) -> Response:
    """Send another code to an address that is not verified yet."""
    _count("code")
    with transaction() as session:
        contact = _get(session, contact_id)
        if contact.verified_at is None:
            one_time_codes.issue(session, contact, bound_to=g.signed_in.session_id, purpose=VERIFYING, now=now())
    return see(url_for("contacts.verify", contact_id=contact_id))


@contact_pages.route("/account/ways/contacts/<uuid:contact_id>/remove", methods=["GET", "POST"])
@allow(fresh)
def remove(contact_id: UUID) -> Response:
    """Ask once more, and say what is left without the last one; then remove an address, and tell them all.

    The last one is removed only by who was told that it is: it may have become so since the page was shown.
    """
    form, present = RemovalForm(), now()
    with transaction() as session:
        is_last = [one.id for one in contacts.verified_of(session, g.signed_in.subject_id)] == [contact_id]
        if not form.validate_on_submit() or (is_last and not form.is_last.data):
            form.is_last.data = "1" if is_last else ""
            asked = _get(session, contact_id)
            return make_response(render_template("signin/contact_remove.html", form=form, contact=asked, is_last=is_last))
        contact = contacts.remove(session, g.signed_in.subject_id, contact_id, now=present)
        if contact is not None and contact.verified_at is not None:
            notices.tell(session, g.signed_in.subject_id, "contact-removed", now=present, address=contact.masked)
    if contact is not None:
        flash(str(Text("已移除 {}。", "{} was removed.").format(contact.masked)), "success")
    return see(WAYS)


def _add(unverified: str) -> Contact:
    """Count first, keep then: what is refused for its form costs nothing."""
    kind, _ = contacts.parse(unverified)
    if kind not in senders.offered(current_app.extensions["kabao_settings"]):
        raise ContactRefused("unreachable")
    _count("code")
    with transaction() as session:
        contact = contacts.add(session, g.signed_in.subject_id, unverified, now=now())
        one_time_codes.issue(session, contact, bound_to=g.signed_in.session_id, purpose=VERIFYING, now=now())
    return contact


def _verify(contact_id: UUID, unverified_code: str) -> None:
    present, who = now(), g.signed_in
    attempt = _count("second")
    with transaction() as session:
        code = one_time_codes.redeem(session, unverified_code, bound_to=who.session_id, purpose=VERIFYING, now=present)
    if code is None:
        with transaction() as session:
            one_time_codes.check_open(session, bound_to=who.session_id, purpose=VERIFYING, now=present)
    if code is None or code.contact_id != contact_id:
        raise ProofRefused("another code", field="code")
    with transaction() as session:
        sessions.hold(session, who)
        throttle.give_back(session, attempt, now=present)
        contact = _get(session, contact_id)
        if contacts.verify(session, contact, now=present):
            notices.tell(session, who.subject_id, "contact-added", now=present, address=contact.masked)


def _count(door: str) -> throttle.Try:
    attempt = throttle.Try(door, str(g.signed_in.subject_id), request.remote_addr or "", callers.is_known_browser(g.signed_in.subject_id))
    with transaction() as session:
        throttle.count(session, attempt, now=now())
    return attempt


def _get(session: Session, contact_id: UUID) -> Contact:
    contact = contacts.find(session, g.signed_in.subject_id, contact_id)
    if contact is None:
        raise ContactNotFound("no such contact")
    return contact


def _refused(template: str, form: AddressForm | CodeForm, goal: str, refusal: Refusal, **shown: object) -> Response:
    add_refusal(form, refusal)
    response = _page(template, form, goal, status=refusal.status, **shown)
    response.headers.update(refusal.headers)
    return response


def _page(template: str, form: AddressForm | CodeForm, goal: str, *, status: int = 200, **shown: object) -> Response:
    form.next.data = goal
    offered = senders.offered(current_app.extensions["kabao_settings"])
    response = make_response(render_template(template, form=form, goal=goal, offered=offered, **shown), status)
    return form_may_lead_to(response, *origins_of(goal))
