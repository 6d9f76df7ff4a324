"""The register at the desk: find a licence, see all of it, with what may be done with it now.

Whoever looks for a person's licences says why; the search is written down and the holder can read it.
"""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from flask import Blueprint, Response, g, make_response, render_template, request
from sqlalchemy.orm import Session
from wtforms import StringField

from idp.subjects.directory import Subject, get_subject, get_subjects, name_of, number_of
from runtime.clock import now
from runtime.database import transaction
from runtime.guard import allow
from runtime.languages import Text
from runtime.problems import Refusal
from schemas.causes import LONGEST as LONGEST_CAUSE
from schemas.causes import is_readable
from wallet.issuing import licence_documents, listing
from wallet.issuing.desk import looking, own_causes
from wallet.issuing.desk.forms import DeskForm
from wallet.issuing.desk.looking import Look
from wallet.issuing.gathering import parts_of
from wallet.issuing.listing import Filter
from wallet.register.acts import ACT_TEXTS, TURNS, Act
from wallet.register.callers import officer
from wallet.register.catalogue import all_types, get_type
from wallet.register.departments import Action, get_department, types_under
from wallet.register.due import DUE
from wallet.register.licences import (
    STATE_TEXTS,
    Licence,
    LicenceNotFound,
    LicenceState,
    fields_of,
    get_licence,
    holder_ids_of,
    licence_number_of,
    type_of,
)

licence_desk = Blueprint("licence_desk", __name__, template_folder="templates")
PAGE = 30
ON_PAGES = tuple(act for act in Act if act not in (Act.ISSUE, Act.EXPIRE, Act.TRANSFER_IN))
NOTHING_FOUND = Text("本部门没有为该号码签发过证照，或编号不存在。", "The department has issued nothing under this number.")


class FindForm(DeskForm):
    """What is looked for, and why."""

    sought = StringField(Text("持证人号码、证照编号或证照标识", "Holder's number, licence number or identifier"))
    cause = StringField(Text("查询事由", "Why you look"))


@licence_desk.route("/desk/licences", methods=["GET"])
@allow(officer)
def listed() -> Response:
    """Show the department's licences, a page at a time, and the form to find one."""
    return _list_page(FindForm(), 200)


@licence_desk.route("/desk/licences/found", methods=["POST"])
@allow(officer)
def found() -> Response:
    """Show what the department has issued to a holder, or under a licence number or an identifier, a page at a time.

    The search is written down with its cause. Its further pages are posted, too: what was looked for is in no address.
    """
    form, after = FindForm(), request.form.get("after", type=UUID)
    sought, cause = (form.sought.data or "").strip(), (form.cause.data or "").strip()
    if not form.validate() or not _is_askable(form, sought, cause):
        return _list_page(form, 422)
    try:
        with transaction() as session:
            look = Look(sought, cause, g.officer_of, g.signed_in.subject_id)
            licences, following = looking.find(session, look, now=now(), after=after)
            rows = _rows(session, licences)
    except Refusal as refusal:
        form.sought.errors = [refusal.shown or refusal.title]
        return _list_page(form, refusal.status)
    if not rows:
        form.sought.errors = [NOTHING_FOUND]
        return _list_page(form, 404)
    page = {"rows": rows, "form": form, "cause": cause, "following": following, "is_first": after is None}
    return make_response(render_template("issuing/found.html", department=get_department(g.officer_of).name, **page))


@licence_desk.route("/desk/licences/<uuid:licence_id>", methods=["GET"])
@allow(officer)
def one(licence_id: UUID) -> str:
    """Show a licence of the department's, or one that is transferred to it, covered."""
    return _licence_page(licence_id, revealed=False)


@licence_desk.route("/desk/licences/<uuid:licence_id>", methods=["POST"])
@allow(officer)
def uncovered(licence_id: UUID) -> str:
    """Show all of it; that it was looked at is written down."""
    return _licence_page(licence_id, revealed=True)


def own(session: Session, licence_id: UUID) -> Licence:
    """Return a licence that the officer's department issued or may take over; raises LicenceNotFound for any other."""
    licence = get_licence(session, licence_id)
    if g.officer_of not in (licence.issuer_code, licence.transferred_to):
        raise LicenceNotFound("another department's")
    return licence


