"""What a session can begin that serves whoever holds it a moment later: a desk that was confirmed, a code for a counter, a code to show a licence.

It ends together with any of the person's sessions that is ended from elsewhere, for that one may have been stolen. `ends` holds what else
ends then, as `(session, person id, now)`; parts that lie further out add their own.
"""

from collections.abc import Callable
from datetime import datetime
from uuid import UUID

from sqlalchemy.orm import Session

from idp.signin import counter_codes, scans, sessions

ends: list[Callable[[Session, UUID, datetime], None]] = []


def end_all(session: Session, subject_id: UUID, now: datetime) -> None:
    """Let what was begun in a person's sessions serve nobody any more."""
    scans.end_all(session, subject_id, now=now)
    counter_codes.end(session, subject_id, now=now)
    for end in ends:
        end(session, subject_id, now)


sessions.on_person_cut.append(end_all)
