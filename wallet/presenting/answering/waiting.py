"""Requests that wait in a holder's inbox: departments address them to a number, and no link has to be scanned. Who keeps them says so here."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy.orm import Session

from idp.signin.sessions import SignedIn
from runtime.languages import Text


@dataclass(frozen=True, slots=True)
class Waiting:
    """A request that waits: who says to have made it, why, when, until when, and the link by which it is opened."""

    link: str
    name: Text
    cause: str = field(repr=False)
    at: datetime
    until: datetime


# Each returns what waits for the holder whose wallet a person looks at.
sources: list[Callable[[Session, SignedIn, datetime], list[Waiting]]] = []


def waiting_for(session: Session, viewer: SignedIn, *, now: datetime) -> list[Waiting]:
    """Return what waits for a holder, the oldest first."""
    return sorted((one for source in sources for one in source(session, viewer, now)), key=lambda one: one.at)