def acts_for(licence: Licence) -> list[Act]:
    """Return what the officer's department may do with a licence in its present state."""
    state = licence.state_at(now())
    if licence.transferred_to == g.officer_of:
        return [Act.TRANSFER_IN]
    if licence.type_code not in types_under(department=g.officer_of, action=Action.ISSUE, now=now()):
        return []
    return [act for act in ON_PAGES if state in TURNS[act].states]


def _is_askable(form: FindForm, sought: str, cause: str) -> bool:
    if not 0 < len(sought) <= looking.LONGEST or not is_readable(sought):
        form.sought.errors = [Text("请填写号码、编号或标识。", "Give a number or an identifier.")]
    if not 0 < len(cause) <= LONGEST_CAUSE or not is_readable(cause):
        form.cause.errors = [Text("请填写事由，最多200字；持证人可以看到。", "Say why, in at most 200 characters; the holder can read it.")]
    return not (form.sought.errors or form.cause.errors)


def _list_page(form: FindForm, status: int) -> Response:
    wanted = _filter(request.args)
    with transaction() as session:
        page, following = listing.list_own(session, wanted, department=g.officer_of, limit=PAGE, now=now())
        rows = _rows(session, page)
        arriving = _rows(session, looking.arriving(session, department=g.officer_of))
    mine = types_under(department=g.officer_of, action=Action.ISSUE, now=now())
    answer = render_template(
        "issuing/licences.html",
        form=form,
        rows=rows,
        arriving=arriving,
        following=following,
        is_first=wanted.after is None,
        wanted=wanted,
        types=[one for one in all_types() if one.code in mine],
        states=STATE_TEXTS,
        department=get_department(g.officer_of).name,
    )
    return make_response(answer, status)


def _filter(asked: Any) -> Filter:
    """Return the filter that an address asks for; what it cannot be is left out."""
    state, kind = asked.get("state", ""), asked.get("type", "")
    return Filter(
        type=kind if kind in {one.slug for one in all_types()} else None,
        state=state if state in {one.value for one in LicenceState} else None,
        due=True if asked.get("due") == "1" else None,
        after=asked.get("after") or None,
    )


def _rows(session: Session, licences: Sequence[Licence]) -> list[dict[str, Any]]:
    """Return licences as the list shows them, their holders read at once."""
    holders = get_subjects(session, {one.holder_id for one in licences})
    return [_row(one, holders[one.holder_id]) for one in licences]


def _row(licence: Licence, holder: Subject) -> dict[str, Any]:
    return {
        "id": licence.id,
        "name": type_of(licence).name,
        "colour": type_of(licence).colour,
        "holder": number_of(holder).masked(),
        "state": licence.state_at(now()),
        "valid_until": licence.valid_until,
        "issued_at": licence.issued_at,
        "due": [DUE[one] for one in licence.due_for],
    }


def _licence_page(licence_id: UUID, *, revealed: bool) -> str:
    moment = now()
    with transaction() as session:
        licence = own(session, licence_id)
        if revealed:
            terms = {"department": g.officer_of, "officer_id": g.signed_in.subject_id, "cause": str(own_causes.OWN_WORK), "now": moment}
            looking.take_down_look(session, licence, **terms)
        licence_type = type_of(licence)
        holders = [get_subject(session, one) for one in holder_ids_of(session, licence)]
        history = licence_documents.history_of(session, licence)
        gathered = [(part.id, get_type(part.type_code).name) for part in parts_of(session, licence)] if licence_type.gathers else []
    values = fields_of(licence)
    facts = [(field.label, field.shown(values[field.name]) if revealed else None) for field in licence_type.fields if field.name in values]
    people = [
        {"number": number_of(each).value if revealed else number_of(each).masked(), "name": name_of(each) if revealed else None} for each in holders
    ]
    return render_template(
        "issuing/licence.html",
        licence=licence,
        type=licence_type,
        state=licence.state_at(moment),
        number=licence_number_of(licence) if revealed else None,
        facts=facts,
        holders=people,
        history=history,
        act_texts=ACT_TEXTS,
        state_texts=STATE_TEXTS,
        gathered=gathered,
        due=[DUE[each] for each in licence.due_for],
        acts=acts_for(licence),
        issuer=get_department(licence.issuer_code).name,
        revealed=revealed,
    )
