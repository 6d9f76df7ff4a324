"""The pages on which a person adds and removes an authenticator app."""

from uuid import UUID

import segno
from flask import Blueprint, Response, flash, g, make_response, render_template, request, url_for
from wtforms import HiddenField, StringField, SubmitField

from idp.signin import callers, notices, second_step, sessions, throttle, totp
from idp.signin.destinations import HOME, local_path, origins_of
from idp.signin.forms import add_refusal, filled
from idp.signin.freshness import fresh
from idp.signin.proof_forms import LONGEST_CODE, ProofRefused
from idp.signin.second_pages import see
from idp.signin.step_up_pages import raise_session
from idp.signin.totp import LONGEST_NAME, TotpAuthenticator
from idp.subjects import directory
from runtime.clock import now
from runtime.database import transaction
from runtime.forms import PostedForm
from runtime.guard import allow
from runtime.languages import Text
from runtime.pages import form_may_lead_to
from runtime.problems import Refusal

totp_pages = Blueprint("totp", __name__, template_folder="templates")
WAYS = "/account/ways"


class NameForm(PostedForm):
    """What a new authenticator is to be called."""

    name = StringField(
        Text("名称", "Name"), [filled(Text("请起一个名称，例如“我的手机”。", "Give it a name, such as “my phone”."), longest=LONGEST_NAME)]
    )
    next = HiddenField()
    go_on = SubmitField(Text("下一步", "Next"))


class FirstCodeForm(PostedForm):
    """The first code that the app shows."""

    code = StringField(
        Text("验证器显示的6位数字", "The 6 digits that the app shows"), [filled(Text("请填写验证码。", "Give the code."), longest=LONGEST_CODE)]
    )
    next = HiddenField()
    confirm = SubmitField(Text("确认添加", "Add it"))


@totp_pages.route("/account/ways/totp/new", methods=["GET", "POST"])
@allow(fresh)
def add() -> Response:
    """Ask what it is to be called, and make its secret."""
    form = NameForm()
    goal = local_path(form.next.data or request.args.get("next"))
    form.next.data = goal
    if request.method != "POST" or not form.validate():
        return make_response(render_template("signin/totp_new.html", form=form), 422 if request.method == "POST" else 200)
    try:
        with transaction() as session:
            authenticator = totp.begin(session, g.signed_in.subject_id, name=form.name.data, now=now())
    except Refusal as refusal:
        add_refusal(form, refusal)
        return make_response(render_template("signin/totp_new.html", form=form), refusal.status)
    return see(url_for("totp.confirm", totp_id=authenticator.id, next=goal))


@totp_pages.route("/account/ways/totp/<uuid:totp_id>", methods=["GET", "POST"])
@allow(fresh)
def confirm(totp_id: UUID) -> Response:
    """Show the secret, as a QR code and in letters, and take the first code; the session then has a second proof."""
    form = FirstCodeForm()
    goal = local_path(form.next.data or request.args.get("next"))
    form.next.data = goal
    with transaction() as session:
        authenticator = totp.find_begun(session, g.signed_in.subject_id, totp_id, now=now())
    if authenticator is None:
        return see(WAYS)
    if request.method != "POST" or not form.validate():
        return _page(authenticator, form, status=422 if request.method == "POST" else 200)
    try:
        _confirm(authenticator, form.code.data)
    except Refusal as refusal:
        add_refusal(form, refusal)
        response = _page(authenticator, form, status=refusal.status)
        response.headers.update(refusal.headers)
        return response
    flash(str(Text("已添加验证器“{}”。", "The authenticator “{}” was added.").format(authenticator.name)), "success")
    amr = second_step.together(g.signed_in.amr, second_step.AMR[second_step.TOTP])
    return raise_session(amr, url_for("recovery_codes.codes") if goal == HOME else goal)


@totp_pages.route("/account/ways/totp/<uuid:totp_id>/remove", methods=["POST"])
@allow(fresh)
def remove(totp_id: UUID) -> Response:
    """Remove an authenticator."""
    present = now()
    with transaction() as session:
        authenticator = totp.remove(session, g.signed_in.subject_id, totp_id, now=present)
        if authenticator is not None:
            notices.tell(session, g.signed_in.subject_id, "totp-removed", now=present, name=authenticator.name)
    if authenticator is not None:
        flash(str(Text("已移除验证器“{}”。", "The authenticator “{}” was removed.").format(authenticator.name)), "success")
    return see(WAYS)


def _confirm(authenticator: TotpAuthenticator, unverified_code: str) -> None:
    present, subject_id = now(), g.signed_in.subject_id
    attempt = throttle.Try("second", str(subject_id), request.remote_addr or "", callers.is_known_browser(subject_id))
    with transaction() as session:
        throttle.count(session, attempt, now=present)
    with transaction() as session:
        sessions.hold(session, g.signed_in)
        if not totp.confirm(session, authenticator, unverified_code, now=present):
            raise ProofRefused("another code", field="code")
        throttle.give_back(session, attempt, now=present)
        notices.tell(session, subject_id, "totp-added", now=present, name=authenticator.name)


def _page(authenticator: TotpAuthenticator, form: FirstCodeForm, *, status: int) -> Response:
    with transaction() as session:
        number = directory.number_of(directory.get_subject(session, g.signed_in.subject_id)).masked()
    link = authenticator.uri(number)
    picture = segno.make_qr(link, error="m").svg_data_uri(scale=6, border=2, dark="#000", light="#fff")
    secret = authenticator.secret
    spelled = " ".join(secret[begin : begin + 4] for begin in range(0, len(secret), 4))
    form.code.data = ""
    page = render_template("signin/totp_confirm.html", form=form, picture=picture, link=link, secret=spelled, name=authenticator.name)
    return form_may_lead_to(make_response(page, status), *origins_of(form.next.data))
