"""What a session can begin that lets somebody else in a moment later: a desk that was confirmed, a code for a counter.

It ends together with any of the person's sessions that is ended from elsewhere, for that one may have been stolen.
"""

from datetime import datetime
from uuid import UUID

from sqlalchemy.orm import Session

from idp.signin import counter_codes, scans, sessions


def end_all(session: Session, subject_id: UUID, now: datetime) -> None:
    """Let what was begun in a person's sessions let nobody in any more."""
    scans.end_all(session, subject_id, now=now)
    counter_codes.end(session, subject_id, now=now)


sessions.on_person_cut.append(end_all)
