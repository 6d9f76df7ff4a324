"""Step-up: a person who is signed in shows a fresh proof in the middle of a session, and goes on where they were."""

from urllib.parse import urlencode

from flask import Blueprint, Response, flash, g, request, url_for
from sqlalchemy.orm import Session

from idp.signin import callers, proving, second_step, sessions
from idp.signin.assurance import TWO_FACTORS
from idp.signin.callers import signed_in
from idp.signin.destinations import local_path
from idp.signin.proof_forms import ProofForm, SendForm, hear
from idp.signin.proving import Asking
from idp.signin.second_pages import proof_page, refused, see, send_code
from runtime.clock import now
from runtime.database import transaction
from runtime.guard import allow
from runtime.languages import Text
from runtime.problems import Refusal

step_up_pages = Blueprint("step_up", __name__, template_folder="templates")
ADD_ONE = Text(
    "这项操作需要两种验证方式，邮件验证码不算在内。请先添加通行密钥或验证器应用，添加后即可继续。",
    "This needs two ways to show that it is you, and a code by mail is not one. Add a passkey or an authenticator app, and you can go on.",
)


@step_up_pages.route("/signin/step-up", methods=["GET", "POST"])
@allow(signed_in)
def step_up() -> Response:
    """Show whose account it is and ask for a proof by any way that is enough; with it, go on."""
    form = ProofForm()
    goal = local_path(form.next.data or request.args.get("next"))
    with transaction() as session:
        asking = _asking(session)
    if not asking.ways:
        flash(str(ADD_ONE), "info")
        return see("/account/ways?" + urlencode({"next": goal}))
    form.choose(asking)
    if request.method != "POST" or not form.validate():
        return proof_page(asking, form, goal, page="step_up", status=422 if request.method == "POST" else 200)
    try:
        return raise_session(second_step.together(asking.amr, hear(asking, form, door="step-up")), goal)
    except Refusal as refusal:
        return refused(asking, form, goal, refusal, page="step_up")


@step_up_pages.route("/signin/step-up/send", methods=["POST"])
@allow(signed_in)
def send() -> Response:
    """Send a code to one of the person's addresses."""
    form = SendForm()
    with transaction() as session:
        asking = _asking(session)
    if form.validate():
        send_code(asking, form)
    return see(url_for("step_up.step_up", aal=_wanted(), next=local_path(form.next.data)))


def raise_session(amr: list[str], goal: str) -> Response:
    """Let the present session stand on `amr` from now on, and go on."""
    with transaction() as session:
        token = sessions.raise_to(session, g.signed_in, amr=amr, now=now())
    response = see(goal)
    callers.set_cookie(response, token)
    return response


def _asking(session: Session) -> Asking:
    who = g.signed_in
    ways = second_step.raising_ways(session, who.subject_id, who.amr, aal=_wanted())
    return proving.ask(session, who.subject_id, bound_to=who.session_id, amr=who.amr, ways=ways, now=now())


def _wanted() -> int:
    """Return the strength that is asked for: two factors unless one is said to be enough."""
    return 1 if request.args.get("aal") == "1" else TWO_FACTORS
