"""The pages of signing in, opening an account, and signing out.

Each try is counted in a transaction of its own before it is heard; no connection is held while a password is hashed.
"""

from collections.abc import Callable
from datetime import datetime

import structlog
from flask import Blueprint, Response, current_app, flash, make_response, redirect, render_template, request, url_for
from flask_wtf.csrf import CSRFError
from sqlalchemy.orm import Session

from idp.signin import accounts, callers, entering, passwords, registration, sessions, throttle
from idp.signin.destinations import asker_of, local_path, origins_of
from idp.signin.forms import RegistrationForm, SigninForm, add_refusal
from idp.signin.sessions import SignedIn
from idp.subjects import guardians
from idp.subjects.numbers import Number, parse_number
from idp.subjects.registries import RegistryUnavailable
from runtime.clock import now
from runtime.database import transaction
from runtime.guard import allow, anyone
from runtime.languages import Text
from runtime.pages import form_may_lead_to
from runtime.problems import Refusal, form_expired

log = structlog.get_logger(__name__)
signin_pages = Blueprint("signin", __name__, template_folder="templates")
signin_pages.app_template_global("asker_of")(asker_of)
farewells: list[Callable[[Session, SignedIn], Response | None]] = []
"""What shows a page of its own to whoever signs out, while the session still stands: such as the portals that are told through the browser."""


NUMBER_CHANGED = Text(
    "您登录时用的是原号码。登记库记载您的号码已经变更，下次请用现在的号码登录。",
    "You signed in with a former number. The registry says that yours has changed; next time, use the present one.",
)


EXPIRED = Text("页面已过期，刚才的提交没有生效，请重新填写密码。", "This page had expired, and what you sent had no effect: give the password again.")


class SigninRefused(Refusal):
    """Number and password do not belong together; whether the number has an account is not said."""

    code, status, title = "signin-refused", 422, Text("号码或密码不正确。", "The number or the password is not right.")


@signin_pages.route("/signin", methods=["GET", "POST"])
@allow(anyone)
def signin() -> Response:
    """Show the form, and begin a session for the right password.

    Someone signed in sees the form too, to sign in as another; but where a portal asked for a fresh sign-in (`again`) they are asked for
    a proof by any of their ways first.
    """
    form = SigninForm()
    goal = local_path(form.next.data or request.args.get("next"))
    if request.method != "POST" and request.args.get("again") and callers.find_signed_in():
        return _see(url_for("step_up.step_up", aal=1, next=goal))
    if request.method != "POST":
        return _page("signin/signin.html", form, goal)
    if not form.validate():
        return _page("signin/signin.html", form, goal, status=422)
    try:
        return _sign_in(parse_number(form.number.data), form.password.data, goal)
    except Refusal as refusal:
        return _refused("signin/signin.html", form, goal, refusal)


@signin_pages.errorhandler(CSRFError)
def expired(_: CSRFError) -> Response:
    """Show the form anew, and whereto it leads, where it has expired: another tab signed in meanwhile, or the browser was closed."""
    if request.endpoint != "signin.signin" or not callers.is_from_here():
        return form_expired()
    form = SigninForm()
    form.form_errors.append(EXPIRED)
    return _page("signin/signin.html", form, local_path(form.next.data), status=400)


@signin_pages.route("/account/new", methods=["GET", "POST"])
@allow(anyone)
def register() -> Response:
    """Show the form, and open the account of someone whom the registry knows."""
    form = RegistrationForm()
    goal = local_path(form.next.data or request.args.get("next"))
    if request.method != "POST":
        return _page("signin/register.html", form, goal)
    if not form.validate():
        return _page("signin/register.html", form, goal, status=422)
    try:
        return _register(parse_number(form.number.data), form, goal)
    except Refusal as refusal:
        return _refused("signin/register.html", form, goal, refusal)


