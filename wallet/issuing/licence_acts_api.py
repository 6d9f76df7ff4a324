"""For issuing departments: every act on a licence that exists, each with its reason and its legal basis, once for each Idempotency-Key."""

from collections.abc import Callable
from datetime import datetime
from typing import Any
from uuid import UUID

from flask import Response, current_app, g, jsonify
from sqlalchemy.orm import Session

from idp.oauth.access_tokens import AccessToken
from idp.oauth.callers import bearer
from runtime.clock import now
from runtime.database import transaction
from runtime.guard import allow
from runtime.idempotency import claim, digest_of, row_of
from runtime.ids import new_id
from runtime.openapi import ApiBlueprint
from runtime.pages import csrf
from runtime.problems import Refusal
from runtime.settings import Settings
from schemas.licence_acts import ActRequestSchema, GatheringSchema
from schemas.licences import IdempotencySchema, LicenceSchema, LicencesSchema
from wallet.issuing import gathering
from wallet.issuing.licence_documents import document_of, request_document_of
from wallet.issuing.life import issue_alone
from wallet.issuing.orders import SCHEMAS, Order
from wallet.issuing.pending import Doer, Outcome, find_request, submit
from wallet.register.acts import TURNS, Act
from wallet.register.licences import Licence, get_licence, hold_licence

licence_acts = ApiBlueprint("licence_acts", __name__, description="Acts on licences, for the departments that issue them.")
csrf.exempt(licence_acts)
issuer = bearer("licences:issue")
SECURITY = [{"department": ["licences:issue"]}]
WAITING = "It waits for a second officer"
PATHS = {
    "renewal": Act.RENEW,
    "change": Act.CHANGE,
    "replacement": Act.REPLACE,
    "suspension": Act.SUSPEND,
    "resumption": Act.RESUME,
    "annulment": Act.ANNUL,
    "revocation": Act.REVOKE,
    "cancellation": Act.CANCEL,
    "lapse": Act.LAPSE,
    "transfer-out": Act.TRANSFER_OUT,
    "transfer-in": Act.TRANSFER_IN,
}
MEANINGS = {
    Act.RENEW: "Renew a licence (延续换发): the answer is its successor, valid from today; the licence lapses.",
    Act.CHANGE: "Write a licence anew because something in it has changed (变更): the answer is its successor; the licence lapses.",
    Act.REPLACE: "Write a licence anew because it was lost or damaged (补发): the answer is its successor; the licence lapses.",
    Act.SUSPEND: "Suspend a licence (暂扣), until it is resumed.",
    Act.RESUME: "Let a suspended licence, or one whose transfer came to nothing, be valid again (恢复).",
    Act.ANNUL: "Annul a licence (撤销): it should never have been issued. It may take effect from its first day.",
    Act.REVOKE: "Revoke a licence (吊销), as a penalty and for good; verification says so at once, the status list within two seconds.",
    Act.CANCEL: "Cancel a licence (注销): it is struck off the register.",
    Act.LAPSE: "Declare that a licence has lapsed (失效) before its last day.",
    Act.TRANSFER_OUT: "Let another department take a licence over (转出); it cannot be shown meanwhile.",
    Act.TRANSFER_IN: "Take over a licence that another department has transferred (转入): the answer is its successor.",
}
Answered = dict[str, Any] | Response


def _declare(path: str, act: Act) -> Callable[..., Answered]:
    def view(body: dict[str, Any], headers: dict[str, Any], licence_id: UUID) -> Answered:
        settings: Settings = current_app.extensions["kabao_settings"]
        return answer_to(Order(act, body, licence_id), key=headers["key"], token=g.token, settings=settings, now=now())

    view.__name__, view.__doc__ = act.name.lower(), MEANINGS[act]
    for decorate in (
        licence_acts.doc(security=SECURITY),
        licence_acts.alt_response(202, schema=ActRequestSchema, description=WAITING),
        licence_acts.response(201, LicenceSchema),
        licence_acts.arguments(IdempotencySchema(), location="headers"),
        licence_acts.arguments(SCHEMAS[act]()),
        allow(issuer),
        licence_acts.route(f"/licences/<uuid:licence_id>/{path}", methods=["POST"]),
    ):
        view = decorate(view)
    return view


