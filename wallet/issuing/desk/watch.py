"""What ends soon, in green, yellow and red, for the department that issued it: a licence is seen before its end, and for a month after it.

Red ends within a week or has ended, yellow within a month, green within three. What has a successor already is nobody's worry.
"""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum

from sqlalchemy import ColumnElement, and_, case, func, or_, select
from sqlalchemy.orm import Session

from runtime.languages import Text
from wallet.register import counts
from wallet.register.licences import BY_CALENDAR, Licence, LicenceState, china_date

PAGE = 50


class Light(StrEnum):
    """How near the end is."""

    RED = "red"
    YELLOW = "yellow"
    GREEN = "green"

    @property
    def text(self) -> Text:
        """The light in words."""
        return TEXTS[self]


TEXTS = {
    Light.RED: Text("七天内到期或已到期", "Ends within a week, or has ended"),
    Light.YELLOW: Text("三十天内到期", "Ends within a month"),
    Light.GREEN: Text("九十天内到期", "Ends within three months"),
}
UNTIL = {Light.RED: 7, Light.YELLOW: 30, Light.GREEN: 90}
SEEN_AFTER = 30


@dataclass(frozen=True, slots=True)
class Watched:
    """How many licences of a type show each light."""

    type_code: str
    counts: dict[Light, int]


def lights(session: Session, *, department: str, now: datetime) -> list[Watched]:
    """Return, by type, how many of a department's licences show which light."""
    today = china_date(now)
    first, last = _span(today)
    numbers = counts.counted(department=department, kind=counts.ENDING, since=first, until=last)
    light = case(*((numbers.c.day <= today + timedelta(days=days), one.value) for one, days in UNTIL.items()))
    total = func.sum(numbers.c.number)
    found: dict[str, dict[Light, int]] = {}
    for type_code, name, count in session.execute(select(numbers.c.type_code, light, total).group_by(numbers.c.type_code, light).having(total != 0)):
        found.setdefault(type_code, {})[Light(name)] = int(count)
    return [Watched(type_code, lit) for type_code, lit in sorted(found.items())]


def showing(session: Session, light: Light, *, department: str, now: datetime) -> list[Licence]:
    """Return the first licences that show a light, the nearest end first."""
    today = china_date(now)
    before = [UNTIL[one] for one in UNTIL if UNTIL[one] < UNTIL[light]]
    after = today + timedelta(days=max(before)) if before else date.min
    mine = (*_ending(department, today), Licence.valid_until > after, Licence.valid_until <= today + timedelta(days=UNTIL[light]))
    return list(session.scalars(select(Licence).where(*mine).order_by(Licence.valid_until, Licence.id).limit(PAGE)))


def days_left(licence: Licence, *, now: datetime) -> int:
    """Return how many days a licence that has an end is valid from today on; negative once it has ended."""
    assert licence.valid_until is not None
    return (licence.valid_until - china_date(now)).days


def _ending(department: str, today: date) -> list[ColumnElement[bool]]:
    ends = Licence.valid_until.between(*_span(today))
    lapsed = and_(Licence.state == LicenceState.LAPSED.value, Licence.act == BY_CALENDAR)
    return [Licence.issuer_code == department, ends, or_(Licence.state == LicenceState.VALID.value, lapsed), Licence.successor_id.is_(None)]


def _span(today: date) -> tuple[date, date]:
    """Return the first and the last day whose licences show a light."""
    return today - timedelta(days=SEEN_AFTER), today + timedelta(days=max(UNTIL.values()))
