"""The tokens that a token exchange is asked with (RFC 8693 section 2.1): what they are, and whether this client may bring them."""

from authlib.oauth2.rfc6749 import InvalidRequestError

from idp.oauth import resources
from idp.oauth.access_tokens import AccessToken, InvalidToken, read_access_token
from idp.oauth.clients import Client
from idp.oauth.exchange import actors
from idp.oauth.server import OAuthRequest
from runtime.settings import Settings

ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"  # noqa: S105 (a name)
CREDIT_CODE = "urn:kabao:token-type:credit-code"  # an organisation, by its number: it proves nothing, the actor's token and the mandate do


def read_token(name: str, request: OAuthRequest, client: Client) -> AccessToken:
    """Return the access token of a parameter, once it is known to be good, and this client's to bring.

    A token that is bound to a key is taken only from whoever proves to have the key. Raises InvalidRequestError, whatever is wrong (section 2.2.2).
    """
    unverified = request.form[name]
    try:
        token = read_access_token(unverified, settings=request.settings, now=request.now)
    except InvalidToken as error:
        raise InvalidRequestError(f"{name} is not valid, or has expired.") from error
    if token.binding is not None and token.binding != request.binding:
        raise InvalidRequestError(f"{name} is bound to a key; prove that you have it.")
    if not _may_bring(token, client, request.settings):
        raise InvalidRequestError(f"{name} is not one that this client may exchange.")
    return token


def _may_bring(token: AccessToken, client: Client, settings: Settings) -> bool:
    """Whether a token is for the client, names it in `may_act`, is its own, or is of a client whose tokens the operator lets it bring.

    The last two only where it is for our API. A `may_act` that names somebody else forbids it, whatever else holds.
    """
    named = actors.is_named(token.claims, client.client_id)
    if named is not None:
        return named
    if any(_is_for(audience, client, settings) for audience in token.terms.resources):
        return True
    is_theirs = token.client_id in (client.client_id, *client.metadata.may_exchange_from)
    return is_theirs and resources.own(settings) in token.terms.resources


def _is_for(audience: str, client: Client, settings: Settings) -> bool:
    """Whether an `aud` is the client, or a resource server that asks about tokens as this client."""
    resource = resources.find_resource(audience, settings)
    return client.client_id == (resource.client_id if resource is not None else audience)
