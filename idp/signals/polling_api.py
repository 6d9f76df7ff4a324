"""Polling: a receiver comes for the events of its stream, and says which of them it has (RFC 8936)."""

import threading
import time
from typing import Any
from uuid import UUID

from flask import Blueprint, Response, current_app

from idp.oauth import scopes
from idp.oauth.callers import bearer
from idp.signals import streams, tokens
from idp.signals.streams import POLL, StreamNotFound
from idp.signals.streams_api import answer, read, receiver
from runtime.database import transaction
from runtime.guard import allow
from runtime.pages import csrf
from runtime.settings import Settings
from schemas.signals import PollSchema

polls = Blueprint("signal_polls", __name__)
csrf.exempt(polls)
MOST = 100
LONGEST_WAIT, BETWEEN_LOOKS = 5.0, 0.25
_waiting = threading.BoundedSemaphore(4)  # a thread that waits serves nobody else


@polls.route("/signals/polls/<uuid:stream_id>", methods=["POST"])
@allow(bearer(scopes.SSF_MANAGE, scopes.SSF_READ))
def poll(stream_id: UUID) -> Response:
    """Take acknowledgements and give what waits; where nothing does, wait a few seconds for it unless asked not to (section 2.2)."""
    body, client_id = read(PollSchema()), receiver()
    most = min(body.get("maxEvents", MOST), MOST)
    _take(stream_id, client_id, body)
    found = _look(stream_id, client_id, most)
    if found["sets"] or most == 0 or body["returnImmediately"] or not _waiting.acquire(blocking=False):
        return answer(found)
    try:
        until = time.monotonic() + LONGEST_WAIT
        while not found["sets"] and time.monotonic() < until:
            time.sleep(BETWEEN_LOOKS)
            found = _look(stream_id, client_id, most)
    finally:
        _waiting.release()
    return answer(found)


def _take(stream_id: UUID, client_id: str, body: dict[str, Any]) -> None:
    """Note what the receiver has, and what it refuses; an id that is not one of the stream's is nobody's fault (section 2.4)."""
    with transaction() as session:
        stream = streams.get_stream(session, stream_id, client_id=client_id)
        if stream.method != POLL:
            raise StreamNotFound("this stream is pushed", field="stream_id")
        tokens.taken(session, stream.id, _ids(body["ack"]))
        for token_id, error in body["setErrs"].items():
            for known in _ids([token_id]):
                tokens.refuse(session, stream.id, known, error["err"])


def _look(stream_id: UUID, client_id: str, most: int) -> dict[str, Any]:
    settings: Settings = current_app.extensions["kabao_settings"]
    with transaction() as session:
        stream = streams.get_stream(session, stream_id, client_id=client_id)
        found = tokens.waiting(session, stream, limit=most + 1)
    sets = {str(token.id): tokens.sign(token, client_id=client_id, settings=settings) for token in found[:most]}
    return {"sets": sets, **({"moreAvailable": True} if len(found) > most else {})}


def _ids(unverified: list[str]) -> list[UUID]:
    found = []
    for text in unverified:
        try:
            found.append(UUID(text))
        except ValueError:
            continue
    return found
