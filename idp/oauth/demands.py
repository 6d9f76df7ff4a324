"""How well known, and how strongly signed in, a person must be for what a portal asks. Pure.

Each scope has its own demand. A registration may ask for more, and for `openid` and `profile` for less: a portal that takes people whom nobody
has matched yet says so. A full number, what follows from it, and licences are never given to those.
"""

from collections.abc import Iterable, Mapping
from types import MappingProxyType

from authlib.oauth2 import OAuth2Error

from idp.oauth import scopes
from idp.oauth.requests import detail_scopes
from idp.signin.assurance import LEAST, MATCHED, Level, together

MATCHED_PERSON = Level(ial=MATCHED)
BY_REGISTRY = (scopes.NUMBER, scopes.BIRTHDATE, scopes.LICENCES)
USUAL = MappingProxyType(dict.fromkeys((scopes.OPENID, scopes.PROFILE, scopes.ASSURANCE, *BY_REGISTRY), MATCHED_PERSON))
NEVER_LESS = MappingProxyType(dict.fromkeys(BY_REGISTRY, MATCHED_PERSON))


class Unmet(OAuth2Error):
    """The person cannot be known so well, or signed in so strongly, as the portal asks (RFC 9470 section 5)."""

    error = "unmet_authentication_requirements"
    description = "None of the authentication levels asked for can be reached now."


def demanded(own: Mapping[str, Level], asked: Iterable[str]) -> Level:
    """Return what the scopes asked for demand together, by a client's own registration and by what holds for all."""
    return together(demand_of(own, scope) for scope in asked)


def demand_of(own: Mapping[str, Level], scope: str) -> Level:
    """Return what one scope demands."""
    least = MATCHED_PERSON if detail_scopes.is_one(scope) else NEVER_LESS.get(scope, LEAST)
    return own.get(scope, USUAL.get(scope, LEAST)).and_also(least)


def missing(reached: Level, *, demand: Level, alternatives: tuple[Level, ...] = ()) -> Level | None:
    """Return the level that must be reached, or None if it is.

    `alternatives` are what a request names, the preferred first; one of them will do, and where none is reached the first is the goal.
    """
    if alternatives and not any(reached.covers(one) for one in alternatives):
        demand = demand.and_also(alternatives[0])
    return None if reached.covers(demand) else demand
