"""The operators' page of departments: who they are, what each may do, how many act for it, and until when its certificate lasts; read only."""

from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from flask import Blueprint, render_template, request
from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from idp.signin.operators import operator
from keys import certificates, ring
from keys.ring import SigningKey
from runtime.clock import now
from runtime.database import transaction
from runtime.guard import allow
from runtime.languages import Text
from wallet.register.departments import Action, Authority, Department, Officer
from wallet.register.key_pages import ends_at

department_pages = Blueprint("admin_departments", __name__, template_folder="templates")
PAGE, LONGEST = 50, 64
ACTIONS = {
    Action.ISSUE: Text("签发", "Issues"),
    Action.VERIFY: Text("核验", "Verifies"),
    Action.DRAW: Text("调用", "Draws"),
    Action.SUPERVISE: Text("监管", "Supervises"),
    Action.IDENTIFY: Text("核实身份", "Identifies people by"),
}


@dataclass(frozen=True, slots=True)
class Line:
    """A department: how many types it may do what with, how many officers it has; its certificate's end is None if it has no key that signs."""

    code: str
    name: Text
    added_at: datetime
    types: tuple[tuple[Text, int], ...]
    officers: int
    ends_at: datetime | None


@department_pages.route("/admin/departments", methods=["GET"])
@allow(operator)
def listed() -> str:
    """List the departments by their codes, a page at a time."""
    after = request.args.get("after", "")[:LONGEST]
    with transaction() as session:
        rows = list(session.scalars(select(Department).where(Department.code > after).order_by(Department.code).limit(PAGE + 1)))
        lines = _lines(session, rows[:PAGE], now=now())
    following = rows[PAGE - 1].code if len(rows) > PAGE else None
    return render_template("register/departments.html", lines=lines, following=following, is_first=not after)


def _lines(session: Session, rows: list[Department], *, now: datetime) -> list[Line]:
    codes = [row.code for row in rows]
    types, officers, ends = _types(session, codes, now=now), _officers(session, codes), _ends(session, codes)
    return [Line(row.code, row.name, row.added_at, tuple(types[row.code]), officers.get(row.code, 0), ends.get(row.code)) for row in rows]


def _types(session: Session, codes: Collection[str], *, now: datetime) -> dict[str, list[tuple[Text, int]]]:
    holds = (Authority.valid_from <= now, or_(Authority.valid_until.is_(None), Authority.valid_until > now))
    counted = select(Authority.department_code, Authority.action, func.count()).where(Authority.department_code.in_(codes), *holds)
    found = {(code, action): count for code, action, count in session.execute(counted.group_by(Authority.department_code, Authority.action))}
    told = defaultdict(list)
    for code in codes:
        told[code] = [(name, found[code, action.value]) for action, name in ACTIONS.items() if (code, action.value) in found]
    return told


def _officers(session: Session, codes: Collection[str]) -> dict[str, int]:
    counted = select(Officer.department_code, func.count()).where(Officer.department_code.in_(codes)).group_by(Officer.department_code)
    return {code: count for code, count in session.execute(counted)}  # noqa: C416 - rows, not pairs


def _ends(session: Session, codes: Collection[str]) -> dict[str, datetime | None]:
    uses = {certificates.department_use(code): code for code in codes}
    active = select(SigningKey).where(SigningKey.use.in_(uses), SigningKey.state == ring.ACTIVE)
    return {uses[row.use]: ends_at(row) for row in session.scalars(active)}
