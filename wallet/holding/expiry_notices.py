"""Holders are told 90, 30 and 7 days before a licence ends: each time once, in small batches, whatever crashes.

Each stage walks along the days on which licences end and keeps its place in the transaction that tells: what was told is behind it, what was
not is still ahead. So a licence that is issued, or made good again, with less time left than a stage gives is told of by the next stage,
and after days without a worker nobody hears the same from two stages. Told by day, in the time of China.
"""

import time
from datetime import date, datetime, timedelta
from itertools import pairwise
from typing import Any
from uuid import UUID

from sqlalchemy import select, tuple_
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, Session, mapped_column

from idp.signin import notices
from idp.signin.notice_choices import CHOICES, Choice
from idp.signin.notice_texts import NOTICES, NoticeText
from runtime import jobs
from runtime.clock import now as clock_now
from runtime.database import Base, transaction
from runtime.languages import Text
from wallet.holding import hearers
from wallet.holding.licence_notices import SHOW
from wallet.register.licences import Licence, LicenceState, china_date

KIND = "licence.expiring"
STAGES = (90, 30, 7)
BATCH = 100
SECONDS = 60.0
LAST = UUID(int=2**128 - 1)
NOTICES[KIND] = NoticeText(
    Text("证照即将到期", "A licence ends soon"),
    Text("您的{type}（{department}）将于{until}到期，还有{days}天。", "Your {type} ({department}) ends on {until}, in {days} days."),
    SHOW,
)
CHOICES["expiring"] = Choice(Text("证照即将到期（提前90、30、7天）", "A licence that ends soon (90, 30 and 7 days before)"), frozenset({KIND}))


class ExpiryReminder(Base):
    """How far a stage has told: every licence that ends before `day`, and of those that end on it up to `licence_id`."""

    __tablename__ = "expiry_reminders"
    stage: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    day: Mapped[date]
    licence_id: Mapped[UUID]


@jobs.every("*/10 0-11 * * *")
def remind_of_expiry() -> None:
    """Tell a batch a transaction, by day in China, until nothing is left or the time of one run is up: the next run goes on."""
    until = time.monotonic() + SECONDS
    for stage, following in pairwise((*STAGES, -1)):
        while time.monotonic() < until and remind(stage, after=following, now=clock_now()) == BATCH:
            continue


def remind(stage: int, *, after: int, now: datetime) -> int:
    """Tell the holders of the next licences with at most `stage` days left, but more than `after`; returns how many licences."""
    today = china_date(now)
    nearest, farthest = today + timedelta(days=after), today + timedelta(days=stage)
    with transaction() as session:
        place = _place(session, stage, nearest)
        if place is None:
            return 0
        table, begin = Licence, max((place.day, place.licence_id), (nearest, LAST))
        ahead = (table.state == LicenceState.VALID.value, table.valid_until.is_not(None), table.valid_until <= farthest)
        rows = select(table).where(*ahead, tuple_(table.valid_until, table.id) > begin)
        found = list(session.scalars(rows.order_by(table.valid_until, table.id).limit(BATCH)))
        _tell(session, [one for one in found if not one.is_succeeded], today, now=now)
        last = found[-1] if len(found) == BATCH else None
        place.day, place.licence_id = (last.valid_until or farthest, last.id) if last is not None else (farthest, LAST)
    return len(found)


def _place(session: Session, stage: int, nearest: date) -> ExpiryReminder | None:
    """Return a stage's place, held until the transaction ends; None where another holds it."""
    row = insert(ExpiryReminder).values(stage=stage, day=nearest, licence_id=LAST)
    session.execute(row.on_conflict_do_nothing())
    return session.get(ExpiryReminder, stage, with_for_update={"skip_locked": True})


def _tell(session: Session, licences: list[Licence], today: date, *, now: datetime) -> None:
    holders = hearers.holders_of(session, {one.id for one in licences})
    for licence in licences:
        names = hearers.names_of(licence.type_code, licence.issuer_code)
        if names is None or licence.valid_until is None:
            continue
        values: dict[str, Any] = {"until": licence.valid_until.isoformat(), "days": (licence.valid_until - today).days}
        for holder_id in holders.get(licence.id, ()):
            for hearer in hearers.of_holder(session, holder_id, now=now):
                page = hearer.link(f"/wallet/cards/{licence.id}")
                notices.tell(session, hearer.person_id, KIND, now=now, page=page, **values, **hearer.told(names))
