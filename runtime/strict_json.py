"""JSON as others send it, read by one strict reader for every door: UTF-8, no member twice at any depth, no NaN and no Infinity, not even one that is
written as a number (1e999), no half of a surrogate pair, some two hundred levels at most, and nothing after it. Pure. What we write ourselves is
written by `compact_json`.
"""

import re
from math import isfinite
from typing import Any

import jiter

PLACE = re.compile(r" at line (\d+) column (\d+)\Z")
LOOKED_INTO = frozenset({float, dict, list})


class NotStrict(ValueError):
    """The text is not JSON that we take. The message holds nothing of the content; `place` is the line and column where it stops being JSON."""

    def __init__(self, reason: str, place: tuple[str, ...] | None = None) -> None:
        super().__init__(reason)
        self.place = place


def read(unverified: bytes) -> Any:
    """Return what a text says; raises NotStrict. Of its texts none stays in the process but names of members."""
    try:
        content = jiter.from_json(unverified, allow_inf_nan=False, catch_duplicate_keys=True, cache_mode="keys")
    except ValueError as error:
        found = PLACE.search(str(error))
        raise NotStrict("not JSON", found.groups() if found else None) from None  # the reader's own words would tell which member stands twice
    if not _is_finite(content):
        raise NotStrict("a number beyond all measure")
    return content


def _is_finite(value: Any) -> bool:
    if type(value) is float:
        return isfinite(value)
    within = value.values() if type(value) is dict else value if type(value) is list else ()
    return LOOKED_INTO.isdisjoint(map(type, within)) or all(_is_finite(one) for one in within if type(one) in LOOKED_INTO)
