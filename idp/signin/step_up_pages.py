"""Step-up: a person who is signed in shows a fresh proof in the middle of a session, and goes on where they were."""

from flask import Blueprint, Response, g, make_response, redirect, render_template, request
from wtforms import HiddenField, PasswordField, SubmitField

from idp.signin import accounts, callers, passwords, second_step, sessions, throttle
from idp.signin.callers import signed_in
from idp.signin.destinations import local_path, origins_of
from idp.signin.forms import add_refusal, filled
from idp.subjects import directory
from runtime.clock import now
from runtime.database import transaction
from runtime.forms import PostedForm
from runtime.guard import allow
from runtime.languages import Text
from runtime.pages import form_may_lead_to
from runtime.problems import Refusal

step_up_pages = Blueprint("step_up", __name__, template_folder="templates")


class ProofRefused(Refusal):
    """What was given is no proof; why is not said."""

    code, status, title = "proof-refused", 422, Text("验证未通过，请重试。", "This was not right; try again.")


class PasswordAgainForm(PostedForm):
    """The password once more."""

    password = PasswordField(Text("密码", "Password"), [filled(Text("请填写密码。", "Give your password."), longest=passwords.LONGEST * 4)])
    next = HiddenField()
    confirm = SubmitField(Text("确认", "Confirm"))


@step_up_pages.route("/signin/step-up", methods=["GET", "POST"])
@allow(signed_in)
def step_up() -> Response:
    """Show whose account it is and ask for a proof; with it, go on."""
    form = PasswordAgainForm()
    goal = local_path(form.next.data or request.args.get("next"))
    if request.method != "POST" or not form.validate():
        return _page(form, goal, status=422 if request.method == "POST" else 200)
    try:
        return _raise(form.password.data, goal)
    except Refusal as refusal:
        add_refusal(form, refusal)
        response = _page(form, goal, status=refusal.status)
        response.headers.update(refusal.headers)
        return response


def _raise(password: str, goal: str) -> Response:
    present, who = now(), g.signed_in
    with transaction() as session:
        attempt = throttle.Try("step-up", str(who.subject_id), request.remote_addr or "", known_browser=True)
        throttle.count(session, attempt, now=present)
        account = session.get_one(accounts.Account, who.subject_id)
    if not passwords.is_right(account.password_hash, password):
        raise ProofRefused("another password", field="password")
    with transaction() as session:
        throttle.give_back(session, attempt, now=present)
        token = sessions.raise_to(session, who, amr=second_step.together(who.amr, ["pwd"]), now=present)
    response: Response = redirect(goal, 303)  # type: ignore[assignment]
    callers.set_cookie(response, token)
    return response


def _page(form: PasswordAgainForm, goal: str, *, status: int = 200) -> Response:
    form.next.data = goal
    with transaction() as session:
        person = directory.get_subject(session, g.signed_in.subject_id)
    page = render_template("signin/step_up.html", form=form, goal=goal, number=directory.number_of(person).masked())
    return form_may_lead_to(make_response(page, status), *origins_of(goal))
