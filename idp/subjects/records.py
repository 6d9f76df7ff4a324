"""What a registry answers, whichever it is: a record (match), None (no match), or RegistryUnavailable; the last is never taken for the second."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Protocol

from idp.subjects.numbers import CHINA, Number, parse_number
from runtime.languages import Text
from runtime.problems import Refusal

OF_AGE = 18
ACTIVE, DECEASED, DISSOLVED = "active", "deceased", "dissolved"
MATCH, NO_MATCH, UNAVAILABLE = "match", "no_match", "unavailable"


class RegistryUnavailable(Refusal):
    """The registry gives no answer now, which says nothing of the person."""

    code, status, title = (
        "registry-unavailable",
        503,
        Text("人口库或法人库暂时无法查询，请稍后再试。", "The registry cannot be asked at the moment; try again later."),
    )

    def __init__(self, reason: str) -> None:
        super().__init__(reason, headers={"Retry-After": "30"}, registry=UNAVAILABLE)


@dataclass(frozen=True, slots=True)
class Record:
    """What a registry says of one number; `detail` holds the further fields that the source gave, checked when they were taken.

    Asked for a former number, a registry may answer with the present one, and the former one among `former_numbers`.
    """

    number: Number
    name: str
    detail: dict[str, str]

    @property
    def state(self) -> str:
        """Whether it is `active`, `deceased` or `dissolved`; whoever is not said to have ended is active."""
        return self.detail.get("state", ACTIVE)

    @property
    def born(self) -> date | None:
        """The date of birth, the number's own if the registry gives none."""
        return date.fromisoformat(self.detail["born"]) if "born" in self.detail else self.number.born

    @property
    def guardians(self) -> tuple[Number, ...]:
        """The numbers of a minor's guardians."""
        return self._numbers("guardians")

    @property
    def former_numbers(self) -> tuple[Number, ...]:
        """The numbers that the subject had before."""
        return self._numbers("former_numbers")

    @property
    def representative(self) -> Number | None:
        """The number of an organisation's legal representative."""
        return next(iter(self._numbers("representative")), None)

    def _numbers(self, name: str) -> tuple[Number, ...]:
        return tuple(parse_number(value) for value in self.detail.get(name, "").split())

    def __repr__(self) -> str:
        return f"Record({self.number!r})"


class Registry(Protocol):
    """Where people and organisations come from."""

    def find(self, number: Number) -> Record | None:
        """Return the record of a number, or None if there is none; raises RegistryUnavailable."""

    def represented_by(self, number: Number) -> list[Record]:
        """Return the organisations whose legal representative has this number; raises RegistryUnavailable."""


def turns(born: date, years: int) -> datetime:
    """Return the moment at which somebody is so old: their birthday begins, in China; born on 29 February, the 1 March of other years."""
    try:
        birthday = born.replace(year=born.year + years)
    except ValueError:
        birthday = date(born.year + years, 3, 1)
    return datetime(birthday.year, birthday.month, birthday.day, tzinfo=CHINA)


def record_of(members: Mapping[str, str]) -> Record:
    """Return what a registry says of one number as its record."""
    rest = {name: value for name, value in members.items() if name not in ("number", "name")}
    return Record(parse_number(members["number"]), members["name"], rest)
