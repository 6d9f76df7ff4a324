"""`authorization_details`: what exactly is to be allowed, in objects of declared types (RFC 9396).

A type belongs to whoever knows its meaning, which declares it here: how its fields are checked, when one object is within another, and
how it is put in words. Everything is refused that a type does not say. Details limit the scopes that their type names: such a scope
goes only with some of the details that came with it, so that leaving them out never widens a token.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol
from uuid import UUID

from authlib.oauth2 import OAuth2Error
from sqlalchemy.orm import Session

from idp.oauth import scopes
from idp.oauth.clients import Client
from idp.oauth.requests import detail_scopes
from runtime import strict_json
from runtime.languages import Text
from runtime.settings import Settings

if TYPE_CHECKING:
    from idp.oauth.server import OAuthRequest

PARAMETER = "authorization_details"
MOST = 10
LONGEST = 6000
WIDEST = 3000
Detail = Mapping[str, Any]
Details = tuple[Detail, ...]


class InvalidAuthorizationDetails(OAuth2Error):
    """The details are not ones that this server, or this client, may be asked for (RFC 9396 section 5)."""

    error = "invalid_authorization_details"
    description = "The authorization details are not acceptable."


class Faulty(ValueError):
    """A detail does not conform to its type; the message says in ASCII what is wrong, and repeats nothing of it."""


@dataclass(frozen=True, slots=True)
class Words:
    """A detail as a person reads it: what is asked, and what there is to know of it, as pairs of a label and a text."""

    title: Text
    facts: tuple[tuple[Text, Text], ...] = ()


@dataclass(frozen=True, slots=True)
class Holder:
    """Whom a token is for, and the transaction in which it is given."""

    session: Session
    id: UUID


class DetailType(Protocol):
    """What is known of a type. `scopes` are those that its details limit; one of them must be asked for, too, where there are any."""

    scopes: frozenset[str]

    def check(self, detail: Detail, *, settings: Settings) -> None:
        """Check the fields; raises Faulty."""

    def covers(self, granted: Detail, asked: Detail) -> bool:
        """Whether what is asked is no more than what was granted (RFC 9396 section 6.1)."""

    def words(self, detail: Detail) -> Words:
        """Return the detail in words."""

    def enriched(self, detail: Detail, *, holder: "Holder | None") -> dict[str, Any]:
        """Return the detail as it is given with a token (section 7.1), a holder's where one is known."""


TYPES: dict[str, DetailType] = {}
narrowing: list[Callable[["OAuthRequest", Details], Details]] = []
"""Who knows of a request what narrows its details once it is known whose they are."""
AUDIENCES: dict[str, Callable[[Settings], str]] = {}


def declare(name: str, handler: DetailType, *, audience: Callable[[Settings], str] | None = None) -> None:
    """Make a type known, beside the module that knows its meaning; `audience` is who tokens with such details are for, if not our own API."""
    TYPES[name] = handler
    detail_scopes.TYPES.add(name)
    if audience is not None:
        AUDIENCES[name] = audience


def check(request: "OAuthRequest", client: Client) -> None:
    """Check the details of an authorization request, and add them to its terms; raises InvalidAuthorizationDetails."""
    asked = _asked(request, client)
    check_scopes(asked, request.payload.scope)
    asked += detail_scopes.meaning_of(client, scopes.scopes_of(request.payload.scope), named=asked)
    if len(asked) > MOST:
        raise InvalidAuthorizationDetails(f"The scopes stand for more than {MOST} details at once.")
    if asked:
        request.terms = replace(request.terms, authorization_details=asked)


def narrowed(request: "OAuthRequest") -> Details:
    """Return the details of an authorization request that was allowed, as far as whoever knows more of it narrows them."""
    details = request.terms.authorization_details
    for narrow in narrowing if details else ():
        details = narrow(request, details)
    return details


def settle(request: "OAuthRequest", client: Client, *, granted: Details | None) -> Details:
    """Return the details of the token of a token request.

    What was granted stands unless the request asks for less of it (section 6). `granted` is None where nobody was asked, so that what
    the client may ask for counts. Raises InvalidAuthorizationDetails.
    """
    asked = _asked(request, client)
    if granted is None:
        check_scopes(asked, request.payload.scope)
    if granted is None or not asked:
        return tuple(asked or granted or ())
    if not all(any(covers(one, each) for one in granted) for each in asked):
        raise InvalidAuthorizationDetails("More is asked for than was granted.")
    return asked


