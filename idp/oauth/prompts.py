"""What comes next in an authorization request: sign in, choose an account, be known better or sign in more strongly, consent, or the grant. Pure.

OpenID Connect Core section 3.1.2.1 (`prompt`, `max_age`, `acr_values`) and 3.1.2.3. A fresh sign-in that was asked for (`prompt=login`, `max_age`) is
recognised by its time, and a choice by the page that was shown for it: both are told by marks in the address that the browser comes back to.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum

from authlib.oauth2.rfc6749 import InvalidRequestError
from authlib.oidc.core.errors import ConsentRequiredError, InteractionRequiredError, LoginRequiredError

from idp.oauth import client_metadata, demands, waymarks
from idp.oauth.authentication import is_from_future
from idp.oauth.client_metadata import ClientMetadata
from idp.oauth.demands import Unmet
from idp.oauth.waymarks import Marks, milliseconds
from idp.signin.assurance import LEAST, Level, read_acr

NONE, LOGIN, CONSENT, SELECT_ACCOUNT = "none", "login", "consent", "select_account"
PROMPTS = (NONE, LOGIN, CONSENT, SELECT_ACCOUNT)
MOST_ACRS = 20
WHOLE = 9


class Step(Enum):
    """What the browser is to be given."""

    SIGN_IN = "sign in"
    SELECT = "select an account"
    PROVE = "prove who one is"
    STEP_UP = "sign in more strongly"
    CHOOSE = "choose for whom"
    CONSENT = "consent"
    GRANT = "grant"


@dataclass(frozen=True, slots=True)
class Asked:
    """What a portal asks about the sign-in itself, and how far the browser has come.

    `levels` are those of `acr_values`, the preferred first. Where a request names no age and no levels, the client's own defaults hold.
    """

    prompts: frozenset[str]
    max_age: timedelta | None
    levels: tuple[Level, ...] = ()
    marks: Marks = waymarks.NONE

    @property
    def is_silent(self) -> bool:
        """Whether no page may be shown."""
        return NONE in self.prompts


def read(parameters: Mapping[str, str], *, marks: Marks = waymarks.NONE, metadata: ClientMetadata = client_metadata.PLAIN) -> Asked:
    """Read `prompt`, `max_age` and `acr_values`; raises InvalidRequestError, and Unmet where no `acr` value is one of ours."""
    prompts = frozenset(parameters.get("prompt", "").split())
    if not prompts <= set(PROMPTS) or (NONE in prompts and len(prompts) > 1):
        raise InvalidRequestError("prompt is not one that is supported.")
    seconds = _seconds(parameters["max_age"]) if "max_age" in parameters else metadata.default_max_age
    levels = _levels(parameters["acr_values"].split() if "acr_values" in parameters else metadata.default_acr_values)
    return Asked(prompts, None if seconds is None else timedelta(seconds=seconds), levels, marks)


def next_step(
    asked: Asked,
    *,
    auth_time: datetime | None,
    consented: bool,
    now: datetime,
    reached: Level = LEAST,
    demand: Level = LEAST,
    is_whom_was_meant: bool = True,
    is_whom_was_expected: bool = True,
    has_others: bool = True,
) -> Step:
    """Return what comes next.

    `auth_time` is when the person signed in, None if they are not. `is_whom_was_meant` says whether who is before us is the one that
    the portal insists on, `is_whom_was_expected` whether they are the one of its `login_hint`, `has_others` whether they could come as
    another. `reached` is how well the person is known and how strongly they signed in, `demand` what the scopes ask for.
    Raises LoginRequiredError, InteractionRequiredError or ConsentRequiredError where a page would be needed and none may be shown, and
    Unmet where the person has turned the page down.
    """
    if auth_time is None or not is_fresh(asked, auth_time=auth_time, now=now):
        if asked.is_silent:
            raise LoginRequiredError()
        return Step.SIGN_IN
    if not is_whom_was_meant or _must_select(asked, auth_time, is_expected=is_whom_was_expected, has_others=has_others):
        if asked.is_silent:
            raise LoginRequiredError()
        return Step.SELECT
    goal = demands.missing(reached, demand=demand, alternatives=asked.levels)
    if goal is not None:
        return _raise(asked, known_enough=reached.ial >= goal.ial)
    if not consented or CONSENT in asked.prompts:
        if asked.is_silent:
            raise ConsentRequiredError()
        return Step.CONSENT
    return Step.GRANT


def is_fresh(asked: Asked, *, auth_time: datetime, now: datetime) -> bool:
    """Whether a sign-in is recent enough for what is asked: of the age that is allowed, or made since a fresh one was asked for."""
    if LOGIN not in asked.prompts and asked.max_age is None:
        return True
    if is_from_future(auth_time, now=now):
        return False
    if asked.marks.since is not None and milliseconds(auth_time) >= asked.marks.since:
        return True
    return LOGIN not in asked.prompts and asked.max_age is not None and now - auth_time <= asked.max_age


def _must_select(asked: Asked, auth_time: datetime, *, is_expected: bool, has_others: bool) -> bool:
    """Whether the page of accounts is still to be shown; who has just signed in for this request, and can come as nobody else, has chosen."""
    is_wanted = SELECT_ACCOUNT in asked.prompts or not (is_expected or asked.is_silent)
    if not is_wanted or asked.marks.chosen is not None:
        return False
    has_just_come = asked.marks.login_asked is not None and milliseconds(auth_time) >= asked.marks.login_asked
    return has_others or not has_just_come


def _raise(asked: Asked, *, known_enough: bool) -> Step:
    if known_enough:
        if asked.is_silent:
            raise LoginRequiredError()
        return Step.STEP_UP
    if asked.marks.declined:
        raise Unmet()
    if asked.is_silent:
        raise InteractionRequiredError()
    return Step.PROVE


def _levels(named: list[str] | tuple[str, ...]) -> tuple[Level, ...]:
    known = tuple(level for value in named[:MOST_ACRS] if (level := read_acr(value)) is not None)
    if named and not known:
        raise Unmet()
    return known


def _seconds(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= WHOLE):
        raise InvalidRequestError("max_age is not a whole number.")
    return int(text)
