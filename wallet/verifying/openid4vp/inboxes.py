"""What departments left in a holder's inbox, for the wallet here to show."""

from datetime import datetime
from typing import Any

from flask import current_app
from sqlalchemy import CTE, DateTime, Select, String, bindparam, cast, null, select
from sqlalchemy.orm import Session

from idp.signin.sessions import SignedIn
from wallet.holding import awaiting
from wallet.presenting.answering import waiting
from wallet.presenting.answering.waiting import Waiting
from wallet.verifying.openid4vp.asking import waiting_for
from wallet.verifying.openid4vp.requests import PresentationRequest


def list_waiting(session: Session, viewer: SignedIn, now: datetime) -> list[Waiting]:
    """Return what waits for whom a person looks after, as far as they may show what is asked for."""
    found = waiting_for(session, current_app.extensions["kabao_settings"], viewer.holder_id, types=viewer.types, now=now)
    return [Waiting(one.link, one.department, one.cause, one.asked_at, one.expires_at) for one in found]


def unfetched(whose: CTE) -> Select[*tuple[Any, ...]]:
    """Return a select of what `list_waiting` would list for some holders, a row a request."""
    table, now = PresentationRequest, bindparam("now", type_=DateTime(timezone=True))
    waits = (table.holder_id.is_not(None), table.fetched_at.is_(None), table.answered_at.is_(None), table.expires_at > now)
    rows = select(table.holder_id, cast(null(), String).label("client_id"), table.types)
    return rows.where(table.holder_id.in_(select(whose.c.holder_id)), *waits)


awaiting.arms.append(unfetched)
waiting.sources.append(list_waiting)
