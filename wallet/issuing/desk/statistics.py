"""What a department has issued, in numbers of this moment: how its licences stand, and how often it did what each month of the last year."""

from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from wallet.register import counts
from wallet.register.acts import Act
from wallet.register.licences import LicenceState, china_date

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
    """A month's work: how many were issued, successors among them, and how often each other act was done."""

    first_day: date
    issued: int
    acts: dict[Act, int]


def standings(session: Session, *, department: str) -> list[Standing]:
    """Return how a department's licences stand, type by type, the most numerous first."""
    numbers = counts.counted(department=department, kind=counts.STANDING)
    total = func.sum(numbers.c.number)
    rows = select(numbers.c.type_code, numbers.c.what, total).group_by(numbers.c.type_code, numbers.c.what).having(total != 0)
    found: dict[str, dict[LicenceState, int]] = {}
    for type_code, state, count in session.execute(rows):
        found.setdefault(type_code, {})[LicenceState(state)] = int(count)
    return sorted((Standing(type_code, states) for type_code, states in found.items()), key=lambda one: (-one.total, one.type_code))


def months(session: Session, *, department: str, now: datetime) -> list[Month]:
    """Return the last twelve months, the present one last."""
    days = _first_days(china_date(now))
    numbers = counts.counted(department=department, kind=counts.ACT, since=days[0])
    month, total = func.date_trunc("month", numbers.c.day), func.sum(numbers.c.number)
    acts: dict[date, dict[Act, int]] = {}
    for moment, act, count in session.execute(select(month, numbers.c.what, total).group_by(month, numbers.c.what).having(total != 0)):
        acts.setdefault(moment.date(), {})[Act(act)] = int(count)
    return [Month(day, acts.get(day, {}).pop(Act.ISSUE, 0), acts.get(day, {})) for day in days]


def _first_days(today: date) -> list[date]:
    count = today.year * 12 + today.month - 1
    return [date((count - back) // 12, (count - back) % 12 + 1, 1) for back in range(MONTHS - 1, -1, -1)]
