"""Changing licence types on pages: by the department that defines them, with a look at the face and the difference before anything is kept."""

import hashlib
import json
from typing import Any

from flask import Blueprint, Response, g, make_response, redirect, render_template, request
from werkzeug.wrappers import Response as AnyResponse

from runtime.clock import now
from runtime.database import transaction
from runtime.guard import allow
from runtime.languages import Text
from runtime.problems import NotAllowed
from wallet.register import catalogue, type_forms
from wallet.register.callers import strong_type_officer
from wallet.register.catalogue import BreakingChange, Change, FaultyDefinition, LicenceTypeNotFound, StaleEdit, get_type
from wallet.register.definitions import LicenceType, default_doctype, document_of, read_definition
from wallet.register.departments import get_department
from wallet.register.drawn_faces import draw, example_values
from wallet.register.licences import china_date
from wallet.register.type_details import ACTIONS, FIELD_TYPES, HOLDERS, LEVELS, NUMBER_RULES, act_text
from wallet.register.type_files import LARGEST, read_file
from wallet.register.type_pages import may_edit

type_edit_pages = Blueprint("type_edit_pages", __name__, template_folder="templates")
NOTHING_NEW = Text("与现行版本没有差异。", "It does not differ from the version in force.")
BY_OPERATORS = Text("仅系统运营人员可以更改。", "Only operators of the service may change it.")
CHECK_AGAIN = Text("内容在预览之后又有改动，请再看一遍。", "It was changed after you looked at it; look again.")


class NotYours(NotAllowed):
    """The type is defined by another department."""

    code, status, title = "not-the-definer", 403, Text("只有定义该证照的部门可以修改。", "Only the department that defines the type may change it.")


@type_edit_pages.get("/desk/types/<slug>/edit")
@allow(strong_type_officer)
def edit(slug: str) -> Response:
    """Show the form of a type, with its face as it is."""
    before = _own(get_type(slug))
    return _page(document_of(before), before)


@type_edit_pages.post("/desk/types/<slug>/edit")
@allow(strong_type_officer)
def change(slug: str) -> AnyResponse:
    """Show what a changed type would be, or store it as a new version once that was seen."""
    before = _own(get_type(slug))
    document = type_forms.document_from(request.form)
    authority = document_of(before)["defining_authority"] if not g.runs_it else document["defining_authority"]
    return _change(document | {"code": before.code, "slug": before.slug, "defining_authority": authority}, before)


@type_edit_pages.get("/desk/types/new")
@allow(strong_type_officer)
def blank() -> Response:
    """Show the form of a type that there is not yet."""
    department = get_department(g.departments[0]) if g.departments else None
    authority = {"code": department.code, "name": department.name.as_json(), "level": "municipal"} if department else {}
    return _page({"code": department.code if department else "", "defining_authority": authority}, None)


@type_edit_pages.post("/desk/types/new")
@allow(strong_type_officer)
def add() -> AnyResponse:
    """Show what a new type would be, or store it once that was seen."""
    return _change(type_forms.document_from(request.form), None)


@type_edit_pages.get("/desk/types/upload")
@allow(strong_type_officer)
def choose() -> str:
    """Ask for a file."""
    return render_template("register/upload.html", fault=None)


@type_edit_pages.post("/desk/types/upload")
@allow(strong_type_officer)
def upload() -> Response:
    """Take a file as if it had been typed into the form: what it would change is shown, and nothing is kept."""
    try:
        sent = request.files.get("file")
        document = read_file(sent.read(LARGEST + 1) if sent is not None else b"")
        before = _find(document)
        return _shown(document, before)
    except FaultyDefinition as fault:
        return make_response(render_template("register/upload.html", fault=fault), 422)


