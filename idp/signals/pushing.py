"""Pushing: a worker posts a stream's events one after the other, until its receiver has them all: as security events (RFC 8935), or as a webhook.

One worker a stream at a time, by a lease, so that the order holds; what its receiver cannot take now is tried again, ever more rarely, and what it
refuses, or answers with an error a dozen times, is set aside for an operator.
"""

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import structlog
from flask import current_app
from sqlalchemy import Select, and_, exists, or_, select, update
from sqlalchemy.orm import Session

from idp.signals import event_types, streams, tokens, webhooks
from idp.signals.streams import DELIVERED, DISABLED, WEBHOOK, SignalStream
from idp.signals.tokens import PUSHING, SignalToken
from runtime import jobs, outbound
from runtime.clock import now as clock_now
from runtime.database import transaction
from runtime.settings import Settings

log = structlog.get_logger(__name__)
LEASE = timedelta(minutes=3)
TIMEOUT = 8.0
BATCH = 20
ANSWER_LIMIT = 4096
BUSY = (429, 502, 503, 504)
LONGEST_WAIT = timedelta(minutes=10)
ERRORS = ("invalid_request", "invalid_key", "invalid_issuer", "invalid_audience", "authentication_failed", "access_denied", "invalid_state")


@dataclass(frozen=True, slots=True)
class _Outcome:
    """What a receiver did with an event: it has it, it refuses it (`err`), it wants no more (`is_gone`), or it must be asked again.

    `status` is what it answered, where that was neither yes nor no.
    """

    has_it: bool = False
    err: str | None = None
    is_gone: bool = False
    status: int | None = None


@jobs.outward
def push_signals(stream_id: str) -> None:
    """Push what a stream has to say."""
    while _lease(UUID(stream_id), now=clock_now()):
        goes_on = _push_batch(UUID(stream_id))
        _release(UUID(stream_id))
        if not goes_on:
            return


def _due(now: datetime) -> Select[UUID]:
    waits = exists().where(SignalToken.stream_id == SignalStream.id, SignalToken.refused.is_(None))
    has_some = or_(and_(SignalStream.status == streams.ENABLED, waits), waits.where(SignalToken.type.in_(tokens.ALWAYS)))
    is_due = or_(SignalStream.due_at.is_(None), SignalStream.due_at <= now)
    is_free = or_(SignalStream.leased_until.is_(None), SignalStream.leased_until < now)
    return select(SignalStream.id).where(SignalStream.method.in_(DELIVERED), is_due, is_free, has_some)


@jobs.every("* * * * * */10", if_any=lambda now: _due(now).exists())
def push_what_is_due() -> None:
    """Ask for the streams whose receivers were away, or whose worker died, to be pushed again; of one that stands still, what is about itself."""
    moment = clock_now()
    with transaction() as session:
        for stream_id in session.scalars(_due(moment).limit(100)):
            jobs.defer(session, PUSHING, stream_id=str(stream_id))


def _lease(stream_id: UUID, *, now: datetime) -> bool:
    """Take a stream that is due and free, if it has something to say."""
    is_free = or_(SignalStream.leased_until.is_(None), SignalStream.leased_until < now)
    is_due = or_(SignalStream.due_at.is_(None), SignalStream.due_at <= now)
    has_some = exists().where(SignalToken.stream_id == stream_id, SignalToken.refused.is_(None))
    take = update(SignalStream).where(SignalStream.id == stream_id, SignalStream.method.in_(DELIVERED), is_free, is_due, has_some)
    with transaction() as session:
        return session.scalar(take.values(leased_until=now + LEASE).returning(SignalStream.id)) is not None


def _release(stream_id: UUID) -> None:
    with transaction() as session:
        session.execute(update(SignalStream).where(SignalStream.id == stream_id).values(leased_until=None))


