"""Batches at the desk: take the table of a type, fill it in, hand it in, watch it being worked at, and get the rejected rows back to correct."""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

from flask import Blueprint, Response, g, make_response, redirect, render_template, request, url_for
from werkzeug.datastructures import FileStorage
from werkzeug.wrappers import Response as AnyResponse
from wtforms import FileField, SelectField
from wtforms.fields.choices import SelectChoice

from runtime.clock import now
from runtime.database import transaction
from runtime.forms import PostedForm
from runtime.guard import allow
from runtime.languages import Text
from runtime.pages import csrf
from runtime.problems import Refusal
from runtime.rough_input import reads_its_form, take_form
from wallet.issuing.desk import tables
from wallet.issuing.desk.forms import CHOOSE
from wallet.issuing.importing import uploads
from wallet.register.callers import officer, strong_officer
from wallet.register.catalogue import all_types, get_type
from wallet.register.departments import Action, check_authority, get_department, types_under
from wallet.register.licences import china_date

batch_desk = Blueprint("batch_desk", __name__, template_folder="templates")
MOST_BYTES = 32 * 1024 * 1024
SUFFIXES = (".csv", ".xlsx")
LOOK_AGAIN_SECONDS = 3
CSV = "text/csv; charset=utf-8"


class FileForm(PostedForm):
    """A table, and the type whose table it is."""

    type = SelectField(Text("证照类型", "Licence type"), validate_choice=False)
    file = FileField(Text("填好的表格", "The table, filled in"))


@batch_desk.route("/desk/batches", methods=["GET"])
@allow(officer)
def listed() -> Response:
    """Show the department's imports, and the form for another."""
    return _list_page(_form(), 200)


@batch_desk.route("/desk/batches", methods=["POST"])
@csrf.exempt
@reads_its_form
@allow(strong_officer)
def take_table() -> AnyResponse:
    """Take a table; it is worked at in the background, and what is wrong with the file as a whole is said beside it."""
    take_form(MOST_BYTES)
    csrf.protect()
    form = _form()
    try:
        slug, file = _asked(form)
        if form.type.errors or form.file.errors or file is None:
            return _list_page(form, 422)
        batch_id = _start(slug, file)
    except Refusal as refusal:
        form.file.errors = [refusal.shown or refusal.title]
        return _list_page(form, refusal.status)
    return redirect(url_for("batch_desk.one", batch_id=batch_id), 303)


@batch_desk.route("/desk/batches/<uuid:batch_id>", methods=["GET"])
@allow(officer)
def one(batch_id: UUID) -> Response:
    """Show how far an import is; the page looks again by itself until it is over."""
    with transaction() as session:
        progress = uploads.progress_of(session, batch_id, department=g.officer_of)
    response = make_response(render_template("issuing/batch.html", progress=progress, type=get_type(progress.type_code)))
    if not progress.is_over:
        response.headers["Refresh"] = str(LOOK_AGAIN_SECONDS)
    return response


@batch_desk.route("/desk/batches/<uuid:batch_id>/<any(issued, rejected):which>", methods=["POST"])
@allow(strong_officer)
def rows(batch_id: UUID, which: str) -> Response:
    """Give the rows that were issued, or those that were refused with the reasons, as a file."""
    give = uploads.issued_rows if which == "issued" else uploads.rejected_rows
    with transaction() as session:
        uploads.progress_of(session, batch_id, department=g.officer_of)
        lines = list(give(session, batch_id, department=g.officer_of))
    return _file(lines, f"kabao-{which}.csv")


@batch_desk.route("/desk/batches/tables/<slug>", methods=["GET"])
@allow(officer)
def blank(slug: str) -> Response:
    """Give the empty table of a type, or that of acts on its licences."""
    licence_type, acts = get_type(slug), request.args.get("acts") == "1"
    table = tables.blank_table_of_acts(licence_type) if acts else tables.blank_table(licence_type, year=china_date(now()).year)
    return _file([table], f"kabao-{licence_type.slug}{'-acts' if acts else ''}.csv")


def _start(slug: str, file: FileStorage) -> UUID:
    licence_type = get_type(slug)
    check_authority(department=g.officer_of, type_code=licence_type.code, action=Action.ISSUE, now=now())
    suffix = Path(file.filename or "").suffix.lower()
    with tempfile.NamedTemporaryFile(suffix=suffix) as kept:  # gone with the block: what stays is sealed
        file.save(kept)
        kept.flush()
        terms: dict[str, Any] = {"name": Path(file.filename or "").name[:100], "department": g.officer_of, "officer": g.signed_in.subject_id}
        mappings = {"mapping_text": tables.mapping_of(licence_type), "mapping_of_acts": tables.mapping_of_acts(licence_type)}
        with uploads.reading(Path(kept.name), **mappings) as read, transaction() as session:
            return uploads.start(session, read, **terms, now=now())


def _asked(form: FileForm) -> tuple[str, FileStorage | None]:
    """Return the type and the file that were sent, with what is wrong beside each."""
    file, slug = request.files.get("file"), form.type.data or ""
    if slug not in {choice.value for choice in form.type.choices if choice.value}:
        form.type.errors = [Text("请选择证照类型。", "Choose the licence type.")]
    if file is None or Path(file.filename or "").suffix.lower() not in SUFFIXES:
        form.file.errors = [Text("请选择CSV或XLSX文件。", "Choose a CSV or XLSX file.")]
    return slug, file


def _form() -> FileForm:
    form = FileForm()
    mine = types_under(department=g.officer_of, action=Action.ISSUE, now=now())
    form.type.choices = [SelectChoice("", CHOOSE), *(SelectChoice(one.slug, one.name) for one in all_types() if one.code in mine)]
    return form


def _list_page(form: FileForm, status: int) -> Response:
    with transaction() as session:
        imports = uploads.imports_of(session, department=g.officer_of)
    page = render_template(
        "issuing/batches.html",
        form=form,
        imports=[(one, get_type(one.type_code).name) for one in imports],
        department=get_department(g.officer_of).name,
        types=form.type.choices[1:],
    )
    return make_response(page, status)


def _file(lines: list[str] | Iterator[str], name: str) -> Response:
    response = Response(lines, content_type=CSV)
    response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    response.headers["Cache-Control"] = "no-store"
    return response
