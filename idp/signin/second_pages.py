"""The second step of signing in, and the page that asks for a proof; step-up asks on it, too."""

from datetime import timedelta
from uuid import UUID

import structlog
from flask import Blueprint, Response, make_response, redirect, render_template, request, url_for
from sqlalchemy.orm import Session

from idp.signin import (
    browser_secrets,
    callers,
    contacts,
    entering,
    notices,
    one_time_codes,
    pending,
    proving,
    second_step,
    throttle,
    trusted_browsers,
)
from idp.signin.destinations import local_path, origins_of
from idp.signin.forms import add_refusal
from idp.signin.pending import PendingSignin
from idp.signin.proof_forms import ProofForm, ProofRefused, SendForm, hear
from idp.signin.proving import Asking
from idp.signin.throttle import SlowDown
from runtime.clock import now
from runtime.database import transaction
from runtime.guard import allow, anyone
from runtime.pages import form_may_lead_to
from runtime.problems import Refusal

log = structlog.get_logger(__name__)
GUESSED, A_DAY = "second-step-guessed", timedelta(days=1)
second_pages = Blueprint("second", __name__, template_folder="templates")


@second_pages.route("/signin/second", methods=["GET", "POST"])
@allow(anyone)
def second() -> Response:
    """Ask for the second step of the sign-in that waits in this browser; with it, let them in."""
    form = ProofForm()
    goal = local_path(form.next.data or request.args.get("next"))
    with transaction() as session:
        asking = _asking(session)
    if asking is None:
        return see(url_for("signin.signin", next=goal))
    form.choose(asking)
    if request.method != "POST" or not form.validate():
        return proof_page(asking, form, goal, page="second", status=422 if request.method == "POST" else 200)
    try:
        return _finish(asking, second_step.together(asking.amr, hear(asking, form, door="second")), form, goal)
    except Refusal as refusal:
        if isinstance(refusal, SlowDown):
            _warn(asking)
        return refused(asking, form, goal, refusal, page="second")


@second_pages.route("/signin/second/send", methods=["POST"])
@allow(anyone)
def send() -> Response:
    """Send a code to one of the person's addresses."""
    form = SendForm()
    goal = local_path(form.next.data)
    with transaction() as session:
        asking = _asking(session)
    if asking is None:
        return see(url_for("signin.signin", next=goal))
    if form.validate():
        send_code(asking, form)
    return see(url_for("second.second", next=goal))


def send_code(asking: Asking, form: SendForm) -> None:
    """Have a code sent to the address that was chosen; raises SlowDown."""
    present = now()
    contact = next((contact for contact in asking.contacts if str(contact.id) == form.contact.data), None)
    if contact is None:
        return
    with transaction() as session:
        attempt = throttle.Try("code", str(asking.subject_id), request.remote_addr or "", callers.is_known_browser(asking.subject_id))
        throttle.count(session, attempt, now=present)
    with transaction() as session:
        found = contacts.find(session, asking.subject_id, contact.id)
        one_time_codes.issue(session, found, bound_to=asking.bound_to, purpose=one_time_codes.SECOND, now=present)


def proof_page(asking: Asking, form: ProofForm, goal: str, *, page: str, status: int = 200) -> Response:
    """Show the ways, and the form of the chosen one; `page` is the blueprint that asks."""
    form.next.data = goal
    shown = render_template("signin/proof.html", asking=asking, form=form, goal=goal, page=page, way=form.way.data)
    return form_may_lead_to(make_response(shown, status), *origins_of(goal))


def refused(asking: Asking, form: ProofForm, goal: str, refusal: Refusal, *, page: str) -> Response:
    """Show a refusal beside its field."""
    log.info("refused", code=refusal.code, reason=refusal.reason, field=refusal.field)
    add_refusal(form, refusal)
    form.code.data = ""
    response = proof_page(asking, form, goal, page=page, status=refusal.status)
    response.headers.update(refusal.headers)
    return response


def see(goal: str) -> Response:
    """Send the browser on to a page."""
    response: Response = redirect(goal, 303)  # type: ignore[assignment]
    return response


def _asking(session: Session) -> Asking | None:
    present = now()
    waiting: PendingSignin | None = pending.find(session, browser_secrets.held(browser_secrets.WAITING), now=present)
    if waiting is None or waiting.subject_id is None or not waiting.amr:
        return None
    ways = second_step.next_ways(session, waiting.subject_id, waiting.amr)
    return proving.ask(session, waiting.subject_id, bound_to=waiting.id, amr=waiting.amr, ways=ways, now=present)


def _finish(asking: Asking, amr: list[str], form: ProofForm, goal: str) -> Response:
    """Let in who took both steps; of several who finish one sign-in at once one is let in."""
    present, browser = now(), callers.this_browser()
    with transaction() as session:
        if not second_step.is_complete(amr) or not pending.finish(session, asking.bound_to, now=present):
            raise ProofRefused("finished before", field="code")
        trusted = _trust(session, asking.subject_id, browser.user_agent) if form.trust.data else ""
        entry = entering.enter(session, subject_id=asking.subject_id, amr=amr, browser=browser, now=present, two_steps=False)
    response = callers.let_in(entry, goal)
    if trusted:
        browser_secrets.give(response, browser_secrets.TRUSTED, trusted, lifetime=trusted_browsers.LIFETIME)
    return response


def _warn(asking: Asking) -> None:
    """Tell someone, once a day, that whoever guesses at their second step knows the password."""
    present = now()
    with transaction() as session:
        if "pwd" in asking.amr and not notices.was_told(session, asking.subject_id, GUESSED, since=present - A_DAY):
            notices.tell(session, asking.subject_id, GUESSED, now=present)


def _trust(session: Session, subject_id: UUID, user_agent: str) -> str:
    notices.tell(session, subject_id, "browser-trusted", now=now(), browser=trusted_browsers.name_of(user_agent))
    return trusted_browsers.trust(session, subject_id, user_agent=user_agent, now=now())
