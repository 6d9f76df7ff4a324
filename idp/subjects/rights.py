"""How far a mandate reaches: which licence types, which portals, from when until when. Pure.

None means all of them, or without an end. Of several rights that hold together, as along a chain of appointments, only
what every one of them allows is allowed: a mandate never exceeds the one that it was given under.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Right:
    """Types by their codes, portals by their client ids, from a moment on and until another (which is outside)."""

    types: frozenset[str] | None
    portals: frozenset[str] | None
    valid_from: datetime
    valid_until: datetime | None

    def allows_type(self, code: str) -> bool:
        """Whether a licence type is within it."""
        return self.types is None or code in self.types

    def allows_portal(self, client_id: str) -> bool:
        """Whether a portal is within it."""
        return self.portals is None or client_id in self.portals

    def is_in_time(self, now: datetime) -> bool:
        """Whether a moment is within it."""
        return self.valid_from <= now and (self.valid_until is None or now < self.valid_until)

    def exceeds(self, other: "Right") -> str | None:
        """Return in what it reaches beyond another right: `types`, `portals`, `valid_from` or `valid_until`; None if in nothing."""
        if _is_beyond(self.types, other.types):
            return "types"
        if _is_beyond(self.portals, other.portals):
            return "portals"
        if self.valid_from < other.valid_from:
            return "valid_from"
        if other.valid_until is not None and (self.valid_until is None or self.valid_until > other.valid_until):
            return "valid_until"
        return None


def within(rights: Iterable[Right]) -> Right:
    """Return what all of some rights allow; of one at least."""
    first, *others = rights
    for other in others:
        ends = [one for one in (first.valid_until, other.valid_until) if one is not None]
        first = Right(
            _both(first.types, other.types),
            _both(first.portals, other.portals),
            max(first.valid_from, other.valid_from),
            min(ends, default=None),
        )
    return first


def _is_beyond(one: frozenset[str] | None, other: frozenset[str] | None) -> bool:
    return other is not None and (one is None or not one <= other)


def _both(one: frozenset[str] | None, other: frozenset[str] | None) -> frozenset[str] | None:
    if one is None or other is None:
        return other if one is None else one
    return one & other