def _change(document: dict[str, Any], before: LicenceType | None) -> AnyResponse:
    if request.form.get("act") == "row":
        return _page(document, before, rows=1)
    if request.form.get("act") != "save":
        return _shown_or_faulty(document, before)
    try:
        if _digest(_checked(document, before)) != request.form.get("seen"):
            return _shown(document, before, notice=CHECK_AGAIN, status=409)
        with transaction() as session:
            expected = int(request.form["version"]) if request.form.get("version", "").isdecimal() else -1
            actor = f"{'operator' if g.runs_it else 'officer'}:{g.signed_in.subject_id}"
            catalogue.apply(session, [document], now=now(), actor=actor, breaking="breaking" in request.form, expected=expected)
    except FaultyDefinition as fault:
        return _page(document, before, fault=fault, status=422)
    except StaleEdit as stale:
        return _shown(document, get_type(before.code) if before else _find(document), notice=stale.title, status=stale.status)
    except BreakingChange as breaking:
        return _shown(document, before, notice=breaking.title, status=breaking.status)
    return redirect(f"/desk/types/{document['slug']}?saved=1", 303)


def _shown_or_faulty(document: dict[str, Any], before: LicenceType | None) -> Response:
    try:
        return _shown(document, before)
    except FaultyDefinition as fault:
        return _page(document, before, fault=fault, status=422)


def _shown(document: dict[str, Any], before: LicenceType | None, *, notice: Text | None = None, status: int = 200) -> Response:
    """Return the form with what its document would be; raises FaultyDefinition."""
    after = _checked(document, before)
    with transaction() as session:
        changes = catalogue.differences(session, [document])
    change = changes[0] if changes else None
    return _page(document, before, after=after, change=change, notice=notice or (None if change else NOTHING_NEW), status=status)


def _checked(document: dict[str, Any], before: LicenceType | None) -> LicenceType:
    after = read_definition(document)
    if not may_edit(after):
        raise NotYours("another department's")
    before = before or _find(document)  # the form of a new type may name one that there is
    if after.proves_identity != (before is not None and before.proves_identity) and not g.runs_it:
        raise FaultyDefinition("proves_identity", BY_OPERATORS)
    if after.doctype not in (default_doctype(after.code), before.doctype if before is not None else "") and not g.runs_it:
        raise FaultyDefinition("doctype", BY_OPERATORS)  # such as the one that the world knows a driving licence by
    if before is not None and not set(before.checked_acts) <= set(after.checked_acts) and not g.runs_it:
        raise FaultyDefinition("checked_acts", BY_OPERATORS)  # else one officer would take the second pair of eyes away, and act
    return after


def _find(document: dict[str, Any]) -> LicenceType | None:
    try:
        return _own(get_type(str(document.get("code"))))
    except LicenceTypeNotFound:
        return None


def _own(licence_type: LicenceType) -> LicenceType:
    if not may_edit(licence_type):
        raise NotYours("another department's")
    return licence_type


def _digest(licence_type: LicenceType) -> str:
    return hashlib.sha256(json.dumps(document_of(licence_type), sort_keys=True).encode()).hexdigest()


def _page(
    document: dict[str, Any],
    before: LicenceType | None,
    *,
    after: LicenceType | None = None,
    change: Change | None = None,
    fault: FaultyDefinition | None = None,
    notice: Text | None = None,
    rows: int = 0,
    status: int = 200,
) -> Response:
    shown = after or before
    values = type_forms.values_of(document)
    words = {"field_types": FIELD_TYPES, "holders": HOLDERS, "levels": LEVELS, "number_rules": NUMBER_RULES, "actions": ACTIONS, "act_text": act_text}
    page = render_template(
        "register/edit.html",
        values=values,
        rows=[*values["rows"], *[None] * (rows + (not values["rows"]))][: type_forms.MOST_ROWS],
        choices=type_forms.CHOICES,
        before=before,
        version=before.version if before else 0,
        face=draw(shown, example_values(shown, today=china_date(now()))) if shown else None,
        seen=_digest(after) if after else "",
        change=change,
        fault=fault,
        anchor=_anchor(fault, values) if fault else "",
        notice=notice,
        **words,
    )
    return make_response(page, status)


def _anchor(fault: FaultyDefinition, values: dict[str, Any]) -> str:
    """Return the id of what is at fault on the page."""
    first, *rest = fault.member.split(".")
    if first != "fields":
        return {"validity": "rule", "face": "layout", "defining_authority": "authority"}.get(first, first)
    names = [row["name"] for row in values["rows"]]
    place = rest[0] if rest else "0"
    return f"field-{names.index(place) if place in names else place}"
