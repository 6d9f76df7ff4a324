"""Supervising departments and portals hear of licences by streams of signals: what the outbox holds, in its final order, as security events.

A department's system hears of the types that its department supervises; a portal of the licences of those who let it draw them, since they did.
"""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from flask import current_app
from sqlalchemy import ColumnElement, Uuid, and_, cast, exists, select, union_all
from sqlalchemy.orm import Session

from idp.oauth import scopes
from idp.oauth.clients import Client, find_client
from idp.oauth.consents import Consent
from idp.signals import event_types, streams, tokens
from idp.signals.streams import Listening, SignalStream
from idp.signals.telling import subject_for
from runtime import events, jobs
from runtime.clock import now as clock_now
from runtime.database import transaction
from runtime.events import Cursor, Event
from runtime.settings import Settings
from wallet.register.departments import Action, types_under
from wallet.register.licences import Licence, LicenceHolder

BATCH = 500
_Heard = tuple[Event, UUID | None]


@dataclass(frozen=True, slots=True)
class _Told:
    """How far a stream was told."""

    events: int
    is_whole: bool


def _listening(settings: Settings) -> set[Listening]:
    return {one for kind in event_types.licence_types(settings) for one in streams.listening(kind)}


def _has_work(now: datetime) -> ColumnElement[bool]:
    ids = [one.stream_id for one in _listening(current_app.extensions["kabao_settings"])]
    untold = events.is_behind(SignalStream.cursor_transaction, SignalStream.cursor_sequence)
    return select(SignalStream.id).where(SignalStream.id.in_(ids), untold).exists()


@jobs.every("* * * * * *", if_any=_has_work)
def tell_of_licences() -> None:
    """Tell each stream that carries events of licences what has happened since it was told last."""
    settings: Settings = current_app.extensions["kabao_settings"]
    for one in sorted(_listening(settings), key=lambda each: each.stream_id):
        while not tell(one, settings=settings, now=clock_now()).is_whole:
            continue


def tell(one: Listening, *, settings: Settings, now: datetime) -> _Told:
    """Write what has happened as events of a stream, and how far that was, in one transaction: told once, whatever crashes."""
    client = find_client(one.client_id)
    with transaction() as session:
        row = session.get(SignalStream, one.stream_id, with_for_update={"skip_locked": True})
        if row is None or client is None:
            return _Told(0, is_whole=True)
        read = _of_holders if streams.LICENCE_SCOPE not in client.scopes else _of_types
        found, reached = read(session, client, Cursor(row.cursor_transaction, row.cursor_sequence), now)
        for event, holder_id in found:
            _add(session, row, one, event, holder_id, settings=settings)
        row.cursor_transaction, row.cursor_sequence = reached.transaction, reached.sequence
    return _Told(len(found), is_whole=len(found) < BATCH)


def _of_types(session: Session, client: Client, after: Cursor, now: datetime) -> tuple[list[_Heard], Cursor]:
    """Return what happened to licences of the types that the client's department supervises, and how far that is."""
    end = events.end(session)
    topics = types_under(department=client.owner, action=Action.SUPERVISE, now=now)
    found: list[_Heard] = [(event, None) for event in events.read(session, topics=topics, after=after, limit=BATCH)]
    return found, _reached(found, end)


def _of_holders(session: Session, client: Client, after: Cursor, now: datetime) -> tuple[list[_Heard], Cursor]:
    """Return what happened to licences of those who allowed the client to draw them, and how far that is.

    An event is read for all of its holders or for none, even where those are more than a step takes: the next one begins behind it.
    """
    end = events.end(session)
    held = union_all(select(Licence.id, Licence.holder_id), select(LicenceHolder.licence_id, LicenceHolder.holder_id)).subquery()
    allowed = and_(Consent.holder_id == held.c.holder_id, Consent.client_id == client.client_id, Consent.scopes.contains([scopes.LICENCES]))
    whose = events.following(after).add_columns(held.c.holder_id).join(held, held.c.id == cast(Event.object_id, Uuid))
    since = exists().where(allowed, Consent.given_at <= Event.happened_at)
    found = [(event, holder_id) for event, holder_id in session.execute(whose.where(since).fetch(BATCH, with_ties=True))]
    return found, _reached(found, end)


def _reached(found: list[_Heard], end: Cursor) -> Cursor:
    """Return how far was read: to the last of a full batch; else to the end that there was before reading, or past it."""
    last = [Cursor(event.transaction, event.sequence) for event, _ in found[-1:]]
    return last[0] if len(found) >= BATCH else max([end, *last], key=lambda one: (one.transaction, one.sequence))


def _add(session: Session, row: SignalStream, one: Listening, event: Event, holder_id: UUID | None, *, settings: Settings) -> None:
    event_type = event_types.own_type_of(event.kind, settings)
    if event_type not in row.events_requested:
        return
    if holder_id is not None and row.id in streams.excluded(session, holder_id):
        return
    thing = {"format": "uri", "uri": f"{settings.public_url}/api/v1/licences/{event.object_id}"}
    subject = thing if holder_id is None else subject_for(one.client_id, holder_id)
    members = {"licence": event.object_id, "type": event.topic, "event_timestamp": int(event.happened_at.timestamp()), **event.detail}
    tokens.add(session, [one], event_type=event_type, subjects={row.id: subject}, event=members, now=event.happened_at, about=event.object_id)
