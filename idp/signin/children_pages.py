"""The page of minors: a guardian enters a child, acts for them, and may stop; a minor sees who their guardians are."""

from uuid import UUID

from flask import Blueprint, Response, flash, g, make_response, redirect, render_template, request, url_for
from wtforms import StringField, SubmitField

from idp.signin import throttle
from idp.signin.callers import matched
from idp.signin.forms import LONGEST_NAME, add_refusal, filled, is_number
from idp.subjects import appointments, directory, guardians, mandates
from idp.subjects.mandates import GUARDIAN
from idp.subjects.numbers import LONGEST as LONGEST_NUMBER
from idp.subjects.numbers import parse_number
from runtime.clock import now
from runtime.database import transaction
from runtime.forms import PostedForm
from runtime.guard import allow
from runtime.languages import Text
from runtime.problems import Refusal

children_pages = Blueprint("children", __name__, template_folder="templates")


class ChildForm(PostedForm):
    """A child's number and name, as the registry has them."""

    number = StringField(
        Text("孩子的公民身份号码", "The child's citizen number"),
        [filled(Text("请填写号码。", "Give the number."), longest=LONGEST_NUMBER), is_number],
    )
    name = StringField(Text("孩子的姓名", "The child's name"), [filled(Text("请填写姓名。", "Give the name."), longest=LONGEST_NAME)])
    add = SubmitField(Text("添加", "Add"))


@children_pages.route("/account/children", methods=["GET", "POST"])
@allow(matched)
def listed() -> Response:
    """Show the children whom the person acts for, and add one."""
    form = ChildForm()
    if request.method != "POST":
        return _page(form)
    if not form.validate():
        return _page(form, status=422)
    present, me = now(), g.signed_in.subject_id
    try:
        with transaction() as session:
            throttle.count(session, throttle.Try("appoint", str(me), request.remote_addr or ""), now=present)
        with transaction() as session:
            guardians.add_child(session, guardian_id=me, number=parse_number(form.number.data), name=form.name.data, now=present)
    except Refusal as refusal:
        add_refusal(form, refusal)
        response = _page(form, status=refusal.status)
        response.headers.update(refusal.headers)
        return response
    flash(str(Text("已添加，可以代为办理。", "Added; you can act for them.")), "success")
    return _see()


@children_pages.route("/account/children/<uuid:child_id>/end", methods=["GET"])
@allow(matched)
def ask_end(child_id: UUID) -> str:
    """Ask before a guardian stops acting for a child here."""
    with transaction() as session:
        found = mandates.find_standing(session, person_id=g.signed_in.subject_id, holder_id=child_id, now=now())
    if found is None or not found.is_for_child:
        raise appointments.MandateNotFound
    return render_template("signin/child_end.html", child=found)


@children_pages.route("/account/children/<uuid:child_id>/end", methods=["POST"])
@allow(matched)
def end(child_id: UUID) -> Response:
    """Stop acting for a child here; they can be added again."""
    with transaction() as session:
        found = mandates.find_standing(session, person_id=g.signed_in.subject_id, holder_id=child_id, now=now())
        if found is None or not found.is_for_child:
            raise appointments.MandateNotFound
        appointments.resign(session, person_id=g.signed_in.subject_id, holder_id=child_id, now=now())
    flash(str(Text("已移除，不再代为办理。", "Removed; you no longer act for them.")), "success")
    return _see()


def _page(form: ChildForm, *, status: int = 200) -> Response:
    with transaction() as session:
        children = [one for one in mandates.acted_for(session, person_id=g.signed_in.subject_id, now=now()) if one.role == GUARDIAN]
        standing = [row for row in guardians.guardians_of(session, g.signed_in.subject_id) if row.ended_at is None and row.right.is_in_time(now())]
        own = [(row, directory.name_of(directory.get_subject(session, row.person_id))) for row in standing]
    page = render_template("signin/children.html", form=form, children=children, own=own, acting_for=g.signed_in.acting_for)
    return make_response(page, status)


def _see() -> Response:
    response: Response = redirect(url_for("children.listed"), 303)  # type: ignore[assignment]
    return response
