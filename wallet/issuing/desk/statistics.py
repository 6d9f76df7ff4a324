"""What a department has issued, in numbers: how its licences stand, and how many a month it issued, changed and ended in the last year."""

from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import func, literal_column, select
from sqlalchemy.orm import Session

from wallet.register.acts import Act
from wallet.register.licences import Licence, LicenceState, beginning_of, china_date

MONTHS = 12


@dataclass(frozen=True, slots=True)
class Standing:
    """How many licences of a type stand how, as the register has it."""

    type_code: str
    counts: dict[LicenceState, int]

    @property
    def total(self) -> int:
        """All of them."""
        return sum(self.counts.values())


@dataclass(frozen=True, slots=True)
class Month:
    """A month's work: how many were issued, and how many ended or changed by which last act."""

    first_day: date
    issued: int
    acts: dict[Act, int]


def standings(session: Session, *, department: str) -> list[Standing]:
    """Return how a department's licences stand, type by type, the most numerous first."""
    rows = select(Licence.type_code, Licence.state, func.count()).where(Licence.issuer_code == department)
    found: dict[str, dict[LicenceState, int]] = {}
    for type_code, state, count in session.execute(rows.group_by(Licence.type_code, Licence.state)):
        found.setdefault(type_code, {})[LicenceState(state)] = count
    return sorted((Standing(type_code, counts) for type_code, counts in found.items()), key=lambda one: (-one.total, one.type_code))


def months(session: Session, *, department: str, now: datetime) -> list[Month]:
    """Return the last twelve months, the present one last."""
    days = _first_days(china_date(now))
    since = beginning_of(days[0])
    month = func.date_trunc("month", Licence.issued_at, literal_column("'Asia/Shanghai'"))
    issued_rows = select(month, func.count()).where(Licence.issuer_code == department, Licence.issued_at >= since).group_by(month)
    issued = {china_date(moment): count for moment, count in session.execute(issued_rows)}
    changed = func.date_trunc("month", Licence.changed_at, literal_column("'Asia/Shanghai'"))
    acted = (Licence.issuer_code == department, Licence.changed_at >= since, Licence.act != Act.ISSUE.value)
    acts: dict[date, dict[Act, int]] = {}
    for moment, act, count in session.execute(select(changed, Licence.act, func.count()).where(*acted).group_by(changed, Licence.act)):
        acts.setdefault(china_date(moment), {})[Act(act)] = count
    return [Month(day, issued.get(day, 0), acts.get(day, {})) for day in days]


def _first_days(today: date) -> list[date]:
    count = today.year * 12 + today.month - 1
    return [date((count - back) // 12, (count - back) % 12 + 1, 1) for back in range(MONTHS - 1, -1, -1)]
