"""For issuing departments: acts that wait for a second officer or system, to be looked at, approved or refused."""

from typing import Any
from uuid import UUID

from flask import current_app, g

from idp.oauth.callers import bearer
from runtime.clock import now
from runtime.database import transaction
from runtime.guard import allow
from runtime.openapi import ApiBlueprint
from runtime.pages import csrf
from schemas.licence_acts import ActRequestDetailSchema, ActRequestSchema, ActRequestsQuerySchema, ActRequestsSchema, RefusalSchema
from schemas.licences import LicenceSchema
from wallet.issuing import pending
from wallet.issuing.desk import looking
from wallet.issuing.licence_documents import document_of, request_document_of
from wallet.issuing.orders import SCHEMAS
from wallet.issuing.pending import PAGE, Doer

act_requests = ApiBlueprint("act_requests", __name__, description="Acts that wait for a second officer.")
csrf.exempt(act_requests)
issuer = bearer("licences:issue")
SECURITY = [{"department": ["licences:issue"]}]


@act_requests.route("/act-requests", methods=["GET"])
@allow(issuer)
@act_requests.arguments(ActRequestsQuerySchema, location="query")
@act_requests.response(200, ActRequestsSchema)
@act_requests.doc(security=SECURITY)
def listed(query: dict[str, Any]) -> dict[str, Any]:
    """Give the department's requests, the newest first."""
    moment, waiting = now(), query["state"] == "pending"
    with transaction() as session:
        found = pending.requests_of(session, department=g.token.department, now=moment, waiting=waiting, before=query["before"])
    return {"requests": [request_document_of(one, now=moment) for one in found], "next": found[-1].id if len(found) == PAGE else None}


@act_requests.route("/act-requests/<uuid:request_id>", methods=["GET"])
@allow(issuer)
@act_requests.response(200, ActRequestDetailSchema)
@act_requests.doc(security=SECURITY)
def one(request_id: UUID) -> dict[str, Any]:
    """Give a request of the department with the document that asks for it.

    Whoever it is about reads in their history that a system read it: once as long as its state is the same, however often it asks.
    """
    moment = now()
    with transaction() as session:
        row = pending.get_request(session, request_id, department=g.token.department)
        order = pending.order_in(row)
        if pending.is_first_reading(session, row, system=g.token.client_id):
            looking.take_down_reading(session, row, named=tuple(order.document.get("fields", {})), system=g.token.client_id, now=moment)
    return {**request_document_of(row, now=moment), "document": SCHEMAS[order.act]().dump(order.document)}


@act_requests.route("/act-requests/<uuid:request_id>/approval", methods=["POST"])
@allow(issuer)
@act_requests.response(201, LicenceSchema)
@act_requests.doc(security=SECURITY)
def approve(request_id: UUID) -> dict[str, Any]:
    """Do what another officer or system of the department asked for, with all checks done anew; the answer is the licence."""
    moment = now()
    with transaction() as session:
        outcome = pending.approve(session, current_app.extensions["kabao_settings"], request_id, doer=_doer(), now=moment)
    assert outcome.licence is not None
    return document_of(outcome.licence, now=moment)


@act_requests.route("/act-requests/<uuid:request_id>/refusal", methods=["POST"])
@allow(issuer)
@act_requests.arguments(RefusalSchema())
@act_requests.response(201, ActRequestSchema)
@act_requests.doc(security=SECURITY)
def refuse(body: dict[str, Any], request_id: UUID) -> dict[str, Any]:
    """Refuse what another officer or system of the department asked for."""
    moment = now()
    with transaction() as session:
        row = pending.refuse(session, request_id, reason=body["reason"], doer=_doer(), now=moment)
    return request_document_of(row, now=moment)


def _doer() -> Doer:
    return Doer(g.token.department, g.token.client_id, g.token.acting_person or g.token.holder_id)
