"""The pages of organisations: claim one, see who may act for it, appoint, change, remove, appoint again; and what it holds.

One's own mandate for the organisation is what counts here, whether or not the session acts for it.
"""

from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID

from flask import Blueprint, Response, flash, g, make_response, redirect, render_template, request, url_for

from idp.signin import acting, throttle
from idp.signin.callers import matched
from idp.signin.forms import add_refusal
from idp.subjects import appointments, mandates
from idp.subjects.appointments import APPOINTS, MandateChanged, MandateNotFound, MayNotAppoint, NotRepresentative
from idp.subjects.mandates import HANDLER, LEGAL_REPRESENTATIVE, GivenMandate, Mandate, NoMandate
from idp.subjects.numbers import parse_number
from runtime.clock import now
from runtime.database import transaction
from runtime.guard import allow
from runtime.languages import Text
from runtime.problems import Refusal
from wallet.holding import appointees
from wallet.holding.enterprise_forms import AppointForm, ChangeForm, ReachForm
from wallet.holding.shelf import shelf_of
from wallet.holding.sifting import Sieve

enterprise = Blueprint("enterprise", __name__, template_folder="templates")
MOST_CARDS = 12


@enterprise.route("/enterprise")
@allow(matched)
def listed() -> str:
    """Show for which organisations the person may act, and which they could claim."""
    with transaction() as session:
        found = mandates.organisations_of(session, person_id=_me(), now=now())
        reach = {one.holder_id: (appointees.types_in_words(one.right), appointees.portals_in_words(session, one.right)) for one in found}
    return render_template("enterprise/listed.html", found=found, far=reach, can_do=appointees.CAN_DO)


@enterprise.route("/enterprise/<uuid:organisation_id>/claim", methods=["POST"])
@allow(matched)
def claim(organisation_id: UUID) -> Response:
    """Claim an organisation as its legal representative."""
    with transaction() as session:
        acting.claim(session, _me(), organisation_id, now=now())
    flash(str(Text("已认领。现在可以任命证照管理员和办事人员。", "Claimed. You can now appoint licence managers and handlers.")), "success")
    return _to(organisation_id)


@enterprise.route("/enterprise/<uuid:organisation_id>")
@allow(matched)
def shown(organisation_id: UUID) -> str:
    """Show who may act for an organisation, what ended, and what it holds."""
    present = now()
    with transaction() as session:
        appointments.see_registry(session, organisation_id, present)
    with transaction() as session:
        own = _own(session, organisation_id)
        viewer = replace(g.signed_in, acting_for=organisation_id, mandate=own)
        page = {
            "standing": appointees.standing_of(session, own, viewer_id=_me(), now=present),
            "ended": appointees.ended_of(session, own, viewer_id=_me(), now=present),
            "shelf": shelf_of(session, viewer, Sieve(), now=present, limit=MOST_CARDS),
            "asked": appointees.questions_of(session, own),
            "types": appointees.types_in_words(own.right),
            "portals": appointees.portals_in_words(session, own.right),
        }
    may_appoint = own.role in APPOINTS and own.may_delegate
    return render_template("enterprise/shown.html", own=own, may_appoint=may_appoint, most=appointments.MOST_MANAGERS, **page)


@enterprise.route("/enterprise/<uuid:organisation_id>/appoint", methods=["GET", "POST"])
@allow(matched)
def appoint(organisation_id: UUID) -> Response:
    """Appoint somebody by number and name."""
    present = now()
    form = AppointForm()
    with transaction() as session:
        own = _own(session, organisation_id)
        _check_appoints(own)
        form.offer(own, types=appointees.types_within(session, g.signed_in, own, now=present), portals=appointees.portals_within(session, own))
    if request.method != "POST":
        return _form("enterprise/appoint.html", form, own)
    if not form.validate():
        return _form("enterprise/appoint.html", form, own, status=422)
    try:
        _count(present)
        number, wanted = parse_number(form.number.data), form.wanted(now=present)
        with transaction() as session:
            appointments.appoint(session, by=_me(), organisation_id=organisation_id, number=number, name=form.name.data, wanted=wanted, now=present)
    except Refusal as refusal:
        return _refused("enterprise/appoint.html", form, own, refusal)
    flash(str(Text("已任命，并已通知本人。", "Appointed, and told.")), "success")
    return _to(organisation_id)


@enterprise.route("/enterprise/<uuid:organisation_id>/mandates/<uuid:mandate_id>", methods=["GET", "POST"])
@allow(matched)
def change(organisation_id: UUID, mandate_id: UUID) -> Response:
    """Change how far a mandate reaches, and how long."""
    present = now()
    form = ChangeForm()
    with transaction() as session:
        own, given = _managed(session, organisation_id, mandate_id)
        form.offer(own, types=appointees.types_within(session, g.signed_in, own, now=present), portals=appointees.portals_within(session, own))
        who = appointees.standing_of(session, own, viewer_id=_me(), now=present)
    page: dict[str, Any] = {"given": given, "who": next(one for one in who if one.id == mandate_id)}
    if request.method != "POST":
        form.fill(given)
        return _form("enterprise/change.html", form, own, **page)
    if not form.validate():
        return _form("enterprise/change.html", form, own, status=422, **page)
    wanted = form.appointment(given.role, now=present)
    try:
        _count(present)
        with transaction() as session:
            named = {"organisation_id": organisation_id, "mandate_id": mandate_id}
            appointments.change(session, by=_me(), **named, wanted=wanted, now=present, mark=form.mark.data or "")
    except MandateChanged as refusal:
        with transaction() as session:
            form.mark.data = _managed(session, organisation_id, mandate_id)[1].mark
        return _refused("enterprise/change.html", form, own, refusal, is_stale=True, **page)
    except Refusal as refusal:
        return _refused("enterprise/change.html", form, own, refusal, **page)
    flash(str(Text("已变更，并已通知本人。", "Changed, and told.")), "success")
    return _to(organisation_id)


