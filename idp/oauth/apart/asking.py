"""What both endpoints that begin a request share: the scopes and terms that a client asks for, and how the answer is written."""

from collections.abc import Callable
from typing import Any

from authlib.oauth2.rfc6749 import InvalidScopeError

from idp.oauth import scopes
from idp.oauth.clients import Client
from idp.oauth.requests import authorization_details, resource_indicators
from idp.oauth.server import NO_STORE, OAuthRequest

TERMS: tuple[Callable[[OAuthRequest, Client], None], ...] = (resource_indicators.check, authorization_details.check)


def people_scopes(request: OAuthRequest, client: Client) -> list[str]:
    """Return the scopes asked for: those of people that the client was registered for; raises InvalidScopeError."""
    asked, possible = scopes.scopes_of(request.payload.scope), client.allowed(scopes.OF_PEOPLE)
    if not asked or not set(asked) <= set(possible):
        raise InvalidScopeError(scopes.beyond(asked, possible))
    return asked


def settle_terms(request: OAuthRequest, client: Client) -> None:
    """Let each part read what is its own of a request into the request's terms; raises what is wrong with it."""
    for check in TERMS:
        check(request, client)


def found(document: dict[str, Any]) -> tuple[int, dict[str, Any], list[tuple[str, str]]]:
    """Return a successful answer, never kept."""
    return 200, document, [("Content-Type", "application/json"), *NO_STORE.items()]