VIEWS = [_declare(path, act) for path, act in PATHS.items()]


@licence_acts.route("/licences/<uuid:licence_id>/gathering", methods=["POST"])
@allow(issuer)
@licence_acts.arguments(GatheringSchema())
@licence_acts.response(200, LicencesSchema)
@licence_acts.doc(security=SECURITY)
def gather(body: dict[str, Any], licence_id: UUID) -> dict[str, Any]:
    """Gather licences of the same holder into one (多证合一): what becomes of it becomes of them. All of them, or none."""
    moment = now()
    with transaction() as session:
        found = gathering.gather(session, hold_licence(session, licence_id), body["licences"], department=g.token.department, now=moment)
    return {"licences": [document_of(one, now=moment) for one in found], "next": None}


@licence_acts.route("/licences/<uuid:licence_id>/gathering/<uuid:part_id>", methods=["DELETE"])
@allow(issuer)
@licence_acts.response(204)
@licence_acts.doc(security=SECURITY)
def release(licence_id: UUID, part_id: UUID) -> None:
    """Take a licence out of the one that it was gathered into; it stands by itself again, as it is."""
    with transaction() as session:
        gathering.release(session, hold_licence(session, licence_id), part_id, department=g.token.department, now=now())


def answer_to(order: Order, *, key: str | None, token: AccessToken, settings: Settings, now: datetime) -> Answered:
    """Do what a system asks for, or let it wait, and answer with the licence (201) or the request that waits (202); once for each key."""
    outcome = outcome_of(order, key=key, token=token, settings=settings, now=now)
    if outcome.licence is not None and outcome.request is None:
        return document_of(outcome.licence, now=now)
    document = waiting_document(outcome, now=now)
    response = jsonify(document)
    response.status_code, response.headers["Location"] = 202, document["href"]
    return response


def outcome_of(order: Order, *, key: str | None, token: AccessToken, settings: Settings, now: datetime) -> Outcome:
    """Do what a system asks for, or let it wait, once for each key; return what came of it."""
    doer = Doer(token.department, token.client_id, token.acting_person or token.holder_id)
    about = (order.act.value, order.licence_id, order.document) if order.licence_id else order.document
    claimed: dict[str, Any] = {
        "caller": token.client_id,
        "key": key,
        "digest": digest_of(about, pepper=settings.derived_key("idempotency")),
        "result_id": new_id(),
    }
    licence = _issued_alone(order, claimed, department=token.department, settings=settings, now=now)
    if licence is not None:
        return Outcome(licence=licence)
    with transaction() as session:
        if order.licence_id is not None:
            hold_licence(session, order.licence_id)
        before = claim(session, **claimed, now=now)
        if before is not None:
            return _again(session, order, before, department=token.department)
        return submit(session, settings, order, doer=doer, now=now, result_id=claimed["result_id"])


def waiting_document(outcome: Outcome, *, now: datetime) -> dict[str, Any]:
    """Return the request that waits as the API gives it."""
    assert outcome.request is not None
    document: dict[str, Any] = ActRequestSchema().dump(request_document_of(outcome.request, now=now))
    return document


def _issued_alone(order: Order, claimed: dict[str, Any], *, department: str, settings: Settings, now: datetime) -> Licence | None:
    """Return the licence if all is plain; else None, and nothing was done.

    Whatever a key made before is answered first, even if it would be refused by now; so a refusal of what has a key is found again, the general way.
    """
    if order.act is not Act.ISSUE:
        return None
    row = None if claimed["key"] is None else row_of(**claimed, now=now)
    try:
        return issue_alone(settings, order.issue(), department=department, now=now, licence_id=claimed["result_id"], claimed=row)
    except Refusal:
        if row is None:
            raise
        return None


def _again(session: Session, order: Order, result_id: UUID, *, department: str) -> Outcome:
    """Return what came of a request that was sent before."""
    waiting = find_request(session, result_id, department=department)
    if waiting is not None:
        return Outcome(request=waiting)
    is_new = order.licence_id is None or TURNS[order.act].succeeds
    return Outcome(licence=get_licence(session, result_id if is_new else order.licence_id))  # type: ignore[arg-type]
