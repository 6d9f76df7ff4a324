"""How far a right reaches: to the moment, and never beyond the one that it was given under."""

from datetime import UTC, datetime, timedelta

import pytest

from idp.subjects.rights import Right, within

BEGINS, DAY = datetime(2026, 5, 1, tzinfo=UTC), timedelta(days=1)
ENDS, MOMENT = BEGINS + 10 * DAY, timedelta(microseconds=1)


def right(types: str | None = None, portals: str | None = None, begins: datetime = BEGINS, ends: datetime | None = ENDS) -> Right:
    return Right(*(None if names is None else frozenset(names) for names in (types, portals)), begins, ends)  # type: ignore[arg-type]


@pytest.mark.parametrize(("moment", "holds"), [(BEGINS - MOMENT, False), (BEGINS, True), (ENDS - MOMENT, True), (ENDS, False)])
def test_a_right_holds_from_its_first_moment_and_not_at_its_last(moment: datetime, holds: bool) -> None:
    assert right().is_in_time(moment) is holds
    assert right(ends=None).is_in_time(moment) is (moment >= BEGINS)


@pytest.mark.parametrize(
    ("given", "beyond"),
    [
        (right("ab", "xy"), None),
        (right("a", "x", BEGINS + DAY, ENDS - DAY), None),
        (right("abc", "xy"), "types"),
        (right(None, "xy"), "types"),
        (right("ab", "xyz"), "portals"),
        (right("ab", None), "portals"),
        (right("ab", "xy", BEGINS - MOMENT), "valid_from"),
        (right("ab", "xy", ends=ENDS + MOMENT), "valid_until"),
        (right("ab", "xy", ends=None), "valid_until"),
    ],
)
def test_a_right_may_be_given_just_as_it_is_and_no_further(given: Right, beyond: str | None) -> None:
    assert given.exceeds(right("ab", "xy")) == beyond
    assert given.exceeds(right(None, None, BEGINS - DAY, None)) is None, "whoever may do all gives anything"


def test_of_several_rights_only_what_all_allow_is_allowed() -> None:
    found = within([right("abc", None, BEGINS, None), right(None, "xy", BEGINS + DAY, ENDS), right("bcd", "yz", BEGINS - DAY, ENDS - DAY)])
    assert found == right("bc", "y", BEGINS + DAY, ENDS - DAY)
    assert within([right(ends=None)]) == right(ends=None)
    assert within([right(ends=None), right(ends=None)]).valid_until is None
