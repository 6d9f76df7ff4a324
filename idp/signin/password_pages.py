"""The page on which a person who is signed in changes their password: all other browsers are then signed out.

The present one is asked for unless they have just shown who they are without it, or by two steps: who forgot it and came in by a code
could never set another.
"""

from flask import Blueprint, Response, flash, g, make_response, render_template, request
from wtforms import PasswordField, SubmitField

from idp.signin import accounts, begun, callers, notices, passwords, pending, recovery, second_step, sessions, throttle, trusted_browsers
from idp.signin.forms import add_refusal, filled
from idp.signin.freshness import fresh
from idp.signin.proof_forms import ProofRefused
from idp.signin.second_pages import see
from idp.subjects import directory
from runtime.clock import now
from runtime.database import transaction
from runtime.forms import PostedForm
from runtime.guard import allow
from runtime.languages import Text
from runtime.problems import Refusal

password_pages = Blueprint("password", __name__, template_folder="templates")
WAYS = "/account/ways"
LONGEST = passwords.LONGEST * 4


class PasswordForm(PostedForm):
    """The present password and a new one."""

    present = PasswordField(
        Text("现在的密码", "Your present password"), [filled(Text("请填写现在的密码。", "Give your present password."), longest=LONGEST)]
    )
    password = PasswordField(Text("新密码", "New password"), [filled(Text("请设置新密码。", "Choose a new password."), longest=LONGEST)])
    change = SubmitField(Text("修改密码", "Change the password"))


@password_pages.route("/account/ways/password", methods=["GET", "POST"])
@allow(fresh)
def password() -> Response:
    """Take a new password, and the present one where that is all that they have shown."""
    form = PasswordForm()
    if second_step.is_complete(g.signed_in.amr) or "pwd" not in g.signed_in.amr:
        del form.present
    if request.method != "POST" or not form.validate():
        return make_response(render_template("signin/password.html", form=form), 422 if request.method == "POST" else 200)
    try:
        _change(form.present.data if form.present else None, form.password.data)
    except Refusal as refusal:
        add_refusal(form, refusal)
        response = make_response(render_template("signin/password.html", form=form), refusal.status)
        response.headers.update(refusal.headers)
        return response
    flash(str(Text("密码已修改，其他设备上的登录已全部退出。", "Your password was changed, and all other devices were signed out.")), "success")
    return see(WAYS)


def _change(unverified: str | None, new: str) -> None:
    """Change the password; no connection is held while one is hashed. Raises ProofRefused, PasswordRefused, SlowDown."""
    present, who = now(), g.signed_in
    attempt = throttle.Try("step-up", str(who.subject_id), request.remote_addr or "", callers.is_known_browser(who.subject_id))
    with transaction() as session:
        throttle.count(session, attempt, now=present)
        account = session.get(accounts.Account, who.subject_id)
        person = directory.get_subject(session, who.subject_id)
        number, name = directory.number_of(person), directory.name_of(person)
    if unverified is not None and not passwords.is_right(account.usable_hash if account else None, unverified):
        raise ProofRefused("another password", field="present")
    passwords.check_password(new, number=number, name=name)
    if passwords.is_right(account.password_hash if account else None, new):
        raise passwords.PasswordRefused("same")
    password_hash = passwords.hash_password(new)
    with transaction() as session:
        sessions.hold(session, who)
        throttle.give_back(session, attempt, now=present)
        accounts.change_password(session, who.subject_id, password_hash=password_hash, now=present)
        pending.end_all(session, who.subject_id, now=present)
        begun.end_all(session, who.subject_id, present)
        sessions.end_all(session, who.subject_id, but=who.session_id, now=present)
        recovery.end_all_open(session, who.subject_id, now=present)
        trusted_browsers.end(session, who.subject_id, now=present)
        notices.tell(session, who.subject_id, "password-changed", now=present)