def _push_batch(stream_id: UUID) -> bool:
    """Push some events; returns whether to go on."""
    with transaction() as session:
        stream = session.get(SignalStream, stream_id)
        found = tokens.waiting(session, stream, limit=BATCH) if stream is not None else []
    if stream is None or not found or not streams.supported_by(stream.client_id, current_app.extensions["kabao_settings"]):
        return False  # what waits for a client that may not listen any more goes with the rest after seven days
    for token in found:
        outcome = (_post_webhook if stream.method == WEBHOOK else _push)(stream, token)
        with transaction() as session:
            if not _note(session, stream_id, token.id, outcome):
                return False
            session.execute(update(SignalStream).where(SignalStream.id == stream_id, SignalStream.failures > 0).values(failures=0, due_at=None))
    return True


def _note(session: Session, stream_id: UUID, token_id: UUID, outcome: _Outcome) -> bool:
    """Note what a receiver did with an event; returns whether the next is to go on at once."""
    if outcome.has_it:
        tokens.taken(session, stream_id, [token_id])
        return True
    row = session.get_one(SignalStream, stream_id)
    if outcome.is_gone:
        streams.set_status(session, row, DISABLED, reason="410", actor="receiver", now=clock_now())
        log.warning("a receiver is gone for good", stream=str(stream_id), client=row.client_id)
        return False
    err = outcome.err
    if err is not None:
        tokens.refuse(session, stream_id, token_id, err)
    elif outcome.status is not None and tokens.count_try(session, stream_id, token_id, f"status {outcome.status}"):
        err = f"status {outcome.status}"
    if err is not None:
        log.warning("an event is set aside", stream=str(stream_id), client=row.client_id, err=err)
        return True
    _put_off(row, now=clock_now())
    return False


def _put_off(stream: SignalStream, *, now: datetime) -> None:
    stream.failures += 1
    stream.due_at = now + min(LONGEST_WAIT, timedelta(seconds=2 ** min(stream.failures, 10)))
    log.info("a receiver is away", stream=str(stream.id), client=stream.client_id, failures=stream.failures)


def _push(stream: SignalStream, token: SignalToken) -> _Outcome:
    headers = {"Content-Type": "application/secevent+jwt", "Accept": "application/json"}
    if stream.authorization is not None:
        headers["Authorization"] = stream.authorization
    answer = _post(stream, tokens.sign(token, client_id=stream.client_id, settings=_settings()).encode(), headers)
    if answer is not None and answer.status == 400:
        return _Outcome(err=_error_in(answer.body))
    return _outcome_of(answer)


def _post_webhook(stream: SignalStream, token: SignalToken) -> _Outcome:
    ((event_type, event),) = token.claims["events"].items()
    data = {name: value for name, value in event.items() if name != "event_timestamp"}
    body = webhooks.body_of(event_types.plain_name(event_type), happened_at=token.made_at, data=data)
    headers = webhooks.headers_of(body, event_id=str(token.id), kept=stream.authorization or "", now=clock_now())
    answer = _post(stream, body, {"Content-Type": webhooks.CONTENT_TYPE, **headers})
    return _Outcome(is_gone=True) if answer is not None and answer.status == 410 else _outcome_of(answer)


def _post(stream: SignalStream, body: bytes, headers: dict[str, str]) -> outbound.Answer | None:
    allowed = outbound.allowed_by(_settings())
    try:
        return outbound.fetch("POST", stream.endpoint_url or "", body=body, headers=headers, allowed=allowed, timeout=TIMEOUT, limit=ANSWER_LIMIT)
    except outbound.NoAnswer:
        return None


def _outcome_of(answer: outbound.Answer | None) -> _Outcome:
    if answer is None or answer.status in BUSY:
        return _Outcome()
    return _Outcome(has_it=True) if 200 <= answer.status < 300 else _Outcome(status=answer.status)


def _error_in(body: bytes) -> str:
    """Return the receiver's word for what is wrong (RFC 8935 section 2.4), if it is one of those that there are."""
    try:
        said = json.loads(body)
    except (ValueError, RecursionError):
        return "invalid_request"
    err = said.get("err") if isinstance(said, dict) else None
    return err if err in ERRORS else "invalid_request"


def _settings() -> Settings:
    settings: Settings = current_app.extensions["kabao_settings"]
    return settings
