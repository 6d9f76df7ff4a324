"""For portals and departments' systems: under which mandate somebody acts, and whether somebody may act for an organisation."""

from typing import Any

from flask import g

from idp.oauth import clients, scopes
from idp.oauth.access_tokens import AccessToken
from idp.oauth.callers import InsufficientScope, bearer
from idp.oauth.pairwise import pairwise_sub
from idp.subjects import mandate_queries, mandates
from idp.subjects.mandates import Mandate
from idp.subjects.numbers import Number, NumberRefused, parse_number
from runtime.clock import now
from runtime.database import transaction
from runtime.guard import allow
from runtime.openapi import ApiBlueprint
from runtime.pages import csrf
from schemas.mandates import MandateCheckRequestSchema, MandateCheckSchema, MandatesSchema
from wallet.register.catalogue import get_type
from wallet.register.departments import get_department

mandates_api = ApiBlueprint("mandates", __name__, description="Who may act for whom.")
csrf.exempt(mandates_api)


@mandates_api.route("/mandates", methods=["GET"])
@allow(bearer(scopes.OPENID, scopes.PROFILE, scopes.LICENCES))
@mandates_api.doc(security=[{"department": [scopes.OPENID]}])
@mandates_api.response(200, MandatesSchema())
def listed() -> dict[str, Any]:
    """Give the mandate that a person's token is used under; none where the person is there for themselves."""
    token: AccessToken = g.token
    grantee = token.grantee
    if grantee is None:
        raise InsufficientScope("a person's token is wanted")
    if not grantee.is_acting:
        return {"mandates": []}
    with transaction() as session:
        found = mandates.check_mandate(session, person_id=grantee.person_id, organisation_id=grantee.holder_id, now=now())
    if not found.allows_portal(token.client_id):
        raise mandates.NotWithinMandate("another portal")
    client = clients.find_client(token.client_id)
    sector = client.sector if client else token.client_id
    return {"mandates": [_document(found, holder=pairwise_sub(grantee.holder_id, sector), person=pairwise_sub(grantee.person_id, sector))]}


@mandates_api.route("/mandates/check", methods=["POST"])
@allow(bearer("mandates"))
@mandates_api.doc(security=[{"department": ["mandates"]}])
@mandates_api.arguments(MandateCheckRequestSchema())
@mandates_api.response(200, MandateCheckSchema())
def check(body: dict[str, Any]) -> dict[str, Any]:
    """Answer whether a person may act for an organisation now, with a cause; the organisation can read who asked and why."""
    present = now()
    department = get_department(g.token.department)
    person, organisation = _number(body, "person"), _number(body, "organisation")
    type_code = get_type(body["licence_type"]).code if "licence_type" in body else None
    with transaction() as session:
        found = mandate_queries.ask(
            session,
            person=person,
            organisation=organisation,
            type_code=type_code,
            portal=body.get("portal"),
            department=department.code,
            client_id=g.token.client_id,
            cause=body["cause"]["text"],
            now=present,
        )
    if found is None:
        return {"may_act": False, "checked_at": present}
    return {"may_act": True, "role": found.role, "valid_until": found.valid_until, "checked_at": present}


def _document(found: Mandate, *, holder: str, person: str) -> dict[str, Any]:
    types = found.right.types
    return {
        "role": found.role,
        "holder_type": "person" if found.is_for_child else "organisation",
        "holder": holder,
        "person": person,
        "licence_types": None if types is None else sorted(types),
        "valid_from": found.right.valid_from,
        "valid_until": found.valid_until,
    }


def _number(body: dict[str, Any], party: str) -> Number:
    try:
        return parse_number(body[party]["number"])
    except NumberRefused as error:
        raise NumberRefused(error.why, field=f"{party}.number") from error
