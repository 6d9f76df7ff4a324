"""`resource`: for which resources tokens are asked (RFC 8707), at the authorization and at the token endpoint.

The one parameter that may come more than once; within, its values stand in one text, a space between them, since no URI holds one.
"""

import json
from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING

from authlib.oauth2 import OAuth2Error

from idp.oauth import resources
from idp.oauth.clients import Client

if TYPE_CHECKING:
    from idp.oauth.server import OAuthRequest

PARAMETER = "resource"
MOST = 10


class InvalidTarget(OAuth2Error):
    """A resource is missing, unknown, malformed, or not one that may be asked for (RFC 8707 section 2)."""

    error = "invalid_target"
    description = "The resource is not one that this may be asked for."


def joined(values: Iterable[str]) -> str:
    """Return several values of the parameter as one text."""
    return " ".join(value for value in values if value)


def check(request: "OAuthRequest", client: Client) -> None:
    """Check what an authorization request asks tokens for, and add it to the request's terms; raises InvalidTarget."""
    request.terms = replace(request.terms, resources=asked_of(request, client))


def settle(request: "OAuthRequest", client: Client, *, granted: tuple[str, ...] | None) -> tuple[str, ...]:
    """Return whom the token of a token request is for.

    What was granted stands unless the request names some of it (section 2.2); without any, our own API. `granted` is None where nobody
    was asked, so that what the client is registered for counts. Raises InvalidTarget.
    """
    usual = granted or (resources.own(request.settings),)
    asked = asked_of(request, client)
    if granted is not None and not set(asked) <= set(usual):
        raise InvalidTarget("The resource was not granted.")
    audience = asked or usual
    if not all(resources.is_allowed(identifier, client, request.settings) for identifier in audience):
        raise InvalidTarget()
    return audience


def asked_of(request: "OAuthRequest", client: Client) -> tuple[str, ...]:
    """Return the resources that a request names, each one that the client may have tokens for; raises InvalidTarget."""
    asked = tuple(dict.fromkeys(_values(request.payload.data.get(PARAMETER, ""))))
    if len(asked) > MOST or not all(map(resources.is_acceptable, asked)):
        raise InvalidTarget(f"Each resource must be an absolute URI without a fragment, and there may be {MOST} of them.")
    if not all(resources.is_allowed(identifier, client, request.settings) for identifier in asked):
        raise InvalidTarget()
    return asked


def _values(text: str) -> list[str]:
    """Return the values of the parameter: as `joined` put them together, or the JSON array of a request object."""
    if not text.startswith("["):
        return text.split()
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InvalidTarget() from error
    if not all(isinstance(each, str) and each for each in found):
        raise InvalidTarget()
    return list(found)
