"""For issuing departments: issue a licence, and read what they have issued, as it is, as it was, and page by page."""

from typing import Any
from uuid import UUID

from flask import current_app, g

from idp.oauth.callers import bearer
from runtime import documents
from runtime.clock import now
from runtime.database import transaction
from runtime.documents import Document
from runtime.guard import allow
from runtime.lean import Posted
from runtime.openapi import ApiBlueprint
from runtime.pages import csrf
from schemas.licence_acts import ActRequestSchema
from schemas.licences import (
    HistorySchema,
    IdempotencySchema,
    LicenceDetailSchema,
    LicenceQuerySchema,
    LicenceRequestSchema,
    LicenceSchema,
    LicenceSearchSchema,
    LicencesQuerySchema,
    LicencesSchema,
    read_plainly,
)
from wallet.issuing import licence_documents
from wallet.issuing.licence_acts_api import WAITING, outcome_of, waiting_document
from wallet.issuing.licence_documents import document_of
from wallet.issuing.listing import Filter, Page, list_own, search_own
from wallet.issuing.orders import Order
from wallet.register.acts import Act
from wallet.register.licences import Licence, LicenceNotFound, get_licence
from wallet.register.turns import moment_of

licences = ApiBlueprint("licences", __name__, description="Licences, for the departments that issue them.")
csrf.exempt(licences)
issuer = bearer("licences:issue")
READER = [{"department": ["licences:issue", "licences:read"]}]
reader = bearer("licences:issue", "licences:read")


@documents.post(
    licences,
    "/licences",
    takes=LicenceRequestSchema(),
    gives=LicenceSchema(),
    headers=IdempotencySchema(),
    scope="licences:issue",
    otherwise={202: (ActRequestSchema, WAITING)},
    short=read_plainly,
)
@allow(issuer)
def issue(body: dict[str, Any], posted: Posted) -> Document:
    """Issue a licence, with its credential; the same Idempotency-Key and body issue it once."""
    settings, moment = current_app.extensions["kabao_settings"], now()
    outcome = outcome_of(Order(Act.ISSUE, body), key=posted.headers.get("Idempotency-Key"), token=g.token, settings=settings, now=moment)
    if outcome.licence is not None:
        return Document(document_of(outcome.licence, now=moment))
    waiting = waiting_document(outcome, now=moment)
    return Document(waiting, (("Location", waiting["href"]),), status=202)


@licences.route("/licences", methods=["GET"])
@allow(reader)
@licences.arguments(LicencesQuerySchema, location="query")
@licences.response(200, LicencesSchema)
@licences.doc(security=READER)
def listed(query: dict[str, Any]) -> dict[str, Any]:
    """Give the licences that the caller's department has issued, a page at a time, by type and age."""
    limit, moment = query.pop("limit"), now()
    with transaction() as session:
        found, after = list_own(session, Filter(**query), department=g.token.department, limit=limit, now=moment)
    return {"licences": [document_of(one, now=moment) for one in found], "next": after}


@licences.route("/licences/search", methods=["POST"])
@allow(reader)
@licences.arguments(LicenceSearchSchema())
@licences.response(200, LicencesSchema)
@licences.doc(security=READER)
def search(body: dict[str, Any]) -> dict[str, Any]:
    """Give what the department has issued to one holder, a page at a time, the newest first; the search is written down, and the holder sees it."""
    moment, page = now(), Page(body["after"], body["limit"])
    who = {"department": g.token.department, "client": g.token.client_id}
    with transaction() as session:
        found, after = search_own(session, body["holder"]["number"], **who, matter=body["cause"].get("matter"), page=page, now=moment)
    return {"licences": [document_of(one, now=moment) for one in found], "next": after}


@licences.route("/licences/<uuid:licence_id>", methods=["GET"])
@allow(reader)
@licences.arguments(LicenceQuerySchema, location="query")
@licences.response(200, LicenceDetailSchema)
@licences.doc(security=READER)
def read(query: dict[str, Any], licence_id: UUID) -> dict[str, Any]:
    """Give a licence that the caller's department issued, with `at` how it stood then; any other is not found."""
    moment = now()
    with transaction() as session:
        licence = own_licence(get_licence(session, licence_id))
        document = licence_documents.detail_of(session, licence, now=moment)
        if query["at"] is not None:
            document["standing"] = licence_documents.standing_of(session, licence, at=moment_of(query["at"], now=moment))
    return document


@licences.route("/licences/<uuid:licence_id>/history", methods=["GET"])
@allow(reader)
@licences.response(200, HistorySchema)
@licences.doc(security=READER)
def history(licence_id: UUID) -> dict[str, Any]:
    """Give every turn of a licence's life, with its reason and legal basis, the first one first."""
    with transaction() as session:
        return {"turns": licence_documents.history_of(session, own_licence(get_licence(session, licence_id)))}


def own_licence(licence: Licence) -> Licence:
    """Return a licence of the caller's department; raises LicenceNotFound for another's."""
    if licence.issuer_code != g.token.department:
        raise LicenceNotFound("another department's")
    return licence
