"""Whom an exchanged token is for: our API unless it is said, or systems that the operator lets the client call (RFC 8693 section 2.1)."""

from idp.oauth import resources
from idp.oauth.clients import Client, find_client
from idp.oauth.requests import resource_indicators
from idp.oauth.requests.resource_indicators import InvalidTarget
from idp.oauth.server import OAuthRequest
from runtime.settings import Settings

MOST = 5


def targets_of(request: OAuthRequest, client: Client) -> tuple[str, ...]:
    """Return the `aud` of the token that is asked for; raises InvalidTarget."""
    ours, named_resources = resources.own(request.settings), resource_indicators.asked_of(request, client)
    audiences = request.form.get("audience", "").split()
    if len(named_resources) + len(audiences) > MOST:
        raise InvalidTarget()
    if not all(named == ours or (named in client.metadata.may_exchange_for and find_client(named) is not None) for named in audiences):
        raise InvalidTarget()
    return tuple(dict.fromkeys([*named_resources, *audiences])) or (ours,)


def scopes_for(targets: tuple[str, ...], asked: list[str], settings: Settings) -> list[str]:
    """Return the scopes that at least one of the targets takes; a system that is named by its client id takes all."""
    taken = resources.scopes_for(targets, asked, settings)
    return asked if any(find_client(target) is not None for target in targets) else taken
