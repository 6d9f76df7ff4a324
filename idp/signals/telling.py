"""From what happens to what streams say: acts of the ledger and ends of sessions become events for the portals that know the person.

A portal hears of a person only if that person allowed it something, or if it is the government's own and they signed in to it.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from flask import current_app
from sqlalchemy import select, union
from sqlalchemy.orm import Session

from idp.oauth.acquaintances import SIGNED_IN
from idp.oauth.clients import Client, find_client
from idp.oauth.consents import Consent
from idp.oauth.pairwise import pairwise_sid, pairwise_sub
from idp.oauth.portal_sessions import PortalSession
from idp.signals import event_types, streams, tokens
from idp.signals.event_types import MEANINGS, SESSION_REVOKED
from idp.signals.streams import Listening
from idp.signin.sessions import on_session_end
from runtime import ledger
from runtime.clock import now as clock_now
from runtime.languages import Text
from runtime.ledger import LedgerEntry
from runtime.settings import Settings

SESSION_ENDED = Text("用户的登录会话已结束", "The person's session has ended")


def hear_act(session: Session, entry: Mapping[str, Any]) -> None:
    """Tell those who listen what an act of the ledger means for a person."""
    meaning, subject_id = MEANINGS[entry["act"]], entry["subject_id"]
    listening = streams.listening(meaning.type)
    if not listening or subject_id is None:
        return
    receivers = [one for one in _who_know(session, listening, subject_id) if one.stream_id not in streams.excluded(session, subject_id)]
    subjects = {one.stream_id: subject_for(one.client_id, subject_id) for one in receivers}
    initiated = "user" if entry["actor"] == f"subject:{subject_id}" else "admin" if entry["actor"].startswith("officer:") else "system"
    event = {**meaning.event(entry["detail"]), **_common(meaning.why, initiated, entry["recorded_at"])}
    tokens.add(session, receivers, event_type=meaning.type, subjects=subjects, event=event, now=entry["recorded_at"])


def hear_session_end(session: Session, session_id: UUID) -> None:
    """Tell the portals that were signed in to within a session that it ends; runs before the portals are forgotten."""
    listening = streams.listening(SESSION_REVOKED)
    if not listening:
        return
    rows = session.execute(select(PortalSession.client_id, PortalSession.holder_id).where(PortalSession.session_id == session_id)).all()
    holders = {row.client_id: row.holder_id for row in rows if row.holder_id is not None}
    receivers = [one for one in listening if one.client_id in holders]
    receivers = [one for one in receivers if one.stream_id not in streams.excluded(session, holders[one.client_id])]
    moment = clock_now()
    subjects = {one.stream_id: _session_for(one.client_id, holders[one.client_id], session_id) for one in receivers}
    event = _common(SESSION_ENDED, "system", moment)
    tokens.add(session, receivers, event_type=SESSION_REVOKED, subjects=subjects, event=event, now=moment)


def hush(session: Session, entry: Mapping[str, Any]) -> None:
    """Take back what waits for a portal about somebody who withdrew their consent: it is not the portal's to hear any more."""
    client_id, subject_id = entry["object_id"], entry["subject_id"]
    if subject_id is not None and find_client(client_id) is not None:
        tokens.take_back(session, client_id, subject_for(client_id, subject_id))


def subject_for(client_id: str, subject_id: UUID) -> dict[str, Any]:
    """Return what a receiver calls a subject: `iss_sub` with the subject's pairwise name in its sector (RFC 9493 section 3.2.3)."""
    settings: Settings = current_app.extensions["kabao_settings"]
    client = find_client(client_id)
    assert client is not None, "only clients that are there listen"
    return {"format": "iss_sub", "iss": settings.public_url, "sub": pairwise_sub(subject_id, client.sector)}


def _session_for(client_id: str, holder_id: UUID, session_id: UUID) -> dict[str, Any]:
    session = {"format": "opaque", "id": pairwise_sid(session_id, client_id)}
    return {"format": "complex", "user": subject_for(client_id, holder_id), "session": session}


def _common(why: Text, initiated: str, moment: datetime) -> dict[str, Any]:
    return {"event_timestamp": int(moment.timestamp()), "initiating_entity": initiated, "reason_admin": why.as_json()}


def _who_know(session: Session, listening: tuple[Listening, ...], subject_id: UUID) -> list[Listening]:
    clients = {one.client_id: find_client(one.client_id) for one in listening}
    allowed = select(Consent.client_id).where(Consent.holder_id == subject_id, Consent.client_id.in_(clients))
    own = [name for name, client in clients.items() if isinstance(client, Client) and client.first_party]
    seen = select(LedgerEntry.object_id).where(LedgerEntry.subject_id == subject_id, LedgerEntry.act == SIGNED_IN, LedgerEntry.object_id.in_(own))
    known = set(session.scalars(union(allowed, seen) if own else allowed))
    return [one for one in listening if one.client_id in known]


for _act in event_types.MEANINGS:
    ledger.hears.setdefault(_act, []).append(hear_act)
ledger.hears.setdefault("consent.withdrawn", []).append(hush)
on_session_end.insert(0, hear_session_end)
