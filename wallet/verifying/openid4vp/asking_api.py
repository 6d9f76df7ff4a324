"""For departments and portals that ask a wallet: make a request, and read what came of it."""

import hmac
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from flask import current_app, g

from idp.oauth.callers import InsufficientScope, bearer
from idp.oauth.scopes import LICENCES
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
from schemas.asking import AskSchema, RequestSchema, ResultQuerySchema
from schemas.verifications import IdempotencyKeySchema
from wallet.verifying.openid4vp import asking, queries, references
from wallet.verifying.openid4vp.asking import CONSENT, Asking, By
from wallet.verifying.openid4vp.queries import Wanted, WantedAnswer
from wallet.verifying.openid4vp.requests import PresentationRequest, RequestNotFound, State, get_request
from wallet.verifying.openid4vp.responding import hash_of

requests_api = ApiBlueprint("requests", __name__, description="Requests to any wallet (OpenID4VP 1.0).")
csrf.exempt(requests_api)
SCOPE = "verifications"
HOLDER_GIVEN = Text("使用本人令牌时不得另写持证主体。", "With a person's own token no other holder may be named.")
NOT_BY_CONSENT = Text("使用本人令牌时只能以本人同意为依据。", "With a person's own token the basis is their consent.")
NOT_HTTPS = Text("返回地址须为https，且不含用户名。", "The address to return to must be https, and name no user.")


@requests_api.route("/requests", methods=["POST"])
@allow(bearer(SCOPE, LICENCES))
@requests_api.doc(security=[{"department": [SCOPE, LICENCES]}])
@requests_api.arguments(AskSchema())
@requests_api.arguments(IdempotencyKeySchema(), location="headers")
@requests_api.response(201, RequestSchema())
def ask(body: dict[str, Any], headers: dict[str, Any]) -> dict[str, Any]:
    """Ask a wallet for licences, or for a yes or no, with a cause.

    A department's system (scope `verifications`) asks whoever is shown the code, or the holder of a number in their inbox. A portal with a
    person's own token (scope `licences`) asks that person, by whose consent it needs no authority of its own. What becomes of the request is
    told to the caller's webhooks and streams (`presentation.answered`, `presentation.declined`, `presentation.expired`), so nobody need poll.
    """
    settings, moment, request_id = _settings(), now(), new_id()
    by = _by()
    _check(body, by, settings)
    digest = digest_of(body, pepper=settings.derived_key("idempotency"))
    wanted = _asking(settings, body)
    with transaction() as session:
        caller = f"{by.client_id}:requests:{by.holder_id or ''}"
        before = claim(session, caller=caller, key=headers["key"], digest=digest, result_id=request_id, now=moment)
        if before is not None:
            return told(settings, get_request(session, before), code=None)
        return told(settings, asking.ask(session, settings, wanted, by=by, request_id=request_id, now=moment), code=None)


@requests_api.route("/requests/<uuid:request_id>")
@allow(bearer(SCOPE, LICENCES))
@requests_api.doc(security=[{"department": [SCOPE, LICENCES]}])
@requests_api.arguments(ResultQuerySchema(), location="query")
@requests_api.response(200, RequestSchema())
def read(query: dict[str, Any], request_id: UUID) -> dict[str, Any]:
    """Read how a request of the caller's stands, and what came of it: fields, verdict, each check, receipts."""
    by = _by()
    with transaction() as session:
        row = get_request(session, request_id)
        whose = row.holder_id if row.by_consent else None  # what a system asked is not read with a person's token, nor the other way about
        if (row.client_id, row.department, whose) != (by.client_id, by.department, by.holder_id):
            raise RequestNotFound("another's")
    return told(_settings(), row, code=query.get("response_code"))


def told(settings: Settings, row: PresentationRequest, *, code: str | None) -> dict[str, Any]:
    """Return a request as the API tells of it; its result only to whoever brings its code, where it has one."""
    link, state = asking.link_of(settings, row), row.state_at(now())
    is_kept_back = row.code_hash is not None and (code is None or not hmac.compare_digest(row.code_hash, hash_of(code)))
    return {
        "id": str(row.id),
        "state": state.value,
        "asked_at": row.asked_at,
        "expires_at": row.expires_at,
        "client_id": row.verifier,
        "request_uri": references.request_uri(settings, row.id),
        "link": link,
        "https_link": asking.page_link_of(settings, row),
        "qr": asking.picture_of(link),
        "needs_response_code": is_kept_back,
        "result": row.result if state is State.ANSWERED and not is_kept_back else None,
    }


def _by() -> By:
    token = g.token
    if (SCOPE if token.holder_id is None else LICENCES) not in token.scopes:
        raise InsufficientScope("the scope is for the other kind of token")
    return By(token.department, token.client_id, holder_id=token.holder_id)


def _check(body: dict[str, Any], by: By, settings: Settings) -> None:
    if by.holder_id is not None and "holder" in body:
        raise InvalidBody("a holder beside a person's token", field="holder", shown=HOLDER_GIVEN)
    if by.holder_id is not None and body["basis"] != CONSENT:
        raise InvalidBody("another basis than consent", field="basis", shown=NOT_BY_CONSENT)
    back = urlsplit(body.get("return_to", ""))
    if back.username is not None or ("return_to" in body and back.scheme != "https" and not settings.development):
        raise InvalidBody("not https, or a user's", field="return_to", shown=NOT_HTTPS)


def _asking(settings: Settings, body: dict[str, Any]) -> Asking:
    if "dcql_query" in body:
        asked = queries.read(settings, body["dcql_query"])
    else:
        wanted = [Wanted(one["type"], one["fields"], one["optional"], one["formats"], one["multiple"]) for one in body.get("credentials", ())]
        about = [WantedAnswer(one["kind"], one.get("type"), one.get("organisation", {}).get("number")) for one in body.get("statements", ())]
        asked = queries.compose(settings, wanted, about)
    return Asking(
        asked,
        cause=body["cause"],
        response_mode=body["response_mode"],
        prefix=body["client_id_prefix"],
        basis=body["basis"],
        lifetime=timedelta(seconds=body["lifetime"]),
        act=body.get("confirm"),
        number=body.get("holder", {}).get("number"),
        return_to=body.get("return_to"),
    )


def _settings() -> Settings:
    settings: Settings = current_app.extensions["kabao_settings"]
    return settings