@signin_pages.route("/signout", methods=["POST"])
@allow(anyone)
def signout() -> Response:
    """End the session of this browser, if there is one."""
    before, response = callers.find_signed_in(), None
    if before is not None:
        with transaction() as session:
            response = next((page for farewell in farewells if (page := farewell(session, before)) is not None), None)
            sessions.end(session, before, now=now())
    response, is_told = response or _see("/signin"), response is not None
    callers.forget_cookie(response)
    response.headers["Clear-Site-Data"] = '"storage"'  # what this browser kept of a wallet is not for who sits here next
    if before is not None and not is_told:
        flash(str(Text("您已退出登录。", "You are signed out.")))
    return response


def _sign_in(number: Number, password: str, goal: str) -> Response:
    present = now()
    accounts.check_is_person(number)
    guardians.check_may_sign_in(number.born, now=present)
    with transaction() as session:
        account = accounts.find_account(session, number)
        known_browser = callers.is_known_browser(account.subject_id if account else None)
        attempt = throttle.Try("signin", number.value, request.remote_addr or "", known_browser=known_browser)
        throttle.count(session, attempt, now=present)
    account = _checked(account, password)
    entry = _enter_as(account, attempt, password, present)
    if passwords.is_outdated(account.password_hash):
        with transaction() as session:
            accounts.rehash(session, account, password=password)
    if account.by_former_number:
        flash(str(NUMBER_CHANGED))
    return callers.let_in(entry, goal)


def _checked(account: accounts.Account | None, password: str) -> accounts.Account:
    if not passwords.is_right(account.usable_hash if account else None, password) or account is None:
        raise SigninRefused("no account" if account is None else "another password")
    return account


def _enter_as(account: accounts.Account, attempt: throttle.Try, password: str, present: datetime) -> entering.Entry:
    """Let in whose password was right, unless it was changed or made void since it was looked up: hashing takes its time.

    Where the same password was hashed anew meanwhile, by a sign-in beside this one, it is right still.
    """
    try:
        return _enter(account, attempt, present)
    except accounts.NoSuchAccount:
        with transaction() as session:
            by_now = session.get(accounts.Account, account.subject_id)
    by_now = _checked(by_now, password)
    try:
        return _enter(by_now, attempt, present)
    except accounts.NoSuchAccount as ended:
        raise SigninRefused("another password by now") from ended


def _enter(account: accounts.Account, attempt: throttle.Try, present: datetime) -> entering.Entry:
    browser, kept = callers.this_browser(), account.password_hash
    with transaction() as session:
        throttle.give_back(session, attempt, now=present)
        return entering.enter(session, subject_id=account.subject_id, amr=["pwd"], browser=browser, now=present, password_hash=kept)


def _register(number: Number, form: RegistrationForm, goal: str) -> Response:
    present, name, password = now(), form.name.data, form.password.data
    with transaction() as session:
        throttle.count(session, throttle.Try("register", number.value, request.remote_addr or ""), now=present)
    with transaction() as session:
        subject_id = registration.register(
            session, number=number, name=name, password=password, may_state=form.stated.data and _may_state(), now=present
        )
        entry = entering.enter(session, subject_id=subject_id, amr=["pwd"], browser=callers.this_browser(), now=present)
    return callers.let_in(entry, goal)


def _may_state() -> bool:
    allowed: bool = current_app.extensions["kabao_settings"].level_1_accounts
    return allowed


def _see(goal: str) -> Response:
    response: Response = redirect(goal, 303)  # type: ignore[assignment]
    return response


def _refused(template: str, form: SigninForm | RegistrationForm, goal: str, refusal: Refusal) -> Response:
    log.info("refused", code=refusal.code, reason=refusal.reason, field=refusal.field)
    add_refusal(form, refusal)
    away = isinstance(refusal, RegistryUnavailable) and _may_state()
    response = _page(template, form, goal, status=refusal.status, may_state=away)
    response.headers.update(refusal.headers)
    return response


def _page(template: str, form: SigninForm | RegistrationForm, goal: str, *, status: int = 200, may_state: bool = False) -> Response:
    form.next.data = goal
    shown = {"signed_in": callers.find_signed_in(), "has_ended": request.method == "GET" and callers.brought_ended()}
    response = make_response(render_template(template, form=form, goal=goal, may_state=may_state, **shown), status)
    return form_may_lead_to(response, *origins_of(goal))
