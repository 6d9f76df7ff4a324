"""The pages on which a person lets a device in: the code that it shows, then who asks, from where and what for (RFC 8628 sections 3.3 and 5).

Which request it is rests in the browser's own signed cookie from the first page on, so no code is in an address of ours, save where the
device's own link brings one. Even then nothing happens before the person has seen who asks, and has approved.
"""

from datetime import datetime
from typing import Any
from uuid import UUID

import structlog
from flask import Blueprint, Response, g, redirect, render_template, request, url_for
from flask import session as browser
from sqlalchemy.orm import Session
from wtforms import StringField, SubmitField

from idp.oauth.apart import approving, device, user_codes, waiting
from idp.oauth.apart.approving import Question
from idp.oauth.apart.waiting import TABLE, Answer, Kind, RequestOver
from idp.oauth.grantees import Grantee
from idp.oauth.pairwise import pairwise_sub
from idp.signin import callers, devices, throttle
from idp.signin.callers import signed_in
from idp.subjects import directory, mandates
from runtime.clock import now
from runtime.database import transaction
from runtime.forms import PostedForm
from runtime.guard import allow, anyone
from runtime.languages import Text

log = structlog.get_logger(__name__)
device_pages = Blueprint("device", __name__, template_folder="templates")
KEPT, PENALTY = "device", 20
NO_SUCH = Text(
    "没有这个代码，或已失效。请核对设备屏幕，或在设备上重新开始。",
    "There is no such code, or it is over. Look at the device again, or start again there.",
)


class UserCodeForm(PostedForm):
    """The code that the device shows."""

    user_code = StringField(Text("设备上显示的代码", "The code on the device's screen"))
    go_on = SubmitField(Text("继续", "Continue"))


@device_pages.route("/device", methods=["GET"])
@allow(anyone)
def enter() -> str:
    """Ask for the code; one that the device's link brings stands in the field already."""
    form = UserCodeForm()
    form.user_code.data = user_codes.read(request.args.get("user_code", "")) or ""
    return render_template("apart/device.html", form=form)


@device_pages.route("/device", methods=["POST"])
@allow(anyone)
def entered() -> Response | tuple[str, int]:
    """Find the request of the code, and go on to it."""
    form, present = UserCodeForm(), now()
    code = user_codes.read(form.user_code.data or "") if form.validate() else None
    attempt = throttle.Try(device.DOOR, "", callers.this_browser().address)
    try:
        with transaction() as session:
            throttle.count(session, attempt, now=present)
    except throttle.SlowDown as slow:
        form.form_errors.append(slow.shown or slow.title)
        return render_template("apart/device.html", form=form), slow.status
    with transaction() as session:
        row = device.find_by_code(session, code, now=present) if code else None
        if row is not None:
            throttle.give_back(session, attempt, now=present)
    if row is None:
        form.user_code.errors = [NO_SUCH]
        return render_template("apart/device.html", form=form), 422
    browser[KEPT] = {"id": str(row.id), "code": code}
    return _see(url_for("device.confirm"))


@device_pages.route("/device/request", methods=["GET"])
@allow(signed_in)
def confirm() -> str | tuple[str, int]:
    """Show who asks, from where and what for; nothing happens until the person answers."""
    with transaction() as session:
        return _page(session, _question(session))


@device_pages.route("/device/request", methods=["POST"])
@allow(signed_in)
def answer() -> Response | str | tuple[str, int]:
    """Approve, refuse, or refuse and report; the page is shown again where it was about another device, or shown to one and answered by another.

    Whoever presses a button twice is led where the first press led.
    """
    said = Answer.of_button(request.form.get("answer", ""))
    try:
        with transaction() as session:
            other = _take(session, said, now=now())
    except RequestOver:
        if not _was_taken(said):
            raise
        other = None
    return other or render_template("apart/answered.html", done=said.value, is_device=True)


def _take(session: Session, said: Answer, *, now: datetime) -> Response | str | tuple[str, int] | None:
    """Take the answer; return what comes first where something does. Raises RequestOver."""
    asked = _question(session)
    if request.form.get("code") != browser[KEPT]["code"]:
        return _page(session, asked)
    if said is not Answer.APPROVED:
        row = approving.refuse(session, asked, is_report=said is Answer.REPORTED, now=now)
        if said is Answer.REPORTED and row.address_key is not None:
            throttle.penalise(session, row.address_key, door=device.START, tries=PENALTY, now=now)
            log.warning("a request of a device was reported", client=row.client_id)
        return None
    if not g.signed_in.allows_portal(asked.client.client_id) or request.form.get("holder") != _holder(asked):
        return _page(session, asked)
    go = approving.way_to_raise(session, asked, goal=url_for("device.confirm"), now=now)
    if go is None:
        approving.approve(session, asked, now=now)
    return _see(go) if go is not None else None


def _was_taken(said: Answer) -> bool:
    """Whether this very answer to the page's request was taken already."""
    kept: dict[str, Any] = browser.get(KEPT) or {}
    if "id" not in kept or request.form.get("code") != kept["code"]:
        return False
    with transaction() as session:
        return approving.answered_before(session, UUID(kept["id"]), said, g.signed_in) is not None


def _question(session: Session) -> Question:
    kept: dict[str, Any] = browser.get(KEPT) or {}
    row = waiting.find(session, UUID(kept["id"]), kind=Kind.DEVICE, now=now()) if "id" in kept else None
    return approving.question(row, Grantee(g.signed_in.holder_id, g.signed_in.subject_id), g.signed_in)


def _page(session: Session, asked: Question) -> str | tuple[str, int]:
    present, here, grantee, client_id = now(), callers.this_browser(), asked.grantee, asked.client.client_id
    about = devices.unseal(asked.row.about_sealed, table=TABLE, row=asked.row.id)
    mine = devices.describe(session, address=here.address, user_agent=here.user_agent)
    all_mandates = mandates.all_of(session, person_id=grantee.person_id, now=present)
    is_covered = g.signed_in.allows_portal(client_id)
    page = render_template(
        "apart/device_request.html",
        asked=asked,
        client=asked.client,
        code=browser[KEPT]["code"],
        about=about,
        is_elsewhere=mine.place != about.place,
        holder=_holder(asked),
        is_acting=grantee.is_acting,
        name=directory.name_of(directory.get_subject(session, grantee.holder_id)) if grantee.is_acting else None,
        is_covered=is_covered,
        others=[one for one in all_mandates if one.holder_id != grantee.holder_id and one.allows_portal(client_id)],
        again=url_for("device.confirm"),
        must_prove=approving.way_to_raise(session, asked, goal="/", now=present) is not None,
    )
    return page if is_covered else (page, 403)


def _holder(asked: Question) -> str:
    return pairwise_sub(asked.grantee.holder_id, asked.client.sector)


def _see(goal: str) -> Response:
    response: Response = redirect(goal, 303)  # type: ignore[assignment]
    return response