@enterprise.route("/enterprise/<uuid:organisation_id>/mandates/<uuid:mandate_id>/end")
@allow(matched)
def ask_end(organisation_id: UUID, mandate_id: UUID) -> str:
    """Ask before a mandate ends, and say what ends with it."""
    with transaction() as session:
        own, given = _endable(session, organisation_id, mandate_id)
        who = next(one for one in appointees.standing_of(session, own, viewer_id=_me(), now=now()) if one.id == mandate_id)
        beneath = appointments.count_beneath(session, given)
    return render_template("enterprise/end.html", own=own, who=who, beneath=beneath)


@enterprise.route("/enterprise/<uuid:organisation_id>/mandates/<uuid:mandate_id>/end", methods=["POST"])
@allow(matched)
def end(organisation_id: UUID, mandate_id: UUID) -> Response:
    """End a mandate, and everything under it: somebody else's, or one's own."""
    present = now()
    with transaction() as session:
        own, _ = _endable(session, organisation_id, mandate_id)
        if own.id == mandate_id:
            appointments.resign(session, person_id=_me(), holder_id=organisation_id, now=present)
        else:
            appointments.remove(session, by=_me(), organisation_id=organisation_id, mandate_id=mandate_id, now=present)
    flash(str(Text("授权已终止，立即生效。", "The mandate has ended, at once and everywhere.")), "success")
    return _see(url_for("enterprise.listed")) if own.id == mandate_id else _to(organisation_id)


@enterprise.route("/enterprise/<uuid:organisation_id>/mandates/<uuid:mandate_id>/again", methods=["POST"])
@allow(matched)
def again(organisation_id: UUID, mandate_id: UUID) -> Response:
    """Give a mandate that ended again, as it was."""
    present = now()
    _count(present)
    with transaction() as session:
        appointments.reappoint(session, by=_me(), organisation_id=organisation_id, mandate_id=mandate_id, now=present)
    flash(str(Text("已重新任命，并已通知本人。", "Appointed again, and told.")), "success")
    return _to(organisation_id)


def _me() -> UUID:
    person: UUID = g.signed_in.subject_id
    return person


def _count(present: datetime) -> None:
    """Count an appointment before it is made: each names somebody, and each is told them."""
    with transaction() as session:
        throttle.count(session, throttle.Try("appoint", str(_me()), request.remote_addr or ""), now=present)


def _own(session: Any, organisation_id: UUID) -> Mandate:
    own = mandates.check_mandate(session, person_id=_me(), organisation_id=organisation_id, now=now())
    if own.is_for_child:
        raise NoMandate("not an organisation")
    if own.id is None:
        raise NotRepresentative("not claimed")
    return own


def _managed(session: Any, organisation_id: UUID, mandate_id: UUID) -> tuple[Mandate, GivenMandate]:
    own, given = _found(session, organisation_id, mandate_id)
    if not appointments.manages(session, own, given):
        raise MayNotAppoint("not theirs to change")
    return own, given


def _endable(session: Any, organisation_id: UUID, mandate_id: UUID) -> tuple[Mandate, GivenMandate]:
    own, given = _found(session, organisation_id, mandate_id)
    is_own = own.id == mandate_id and given.role != LEGAL_REPRESENTATIVE
    if not is_own and not appointments.manages(session, own, given):
        raise MayNotAppoint("not theirs to end")
    return own, given


def _found(session: Any, organisation_id: UUID, mandate_id: UUID) -> tuple[Mandate, GivenMandate]:
    own = _own(session, organisation_id)
    given = session.get(GivenMandate, (organisation_id, mandate_id))
    if given is None or given.ended_at is not None:
        raise MandateNotFound
    return own, given


def _check_appoints(own: Mandate) -> None:
    if not own.may_delegate:
        raise MayNotAppoint("appoints nobody")


def _refused(template: str, form: ReachForm, own: Mandate, refusal: Refusal, **page: Any) -> Response:
    add_refusal(form, refusal)
    response = _form(template, form, own, status=refusal.status, **page)
    response.headers.update(refusal.headers)
    return response


def _form(template: str, form: ReachForm, own: Mandate, *, status: int = 200, **page: Any) -> Response:
    return make_response(render_template(template, form=form, own=own, handler=HANDLER, **page), status)


def _to(organisation_id: UUID) -> Response:
    return _see(url_for("enterprise.shown", organisation_id=organisation_id))


def _see(goal: str) -> Response:
    response: Response = redirect(goal, 303)  # type: ignore[assignment]
    return response
