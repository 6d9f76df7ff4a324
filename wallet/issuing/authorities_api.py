"""For departments that define licence types: who may do what with their licences."""

from typing import Any

from flask import g

from idp.oauth.callers import bearer
from runtime.clock import now
from runtime.database import transaction
from runtime.guard import allow
from runtime.openapi import ApiBlueprint
from runtime.pages import csrf
from schemas.authorities import AuthoritiesSchema, AuthorityNameSchema, AuthoritySchema, GrantSchema
from wallet.register import grants
from wallet.register.catalogue import get_type
from wallet.register.departments import Action, Authority
from wallet.register.grants import Grant

authorities = ApiBlueprint("authorities", __name__, description="Authority over licence types, for the departments that define them.")
csrf.exempt(authorities)
definer = bearer("authorities")
SECURITY = [{"department": ["authorities"]}]


@authorities.route("/licence-types/<name>/authorities", methods=["GET"])
@allow(definer)
@authorities.response(200, AuthoritiesSchema)
@authorities.doc(security=SECURITY)
def listed(name: str) -> dict[str, Any]:
    """Give every authority over a type that the caller's department defined, ended ones too."""
    moment = now()
    with transaction() as session:
        found = grants.grants_over(session, get_type(name), definer=g.token.department)
    return {"authorities": [{**_document(one), "holds": one.holds_at(moment)} for one in found]}


@authorities.route("/licence-types/<name>/authorities", methods=["POST"])
@allow(definer)
@authorities.arguments(GrantSchema())
@authorities.response(201, AuthoritySchema)
@authorities.doc(security=SECURITY)
def grant(body: dict[str, Any], name: str) -> dict[str, Any]:
    """Let a department do something with licences of the type, or change from when, how long and for which acts it may."""
    moment, asked = now(), Grant(**{**body, "action": Action(body["action"])})
    with transaction() as session:
        granted = grants.grant_over(session, get_type(name), asked, definer=g.token.department, now=moment)
    return {**_document(granted), "holds": granted.holds_at(moment)}


@authorities.route("/licence-types/<name>/authorities", methods=["DELETE"])
@allow(definer)
@authorities.arguments(AuthorityNameSchema, location="query")
@authorities.response(204)
@authorities.doc(security=SECURITY)
def withdraw(query: dict[str, Any], name: str) -> None:
    """Take an authority from a department; it ends at once, in every process."""
    whose = {"department": query["department"], "action": Action(query["action"]), "definer": g.token.department}
    with transaction() as session:
        grants.withdraw_over(session, get_type(name), **whose, now=now())


def _document(one: Authority) -> dict[str, Any]:
    named = {name: getattr(one, name) for name in ("action", "acts", "valid_from", "valid_until", "granted_by")}
    return {"department": one.department_code, "type": one.type_code, **named}
