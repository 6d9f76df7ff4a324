"""The tokens that a token exchange is asked with (RFC 8693 section 2.1): what they are, and whether this client may bring them."""

from dataclasses import dataclass
from typing import Any

import jwt
from authlib.oauth2.rfc6749 import InvalidRequestError

from idp.oauth.access_tokens import AccessToken, InvalidToken, verify_access_token
from idp.oauth.clients import Client
from idp.oauth.exchange import actors
from idp.oauth.exchange.actors import Chain
from idp.oauth.server import OAuthRequest

ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"  # noqa: S105 (a name)
CREDIT_CODE = "urn:kabao:token-type:credit-code"  # an organisation, by its number: it proves nothing, the actor's token and the mandate do


@dataclass(frozen=True, slots=True)
class Brought:
    """An access token that was verified, and its claims as they stand."""

    token: AccessToken
    claims: dict[str, Any]

    @property
    def chain(self) -> Chain:
        """Who acts in it."""
        return actors.read(self.claims)


def read_token(name: str, request: OAuthRequest, client: Client) -> Brought:
    """Return the access token of a parameter, once it is known to be good, and this client's to bring.

    A token that is bound to a key is taken only from whoever proves to have the key. Raises InvalidRequestError, whatever is wrong (section 2.2.2).
    """
    unverified = request.form[name]
    try:
        token = verify_access_token(unverified, settings=request.settings, now=request.now)
    except InvalidToken as error:
        raise InvalidRequestError(f"{name} is not valid, or has expired.") from error
    brought = Brought(token, jwt.decode(unverified, options={"verify_signature": False}))
    confirmation = brought.claims.get("cnf")
    if confirmation is not None and (request.binding is None or request.binding.confirmation != confirmation):
        raise InvalidRequestError(f"{name} is bound to a key; prove that you have it.")
    if not _may_bring(brought, client):
        raise InvalidRequestError(f"{name} is not one that this client may exchange.")
    return brought


def _may_bring(brought: Brought, client: Client) -> bool:
    """Whether a token is the client's own, was made for it, names it in `may_act`, or is of a client whose tokens the operator lets it bring.

    A `may_act` that names somebody else forbids it, whatever else holds.
    """
    named = actors.is_named(brought.claims, client.client_id)
    if named is not None:
        return named
    return brought.token.client_id in (client.client_id, *client.metadata.may_exchange_from)
