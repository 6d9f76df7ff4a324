"""Supervising departments hear of licences by streams of signals: what the outbox holds, in its final order, as security events."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from flask import current_app
from sqlalchemy.orm import Session

from idp.oauth.clients import find_client
from idp.signals import event_types, streams, tokens
from idp.signals.streams import Listening, SignalStream
from runtime import events, jobs
from runtime.clock import now as clock_now
from runtime.database import transaction
from runtime.events import Cursor, Event
from runtime.settings import Settings
from wallet.register.departments import Action, types_under

BATCH = 500


@dataclass(frozen=True, slots=True)
class _Told:
    """How far a stream was told."""

    events: int
    is_whole: bool


@jobs.every("* * * * * *")
def tell_of_licences() -> None:
    """Tell each stream that carries events of licences what has happened since it was told last."""
    settings: Settings = current_app.extensions["kabao_settings"]
    listening = {one for kind in event_types.licence_types(settings) for one in streams.listening(kind)}
    for one in sorted(listening, key=lambda each: each.stream_id):
        while not tell(one, settings=settings, now=clock_now()).is_whole:
            continue


def tell(one: Listening, *, settings: Settings, now: datetime) -> _Told:
    """Write what has happened as events of a stream, and how far that was, in one transaction: told once, whatever crashes."""
    client = find_client(one.client_id)
    with transaction() as session:
        row = session.get(SignalStream, one.stream_id, with_for_update={"skip_locked": True})
        if row is None or client is None:
            return _Told(0, is_whole=True)
        topics = types_under(department=client.owner, action=Action.SUPERVISE, now=now)
        found = events.read(session, topics=topics, after=Cursor(row.cursor_transaction, row.cursor_sequence), limit=BATCH)
        for event in found:
            _add(session, row, one, event, settings=settings)
        if found:
            row.cursor_transaction, row.cursor_sequence = found[-1].transaction, found[-1].sequence
    return _Told(len(found), is_whole=len(found) < BATCH)


def _add(session: Session, row: SignalStream, one: Listening, event: Event, *, settings: Settings) -> None:
    event_type = event_types.licence_type_of(event.kind, settings)
    if event_type not in row.events_requested:
        return
    about: dict[UUID, dict[str, Any]] = {row.id: {"format": "uri", "uri": f"{settings.public_url}/api/v1/licences/{event.object_id}"}}
    members = {"licence": event.object_id, "type": event.topic, "event_timestamp": int(event.happened_at.timestamp()), **event.detail}
    tokens.add(session, [one], event_type=event_type, subjects=about, event=members, now=event.happened_at)
