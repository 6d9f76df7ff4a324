"""For whom, for what and until when a marked copy (加注件) of a licence was made: it travels inside the copy, under the issuer's signature. Pure.

In a W3C credential it is one of the terms of use (data model 2.0, section 5.5), in a compact code a claim of our own, in the file the four
elements that GB/T 36903 adds for such copies. Who made it stands in the file alone: it is a person's name.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

TERMS = "MarkedCopy"
LONGEST = 60
CHINA = timezone(timedelta(hours=8))
LATEST = 2**33  # the year 2242


class BadMarking(ValueError):
    """What should tell for whom a copy was made cannot be read."""


@dataclass(frozen=True, slots=True)
class Marking:
    """What a marked copy says of itself; it is over from `ends_at` on, the first moment after its last day in China."""

    made_for: str = field(repr=False)
    cause: str = field(repr=False)
    made_at: datetime
    ends_at: datetime
    made_by: str = field(default="", repr=False)

    @property
    def last_day(self) -> date:
        """The last day on which it may be used, in China."""
        return (self.ends_at - timedelta(seconds=1)).astimezone(CHINA).date()

    @property
    def elements(self) -> dict[str, str]:
        """The elements of GB/T 36903 for a marked copy, by their tags: when, by whom, why (and for whom) it was made, and until when it holds."""
        return {
            "JZJZZSJ": self.made_at.astimezone(CHINA).isoformat(timespec="seconds"),
            "JZJZZZ": self.made_by,
            "JZJZZSY": f"{self.cause}（供{self.made_for}使用）",
            "JZJYXQJZSJ": (self.ends_at - timedelta(seconds=1)).astimezone(CHINA).isoformat(timespec="seconds"),
        }

    def as_terms(self) -> dict[str, str]:
        """Return it as terms of use of a credential."""
        return {"type": TERMS, "madeFor": self.made_for, "cause": self.cause, "madeAt": _written(self.made_at), "validUntil": _written(self.ends_at)}

    def as_compact(self) -> dict[str, Any]:
        """Return it as a claim of a compact code."""
        return {"f": self.made_for, "c": self.cause, "a": int(self.made_at.timestamp()), "u": int(self.ends_at.timestamp())}

    def as_json(self) -> dict[str, str]:
        """Return it as a verification tells it."""
        return {"made_for": self.made_for, "cause": self.cause, "made_at": self.made_at.isoformat(), "ends_at": self.ends_at.isoformat()}


def from_json(told: Mapping[str, str]) -> Marking:
    """Return what `as_json` gave; for our own answers."""
    return Marking(told["made_for"], told["cause"], datetime.fromisoformat(told["made_at"]), datetime.fromisoformat(told["ends_at"]))


def of_terms(unverified: Any) -> Marking | None:
    """Return the marking among the terms of use of a credential, or None where there is none; raises BadMarking for two, or for half of one."""
    found = _terms(unverified)
    if len(found) > 1:
        raise BadMarking("marked twice")
    return _marking(*(found[0].get(name) for name in ("madeFor", "cause", "madeAt", "validUntil")), moment_of=_read) if found else None


def is_marked(unverified: Any) -> bool:
    """Whether terms of use mark a copy, rightly or not."""
    return bool(_terms(unverified))


def of_compact(unverified: Any) -> Marking | None:
    """Return the marking in a claim of a compact code, or None where there is none; raises BadMarking."""
    if unverified is None:
        return None
    if not isinstance(unverified, dict):
        raise BadMarking("no map")
    return _marking(*(unverified.get(name) for name in ("f", "c", "a", "u")), moment_of=_counted)


def _terms(unverified: Any) -> list[dict[str, Any]]:
    terms = unverified if isinstance(unverified, list) else [unverified]
    return [one for one in terms if isinstance(one, dict) and one.get("type") == TERMS]


def _marking(made_for: Any, cause: Any, made_at: Any, ends_at: Any, *, moment_of: Any) -> Marking:
    for text in (made_for, cause):
        if not isinstance(text, str) or not 0 < len(text) <= LONGEST:
            raise BadMarking("a text that is missing or too long")
    return Marking(made_for, cause, moment_of(made_at), moment_of(ends_at))


def _written(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _read(unverified: Any) -> datetime:
    if not isinstance(unverified, str):
        raise BadMarking("a time that is no text")
    try:
        return datetime.strptime(unverified, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    except ValueError as error:
        raise BadMarking("a time that is none") from error


def _counted(unverified: Any) -> datetime:
    if type(unverified) is not int or not 0 <= unverified < LATEST:
        raise BadMarking("a time that is none")
    return datetime.fromtimestamp(unverified, UTC)
