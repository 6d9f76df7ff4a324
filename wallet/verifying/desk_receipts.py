"""What an officer did at the desk: their own receipts, found by day, type and verdict, and counted.

Receipts are made in the order of their ids, so that a span of days is a span of an index, however many there are.
"""

from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from uuid import UUID

from sqlalchemy import ColumnElement, func, literal_column, select
from sqlalchemy.orm import Session, defer

from runtime.ids import first_of
from wallet.register.licences import beginning_of, china_date
from wallet.verifying.receipts import VALID, Receipt, names_type

DAYS = 30
PAGE = 30
AROUND = timedelta(hours=1)  # an id is made a moment after the time that its row states
DAY = func.date_trunc("day", Receipt.issued_at, literal_column("'Asia/Shanghai'"))


@dataclass(frozen=True, slots=True)
class Sought:
    """Which receipts: each member narrows them, if it is given; `after` is the last of the page before."""

    since: date | None = None
    until: date | None = None
    type_code: str | None = None
    verdict: str | None = None
    after: UUID | None = None


@dataclass(slots=True)
class Day:
    """A day's work: how many were verified, and how many were not."""

    day: date
    valid: int = 0
    invalid: int = 0

    @property
    def total(self) -> int:
        """All of them."""
        return self.valid + self.invalid


@dataclass(slots=True)
class Figures:
    """The last thirty days of an officer, today last, and the same by licence type; None stands for what was not recognised.

    A code for several licences is counted once a day, and once with each type.
    """

    days: list[Day]
    types: dict[str | None, Day] = field(default_factory=dict)

    @property
    def total(self) -> int:
        """All of them."""
        return sum(day.total for day in self.days)

    @property
    def valid(self) -> int:
        """Those that were verified."""
        return sum(day.valid for day in self.days)


def find_own(session: Session, sought: Sought, officer_id: UUID, *, department: str) -> tuple[list[Receipt], UUID | None]:
    """Return a page of an officer's own receipts for a department, the newest first, and what the next page is asked for by."""
    rows = select(Receipt).where(*_own(officer_id, department), *_between(sought.since, sought.until))
    if sought.type_code is not None:
        rows = rows.where(names_type(sought.type_code))
    if sought.verdict is not None:
        rows = rows.where(Receipt.verdict == sought.verdict)
    if sought.after is not None:
        rows = rows.where(Receipt.id < sought.after)
    found = list(session.scalars(rows.options(defer(Receipt.answer_sealed)).order_by(Receipt.id.desc()).limit(PAGE + 1)))
    return found[:PAGE], found[PAGE - 1].id if len(found) > PAGE else None


def types_met(session: Session, officer_id: UUID, *, department: str, now: datetime) -> list[str]:
    """Return the codes of the types that an officer has met in the last thirty days."""
    since = china_date(now) - timedelta(days=DAYS - 1)
    rows = select(Receipt.type_code, Receipt.further_types).where(*_own(officer_id, department), *_between(since, None)).distinct()
    return sorted({code for first, further in session.execute(rows) for code in (first, *(further or ())) if code is not None})


def count_own(session: Session, officer_id: UUID, *, department: str, now: datetime) -> Figures:
    """Count what an officer did in the last thirty days."""
    today = china_date(now)
    figures = Figures([Day(today - timedelta(days=back)) for back in range(DAYS - 1, -1, -1)])
    by_day = {one.day: one for one in figures.days}
    kinds = (DAY, Receipt.type_code, Receipt.further_types, Receipt.verdict)
    rows = select(*kinds, func.count()).where(*_own(officer_id, department), *_between(figures.days[0].day, None)).group_by(*kinds)
    for moment, type_code, further, verdict, count in session.execute(rows):
        day = by_day.get(china_date(moment))
        if day is not None:
            _add(day, verdict, count)
            for code in dict.fromkeys((type_code, *(further or ()))):
                _add(figures.types.setdefault(code, Day(today)), verdict, count)
    return figures


def _add(day: Day, verdict: str, count: int) -> None:
    if verdict == VALID:
        day.valid += count
    else:
        day.invalid += count


def _own(officer_id: UUID, department: str) -> tuple[ColumnElement[bool], ...]:
    return Receipt.officer_id == officer_id, Receipt.department == department


def _between(since: date | None, until: date | None) -> list[ColumnElement[bool]]:
    """Narrow to days, both included, by the ids' own times first."""
    found: list[ColumnElement[bool]] = []
    if since is not None:
        begins = beginning_of(since)
        found += [Receipt.id >= first_of(begins - AROUND), Receipt.issued_at >= begins]
    if until is not None:
        ends = beginning_of(until + timedelta(days=1))
        found += [Receipt.id < first_of(ends + AROUND), Receipt.issued_at < ends]
    return found
