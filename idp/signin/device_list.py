"""The devices of a person: where they are signed in, which browsers are known as theirs, and ending either.

To end a device is an act of safety: its session ends and its browser is known no longer, and every token that was given in the
person's name ends with it. Portals that are open elsewhere ask again, without a password.
"""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy.orm import Session

from idp.signin import begun, devices, sessions, trusted_browsers
from idp.signin.devices import TABLE, About, KnownBrowser
from idp.signin.sessions import Lifetimes, SignedIn, SigninSession


@dataclass(frozen=True, slots=True)
class Device:
    """A session or a known browser as its page shows it."""

    id: UUID
    about: About
    since: datetime
    seen_at: datetime
    is_here: bool = False


@dataclass(frozen=True, slots=True)
class Devices:
    """Where a person is signed in, this browser first; and the browsers that are known, beside those."""

    signed_in: list[Device]
    known: list[Device]


def devices_of(session: Session, signed_in: SignedIn, *, lifetimes: Lifetimes) -> Devices:
    """Return the devices of who is signed in."""
    rows = sessions.standing_of(session, signed_in.subject_id, lifetimes=lifetimes)
    here = [_of_session(row, is_here=row.id == signed_in.session_id) for row in rows]
    used = {row.mark_hash for row in rows}
    known = [_of_browser(row) for row in devices.of(session, signed_in.subject_id) if row.mark_hash not in used]
    return Devices(sorted(here, key=lambda device: not device.is_here), known)


def end(session: Session, signed_in: SignedIn, session_id: UUID, *, now: datetime) -> bool:
    """End one of the person's sessions and know its browser no longer; returns whether there was such a session."""
    row = session.get(SigninSession, session_id)
    if row is None or not sessions.end_one(session, signed_in.subject_id, session_id, now=now):
        return False
    if row.mark_hash is not None:
        devices.unknow(session, signed_in.subject_id, mark_hash=row.mark_hash)
    _trust_none(session, signed_in.subject_id, now=now)
    begun.end_all(session, signed_in.subject_id, now)
    sessions.cut_session(session, session_id, now=now)
    return True


def end_others(session: Session, signed_in: SignedIn, *, now: datetime) -> int:
    """End every session but this one and know no browser but this; returns how many sessions those were."""
    row = session.get(SigninSession, signed_in.session_id)
    ended = sessions.end_all(session, signed_in.subject_id, but=signed_in.session_id, now=now)
    devices.unknow(session, signed_in.subject_id, but=row.mark_hash if row is not None else None)
    _trust_none(session, signed_in.subject_id, now=now)
    sessions.cut(session, signed_in.subject_id, now=now)
    return ended


def _trust_none(session: Session, subject_id: UUID, *, now: datetime) -> None:
    """Which of the browsers that skip the second step the ended one is, nobody knows: none does from now on."""
    trusted_browsers.end(session, subject_id, now=now)


def _of_session(row: SigninSession, *, is_here: bool) -> Device:
    return Device(row.id, sessions.about(row), row.began_at, row.seen_at, is_here)


def _of_browser(row: KnownBrowser) -> Device:
    return Device(row.id, devices.unseal(row.about_sealed, table=TABLE, row=row.id), row.first_at, row.seen_at)
