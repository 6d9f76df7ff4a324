"""Whom an exchanged token is for: our API unless it is said, or systems that the operator lets the client call (RFC 8693 section 2.1)."""

from authlib.oauth2 import OAuth2Error

from idp.oauth.access_tokens import audience
from idp.oauth.clients import Client, find_client
from idp.oauth.server import OAuthRequest

MOST = 5


class InvalidTarget(OAuth2Error):
    """The service is unknown here, or not one for which this client may have a token (RFC 8693 section 2.2.2, RFC 8707 section 2)."""

    error = "invalid_target"
    description = "A target service is unknown, or not one that this client may have a token for."


def targets_of(request: OAuthRequest, client: Client) -> tuple[str, ...]:
    """Return the `aud` of the token that is asked for; raises InvalidTarget."""
    ours = audience(request.settings)
    resources = request.form.get("resource", "").split()
    audiences = request.form.get("audience", "").split()
    if len(resources) + len(audiences) > MOST or not all(resource == ours or resource in client.metadata.resources for resource in resources):
        raise InvalidTarget()
    if not all(named == ours or (named in client.metadata.may_exchange_for and find_client(named) is not None) for named in audiences):
        raise InvalidTarget()
    return tuple(dict.fromkeys([*resources, *audiences])) or (ours,)
