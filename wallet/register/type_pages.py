"""Licence types as pages: what there is, for everyone; and for officers, who may do what with a type and what its versions changed."""

from typing import Any

from flask import Blueprint, Response, g, render_template, request

from runtime.clock import now
from runtime.database import transaction
from runtime.guard import allow, anyone
from wallet.register import type_details
from wallet.register.callers import type_officer
from wallet.register.catalogue import all_types, get_type, get_version, versions_of
from wallet.register.definitions import LicenceType
from wallet.register.drawn_faces import draw, example_values
from wallet.register.licences import china_date
from wallet.register.type_files import write_file

LONGEST_SEARCH = 60
type_pages = Blueprint("type_pages", __name__, template_folder="templates")


@type_pages.get("/licence-types")
@allow(anyone)
def listed() -> str:
    """Show every licence type, by family, or those that a search finds."""
    return _list("/licence-types", desk=False)


@type_pages.get("/licence-types/<slug>")
@allow(anyone)
def shown(slug: str) -> str:
    """Show a licence type: its face, its rules and its fields."""
    return _page(get_type(slug), desk=False)


@type_pages.get("/licence-types/<slug>/versions/<int:version>")
@allow(anyone)
def shown_version(slug: str, version: int) -> str:
    """Show a licence type as it was in a version."""
    return _page(get_version(get_type(slug).code, version), desk=False)


@type_pages.get("/licence-types/<slug>.yaml")
@allow(anyone)
def file(slug: str) -> Response:
    """Give a licence type as a file, to be kept, changed and applied."""
    licence_type = get_type(slug)
    response = Response(write_file(licence_type), content_type="application/yaml")
    response.headers["Content-Disposition"] = f'attachment; filename="{licence_type.slug}.yaml"'
    return response


@type_pages.get("/desk/types")
@allow(type_officer)
def desk() -> str:
    """Show the catalogue to an officer: what the officer's department defines can be changed."""
    return _list("/desk/types", desk=True)


@type_pages.get("/desk/types/<slug>")
@allow(type_officer)
def desk_type(slug: str) -> str:
    """Show a licence type to an officer: with who may do what, and what its versions changed."""
    licence_type = get_type(slug)
    with transaction() as session:
        authorised = type_details.authorised_for(session, licence_type.code, now=now())
        history = type_details.history_of(versions_of(session, licence_type.code))
    return _page(licence_type, desk=True, authorised=authorised, history=history, saved=request.args.get("saved") == "1")


def may_edit(licence_type: LicenceType) -> bool:
    """Whether the caller may change a type: an officer of the department that defines it, or an operator."""
    return bool(g.runs_it or licence_type.defining_authority in g.departments)


def _list(path: str, *, desk: bool) -> str:
    search = request.args.get("search", "")[:LONGEST_SEARCH].strip()
    families = type_details.by_family(all_types(), search=search)
    count = sum(len(family.types) for family in families)
    own = {one.code for family in families for one in family.types if desk and may_edit(one)}
    return render_template(
        "register/types.html", families=families, search=search, count=count, path=path, desk=desk, own=own, runs_it=desk and g.runs_it
    )


def _page(licence_type: LicenceType, *, desk: bool, **more: Any) -> str:
    values = example_values(licence_type, today=china_date(now()))
    return render_template(
        "register/type.html",
        type=licence_type,
        face=draw(licence_type, values),
        rules=type_details.rules_of(licence_type),
        limits=type_details.limits_of,
        field_types=type_details.FIELD_TYPES,
        newest=get_type(licence_type.code).version,
        desk=desk,
        editable=desk and may_edit(licence_type),
        **more,
    )
