"""The page of one's real-name level: what it is, until when, and how it is raised."""

from urllib.parse import urlsplit

from flask import Blueprint, Response, current_app, flash, g, make_response, redirect, render_template, request
from wtforms import HiddenField, StringField, SubmitField

from idp.signin import counter_codes, proofs, registration, stated, throttle
from idp.signin.assurance import FORMAT_ONLY, NAMES
from idp.signin.callers import signed_in
from idp.signin.destinations import local_path, origins_of
from idp.signin.forms import LONGEST_NAME, add_refusal, filled
from idp.subjects import directory
from runtime.clock import now
from runtime.database import transaction
from runtime.forms import PostedForm
from runtime.guard import allow
from runtime.languages import Text
from runtime.pages import form_may_lead_to
from runtime.problems import Refusal

level_pages = Blueprint("level", __name__, template_folder="templates")
DECLINE = "level_declined=1"
HERE, LICENCE_PAGE = "/account/level", "/account/level/licence"


class MatchForm(PostedForm):
    """The name, to be matched with the registry together with the number of the account."""

    name = StringField(Text("姓名", "Name"), [filled(Text("请填写姓名。", "Give your name."), longest=LONGEST_NAME)])
    next = HiddenField()
    match = SubmitField(Text("与登记库核对", "Match with the registry"))


@level_pages.route("/account/level", methods=["GET"])
@allow(signed_in)
def level() -> Response:
    """Show the level that the person has, what it rests on, and how it is raised."""
    return _page(MatchForm(), _goal(request.args.get("next")))


@level_pages.route("/account/level/match", methods=["POST"])
@allow(signed_in)
def match() -> Response:
    """Match the person with the registry by their number and the name that they give."""
    form = MatchForm()
    goal = _goal(form.next.data)
    if not form.validate():
        return _page(form, goal, status=422)
    present, who = now(), g.signed_in.subject_id
    try:
        with transaction() as session:
            throttle.count(session, throttle.Try("match", str(who), request.remote_addr or ""), now=present)
        with transaction() as session:
            registration.match(session, who, name=form.name.data, now=present)
    except Refusal as refusal:
        refusal.field = "name" if refusal.field == "number" else refusal.field
        add_refusal(form, refusal)
        response = _page(form, goal, status=refusal.status)
        response.headers.update(refusal.headers)
        return response
    flash(str(Text("已与登记库核对一致。", "Number and name match the registry.")), "success")
    onward: Response = redirect(goal, 303)  # type: ignore[assignment]
    return onward


@level_pages.route("/account/level/code", methods=["POST"])
@allow(signed_in)
def code() -> Response:
    """Make the code that an officer at a counter asks for, and show it this once."""
    with transaction() as session:
        made = counter_codes.make(session, g.signed_in.subject_id, now=now())
    return _page(MatchForm(), _goal(request.form.get("next")), made=made)


def _goal(unverified: str | None) -> str:
    return local_path(unverified) if unverified else HERE


def _page(form: MatchForm, goal: str, *, status: int = 200, made: str | None = None) -> Response:
    form.next.data, present = goal, now()
    with transaction() as session:
        person = directory.get_subject(session, g.signed_in.subject_id)
        theirs = proofs.proofs_of(session, person.id)
        is_stated = stated.is_stated(session, person.id)
    best = proofs.best_of(theirs, now=present)
    if is_stated and request.method == "GET":
        form.name.data = directory.name_of(person)
    wanted = request.args.get("ial", type=int)
    ial = best.level if best else FORMAT_ONLY
    page = render_template(
        "signin/level.html",
        form=form,
        goal=goal,
        proofs=theirs,
        best=best,
        ial=ial,
        name=NAMES[ial],
        wanted=NAMES[wanted] if wanted in NAMES and wanted > ial else None,
        declined=f"{goal}&{DECLINE}" if urlsplit(goal).path == "/authorize" else None,
        is_stated=is_stated,
        made=" ".join((made[:4], made[4:])) if made else None,
        minutes=int(counter_codes.LIFETIME.total_seconds() // 60),
        licence_page=LICENCE_PAGE if current_app.url_map.bind("").test(LICENCE_PAGE, "GET") else None,
        present=present,
    )
    return form_may_lead_to(make_response(page, status), *origins_of(goal))
