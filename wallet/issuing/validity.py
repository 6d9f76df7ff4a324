"""From when until when a licence may be valid, and when it may be renewed, by the rule of its type. Days are China's."""

import calendar
from datetime import date, timedelta

from runtime.languages import Text
from runtime.problems import Refusal
from wallet.register.definitions import LicenceType, Validity

EARLIEST = date(1900, 1, 1)
FURTHEST_START = timedelta(days=366)
FURTHEST_END_YEAR = 2199
ONE_DAY = timedelta(days=1)


class DatesRefused(Refusal):
    """The dates contradict each other, the type or the calendar."""

    code, status, title = "dates-refused", 422, Text("有效期有误。", "The dates of validity are not acceptable.")


class NotRenewable(Refusal):
    """The licence has no end, or may be renewed only from `renewable_from` until `renewable_until`."""

    code, status, title = "licence-not-renewable", 409, Text("该证照目前不能延续换发。", "The licence cannot be renewed now.")


def check_dates(licence_type: LicenceType, valid_from: date, valid_until: date | None, *, today: date, counted_from: date | None = None) -> None:
    """Check the first and the last day of a licence; `counted_from` is the day from which the longest span counts, where it is another."""
    if not EARLIEST <= valid_from <= today + FURTHEST_START:
        raise _refused("valid_from", Text("起始日期过早，或晚于今天一年以上。", "It begins too long ago, or more than a year from now."))
    rule = licence_type.validity
    if valid_until is None:
        if rule.rule == "dated":
            raise _refused("valid_until", Text("此类证照必须有截止日期。", "Licences of this type need an end."))
        return
    if rule.rule == "permanent":
        raise _refused("valid_until", Text("此类证照长期有效，不应有截止日期。", "Licences of this type have no end."))
    if valid_until < valid_from or valid_until.year > FURTHEST_END_YEAR:
        raise _refused("valid_until", Text("截止日期早于起始日期，或过远。", "It ends before it begins, or too far from now."))
    if valid_until < today:
        raise _refused("valid_until", Text("证照已经过期。", "It has ended already."))
    if rule.max_years is not None and valid_until > _longest(rule, counted_from or valid_from):
        raise _refused("valid_until", Text("有效期不得超过{0}年。", "It may be valid for at most {0} years.").format(rule.max_years))
    if valid_until != _end_of(rule, valid_until):
        raise _refused("valid_until", Text("截止日期应为月末或年末。", "It ends on the last day of a month or of a year."))


def check_window(rule: Validity, *, valid_from: date, valid_until: date | None, today: date) -> None:
    """Check that a licence may be renewed today; raises NotRenewable."""
    if valid_until is None:
        raise NotRenewable("no end", shown=Text("长期有效的证照无需延续。", "A licence without an end needs no renewal."))
    opens = valid_from if rule.renewable_days_before is None else valid_until - timedelta(days=rule.renewable_days_before)
    closes = valid_until + timedelta(days=rule.renewable_days_after or 0)
    if not opens <= today <= closes:
        raise NotRenewable("outside of the window", renewable_from=opens.isoformat(), renewable_until=closes.isoformat())


def _longest(rule: Validity, day: date) -> date:
    """Return the last day on which a licence may end that is counted from a day."""
    assert rule.max_years is not None
    return _end_of(rule, _years_after(day, rule.max_years))


def _end_of(rule: Validity, day: date) -> date:
    """Return the day on which a licence ends that would end on some day: the last of its month or year, where the type has it so."""
    if rule.ends_on == "year":
        return day.replace(month=12, day=31)
    return day.replace(day=calendar.monthrange(day.year, day.month)[1]) if rule.ends_on == "month" else day


def _years_after(day: date, years: int) -> date:
    leap_day = (day.month, day.day) == (2, 29)
    return day.replace(year=day.year + years, **({"month": 3, "day": 1} if leap_day else {}))


def _refused(member: str, shown: Text) -> DatesRefused:
    return DatesRefused("the dates are not acceptable", field=member, shown=shown)
