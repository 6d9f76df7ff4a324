"""Webhooks as their receivers manage them: make one, see how it fares, try it, give it another secret, end it."""

from typing import Any
from uuid import UUID

from flask import current_app
from sqlalchemy.orm import Session

from idp.oauth import scopes
from idp.oauth.callers import bearer
from idp.signals import event_types, streams, tokens, webhooks
from idp.signals.streams import WEBHOOK, SignalStream, StreamRefused, Wanted
from idp.signals.streams_api import receiver
from keys import sealing
from runtime.clock import now
from runtime.database import transaction
from runtime.guard import allow
from runtime.languages import Text
from runtime.openapi import ApiBlueprint
from runtime.pages import csrf
from runtime.problems import Refusal
from runtime.settings import Settings
from schemas.webhooks import WebhookRequestSchema, WebhookSchema, WebhooksSchema

webhooks_api = ApiBlueprint("webhooks", __name__, description="Webhooks: events posted as signed JSON.")
csrf.exempt(webhooks_api)
subscriber = bearer(streams.LICENCE_SCOPE, scopes.SSF_MANAGE, streams.ASKING_SCOPE)
SUBSCRIBER = [{"department": [scope]} for scope in (streams.LICENCE_SCOPE, streams.ASKING_SCOPE)]


class NotHeardOf(Refusal):
    """A kind of event that there is not, or that is not for the caller."""

    code, status, title = "not-heard-of", 422, Text("没有此类事件，或无权接收。", "There is no such event, or it is not for you.")


@webhooks_api.route("/webhooks", methods=["POST"])
@allow(subscriber)
@webhooks_api.arguments(WebhookRequestSchema())
@webhooks_api.response(201, WebhookSchema)
@webhooks_api.doc(security=SUBSCRIBER)
def make(body: dict[str, Any]) -> dict[str, Any]:
    """Make a webhook; its secret is in this answer and nowhere else.

    It hears of licences (scope `events`), and of what became of the caller's own requests to wallets (scope `verifications`):
    `presentation.answered`, `presentation.declined`, `presentation.expired`, each with the request's id and nothing else of it.
    """
    settings, secret = _settings(), webhooks.new_secret()
    wanted = Wanted(WEBHOOK, body["url"], secret, _types(body["events"]), body["description"])
    with transaction() as session:
        try:
            row = streams.create(session, receiver(), wanted, settings=settings, now=now())
        except StreamRefused as refusal:
            raise StreamRefused(refusal.reason, field="url") from refusal
        return {**_document(session, row), "secret": secret}


@webhooks_api.route("/webhooks", methods=["GET"])
@allow(subscriber)
@webhooks_api.response(200, WebhooksSchema)
@webhooks_api.doc(security=SUBSCRIBER)
def listed() -> dict[str, Any]:
    """Give every webhook of the caller."""
    with transaction() as session:
        return {"webhooks": [_document(session, row) for row in streams.streams_of(session, receiver(), methods=(WEBHOOK,))]}


@webhooks_api.route("/webhooks/<uuid:webhook_id>", methods=["GET"])
@allow(subscriber)
@webhooks_api.response(200, WebhookSchema)
@webhooks_api.doc(security=SUBSCRIBER)
def one(webhook_id: UUID) -> dict[str, Any]:
    """Give a webhook, and how it fares."""
    with transaction() as session:
        return _document(session, _own(session, webhook_id))


@webhooks_api.route("/webhooks/<uuid:webhook_id>/test", methods=["POST"])
@allow(subscriber)
@webhooks_api.response(202)
@webhooks_api.doc(security=SUBSCRIBER)
def test(webhook_id: UUID) -> None:
    """Post a trial event (`ssf.verification`), also where the webhook was closed."""
    moment = now()
    with transaction() as session:
        row = _own(session, webhook_id)
        streams.may_verify(session, row, now=moment)
        tokens.add_of_stream(session, row, event_types.VERIFICATION, {}, now=moment)


@webhooks_api.route("/webhooks/<uuid:webhook_id>/secret", methods=["POST"])
@allow(subscriber)
@webhooks_api.response(201, WebhookSchema)
@webhooks_api.doc(security=SUBSCRIBER)
def rotate(webhook_id: UUID) -> dict[str, Any]:
    """Give a webhook another secret; until the next time, each post is signed by the one before as well."""
    secret = webhooks.new_secret()
    with transaction() as session:
        row = _own(session, webhook_id, lock=True)
        kept = webhooks.rotated(row.authorization or "", secret)
        row.authorization_sealed = sealing.seal(kept, table="signal_streams", column="authorization", row=row.id)
        return {**_document(session, row), "secret": secret}


@webhooks_api.route("/webhooks/<uuid:webhook_id>/opening", methods=["POST"])
@allow(subscriber)
@webhooks_api.response(200, WebhookSchema)
@webhooks_api.doc(security=SUBSCRIBER)
def reopen(webhook_id: UUID) -> dict[str, Any]:
    """Open a webhook again that was closed because its address answered 410; what waits is sent. One that the operator stopped stays so (403)."""
    with transaction() as session:
        row = _own(session, webhook_id, lock=True)
        streams.set_status(session, row, streams.ENABLED, reason=None, actor=f"client:{row.client_id}", now=now())
        return _document(session, row)


@webhooks_api.route("/webhooks/<uuid:webhook_id>", methods=["DELETE"])
@allow(subscriber)
@webhooks_api.response(204)
@webhooks_api.doc(security=SUBSCRIBER)
def end(webhook_id: UUID) -> None:
    """End a webhook; what waits is not sent."""
    with transaction() as session:
        streams.end_stream(session, _own(session, webhook_id), now=now())


def _types(names: list[str]) -> tuple[str, ...]:
    """Return the types of event by the names that webhooks have for them; raises NotHeardOf."""
    known = {event_types.plain_name(one): one for one in streams.supported_by(receiver(), _settings())}
    if not set(names) <= set(known):
        raise NotHeardOf(field="events", shown=Text("可选：{}", "There are: {}").format(", ".join(known) or "-"))
    return tuple(known[name] for name in names)


def _document(session: Session, row: SignalStream) -> dict[str, Any]:
    waiting, set_aside = tokens.counts(session, row.id).get(row.id, (0, 0))
    return {
        "id": row.id,
        "url": row.endpoint_url,
        "events": [event_types.plain_name(one) for one in row.events_requested],
        "status": row.status,
        "made_at": row.made_at,
        "failures": row.failures,
        "waiting": waiting,
        "set_aside": set_aside,
        **({"description": row.description} if row.description else {}),
    }


def _own(session: Session, webhook_id: UUID, *, lock: bool = False) -> SignalStream:
    return streams.get_stream(session, webhook_id, client_id=receiver(), methods=(WEBHOOK,), lock=lock)


def _settings() -> Settings:
    settings: Settings = current_app.extensions["kabao_settings"]
    return settings
