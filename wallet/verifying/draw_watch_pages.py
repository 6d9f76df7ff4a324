"""The page of draws: a department's own, and for those who supervise and operators, how licences are drawn and what looks odd."""

import re
from uuid import UUID

from flask import Blueprint, g, redirect, render_template
from werkzeug.wrappers import Response as AnyResponse

from runtime.clock import now
from runtime.database import transaction
from runtime.guard import allow
from runtime.languages import Text
from runtime.problems import Refusal
from wallet.register.callers import type_officer
from wallet.register.catalogue import LicenceTypeNotFound, get_type
from wallet.register.departments import Action, DepartmentNotFound, get_department, types_under
from wallet.verifying import draw_watch
from wallet.verifying.draw_watch import PATTERNS, Pattern

UUID_TEXT = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
draw_watch_pages = Blueprint("draw_watch_pages", __name__, template_folder="templates")


class FlagNotFound(Refusal):
    """There is no such flag that the caller may see and nobody has looked at."""

    code, status, title = "flag-not-found", 404, Text("没有此异常，或已有人查看。", "No such flag, or somebody has looked at it already.")


@draw_watch_pages.get("/desk/draws")
@allow(type_officer)
def listed() -> str:
    """Show what the caller's departments drew, and the flags and the rates of the types that they supervise; to an operator, of all."""
    types = _types()
    with transaction() as session:
        drawn = [(one, _type(one.type_code), _who(one.system)) for one in draw_watch.drawn_by(session, g.departments)]
        own_flags = [(one, PATTERNS[Pattern(one.pattern)], _department(one.department or "")) for one in draw_watch.flags_of(session, g.departments)]
        flags = [(one, PATTERNS[Pattern(one.pattern)], [_type(code) for code in one.types]) for one in draw_watch.flags(session, types=types)]
        rates = [
            (_department(code), _who(system), _type(kind), *counts)
            for code, system, kind, *counts in draw_watch.rates(session, types=types, now=now())
        ]
    named = {one.department: _department(one.department) for one, _, _ in flags if one.department}
    return render_template(
        "verifying/draw_watch.html",
        flags=flags,
        rates=rates,
        named=named,
        supervises=types is None or bool(types),
        drawn=drawn,
        own_flags=own_flags,
        who=_who,
        draws=any(types_under(department=one, action=Action.DRAW, now=now()) for one in g.departments[:1]),
        mine=g.departments[:1],
    )


@draw_watch_pages.post("/desk/draws/flags/<uuid:flag_id>")
@allow(type_officer)
def see(flag_id: UUID) -> AnyResponse:
    """Write down that the caller looked at a flag."""
    by = f"{'operator' if g.runs_it else 'officer'}:{g.signed_in.subject_id}"
    with transaction() as session:
        if not draw_watch.see(session, flag_id, types=_types(), by=by, now=now()):
            raise FlagNotFound
    return redirect("/desk/draws", 303)


def _who(system: str) -> Text:
    """Return who drew, in words: the caller, another officer, or a system by its name."""
    if system == str(g.signed_in.subject_id):
        return Text("您", "You")
    if UUID_TEXT.fullmatch(system):
        return Text(f"窗口工作人员（{system[-4:]}）", f"An officer ({system[-4:]})")
    return Text(system, system)


def _types() -> set[str] | None:
    if g.runs_it:
        return None
    return {code for one in g.departments for code in types_under(department=one, action=Action.SUPERVISE, now=now())}


def _type(code: str) -> Text:
    try:
        return get_type(code).name
    except LicenceTypeNotFound:
        return Text(code, code)


def _department(code: str) -> Text:
    try:
        return get_department(code).name
    except DepartmentNotFound:
        return Text(code, code)
