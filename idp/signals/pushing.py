"""Pushing: a worker posts a stream's events one after the other, until its receiver has them all (RFC 8935).

One worker a stream at a time, by a lease, so that the order holds; what its receiver cannot take now is tried again, ever more rarely, and what it
refuses is set aside for an operator.
"""

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import structlog
from flask import current_app
from sqlalchemy import exists, or_, select, update

from idp.signals import streams, tokens
from idp.signals.streams import PUSH, SignalStream
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
LONGEST_WAIT = timedelta(minutes=10)
ERRORS = ("invalid_request", "invalid_key", "invalid_issuer", "invalid_audience", "authentication_failed", "access_denied", "invalid_state")


@dataclass(frozen=True, slots=True)
class _Outcome:
    """What a receiver did with an event: it has it, it refuses it (`err`), or it must be asked again."""

    has_it: bool = False
    err: str | None = None


@jobs.outward
def push_signals(stream_id: str) -> None:
    """Push what a stream has to say."""
    while _lease(UUID(stream_id), now=clock_now()):
        goes_on = _push_batch(UUID(stream_id))
        _release(UUID(stream_id))
        if not goes_on:
            return


@jobs.every("* * * * * */10")
def push_what_is_due() -> None:
    """Ask for the streams whose receivers were away, or whose worker died, to be pushed again."""
    moment = clock_now()
    has_some = exists().where(SignalToken.stream_id == SignalStream.id, SignalToken.refused.is_(None))
    is_due = or_(SignalStream.due_at.is_(None), SignalStream.due_at <= moment)
    is_free = or_(SignalStream.leased_until.is_(None), SignalStream.leased_until < moment)
    with transaction() as session:
        due = select(SignalStream.id).where(SignalStream.method == PUSH, SignalStream.status == streams.ENABLED, is_due, is_free, has_some)
        for stream_id in session.scalars(due.limit(100)):
            jobs.defer(session, PUSHING, stream_id=str(stream_id))


def _lease(stream_id: UUID, *, now: datetime) -> bool:
    """Take a stream that is due and free, if it has something to say."""
    is_free = or_(SignalStream.leased_until.is_(None), SignalStream.leased_until < now)
    is_due = or_(SignalStream.due_at.is_(None), SignalStream.due_at <= now)
    has_some = exists().where(SignalToken.stream_id == stream_id, SignalToken.refused.is_(None))
    take = update(SignalStream).where(SignalStream.id == stream_id, SignalStream.method == PUSH, is_free, is_due, has_some)
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
        outcome = _push(stream, token)
        with transaction() as session:
            if outcome.has_it:
                tokens.taken(session, stream_id, [token.id])
            elif outcome.err is not None:
                tokens.refuse(session, stream_id, token.id, outcome.err)
                log.warning("a receiver refuses an event", stream=str(stream_id), client=stream.client_id, err=outcome.err)
            else:
                _put_off(session.get_one(SignalStream, stream_id), now=clock_now())
                return False
            session.execute(update(SignalStream).where(SignalStream.id == stream_id, SignalStream.failures > 0).values(failures=0, due_at=None))
    return True


def _put_off(stream: SignalStream, *, now: datetime) -> None:
    stream.failures += 1
    stream.due_at = now + min(LONGEST_WAIT, timedelta(seconds=2 ** min(stream.failures, 10)))
    log.info("a receiver is away", stream=str(stream.id), client=stream.client_id, failures=stream.failures)


def _push(stream: SignalStream, token: SignalToken) -> _Outcome:
    settings: Settings = current_app.extensions["kabao_settings"]
    headers = {"Content-Type": "application/secevent+jwt", "Accept": "application/json"}
    if stream.authorization is not None:
        headers["Authorization"] = stream.authorization
    body = tokens.sign(token, client_id=stream.client_id, settings=settings).encode()
    try:
        answer = outbound.fetch(
            "POST",
            stream.endpoint_url or "",
            body=body,
            headers=headers,
            allowed=outbound.allowed_by(settings),
            timeout=TIMEOUT,
            limit=ANSWER_LIMIT,
        )
    except outbound.NoAnswer:
        return _Outcome()
    if answer.status in (200, 202, 204):
        return _Outcome(has_it=True)
    return _Outcome(err=_error_in(answer.body) if answer.status == 400 else None)


def _error_in(body: bytes) -> str:
    """Return the receiver's word for what is wrong (RFC 8935 section 2.4), if it is one of those that there are."""
    try:
        said = json.loads(body)
    except (ValueError, RecursionError):
        return "invalid_request"
    err = said.get("err") if isinstance(said, dict) else None
    return err if err in ERRORS else "invalid_request"
