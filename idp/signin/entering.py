"""From a proof of who someone is to a session: the one way in, whatever the proof was.

A page that has seen a proof calls `enter` in its transaction, and answers with `callers.let_in`.
"""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy.orm import Session

from idp.signin import sessions
from idp.signin.sessions import SignedIn


@dataclass(frozen=True, slots=True)
class Browser:
    """What is known of the browser that someone signs in with: its address, what it says that it is, and who was signed in in it."""

    address: str
    user_agent: str
    before: SignedIn | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """What a proof led to: the token of a session for this person."""

    subject_id: UUID
    token: str


def enter(session: Session, *, subject_id: UUID, amr: list[str], browser: Browser, now: datetime) -> Entry:
    """Let a person in who has proven who they are in the ways that `amr` names (RFC 8176)."""
    _, token = sessions.begin(session, subject_id=subject_id, amr=amr, now=now, before=browser.before)
    return Entry(subject_id, token)
