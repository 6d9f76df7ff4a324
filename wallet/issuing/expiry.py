"""The end of licences by the calendar, written down: state, turn, ledger and event, each licence once.

Verification looks at the dates anyway; this lets the register, its lists and whoever supervises say so, too.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import func, insert, select, tuple_, update
from sqlalchemy.orm import Session

from runtime import gathering
from wallet.issuing.telling import tell
from wallet.register.acts import TURNS, Act
from wallet.register.licences import Licence, LicenceState, beginning_of, china_date
from wallet.register.turns import Cause, LicenceTurn, allowed, row_of

CALENDAR = "calendar"
BATCH = 200
BY_DATE = Cause("", "", CALENDAR)


def lapse_expired(session: Session, *, now: datetime) -> int:
    """Let a batch of licences lapse whose last day is over, the oldest first, and return how many; those that others hold wait."""
    today = china_date(now)
    over = select(Licence.holder_id, Licence.id).where(Licence.state == LicenceState.VALID.value, Licence.valid_until < today)
    batch = over.order_by(Licence.valid_until, Licence.id).limit(BATCH).with_for_update(skip_locked=True)
    row = update(Licence).where(tuple_(Licence.holder_id, Licence.id).in_(batch), allowed(Act.EXPIRE, today=today))
    values = {"state": LicenceState.LAPSED.value, "act": Act.EXPIRE.value, "turn": Licence.turn + 1, "reason_sealed": None, "changed_at": now}
    lapsed = session.scalars(row.values(**values).returning(Licence), execution_options={"populate_existing": True}).all()
    since = _since(session, lapsed)
    with gathering.gathering(session):
        for licence in lapsed:
            assert licence.valid_until is not None
            by_date = beginning_of(licence.valid_until + timedelta(days=1))
            effective_at = max(by_date, since.get(licence.id, by_date))  # one without a history keeps back nobody else's end
            gathering.write(session, ADD_TURN, row_of(licence, BY_DATE, now=now, effective_at=effective_at))
            tell(session, licence, TURNS[Act.EXPIRE].kind, actor=CALENDAR, now=now)
    return len(lapsed)


def _since(session: Session, licences: Sequence[Licence]) -> dict[UUID, datetime]:
    """Return since when the turn that each of some licences took last is in effect: one that was in suspense beyond its day expires no earlier."""
    theirs = tuple_(LicenceTurn.holder_id, LicenceTurn.licence_id).in_([(one.holder_id, one.id) for one in licences])
    last = select(LicenceTurn.licence_id, func.max(LicenceTurn.effective_at)).where(theirs).group_by(LicenceTurn.licence_id)
    return dict(session.execute(last).all()) if licences else {}


ADD_TURN = insert(LicenceTurn)
