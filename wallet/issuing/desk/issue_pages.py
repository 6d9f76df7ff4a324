"""Issuing at the desk: choose a type, fill in the form that is made from it, see the licence."""

from uuid import UUID

from flask import Blueprint, Response, current_app, flash, g, make_response, redirect, render_template, url_for
from marshmallow import ValidationError
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response as AnyResponse

from runtime.clock import now
from runtime.database import transaction
from runtime.guard import allow
from runtime.idempotency import claim, digest_of
from runtime.ids import new_id
from runtime.languages import Text
from runtime.problems import Refusal
from runtime.settings import Settings
from wallet.issuing import pending
from wallet.issuing.desk import forms
from wallet.issuing.desk.forms import DeskForm
from wallet.issuing.orders import order_of
from wallet.issuing.pending import Doer
from wallet.register.acts import Act
from wallet.register.callers import officer, strong_officer
from wallet.register.catalogue import all_types, get_type
from wallet.register.definitions import FAMILIES, LicenceType
from wallet.register.departments import Action, check_authority, get_department, types_under
from wallet.register.licences import china_date

issue_desk = Blueprint("issue_desk", __name__, template_folder="templates")
ISSUED = Text("已签发。", "It is issued.")
WAITS = Text("已提交，等待另一名工作人员复核。", "It waits for another officer to approve it.")


@issue_desk.route("/desk/licences/new", methods=["GET"])
@allow(officer)
def choose() -> str:
    """Show the types that the department may issue, by family."""
    mine = types_under(department=g.officer_of, action=Action.ISSUE, now=now())
    types = [one for one in all_types() if one.code in mine]
    families = [(FAMILIES[name], [one for one in types if one.family == name]) for name in FAMILIES]
    return render_template("issuing/choose.html", families=[one for one in families if one[1]], department=get_department(g.officer_of).name)


@issue_desk.route("/desk/licences/new/<slug>", methods=["GET"])
@allow(strong_officer)
def blank(slug: str) -> Response:
    """Show the form of a type."""
    licence_type = _type(slug)
    form = forms.issue_form(licence_type)()
    form.valid_from.data = china_date(now()).isoformat()
    return _page(form, licence_type, 200)


@issue_desk.route("/desk/licences/new/<slug>", methods=["POST"])
@allow(strong_officer)
def issue(slug: str) -> AnyResponse:
    """Issue what the form says, or let it wait for a second officer; what is wrong is said beside its control."""
    licence_type = _type(slug)
    form = forms.issue_form(licence_type)()
    if not form.validate():
        return _page(form, licence_type, 422)
    try:
        with transaction() as session:
            result_id, waits = _submit(session, form, licence_type)
    except (ValidationError, Refusal) as error:
        form.place(error)
        return _page(form, licence_type, error.status if isinstance(error, Refusal) else 422)
    flash(str(WAITS if waits else ISSUED), "success")
    return redirect(url_for("request_desk.one", request_id=result_id) if waits else url_for("licence_desk.one", licence_id=result_id), 303)


def _submit(session: Session, form: DeskForm, licence_type: LicenceType) -> tuple[UUID, bool]:
    """Return the id of what came of the form, and whether it is a request that waits; the same form sent twice is one."""
    settings: Settings = current_app.extensions["kabao_settings"]
    moment, result_id = now(), new_id()
    document = forms.issue_document(form, licence_type)
    digest = digest_of(document, pepper=settings.derived_key("idempotency"))
    caller = f"officer:{g.signed_in.subject_id}"
    before = claim(session, caller=caller, key=form.request_id.data or None, digest=digest, result_id=result_id, now=moment)
    if before is not None:
        return before, pending.find_request(session, before, department=g.officer_of) is not None
    doer = Doer(g.officer_of, person_id=g.signed_in.subject_id)
    outcome = pending.submit(session, settings, order_of(Act.ISSUE, document), doer=doer, now=moment, result_id=result_id)
    return result_id, outcome.request is not None


def _type(slug: str) -> LicenceType:
    licence_type = get_type(slug)
    check_authority(department=g.officer_of, type_code=licence_type.code, action=Action.ISSUE, now=now())
    return licence_type


def _page(form: DeskForm, licence_type: LicenceType, status: int) -> Response:
    form.request_id.data = str(new_id())
    page = render_template(
        "issuing/issue.html", form=form, type=licence_type, prefix=forms.PREFIX, is_checked=Act.ISSUE.permission in licence_type.checked_acts
    )
    return make_response(page, status)
