"""An officer's own receipts, with a search by day, type and verdict, and what they come to in numbers and plots."""

from collections.abc import Mapping
from datetime import date
from typing import Any
from uuid import UUID

from flask import Blueprint, Response, g, make_response, render_template, request

from runtime.clock import now
from runtime.database import transaction
from runtime.guard import allow
from runtime.languages import Text
from wallet.register.callers import officer
from wallet.register.catalogue import LicenceTypeNotFound, get_type
from wallet.register.departments import get_department
from wallet.verifying.desk_receipts import Sought, count_own, find_own, types_met
from wallet.verifying.reading import read_receipt
from wallet.verifying.receipts import INVALID, VALID

desk_receipts = Blueprint("desk_receipts", __name__, template_folder="templates")
VERDICTS = {VALID: Text("通过", "Verified"), INVALID: Text("未通过", "Not verified")}
NOT_RECOGNISED = Text("未识别的内容", "Not recognised")
NO_DAY = Text("请按年-月-日填写日期。", "Give the day as year-month-day.")
TURNED = Text("开始日期晚于结束日期。", "The first day is later than the last.")
FIRST, LAST = date(2000, 1, 1), date(2999, 12, 31)
SHOWN_TYPES = 12


@desk_receipts.route("/desk/receipts", methods=["GET"])
@allow(officer)
def listed() -> Response:
    """Show the officer's own receipts; what cannot be looked for is said beside it, and nothing is listed."""
    sought, faults = _sought(request.args)
    with transaction() as session:
        terms: dict[str, Any] = {"department": g.officer_of}
        met = types_met(session, g.signed_in.subject_id, now=now(), **terms)
        found, following = ([], None) if faults else find_own(session, sought, g.signed_in.subject_id, **terms)
        readings = [read_receipt(one) for one in found]
    page = render_template(
        "verifying/receipts.html",
        sought=sought,
        faults=faults,
        given=request.args,
        readings=readings,
        following=following,
        types=[(code, name_of(code)) for code in dict.fromkeys([*met, *([sought.type_code] if sought.type_code else [])])],
        verdicts=VERDICTS,
        department=get_department(g.officer_of).name,
    )
    return make_response(page, 422 if faults else 200)


@desk_receipts.route("/desk/receipts/statistics", methods=["GET"])
@allow(officer)
def figures() -> str:
    """Show what the officer verified in the last thirty days."""
    with transaction() as session:
        counted = count_own(session, g.signed_in.subject_id, department=g.officer_of, now=now())
    types = sorted(counted.types.items(), key=lambda one: (-one[1].total, one[0] or ""))
    return render_template(
        "verifying/own_statistics.html",
        figures=counted,
        today=counted.days[-1],
        types=[(name_of(code), day) for code, day in types],
        shown_types=SHOWN_TYPES,
        department=get_department(g.officer_of).name,
    )


def name_of(type_code: str | None) -> Text:
    """Return the name of a type, or what stands for none."""
    try:
        return get_type(type_code).name if type_code is not None else NOT_RECOGNISED
    except LicenceTypeNotFound:
        return Text(str(type_code), str(type_code))


def _sought(asked: Mapping[str, str]) -> tuple[Sought, dict[str, Text]]:
    """Read what is looked for, with a fault for each member that cannot be."""
    faults: dict[str, Text] = {}
    days = {name: _day(name, asked.get(name, ""), faults) for name in ("since", "until")}
    if days["since"] and days["until"] and days["since"] > days["until"]:
        faults["since"] = TURNED
    verdict = asked.get("verdict") if asked.get("verdict") in VERDICTS else None
    try:
        type_code = get_type(asked["type"]).code if asked.get("type") else None
    except LicenceTypeNotFound:
        type_code = None
    return Sought(days["since"], days["until"], type_code, verdict, _id(asked.get("after", ""))), faults


def _day(name: str, text: str, faults: dict[str, Text]) -> date | None:
    if not text.strip():
        return None
    try:
        day = date.fromisoformat(text.strip())
    except ValueError:
        day = None
    if day is None or not FIRST <= day <= LAST:
        faults[name] = NO_DAY
        return None
    return day


def _id(text: str) -> UUID | None:
    try:
        return UUID(text) if text else None
    except ValueError:
        return None
