"""What comes next in an authorization request: sign in, be known better or sign in more strongly, consent, or the grant. Pure.

OpenID Connect Core section 3.1.2.1 (`prompt`, `max_age`, `acr_values`) and 3.1.2.3. A fresh sign-in that was asked for (`prompt=login`) is
recognised by its time: the address that the browser comes back to says since when it was asked.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum

from authlib.oauth2.rfc6749 import InvalidRequestError
from authlib.oidc.core.errors import ConsentRequiredError, InteractionRequiredError, LoginRequiredError

from idp.oauth import demands
from idp.oauth.demands import Unmet
from idp.signin.assurance import LEAST, Level, read_acr

PROMPTS = ("none", "login", "consent", "select_account")
SINCE = "login_asked"
DECLINED = "level_declined"
MOST_ACRS = 20
WHOLE = 9


class Step(Enum):
    """What the browser is to be given."""

    SIGN_IN = "sign in"
    PROVE = "prove who one is"
    STEP_UP = "sign in more strongly"
    CHOOSE = "choose for whom"
    CONSENT = "consent"
    GRANT = "grant"


@dataclass(frozen=True, slots=True)
class Asked:
    """What a portal asks about the sign-in itself; `since` is when a fresh one was first asked for, in milliseconds.

    `levels` are those of `acr_values`, the preferred first; `declined` says that the person would not be proven now.
    """

    prompts: frozenset[str]
    max_age: timedelta | None
    since: int | None
    levels: tuple[Level, ...] = ()
    declined: bool = False

    @property
    def is_silent(self) -> bool:
        """Whether no page may be shown."""
        return "none" in self.prompts


def read(parameters: dict[str, str]) -> Asked:
    """Read `prompt`, `max_age` and `acr_values`; raises InvalidRequestError, and Unmet where no `acr` value is one of ours."""
    prompts = frozenset(parameters.get("prompt", "").split())
    if not prompts <= set(PROMPTS) or ("none" in prompts and len(prompts) > 1):
        raise InvalidRequestError("prompt is not one that is supported.")
    max_age = _whole(parameters.get("max_age"), "max_age", limit=WHOLE)
    since = _whole(parameters.get(SINCE), SINCE, limit=15)
    age = None if max_age is None else timedelta(seconds=max_age)
    return Asked(prompts, age, since, _levels(parameters.get("acr_values", "")), DECLINED in parameters)


def next_step(asked: Asked, *, auth_time: datetime | None, consented: bool, now: datetime, reached: Level = LEAST, demand: Level = LEAST) -> Step:
    """Return what comes next.

    `auth_time` is when the person signed in, None if they are not; `reached` is how well they are known and how strongly they signed
    in, `demand` what the scopes ask for. Raises LoginRequiredError, InteractionRequiredError or ConsentRequiredError where a page would
    be needed and none may be shown, and Unmet where the person has turned the page down.
    """
    if auth_time is None or not is_fresh(asked, auth_time=auth_time, now=now):
        if asked.is_silent:
            raise LoginRequiredError()
        return Step.SIGN_IN
    goal = demands.missing(reached, demand=demand, alternatives=asked.levels)
    if goal is not None:
        return _raise(asked, known_enough=reached.ial >= goal.ial)
    if not consented or "consent" in asked.prompts:
        if asked.is_silent:
            raise ConsentRequiredError()
        return Step.CONSENT
    return Step.GRANT


def _raise(asked: Asked, *, known_enough: bool) -> Step:
    if known_enough:
        if asked.is_silent:
            raise LoginRequiredError()
        return Step.STEP_UP
    if asked.declined:
        raise Unmet()
    if asked.is_silent:
        raise InteractionRequiredError()
    return Step.PROVE


def is_fresh(asked: Asked, *, auth_time: datetime, now: datetime) -> bool:
    """Whether a sign-in is recent enough for what is asked."""
    if asked.max_age is not None and now - auth_time > asked.max_age:
        return False
    if asked.prompts.isdisjoint(("login", "select_account")):
        return True
    return asked.since is not None and asked.since <= milliseconds(now) and milliseconds(auth_time) >= asked.since


def milliseconds(moment: datetime) -> int:
    """Return a moment as whole milliseconds since 1970."""
    return int(moment.timestamp() * 1000)


def _levels(acr_values: str) -> tuple[Level, ...]:
    named = acr_values.split()[:MOST_ACRS]
    known = tuple(level for value in named if (level := read_acr(value)) is not None)
    if named and not known:
        raise Unmet()
    return known


def _whole(text: str | None, name: str, *, limit: int) -> int | None:
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= limit):
        raise InvalidRequestError(f"{name} is not a whole number.")
    return int(text)
