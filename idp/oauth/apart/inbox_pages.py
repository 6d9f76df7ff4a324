"""The inbox: what portals and departments ask a person while they are not at their screens, and each question's own page (CIBA Core section 8)."""

from datetime import datetime
from uuid import UUID

import structlog
from flask import Blueprint, Response, g, redirect, render_template, request, url_for
from sqlalchemy.orm import Session

from idp.oauth.account_parts import name_of
from idp.oauth.apart import approving, inbox, waiting
from idp.oauth.apart.approving import Question
from idp.oauth.apart.waiting import Answer, Kind, RequestOver
from idp.oauth.clients import find_client
from idp.signin.callers import signed_in
from idp.subjects import directory
from runtime.clock import now
from runtime.database import transaction
from runtime.guard import allow

log = structlog.get_logger(__name__)
inbox_pages = Blueprint("inbox", __name__, template_folder="templates")


@inbox_pages.route("/account/requests", methods=["GET"])
@allow(signed_in)
def listed() -> str:
    """Show what waits for the person's answer, and whom they do not want to hear from."""
    person_id = g.signed_in.subject_id
    with transaction() as session:
        rows = inbox.pending(session, person_id, now=now())
        names = {row.id: directory.name_of(directory.get_subject(session, row.meant_for)) for row in rows if row.meant_for not in (None, person_id)}
        muted = [(row.client_id, name) for row in inbox.muted_by(session, person_id) if (name := name_of(row.client_id))]
    return render_template("apart/inbox.html", rows=[(row, find_client(row.client_id)) for row in rows], names=names, muted=muted)


@inbox_pages.route("/account/requests/<uuid:request_id>", methods=["GET"])
@allow(signed_in)
def shown(request_id: UUID) -> str:
    """Show who asks and what for; nothing happens until the person answers."""
    present = now()
    with transaction() as session:
        asked = _question(session, request_id)
        return render_template(
            "apart/request.html",
            asked=asked,
            client=asked.client,
            message=asked.row.message,
            name=directory.name_of(directory.get_subject(session, asked.grantee.holder_id)) if asked.grantee.is_acting else None,
            must_prove=approving.way_to_raise(session, asked, goal="/", now=present) is not None,
        )


@inbox_pages.route("/account/requests/<uuid:request_id>", methods=["POST"])
@allow(signed_in)
def answer(request_id: UUID) -> Response | str:
    """Approve, refuse, or refuse and hear nothing more from the client. Whoever presses a button twice is led where the first press led."""
    said = Answer.of_button(request.form.get("answer", ""))
    try:
        with transaction() as session:
            asked = _question(session, request_id)
            client, go = asked.client, _take(session, asked, said, now=now())
    except RequestOver:
        with transaction() as session:
            again, go = approving.answered_before(session, request_id, said, g.signed_in), None
        if again is None:
            raise
        client = again
    if go is not None:
        return _see(go)
    return render_template("apart/answered.html", done="muted" if said is Answer.REPORTED else said.value, client=client, is_device=False)


def _take(session: Session, asked: Question, said: Answer, *, now: datetime) -> str | None:
    """Take the answer; return where the person is to go first, if they are. Raises RequestOver."""
    if said is not Answer.APPROVED:
        row = approving.refuse(session, asked, is_report=said is Answer.REPORTED, now=now)
        if said is Answer.REPORTED:
            inbox.mute(session, asked.grantee.person_id, row.client_id, now=now)
            log.warning("a request through the back channel was reported", client=row.client_id)
        return None
    go = approving.way_to_raise(session, asked, goal=url_for("inbox.shown", request_id=asked.row.id), now=now)
    if go is None:
        approving.approve(session, asked, now=now)
    return go


@inbox_pages.route("/account/requests/hear", methods=["POST"])
@allow(signed_in)
def hear() -> Response:
    """Hear from a client again."""
    with transaction() as session:
        inbox.unmute(session, g.signed_in.subject_id, request.form.get("client_id", ""), now=now())
    return _see(url_for("inbox.listed"))


def _question(session: Session, request_id: UUID) -> Question:
    """Return a request that waits for this very person; one for another is as good as none."""
    row = waiting.find(session, request_id, kind=Kind.BACKCHANNEL, now=now())
    grantee = inbox.grantee_of(session, row, g.signed_in.subject_id, now=now()) if row is not None else None
    return approving.question(row, grantee, g.signed_in)


def _see(goal: str) -> Response:
    response: Response = redirect(goal, 303)  # type: ignore[assignment]
    return response
