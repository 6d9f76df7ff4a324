"""The pages of scanning to sign in: the desk's, which shows the code and waits, and the phone's, which says who asks.

What the desk shows rests in its own browser alone, in its signed form cookie. The desk's page works without a script: a button asks whether
the phone has confirmed.
"""

from dataclasses import asdict
from datetime import datetime
from typing import Any
from uuid import UUID

import segno
import structlog
from flask import Blueprint, Response, current_app, flash, g, jsonify, make_response, redirect, render_template, request, url_for
from flask import session as browser

from idp.signin import callers, devices, entering, scans, throttle
from idp.signin.callers import signed_in
from idp.signin.destinations import asker_of, local_path, origins_of
from runtime.clock import now
from runtime.database import transaction
from runtime.guard import allow, anyone
from runtime.languages import Text
from runtime.pages import form_may_lead_to
from runtime.settings import Settings

log = structlog.get_logger(__name__)
scan_pages = Blueprint("scan", __name__, template_folder="templates")
KEPT = "scan"


@scan_pages.route("/signin/scan")
@allow(anyone)
def desk() -> Response:
    """Show the desk's code while it waits; before and after that, the button that makes one."""
    kept = _kept()
    goal = local_path(request.args.get("next"))
    state = _state(kept)
    shown = kept if state in ("waiting", "confirmed") else None
    page = render_template(
        "signin/scan_desk.html",
        goal=goal,
        state=state if kept else "none",
        number=shown["number"] if shown else None,
        picture=_picture(shown["qr"]) if shown else None,
        address=_address(shown["qr"]) if shown and current_app.extensions["kabao_settings"].development else None,
        seconds=_seconds_left(shown) if shown else 0,
        signed_in=callers.find_signed_in(),
    )
    return form_may_lead_to(make_response(page), *origins_of(goal))


@scan_pages.route("/signin/scan", methods=["POST"])
@allow(anyone)
def make() -> Response:
    """Make a code for this browser; one that it had before is forgotten."""
    goal, present, here = local_path(request.form.get("next")), now(), callers.this_browser()
    with transaction() as session:
        throttle.count(session, throttle.Try(scans.DOOR, "", here.address), now=present)
    with transaction() as session:
        about = devices.describe(session, address=here.address, user_agent=here.user_agent)
        shown = scans.make(session, address=here.address, about=about, asker=asker_of(goal), now=present)
    browser[KEPT] = {**asdict(shown), "id": str(shown.id), "expires_at": shown.expires_at.isoformat()}
    return _see(url_for("scan.desk", next=goal))


@scan_pages.route("/signin/scan/state")
@allow(anyone)
def tell_state() -> Response:
    """Tell the page's script how the request stands."""
    return jsonify(state=_state(_kept()))


@scan_pages.route("/signin/scan/enter", methods=["POST"])
@allow(anyone)
def enter() -> Response:
    """Let the person in who confirmed on their phone; before that, say that nobody has."""
    kept, goal, present = _kept(), local_path(request.form.get("next")), now()
    with transaction() as session:
        who = scans.fetch(session, UUID(kept["id"]), kept["desk"], now=present) if kept else None
        if who is not None:
            here = callers.this_browser()
            entry = entering.enter(session, subject_id=who.subject_id, amr=who.amr, browser=here, now=present, auth_time=who.auth_time)
    if kept is None or who is None:
        flash(str(Text("手机上还没有确认。", "The phone has not confirmed yet.")))
        return _see(url_for("scan.desk", next=goal))
    del browser[KEPT]
    return callers.let_in(entry, goal)


@scan_pages.route("/scan/<qr>")
@allow(signed_in)
def phone(qr: str) -> str:
    """Show who asks and from where; nothing happens until the person answers."""
    present, here = now(), callers.this_browser()
    _check_proven(present)
    with transaction() as session:
        asking = scans.get_asking(session, qr, now=present)
        mine = devices.describe(session, address=here.address, user_agent=here.user_agent)
    return render_template("signin/scan_phone.html", asking=asking, is_elsewhere=mine.place != asking.about.place, least=scans.LEAST, most=scans.MOST)


@scan_pages.route("/scan/<qr>", methods=["POST"])
@allow(signed_in)
def answer(qr: str) -> str:
    """Confirm with the number that the desk shows, refuse, or refuse and report."""
    said, present = request.form.get("answer", ""), now()
    if said == "confirm":
        _check_proven(present)
    with transaction() as session:
        if said == "confirm":
            number = request.form.get("number", "")
            done = "confirmed" if scans.confirm(session, qr, unverified_number=number, phone=g.signed_in, now=present) else "wrong"
        else:
            scans.refuse(session, qr, phone=g.signed_in, report=said == "report", now=present)
            done = "reported" if said == "report" else "refused"
    if done == "reported":
        log.warning("a request to sign in by scanning was reported")
    return render_template("signin/scan_answered.html", done=done)


def _check_proven(present: datetime) -> None:
    """Lead to a fresh proof whoever showed theirs longer ago than any session lasts: one that was scanned goes on by the proof of the one before.

    Else a session that somebody found open would be carried from one browser to the next, each with a life of its own, without an end.
    """
    if g.signed_in.auth_time + callers.lifetimes().total <= present:
        raise callers.GoAndRaise("/signin/step-up?aal=1")


def _kept() -> dict[str, Any] | None:
    kept: dict[str, Any] | None = browser.get(KEPT)
    return kept


def _state(kept: dict[str, Any] | None) -> str:
    if kept is None:
        return "over"
    with transaction() as session:
        return scans.state_of(session, UUID(kept["id"]), kept["desk"], now=now())


def _seconds_left(kept: dict[str, Any]) -> int:
    return max(0, int((datetime.fromisoformat(kept["expires_at"]) - now()).total_seconds()))


def _address(qr: str) -> str:
    settings: Settings = current_app.extensions["kabao_settings"]
    return settings.public_url + url_for("scan.phone", qr=qr)


def _picture(qr: str) -> str:
    return str(segno.make_qr(_address(qr), error="m").svg_data_uri(scale=8, border=2, dark="#000", light="#fff"))


def _see(goal: str) -> Response:
    response: Response = redirect(goal, 303)  # type: ignore[assignment]
    return response
