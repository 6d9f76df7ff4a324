"""The pages of recovery: which way, the code and the new password, asking by registry, cancelling, and a new password after a passkey.

They answer alike whether or not there is an account, and do the same work: passwords are hashed before any row is looked at.
"""

from datetime import datetime, timedelta
from uuid import UUID

from flask import Blueprint, Response, flash, g, make_response, redirect, render_template, request, url_for

from idp.signin import accounts, callers, passwords, recovery, recovery_requests, regaining, sessions, throttle
from idp.signin.callers import signed_in
from idp.signin.forms import add_refusal
from idp.signin.recency import is_recent
from idp.signin.recovery_forms import CodeForm, NewPasswordForm, RegistryForm
from idp.subjects import directory
from idp.subjects.numbers import parse_number
from runtime.clock import now
from runtime.database import transaction
from runtime.forms import PostedForm
from runtime.guard import allow, anyone
from runtime.languages import Text
from runtime.problems import Refusal

recovery_pages = Blueprint("recovery", __name__, template_folder="templates")
RECENT = timedelta(minutes=15)
DONE = Text("新密码已设置，以前的登录已全部退出。请用新密码登录。", "The new password is set, and every browser was signed out. Sign in with it.")
CANCELLED = Text("账号恢复申请已取消，密码没有改变。", "The recovery was cancelled; the password is as it was.")
OVER = Text("这项申请已经取消、完成或过期，不需要再取消。", "This recovery was cancelled, completed or has expired; there is nothing to cancel.")


@recovery_pages.route("/recover")
@allow(anyone)
def ways() -> str:
    """Show the ways back in."""
    return render_template("signin/recover.html")


@recovery_pages.route("/recover/code", methods=["GET", "POST"])
@allow(anyone)
def by_code() -> Response:
    """Set a new password for number and code."""
    form = CodeForm()
    if request.method != "POST":
        return _page("signin/recover_code.html", form)
    if not form.validate():
        return _page("signin/recover_code.html", form, status=422)
    try:
        _recover(form)
    except Refusal as refusal:
        return _refused("signin/recover_code.html", form, refusal)
    flash(str(DONE), "success")
    return _see(url_for("signin.signin"))


@recovery_pages.route("/recover/registry", methods=["GET", "POST"])
@allow(anyone)
def by_registry() -> Response:
    """Take what someone says of themself, and show the code that may set a new password a day later."""
    form = RegistryForm()
    if request.method != "POST":
        return _page("signin/recover_registry.html", form)
    if not form.validate():
        return _page("signin/recover_registry.html", form, status=422)
    present = now()
    try:
        code = _ask(form, present)
    except Refusal as refusal:
        return _refused("signin/recover_registry.html", form, refusal)
    times = {"opens_at": present + recovery.WAIT, "expires_at": present + recovery.LIFETIME}
    return make_response(render_template("signin/recover_begun.html", code=code, **times))


@recovery_pages.route("/recover/cancel/<secret>", methods=["GET", "POST"])
@allow(anyone)
def cancel_by_link(secret: str) -> Response:
    """Show what a notice's link is about, and cancel it at a press of the button."""
    present = now()
    with transaction() as session:
        row = recovery.find_by_link(session, secret, now=present)
        if row is not None and request.method != "POST":
            return make_response(render_template("signin/recover_cancel.html", secret=secret, row=row))
        cancelled = row is not None and recovery.cancel(session, row, actor="link", now=present)
    return make_response(render_template("signin/recover_cancelled.html", title=CANCELLED if cancelled else OVER), 200 if cancelled else 410)


@recovery_pages.route("/account/recovery/cancel", methods=["POST"])
@allow(signed_in)
def cancel_own() -> Response:
    """Cancel the recovery that waits on the account of who is signed in."""
    present = now()
    with transaction() as session:
        row = recovery.pending_of(session, g.signed_in.subject_id, now=present)
        cancelled = row is not None and recovery.cancel(session, row, actor=f"subject:{g.signed_in.subject_id}", now=present)
    flash(str(CANCELLED if cancelled else OVER), "success" if cancelled else "info")
    return _see(url_for("account.account"))


@recovery_pages.route("/recover/password", methods=["GET", "POST"])
@allow(signed_in)
def by_passkey() -> Response:
    """Set a new password without the old one, for who has just signed in by a passkey."""
    form = NewPasswordForm()
    present = now()
    if not came_by_passkey(present):
        return make_response(render_template("signin/recover_passkey.html"), 403 if request.method == "POST" else 200)
    if request.method != "POST":
        return _page("signin/new_password.html", form)
    if not form.validate():
        return _page("signin/new_password.html", form, status=422)
    try:
        _set_password(form, g.signed_in.subject_id, present)
    except Refusal as refusal:
        return _refused("signin/new_password.html", form, refusal)
    flash(str(Text("新密码已设置，其他浏览器上的登录已全部退出。", "The new password is set, and every other browser was signed out.")), "success")
    return _see(url_for("account.account"))


def came_by_passkey(present: datetime) -> bool:
    """Whether who is signed in has shown a passkey, with user verification, lately enough."""
    amr = set(g.signed_in.amr)
    return "user" in amr and not amr.isdisjoint(("hwk", "swk")) and is_recent(g.signed_in.auth_time, now=present, within=RECENT)


def _recover(form: CodeForm) -> None:
    present = now()
    number = parse_number(form.number.data)
    accounts.check_is_person(number)
    attempt = throttle.Try("recovery code", number.value, request.remote_addr or "")
    with transaction() as session:
        throttle.count(session, attempt, now=present)
    passwords.check_password(form.password.data, number=number)  # nor the name: whoever has no code yet would learn it by trying
    password_hash = passwords.hash_password(form.password.data)
    with transaction() as session:
        regaining.complete(session, number, form.code.data, password=form.password.data, password_hash=password_hash, now=present)
        throttle.give_back(session, attempt, now=present)


def _ask(form: RegistryForm, present: datetime) -> str:
    number = parse_number(form.number.data)
    accounts.check_is_person(number)
    with transaction() as session:
        throttle.count(session, throttle.Try("recovery", number.value, request.remote_addr or ""), now=present)
    with transaction() as session:
        return recovery_requests.ask(session, number=number, name=form.name.data, address=form.address.data, now=present)


def _set_password(form: NewPasswordForm, subject_id: UUID, present: datetime) -> None:
    with transaction() as session:
        person = directory.get_subject(session, subject_id)
        number, name = directory.number_of(person), directory.name_of(person)
    passwords.check_password(form.password.data, number=number, name=name)
    with transaction() as session:
        accounts.check_is_another(session, subject_id, form.password.data)
    password_hash = passwords.hash_password(form.password.data)
    with transaction() as session:
        sessions.hold(session, g.signed_in)
        way, kept = regaining.PASSKEY, g.signed_in.session_id
        regaining.set_password(session, subject_id, way=way, password_hash=password_hash, now=present, but=kept)


def _see(goal: str) -> Response:
    response: Response = redirect(goal, 303)  # type: ignore[assignment]
    return response


def _refused(template: str, form: PostedForm, refusal: Refusal) -> Response:
    add_refusal(form, refusal)
    response = _page(template, form, status=refusal.status)
    response.headers.update(refusal.headers)
    return response


def _page(template: str, form: PostedForm, *, status: int = 200) -> Response:
    return make_response(render_template(template, form=form, signed_in=callers.find_signed_in()), status)
