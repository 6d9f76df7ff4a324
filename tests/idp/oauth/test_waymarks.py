"""What our own pages add to a request, and who else could have."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from idp.oauth import waymarks
from idp.oauth.waymarks import CHOSEN, LOGIN_ASKED, Marks, milliseconds
from runtime.settings import Settings

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
CARRIED = {"client_id": "portal", "state": "x"}


def sealed(settings: Settings, *names: str) -> dict[str, str]:
    return waymarks.NONE.sealed(*names, carried=CARRIED, settings=settings, now=NOW)


def test_a_mark_says_when_it_was_made(settings: Settings) -> None:
    found = waymarks.read(sealed(settings, LOGIN_ASKED), carried=CARRIED, settings=settings, now=NOW + timedelta(minutes=5))
    assert found == Marks(login_asked=milliseconds(NOW))


def test_a_mark_stays_as_it_was_when_another_comes_to_it(settings: Settings) -> None:
    first = Marks(login_asked=milliseconds(NOW - timedelta(minutes=1)))
    both = first.sealed(LOGIN_ASKED, CHOSEN, carried=CARRIED, settings=settings, now=NOW)
    assert waymarks.read(both, carried=CARRIED, settings=settings, now=NOW) == Marks(first.login_asked, milliseconds(NOW))


NOT_OURS: dict[str, Callable[[str], str]] = {
    "no seal": lambda mark: mark.partition(".")[0],
    "another moment": lambda mark: str(int(mark.partition(".")[0]) - 1) + "." + mark.partition(".")[2],
    "the beginning of time": lambda mark: "0." + mark.partition(".")[2],
    "a strange seal": lambda mark: mark.partition(".")[0] + ".证",
    "a long number": lambda mark: "9" * 40 + "." + mark.partition(".")[2],
    "other digits": lambda mark: "１２３." + mark.partition(".")[2],
    "nothing": lambda _: "",
}


@pytest.mark.parametrize("change", NOT_OURS.values(), ids=NOT_OURS)
def test_nobody_else_makes_a_mark(settings: Settings, change: Callable[[str], str]) -> None:
    forged = {LOGIN_ASKED: change(sealed(settings, LOGIN_ASKED)[LOGIN_ASKED])}
    assert waymarks.read(forged, carried=CARRIED, settings=settings, now=NOW) == waymarks.NONE


ELSEWHERE = {
    "another request": ({**CARRIED, "state": "y"}, NOW),
    "a longer request": ({**CARRIED, "prompt": "login"}, NOW),
    "much later": (CARRIED, NOW + timedelta(minutes=31)),
    "before it was made": (CARRIED, NOW - timedelta(seconds=1)),
}


@pytest.mark.parametrize(("carried", "moment"), ELSEWHERE.values(), ids=ELSEWHERE)
def test_a_mark_is_good_for_its_request_and_for_a_while(settings: Settings, carried: dict[str, str], moment: datetime) -> None:
    assert waymarks.read(sealed(settings, LOGIN_ASKED, CHOSEN), carried=carried, settings=settings, now=moment) == waymarks.NONE


def test_a_mark_of_one_kind_is_none_of_the_other(settings: Settings) -> None:
    swapped = {CHOSEN: sealed(settings, LOGIN_ASKED)[LOGIN_ASKED]}
    assert waymarks.read(swapped, carried=CARRIED, settings=settings, now=NOW) == waymarks.NONE