def read(unverified: str, *, settings: Settings) -> Details:
    """Return the details of the parameter, each checked by its type; raises InvalidAuthorizationDetails."""
    if len(unverified) > LONGEST:
        raise InvalidAuthorizationDetails("authorization_details is too long.")
    try:
        document = strict_json.read(unverified.encode())
    except ValueError as error:
        raise InvalidAuthorizationDetails("authorization_details is not JSON.") from error
    if not isinstance(document, list) or not 0 < len(document) <= MOST:
        raise InvalidAuthorizationDetails(f"authorization_details is not an array of one to {MOST} objects.")
    if len(json.dumps(document)) > WIDEST:
        raise InvalidAuthorizationDetails("authorization_details is too long.")
    found = tuple(_read(one, settings) for one in document)
    if any(one == other for number, one in enumerate(found) for other in found[:number]):
        raise InvalidAuthorizationDetails("authorization_details names the same twice.")
    return found


def covers(granted: Detail, asked: Detail) -> bool:
    """Whether one detail is of the type of another and within it."""
    handler = TYPES.get(asked["type"])
    return handler is not None and granted.get("type") == asked["type"] and handler.covers(granted, asked)


def words_of(details: Iterable[Detail]) -> list[Words]:
    """Return details in words, what reads the same once; those of a type that is not known any more are left out."""
    return list(dict.fromkeys(TYPES[one["type"]].words(one) for one in details if one.get("type") in TYPES))


def given(details: Iterable[Detail], *, audience: Iterable[str], settings: Settings, own: str, holder: Holder | None = None) -> list[dict[str, Any]]:
    """Return the details that go with a token of a holder for an audience.

    All go to our own API, those of a type with an audience of its own to that, and to others those whose `locations` name one of them.
    """
    to = frozenset(audience)
    known = [one for one in details if one["type"] in TYPES]
    mine = [one for one in known if own in to or _audience_of(one, settings) in to or not to.isdisjoint(one.get("locations", ()))]
    return [TYPES[one["type"]].enriched(one, holder=holder) for one in mine]


def audience_for(details: Iterable[Detail], beside: Iterable[str], *, settings: Settings, own: str) -> tuple[str, ...]:
    """Return whom a token is for that names no resource: where its details are used, and our own API for all else that goes with it."""
    elsewhere = [_audience_of(one, settings) for one in details]
    is_for_own = not elsewhere or None in elsewhere or any(not detail_scopes.is_one(scope) and scope != scopes.OFFLINE_ACCESS for scope in beside)
    return tuple(dict.fromkeys([*(one for one in elsewhere if one is not None), *([own] if is_for_own else [])]))


def scopes_within(asked: Iterable[str], *, granted: Iterable[Detail], kept: Iterable[Detail]) -> list[str]:
    """Return the scopes that may go with the details that are kept of those granted."""
    left_out = {one["type"] for one in granted} - {one["type"] for one in kept}
    limited = {scope for name in left_out if name in TYPES for scope in TYPES[name].scopes}
    return [scope for scope in asked if scope not in limited]


def are_lasting(details: Iterable[Detail]) -> bool:
    """Whether the details are of types whose tokens are for an audience of their own, where a client comes again for what has changed."""
    return any(one["type"] in AUDIENCES for one in details)


def _audience_of(detail: Detail, settings: Settings) -> str | None:
    named = AUDIENCES.get(detail["type"])
    return named(settings) if named is not None else None


def _asked(request: "OAuthRequest", client: Client) -> Details:
    unverified = request.payload.data.get(PARAMETER)
    if unverified is None:
        return ()
    found = read(unverified, settings=request.settings)
    if not {one["type"] for one in found} <= set(client.metadata.authorization_details_types):
        raise InvalidAuthorizationDetails("The client may not ask for this type of authorization details.")
    return found


def check_scopes(details: Iterable[Detail], scope: str | None) -> None:
    """Check that with each detail comes a scope that it limits, if it limits any; raises InvalidAuthorizationDetails."""
    wanted = set(scopes.scopes_of(scope))
    for one in details:
        limited = TYPES[one["type"]].scopes
        if limited and limited.isdisjoint(wanted):
            raise InvalidAuthorizationDetails(f"Details of this type go with the scope {scopes.scope_from(sorted(limited))}.")


def _read(unverified: Any, settings: Settings) -> Detail:
    name = unverified.get("type") if isinstance(unverified, dict) else None
    if not isinstance(name, str):
        raise InvalidAuthorizationDetails("Each of authorization_details is an object with a type.")
    if name not in TYPES:
        raise InvalidAuthorizationDetails("The type of authorization details is not known.")
    try:
        TYPES[name].check(unverified, settings=settings)
    except Faulty as fault:
        raise InvalidAuthorizationDetails(str(fault)) from fault
    return dict(unverified)
