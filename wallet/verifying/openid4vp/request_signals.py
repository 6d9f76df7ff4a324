"""Whoever asked hears what became of their request, so that nobody need poll: that it was answered, declined, or is over.

Told to the streams and webhooks of the client that asked and to nobody else, in the transaction of the act itself. An event says which request, and
how it stands: what was shown, and even whether it was valid, is read at the request, by whoever may.
"""

from datetime import datetime
from uuid import UUID

from sqlalchemy.orm import Session

from idp.signals import event_types, streams, tokens
from runtime.settings import Settings
from wallet.verifying.openid4vp.requests import State

TOPIC = "presentation"


def tell(session: Session, settings: Settings, request_id: UUID, *, client_id: str | None, state: State, now: datetime) -> None:
    """Tell the client that asked how its request stands now; an officer (`client_id` None) sees it on their page."""
    event_type = event_types.own_type_of(f"{TOPIC}.{state}", settings)
    receivers = [one for one in streams.listening(event_type) if one.client_id == client_id]
    thing = {"format": "uri", "uri": f"{settings.public_url}/api/v1/requests/{request_id}"}
    event = {"request": str(request_id), "state": state.value, "event_timestamp": int(now.timestamp())}
    subjects = {one.stream_id: thing for one in receivers}
    tokens.add(session, receivers, event_type=event_type, subjects=subjects, event=event, now=now, about=str(request_id))
