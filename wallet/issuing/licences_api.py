"""For issuing departments: issue a licence, read it, revoke it."""

from datetime import datetime
from typing import Any
from uuid import UUID

from flask import current_app, g

from idp.oauth.callers import bearer
from idp.subjects.directory import get_subject, name_of, number_of
from runtime.clock import now
from runtime.database import transaction
from runtime.guard import allow
from runtime.idempotency import claim, digest_of
from runtime.ids import new_id
from runtime.openapi import ApiBlueprint
from runtime.pages import csrf
from runtime.settings import Settings
from schemas.licences import IdempotencySchema, LicenceDetailSchema, LicenceRequestSchema, LicenceSchema, RevocationSchema
from wallet.issuing.life import issue_licence, revoke_licence
from wallet.issuing.requests import request_of
from wallet.register.departments import get_department
from wallet.register.licences import Licence, LicenceNotFound, fields_of, get_licence, licence_number_of, type_of
from wallet.register.metadata import metadata_of

licences = ApiBlueprint("licences", __name__, description="Licences, for the departments that issue them.")
csrf.exempt(licences)
issuer = bearer("licences:issue")
ISSUER, READER = [{"department": ["licences:issue"]}], [{"department": ["licences:issue", "licences:read"]}]
reader = bearer("licences:issue", "licences:read")


@licences.route("/licences", methods=["POST"])
@allow(issuer)
@licences.arguments(LicenceRequestSchema())
@licences.arguments(IdempotencySchema(), location="headers")
@licences.response(201, LicenceSchema)
@licences.doc(security=ISSUER)
def issue(body: dict[str, Any], headers: dict[str, Any]) -> dict[str, Any]:
    """Issue a licence, with its credential; the same Idempotency-Key and body issue it once."""
    settings: Settings = current_app.extensions["kabao_settings"]
    moment, licence_id = now(), new_id()
    digest = digest_of(body, pepper=settings.derived_key("idempotency"))
    with transaction() as session:
        before = claim(session, caller=g.token.client_id, key=headers["key"], digest=digest, result_id=licence_id, now=moment)
        if before is not None:
            return document_of(get_licence(session, before), now=moment)
        licence = issue_licence(session, settings, request_of(body), department=g.token.department, now=moment, licence_id=licence_id)
    return document_of(licence, now=moment)


@licences.route("/licences/<uuid:licence_id>", methods=["GET"])
@allow(reader)
@licences.response(200, LicenceDetailSchema)
@licences.doc(security=READER)
def read(licence_id: UUID) -> dict[str, Any]:
    """Give a licence that the caller's department issued; any other is not found."""
    with transaction() as session:
        licence = _own(get_licence(session, licence_id))
        holder = get_subject(session, licence.holder_id)
    fields = fields_of(licence)
    metadata = metadata_of(
        licence,
        licence_type=type_of(licence),
        issuer=get_department(licence.issuer_code),
        holder_name=name_of(holder),
        holder_number=number_of(holder),
        licence_number=licence_number_of(licence),
        fields=fields,
    )
    return {**document_of(licence, now=now()), "fields": fields, "metadata": metadata, "changed_at": licence.changed_at}


@licences.route("/licences/<uuid:licence_id>/revocation", methods=["POST"])
@allow(issuer)
@licences.arguments(RevocationSchema())
@licences.response(201, LicenceSchema)
@licences.doc(security=ISSUER)
def revoke(body: dict[str, Any], licence_id: UUID) -> dict[str, Any]:
    """Revoke a licence for good; verification says so at once, the status list within two seconds."""
    moment = now()
    with transaction() as session:
        licence = _own(get_licence(session, licence_id))
        revoke_licence(session, licence, **body, department=g.token.department, now=moment)
    return document_of(licence, now=moment)


def document_of(licence: Licence, *, now: datetime) -> dict[str, Any]:
    """Return a licence as the API gives it."""
    named = {name: getattr(licence, name) for name in ("id", "identifier", "issued_at", "valid_from", "valid_until")}
    return {
        **named,
        "type": licence.type_code,
        "type_slug": type_of(licence).slug,
        "issuer": licence.issuer_code,
        "state": licence.state_at(now).value,
        "licence_number": licence_number_of(licence),
        **({"holder_number_changed": True} if licence.holder_renumbered else {}),
    }


def _own(licence: Licence) -> Licence:
    if licence.issuer_code != g.token.department:
        raise LicenceNotFound("another department's")
    return licence
