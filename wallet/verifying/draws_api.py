"""For departments and portals that read a licence without its being shown."""

from datetime import datetime
from typing import Any
from uuid import UUID

from flask import current_app, g

from idp.oauth.callers import InsufficientScope, bearer, check_authentication
from idp.signin.assurance import MATCHED, TWO_FACTORS, Level
from idp.subjects.mandates import NotWithinMandate, check_mandate
from runtime.clock import now
from runtime.database import transaction
from runtime.guard import allow
from runtime.idempotency import claim, digest_of
from runtime.ids import new_id
from runtime.languages import Text
from runtime.openapi import ApiBlueprint
from runtime.pages import csrf
from runtime.problems import InvalidBody
from runtime.settings import Settings
from schemas.draws import DrawRequestSchema, DrawSchema
from schemas.verifications import IdempotencyKeySchema
from wallet.register.catalogue import get_type
from wallet.register.departments import get_department
from wallet.register.licences import LicenceNotFound
from wallet.verifying import draw_watch
from wallet.verifying.attesting import Asker
from wallet.verifying.draws import DrawRequest, LicenceNotValid, draw_by_authority, draw_for_holder
from wallet.verifying.licence_details import limits_of
from wallet.verifying.receipts import answered_before

draws = ApiBlueprint("draws", __name__, description="Drawing licences, on statutory authority or with the holder's consent.")
csrf.exempt(draws)
FOR_IDENTITY = Level(MATCHED, TWO_FACTORS)
HOLDER_MISSING = Text("依职权调用须写明持证主体号码。", "On statutory authority the holder's number must be given.")
HOLDER_GIVEN = Text("使用本人授权时不得另写持证主体。", "With a person's own token no other holder may be named.")


@draws.route("/draws", methods=["POST"])
@allow(bearer("draws", "licences"))
@draws.doc(security=[{"department": ["draws", "licences"]}])
@draws.arguments(DrawRequestSchema())
@draws.arguments(IdempotencyKeySchema(), location="headers")
@draws.response(201, DrawSchema())
def draw(body: dict[str, Any], headers: dict[str, Any]) -> dict[str, Any]:
    """Draw the valid licence of a type, with a cause; the holder sees the use.

    With a system's token (scope `draws`) the department's own authority counts; with a person's (scope `licences`), the person's consent. A token
    with authorization details of type `licence` draws just what these say, for the cause that they say; where they let it only look (`read`), it
    asks for no fields (`"fields": []`) and learns that the licence is in force.
    """
    settings: Settings = current_app.extensions["kabao_settings"]
    moment, receipt_id = now(), new_id()
    _check_holder(body)
    _check_mandate(body, moment)
    _check_level(body)
    try:
        return _draw(body, headers, settings, receipt_id, moment)
    except (LicenceNotFound, LicenceNotValid):
        if g.token.holder_id is None:
            _note_miss(body, moment)
        raise


def _draw(body: dict[str, Any], headers: dict[str, Any], settings: Settings, receipt_id: UUID, moment: datetime) -> dict[str, Any]:
    asked = {"cause": body["cause"]["text"], "fields": body.get("fields")}
    limits = limits_of(g.token.terms.authorization_details, get_type(body["type"]).code, **asked)
    digest = digest_of(body, pepper=settings.derived_key("idempotency"))
    with transaction() as session:
        before = claim(session, caller=_caller(), key=headers["key"], digest=digest, result_id=receipt_id, now=moment)
        if before is not None:
            return answered_before(session, before)
        request = DrawRequest(body["type"], body["cause"], body.get("holder", {}).get("number"), body.get("fields"), limits)
        asker, holder_id = Asker(g.token.department, get_department(g.token.department).name, system=g.token.client_id), g.token.holder_id
        if holder_id is None:
            return draw_by_authority(session, settings, request, asker=asker, receipt_id=receipt_id, now=moment)
        acted_by = g.token.grantee.person_id if g.token.grantee else None
        about = {"holder_id": holder_id, "acted_by": acted_by, "asker": asker, "receipt_id": receipt_id}
        return draw_for_holder(session, settings, request, **about, now=moment)


def _note_miss(body: dict[str, Any], moment: datetime) -> None:
    who = {"department": g.token.department, "system": g.token.client_id, "type_code": get_type(body["type"]).code}
    with transaction() as session:
        draw_watch.note_miss(session, **who, number=body["holder"]["number"], now=moment)


def _check_holder(body: dict[str, Any]) -> None:
    if ("draws" if g.token.holder_id is None else "licences") not in g.token.scopes:
        raise InsufficientScope("the scope is for the other kind of token")
    if g.token.holder_id is None and "holder" not in body:
        raise InvalidBody("no holder", field="holder", shown=HOLDER_MISSING)
    if g.token.holder_id is not None and "holder" in body:
        raise InvalidBody("a holder beside a person's token", field="holder", shown=HOLDER_GIVEN)


def _check_mandate(body: dict[str, Any], moment: datetime) -> None:
    """Check that whoever acts for another may have this type drawn here; before an answer of before is given again, too."""
    grantee = g.token.grantee
    if grantee is None or not grantee.is_acting:
        return
    with transaction() as session:
        mandate = check_mandate(session, person_id=grantee.person_id, organisation_id=grantee.holder_id, now=moment)
    if not (mandate.allows_type(get_type(body["type"]).code) and mandate.allows_portal(g.token.client_id)):
        raise NotWithinMandate("another type or portal", field="type")


def _check_level(body: dict[str, Any]) -> None:
    """Check that who gives away what proves their identity signed in with two factors; the challenge says what to ask of them (RFC 9470)."""
    if get_type(body["type"]).proves_identity:
        check_authentication(FOR_IDENTITY)


def _caller() -> str:
    """A person's keys are apart from another's, although the same portal sends them, also where both act for one holder."""
    grantee = g.token.grantee
    return f"{g.token.client_id}:{grantee.holder_id}:{grantee.person_id}" if grantee else str(g.token.client_id)
