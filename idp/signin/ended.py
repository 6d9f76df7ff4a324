"""What ends with a person, in the transaction in which the registry's word takes effect: every session, and all that was given in their name.

The account's row stays, as nobody else may ever open one for the number; it opens for nobody (`accounts.find_account`, `entering.enter`).
"""

from datetime import datetime
from uuid import UUID

from sqlalchemy.orm import Session

from idp.signin import sessions
from idp.subjects import directory


def end_everything(session: Session, subject_id: UUID, now: datetime) -> None:
    """End the sessions of someone who has died, with all tokens and codes; an organisation has none of its own."""
    if directory.get_subject(session, subject_id).kind == directory.PERSON:
        sessions.end_all(session, subject_id, now=now)
        sessions.cut(session, subject_id, now=now)


directory.on_subject_end.append(end_everything)
