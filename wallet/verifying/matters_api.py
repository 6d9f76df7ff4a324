"""Which matters a department may look at licences for, and what each of them needs, so that nobody asks for more."""

from datetime import datetime
from typing import Any

from flask import g
from sqlalchemy.orm import Session

from idp.oauth.callers import bearer
from runtime.clock import now
from runtime.database import transaction
from runtime.guard import allow
from runtime.openapi import ApiBlueprint
from runtime.pages import csrf
from schemas.matters import MattersQuerySchema, MattersSchema
from wallet.register.catalogue import all_types, get_type
from wallet.register.definitions import LicenceType
from wallet.register.departments import Action, types_under
from wallet.register.matter_fields import matters_of_each

matters = ApiBlueprint("matters", __name__, description="Matters, and what they need of licences.")
csrf.exempt(matters)
SCOPES = ("verifications", "draws")
LOOKS = (Action.VERIFY, Action.DRAW)


@matters.route("/matters", methods=["GET"])
@allow(bearer(*SCOPES))
@matters.doc(security=[{"department": [scope]} for scope in SCOPES])
@matters.arguments(MattersQuerySchema, location="query")
@matters.response(200, MattersSchema)
def listed(query: dict[str, Any]) -> dict[str, Any]:
    """Give the matters for which the caller's department may verify or draw licences, and what each needs of which type.

    On statutory authority a draw with such a `cause.matter` gives these fields and no others; of a matter that is not listed, what holders show
    as a rule.
    """
    with transaction() as session:
        found = _matters(session, department=g.token.department, only=query.get("type"), now=now())
    codes = [code for code in sorted(found) if code > query.get("after", "")]
    page = codes[: query["limit"]]
    return {"matters": [found[code] for code in page], "next": page[-1] if len(codes) > len(page) else None}


def _matters(session: Session, *, department: str, only: str | None, now: datetime) -> dict[str, dict[str, Any]]:
    may = {action: types_under(department=department, action=action, now=now) for action in LOOKS}
    types = [one for one in ([get_type(only)] if only else all_types()) if any(one.code in codes for codes in may.values())]
    each = matters_of_each(session, types)
    found: dict[str, dict[str, Any]] = {}
    for licence_type in types:
        actions = [action.value for action in LOOKS if licence_type.code in may[action]]
        for one in each[licence_type.code]:
            named = found.setdefault(one.code, {"code": one.code, "name": one.name.as_json(), "licences": []})
            named["licences"].append(_needed(licence_type, one.needs or (), actions))
    return found


def _needed(licence_type: LicenceType, needs: tuple[str, ...], actions: list[str]) -> dict[str, Any]:
    return {"type": licence_type.code, "slug": licence_type.slug, "fields": list(needs), "may": actions}
