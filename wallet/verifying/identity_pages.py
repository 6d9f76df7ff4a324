"""Showing a licence from another wallet to be known at level 3: a code for any wallet, and the account lifted by what it showed.

The page works without a script: a button looks whether the wallet has answered. Where a wallet leads its holder back to, in whichever browser that
is, is a page, too.
"""

from datetime import datetime
from typing import Any
from uuid import UUID

from flask import Blueprint, Response, current_app, flash, g, jsonify, make_response, redirect, render_template, request
from wtforms import StringField

from idp.signin import sessions, throttle
from idp.signin.callers import find_signed_in, matched
from idp.signin.devices import About
from idp.signin.forms import add_refusal, filled
from idp.signin.sessions import SigninSession
from runtime.clock import now
from runtime.database import transaction
from runtime.forms import PostedForm
from runtime.guard import allow, anyone
from runtime.languages import Text
from runtime.problems import Refusal
from runtime.settings import Settings
from wallet.register.catalogue import all_types
from wallet.verifying.identity import ProvesNothing
from wallet.verifying.openid4vp import asking, identity_requests
from wallet.verifying.openid4vp.identity_requests import DIGITS, LONGEST, PAGE, IdentityOver, Stage, Standing

identity_pages = Blueprint("identity", __name__, template_folder="templates")
LIFTED = Text("身份已核实，实名等级为三级。", "Your identity is proven; you are at level 3.")


class DigitsForm(PostedForm):
    """The six digits that the wallet's device shows."""

    digits = StringField(
        Text("卡包所在设备上的六位数字", "The six digits on your wallet's device"),
        [filled(Text("请填写六位数字。", "Give the six digits."), longest=LONGEST)],
    )


@identity_pages.route(PAGE, methods=["GET"])
@allow(matched)
def ask() -> Response:
    """Show how the request of this browser stands; before and after one, the button that makes it."""
    return _page(DigitsForm(), _find(now()))


@identity_pages.route(PAGE, methods=["POST"])
@allow(matched)
def begin() -> Response:
    """Make a request for this browser; the page's script, which renews it, ends none that was answered meanwhile."""
    present = now()
    standing = _find(present)
    if standing is not None and standing.stage is Stage.SHOWN and "anew" not in request.form:
        return _see(PAGE)
    with transaction() as session:
        throttle.count(session, throttle.Try("identity", str(g.signed_in.subject_id), request.remote_addr or ""), now=present)
    with transaction() as session:
        identity_requests.begin(session, _settings(), g.signed_in, now=present)
    return _see(PAGE)


@identity_pages.route(f"{PAGE}/state")
@allow(matched)
def tell_state() -> Response:
    """Tell the page's script `waiting` as long as the request stands as the page has it."""
    standing = _find(now())
    stage = standing.stage if standing is not None else Stage.NONE
    return jsonify(state="waiting" if stage == request.args.get("seen") else stage)


@identity_pages.route(f"{PAGE}/finish", methods=["POST"])
@allow(matched)
def finish() -> Response:
    """Lift the account, once the person has carried the digits over from their wallet's device."""
    form, present = DigitsForm(), now()
    standing = _find(present)
    if standing is None or standing.stage is not Stage.SHOWN:
        return _see(PAGE)
    if not form.validate():
        return _page(form, standing, status=422)
    try:
        with transaction() as session:
            identity_requests.count_try(session, standing)
        identity_requests.check_digits(_settings(), standing, form.digits.data)
        _lift(standing, now=present)
    except Refusal as refusal:
        add_refusal(form, refusal)
        return _page(form, _find(now()), status=refusal.status)
    return _lifted()


@identity_pages.route(f"{PAGE}/<uuid:request_id>/shown")
@allow(anyone)
def shown(request_id: UUID) -> Response:
    """Go on in the browser that asked; in any other, show the digits to carry over there. A wallet leads its holder here."""
    present, who = now(), find_signed_in()
    with transaction() as session:
        standing = identity_requests.open_shown(session, request_id, request.args.get("response_code", ""), now=present)
        row = session.get(SigninSession, standing.begun.session_id)
        about = sessions.about(row) if row is not None else About()
    if who is None or who.session_id != standing.begun.session_id:
        return _elsewhere(standing, about)
    if standing.stage is not Stage.SHOWN:
        return _see(PAGE)
    try:
        _lift(standing, now=present)
    except IdentityOver:
        return _see(PAGE)  # by the same way back, opened twice
    except ProvesNothing as refused:
        flash(str(refused.shown), "danger")
        return _see(PAGE)
    return _lifted()


def _lift(standing: Standing, *, now: datetime) -> None:
    with transaction() as session:
        identity_requests.finish(session, standing, g.signed_in, now=now)


def _lifted() -> Response:
    flash(str(LIFTED), "success")
    return _see("/account/level")


def _find(present: datetime) -> Standing | None:
    with transaction() as session:
        return identity_requests.find(session, g.signed_in, now=present)


def _page(form: DigitsForm, standing: Standing | None, *, status: int = 200) -> Response:
    stage = standing.stage if standing is not None else Stage.NONE
    code: dict[str, Any] = {}
    if standing is not None and stage in (Stage.WAITING, Stage.FETCHED, Stage.SHOWN):
        seconds = max(0, round((standing.ends_at - now()).total_seconds()))
        code = {"ends_at": standing.ends_at, "seconds": seconds, "lifetime": round(identity_requests.LIFETIME.total_seconds())}
    if standing is not None and stage is Stage.WAITING:
        link = asking.link_of(_settings(), standing.row)
        code |= {"link": link, "picture": asking.picture_data(link)}
    names = [one.name for one in all_types() if one.proves_identity]
    told = {"form": form, "stage": stage.value, "standing": standing, "names": names, "digits": DIGITS}
    return make_response(render_template("verifying/identity.html", **told, **code), status)


def _elsewhere(standing: Standing, about: About) -> Response:
    digits = identity_requests.digits_of(_settings(), standing) if standing.stage is Stage.SHOWN else None
    spaced = f"{digits[: DIGITS // 2]} {digits[DIGITS // 2 :]}" if digits else None
    return make_response(render_template("verifying/identity_shown.html", digits=spaced, about=about, at=standing.row.asked_at))


def _see(path: str) -> Response:
    response: Response = redirect(path, 303)  # type: ignore[assignment]
    return response


def _settings() -> Settings:
    settings: Settings = current_app.extensions["kabao_settings"]
    return settings
