"""Acts at the desk: renew, change, suspend, revoke and the rest, each by a form that asks why and on which basis."""

from typing import Any
from uuid import UUID

from flask import Blueprint, Response, current_app, flash, g, make_response, redirect, render_template, url_for
from marshmallow import ValidationError
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response as AnyResponse
from wtforms.fields.choices import SelectChoice

from idp.subjects.directory import get_subjects, number_of
from runtime.clock import now
from runtime.database import transaction
from runtime.guard import allow
from runtime.idempotency import claim, digest_of
from runtime.ids import new_id
from runtime.languages import Text
from runtime.problems import Refusal
from runtime.settings import Settings
from wallet.issuing import pending
from wallet.issuing.desk import forms, looking, own_causes
from wallet.issuing.desk.find_pages import acts_for, own
from wallet.issuing.desk.forms import DeskForm
from wallet.issuing.desk.issue_pages import WAITS
from wallet.issuing.orders import order_of
from wallet.issuing.pending import Doer
from wallet.register.acts import ACT_TEXTS, PLAIN_ACTS, TURNS, Act
from wallet.register.callers import strong_officer
from wallet.register.catalogue import get_type
from wallet.register.definitions import LicenceType
from wallet.register.departments import Action, all_departments, types_under
from wallet.register.licences import Licence, fields_of, hold_licence, holder_ids_of, type_of
from wallet.register.turns import WrongState

act_desk = Blueprint("act_desk", __name__, template_folder="templates")
DONE = Text("已办理：{}。", "Done: {}.")
ON_PAGES = {act.value: act for act in Act if act not in (Act.ISSUE, Act.EXPIRE)}


class NoSuchAct(Refusal):
    """There is no act of this name."""

    code, status, title = "no-such-act", 404, Text("没有此项业务。", "There is no such act.")


@act_desk.route("/desk/licences/<uuid:licence_id>/<name>", methods=["GET"])
@allow(strong_officer)
def blank(licence_id: UUID, name: str) -> AnyResponse:
    """Show the form of an act, with what the licence says now; from a state that does not allow it, lead to the licence, which shows how it stands.

    Where the form tells what the licence says, that it was looked at is written down, as on the licence's own page.
    """
    act = _act(name)
    with transaction() as session:
        licence = own(session, licence_id)
        if act not in acts_for(licence):
            flash(str(WrongState.title), "warning")
            return redirect(url_for("licence_desk.one", licence_id=licence_id), 303)
        form = _form(session, licence, act)
        if forms.fill(form, fields_of(licence)):
            look = {"department": g.officer_of, "officer_id": g.signed_in.subject_id, "cause": str(own_causes.OWN_WORK), "now": now()}
            looking.take_down_look(session, licence, **look)
    return _page(form, licence, act, 200)


@act_desk.route("/desk/licences/<uuid:licence_id>/<name>", methods=["POST"])
@allow(strong_officer)
def do(licence_id: UUID, name: str) -> AnyResponse:
    """Do what the form asks for, or let it wait for a second officer."""
    act = _act(name)
    with transaction() as session:
        licence = own(session, licence_id)
        form = _form(session, licence, act)
    if not form.validate():
        return _page(form, licence, act, 422)
    try:
        with transaction() as session:
            result_id, waits = _submit(session, form, licence_id, act)
    except (ValidationError, Refusal) as error:
        form.place(error)
        return _page(form, licence, act, error.status if isinstance(error, Refusal) else 422)
    if waits:
        flash(str(WAITS), "success")
        return redirect(url_for("request_desk.one", request_id=result_id), 303)
    flash(str(DONE.format(ACT_TEXTS[act])), "success")
    return redirect(url_for("licence_desk.one", licence_id=result_id), 303)


def _submit(session: Session, form: DeskForm, licence_id: UUID, act: Act) -> tuple[UUID, bool]:
    """Return the licence that came of it, or the request that waits, and which of the two; the same form sent twice is one act."""
    settings: Settings = current_app.extensions["kabao_settings"]
    moment, result_id = now(), new_id()
    own(session, licence_id)
    licence = hold_licence(session, licence_id)
    document = forms.act_document(form, get_type(licence.type_code), fields_of(licence))
    digest = digest_of([act.value, str(licence_id), _posted(form)], pepper=settings.derived_key("idempotency"))
    caller = f"officer:{g.signed_in.subject_id}"
    before = claim(session, caller=caller, key=form.request_id.data or None, digest=digest, result_id=result_id, now=moment)
    if before is not None:
        waits = pending.find_request(session, before, department=g.officer_of) is not None
        return (before if waits else licence.successor_id or licence.id), waits
    doer = Doer(g.officer_of, person_id=g.signed_in.subject_id)
    outcome = pending.submit(session, settings, order_of(act, document, licence_id=licence_id), doer=doer, now=moment, result_id=result_id)
    return (outcome.licence.id, False) if outcome.licence is not None else (result_id, True)


def _act(name: str) -> Act:
    if name not in ON_PAGES:
        raise NoSuchAct
    return ON_PAGES[name]


def _posted(form: DeskForm) -> dict[str, Any]:
    return {name: control.data for name, control in form._fields.items() if name not in ("csrf_token", "request_id")}


def _form(session: Session, licence: Licence, act: Act) -> DeskForm:
    if act is Act.TRANSFER_OUT:
        form = forms.TransferForm()
        form.to.choices = [SelectChoice("", forms.CHOOSE), *_receivers(session, type_of(licence))]
        return form
    return forms.StateForm() if act in PLAIN_ACTS else forms.successor_form(get_type(licence.type_code), act, fields_of(licence))()


def _receivers(session: Session, licence_type: LicenceType) -> list[SelectChoice]:
    """Return the other departments that may issue such licences."""
    others = [one for one in all_departments(session) if one.code != g.officer_of]
    able = [one for one in others if licence_type.code in types_under(department=one.code, action=Action.ISSUE, now=now())]
    return [SelectChoice(one.code, one.name) for one in able]


def _page(form: DeskForm, licence: Licence, act: Act, status: int) -> Response:
    form.request_id.data = str(new_id())
    licence_type = get_type(licence.type_code)
    with transaction() as session:
        holders = get_subjects(session, set(holder_ids_of(session, licence)))
    page = render_template(
        "issuing/act.html",
        form=form,
        licence=licence,
        type=licence_type,
        act=act,
        title=ACT_TEXTS[act],
        prefix=forms.PREFIX,
        asked=[one for one in licence_type.fields if forms.PREFIX + one.name in form],
        holders=[number_of(one).masked() for one in holders.values()],
        is_final=TURNS[act].is_final,
        state=licence.state_at(now()),
        is_checked=act.permission in licence_type.checked_acts,
    )
    return make_response(page, status)
