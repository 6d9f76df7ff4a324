"""The page on which the department that defines a type keeps what each matter needs of it."""

from typing import Any

from flask import Blueprint, Response, g, make_response, redirect, render_template, request
from werkzeug.wrappers import Response as AnyResponse

from runtime.clock import now
from runtime.database import transaction
from runtime.guard import allow
from runtime.languages import Text
from wallet.register import matter_fields
from wallet.register.callers import strong_type_officer
from wallet.register.catalogue import get_type
from wallet.register.definitions import LicenceType
from wallet.register.faces import ON_EVERY_FACE, SHOWN_OF_EVERY_LICENCE
from wallet.register.matter_fields import MatterChanged, MatterRefused
from wallet.register.type_edit_pages import NotYours
from wallet.register.type_pages import may_edit

matter_pages = Blueprint("matter_pages", __name__, template_folder="templates")


@matter_pages.get("/desk/types/<slug>/matters")
@allow(strong_type_officer)
def listed(slug: str) -> Response:
    """Show what each matter needs, and the form to say it of another, or of the one that is named."""
    licence_type, matter = _own(slug), request.args.get("matter", "")[: matter_fields.LONGEST_MATTER]
    with transaction() as session:
        known = next((one for one in matter_fields.matters_of(session, licence_type) if one.code == matter), None)
    return _page(licence_type, matter=matter if known else "", chosen=list(known.needs or ()) if known else None)


@matter_pages.post("/desk/types/<slug>/matters")
@allow(strong_type_officer)
def change(slug: str) -> AnyResponse:
    """Say what a matter needs, or say no more of it."""
    licence_type, matter, chosen = _own(slug), request.form.get("matter", ""), request.form.getlist("fields")
    seen = request.form.get("seen", "") if request.form.get("seen_of", "") == matter.strip() else ""
    about: dict[str, Any] = {"actor": f"{'operator' if g.runs_it else 'officer'}:{g.signed_in.subject_id}", "now": now(), "seen": seen}
    try:
        with transaction() as session:
            if request.form.get("act") == "remove":
                matter_fields.remove(session, licence_type, matter, **about)
            else:
                matter_fields.set_fields(session, licence_type, matter, chosen, **about)
    except MatterRefused as refusal:
        return _page(licence_type, fault=refusal.shown, matter=matter[: matter_fields.LONGEST_MATTER], chosen=chosen, status=refusal.status)
    except MatterChanged as changed:
        return _page(licence_type, fault=changed.title, matter=matter[: matter_fields.LONGEST_MATTER], chosen=chosen, status=changed.status)
    return redirect(f"/desk/types/{licence_type.slug}/matters", 303)


def _own(slug: str) -> LicenceType:
    licence_type = get_type(slug)
    if not may_edit(licence_type):
        raise NotYours("another department's")
    return licence_type


def _page(licence_type: LicenceType, *, fault: Text | None = None, matter: str = "", chosen: list[str] | None = None, status: int = 200) -> Response:
    with transaction() as session:
        said = {one.matter: one for one in matter_fields.entries(session, licence_type.code)}
        matters = matter_fields.matters_of(session, licence_type)
    labels = {**{name: ON_EVERY_FACE[name] for name in SHOWN_OF_EVERY_LICENCE}, **{one.name: one.label for one in licence_type.fields}}
    rows = [(one, [labels[name] for name in one.needs or () if name in labels], said.get(one.code)) for one in matters]
    seen_of = matter.strip()
    seen = said[seen_of].mark if seen_of in said else ""
    told = {"type": licence_type, "rows": rows, "fault": fault, "matter": matter, "chosen": chosen or [], "seen": seen, "seen_of": seen_of}
    return make_response(render_template("register/matters.html", **told), status)
