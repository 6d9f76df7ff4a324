"""What departments left in a holder's inbox, for the wallet here to show."""

from datetime import datetime

from flask import current_app
from sqlalchemy.orm import Session

from idp.signin.sessions import SignedIn
from wallet.presenting.answering import waiting
from wallet.presenting.answering.waiting import Waiting
from wallet.verifying.openid4vp.asking import waiting_for


def list_waiting(session: Session, viewer: SignedIn, now: datetime) -> list[Waiting]:
    """Return what waits for whom a person looks after."""
    found = waiting_for(session, current_app.extensions["kabao_settings"], viewer.holder_id, now=now)
    return [Waiting(one.link, one.department, one.asked_at) for one in found]


waiting.sources.append(list_waiting)
