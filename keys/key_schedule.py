"""The schedule of signing and encryption keys: when the next one is published, when it takes over, when the one before it goes.

A key is published ahead for longer than any cache of the key set lives, signs until the next one takes over, and stays published, verifying
only, for as long as anything that it signed may still be shown; so no client with a cached key set ever notices. Everything follows from
the rows and the clock: a worker that was away for a month only comes late, and never skips a step. Of several workers one at a time goes
through it; who comes second finds nothing to do. (The data keys have a rotation of their own, see `rotation`.)
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

import structlog
from sqlalchemy.orm import Session

from keys import ring, suites
from keys.ring import SigningKey
from runtime.problems import Refusal
from runtime.settings import Settings

log = structlog.get_logger(__name__)
ACTOR = "schedule"


class What(StrEnum):
    """What is done with a key."""

    PUBLISH = "publish"
    SIGN = "sign"
    FORGET = "forget"
    ERASE = "erase"


@dataclass(frozen=True, slots=True)
class Planned:
    """A step, and the moment from which it is due; `kid` is None for a key that is still to be made, where its predecessor was made."""

    what: What
    use: str
    suite: str
    kid: str | None
    at: datetime
    in_token: bool = False


def plan(session: Session, settings: Settings, *, uses: Collection[str] = ring.ROTATED_USES) -> list[Planned]:
    """Return the next step of each key, the first due first; none where rotation by schedule is switched off."""
    if not settings.key_rotation:
        return []
    rows = [row for row in ring.listed(session) if row.use in uses]
    return sorted([*_successions(rows, settings), *_ends(rows, settings)], key=lambda step: step.at)


def advance(session: Session, settings: Settings, *, now: datetime, uses: Collection[str] = ring.ROTATED_USES) -> list[Planned]:
    """Take every step that is due, and return those taken; one that cannot be, since its token is away, waits for the next time.

    While the master key changes no key is made: a process that has not been started again could not open it.
    """
    ring.alone(session)
    is_changing = settings.former_master_key is not None
    due = [step for step in plan(session, settings, uses=uses) if step.at <= now and not (is_changing and step.what is What.PUBLISH)]
    return [step for step in due if _is_taken(session, settings, step, now=now)]


def _successions(rows: list[SigningKey], settings: Settings) -> Iterator[Planned]:
    """Plan, for each active key, that its successor is published or, once it is, that it takes over."""
    for active in (row for row in rows if row.state == ring.ACTIVE):
        ends_at = active.changed_at + settings.key_rotation
        following = next((row for row in reversed(rows) if row.state == ring.NEXT and _succeeds(row, active)), None)
        if following is None:
            yield Planned(What.PUBLISH, active.use, active.suite, None, ends_at - settings.key_published_ahead, active.token is not None)
        else:
            known_at = following.made_at + settings.key_published_ahead
            yield Planned(What.SIGN, following.use, following.suite, following.kid, max(ends_at, known_at))


def _ends(rows: list[SigningKey], settings: Settings) -> Iterator[Planned]:
    for row in rows:
        if row.state == ring.RETIRED:
            yield Planned(What.FORGET, row.use, row.suite, row.kid, row.changed_at + settings.key_retired)


def _succeeds(row: SigningKey, active: SigningKey) -> bool:
    return row.use == active.use and (row.suite == active.suite or active.use not in ring.MANY_SUITES)


def _is_taken(session: Session, settings: Settings, step: Planned, *, now: datetime) -> bool:
    try:
        with session.begin_nested():
            _take(session, settings, step, now=now)
    except Refusal as refusal:
        log.error("a step of the key schedule waits", what=step.what.value, use=step.use, reason=refusal.reason)
        return False
    return True


def _take(session: Session, settings: Settings, step: Planned, *, now: datetime) -> None:
    if step.what is What.PUBLISH:
        ring.add(session, settings, use=step.use, suite=suites.ALL_SUITES[step.suite], state=ring.NEXT, now=now, in_token=step.in_token, actor=ACTOR)
    elif step.what is What.SIGN:
        ring.activate_next(session, step.use, suite=step.suite, now=now, actor=ACTOR)
    else:
        assert step.kid is not None
        ring.forget(session, settings, step.kid, now=now, actor=ACTOR)
