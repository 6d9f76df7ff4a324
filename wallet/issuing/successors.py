"""Successors: a licence that is renewed, changed, replaced or taken over is written anew, and the one before it ends.

Both name each other, and the identifier goes on in its next version. What was gathered into the one is gathered into the other.
"""

from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import update
from sqlalchemy.orm import Session

from runtime.languages import Text
from runtime.settings import Settings
from wallet.issuing.entering import Entry, enter, next_identifier
from wallet.issuing.marking import mark
from wallet.issuing.requests import ActRequest, CheckedRequest, check_successor
from wallet.issuing.telling import tell
from wallet.issuing.validity import ONE_DAY, DatesRefused, check_dates, check_window
from wallet.register.acts import TURNS, Act
from wallet.register.catalogue import get_type
from wallet.register.licences import Licence, china_date
from wallet.register.turns import Cause, take

NOT_LONGER = Text("延续后的截止日期应晚于原截止日期。", "It ends no later than the licence that it renews.")


def succeed(
    session: Session, settings: Settings, licence: Licence, request: ActRequest, cause: Cause, *, department: str, now: datetime, licence_id: UUID
) -> Licence:
    """Write the successor of a licence, under `licence_id`, and return it; of two who ask for one at once, one is refused.

    Raises WrongState, NotRenewable, and what names the member of the request at fault.
    """
    checked = check(session, licence, request, now=now)
    links: dict[str, Any] = {"related_id": licence_id, "successor_id": licence_id, "due_since": None}
    taken = take(session, licence, request.act, cause, now=now, **links)
    mark(session, taken, TURNS[request.act].credentials)
    before = {"act": request.act.value, "predecessor_id": licence.id, "gathered_by": taken.gathered_by}
    entry = Entry(licence_id, next_identifier(licence.identifier, department=department), department, before)
    successor = enter(session, settings, checked, entry, now=now)
    _hand_over(session, taken, successor)
    tell(session, taken, TURNS[request.act].kind, actor=cause.actor, now=now, successor=successor.id)
    tell(session, successor, TURNS[Act.ISSUE].kind, actor=cause.actor, now=now, predecessor=taken.id)
    return successor


def check(session: Session, licence: Licence, request: ActRequest, *, now: datetime) -> CheckedRequest:
    """Check what the successor of a licence would be, whole."""
    valid_from, valid_until = licence.valid_from, licence.valid_until
    if request.act is Act.RENEW:
        valid_from, valid_until = china_date(now), request.valid_until
        _check_renewal(licence, valid_from, valid_until)
    return check_successor(session, licence, request, valid_from=valid_from, valid_until=valid_until, now=now)


def _check_renewal(licence: Licence, valid_from: date, valid_until: date | None) -> None:
    """Check when a licence is renewed, and until when: it is valid from today, so that none has a gap, and loses no day of what it had."""
    licence_type = get_type(licence.type_code)
    check_window(licence_type.validity, valid_from=licence.valid_from, valid_until=licence.valid_until, today=valid_from)
    had = licence.valid_until
    if had is not None and valid_until is not None and valid_until <= had:
        raise DatesRefused("not longer", field="valid_until", shown=NOT_LONGER)
    check_dates(licence_type, valid_from, valid_until, today=valid_from, counted_from=max(valid_from, had + ONE_DAY) if had else None)


def _hand_over(session: Session, licence: Licence, successor: Licence) -> None:
    gathered = update(Licence).where(Licence.holder_id == licence.holder_id, Licence.gathered_by == licence.id)
    session.execute(gathered.values(gathered_by=successor.id).execution_options(synchronize_session=False))
