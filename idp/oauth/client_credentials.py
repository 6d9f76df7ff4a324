"""A department's system asks for a token in its own name (RFC 6749 section 4.4)."""

from authlib.oauth2.rfc6749 import InvalidScopeError, grants

from idp.oauth import scopes
from idp.oauth.grants import Grant


class ClientCredentials(Grant, grants.ClientCredentialsGrant):
    """The client-credentials grant; scopes are those of systems, all that the client has unless it names some.

    Nobody was asked, so that resources and authorization details are what the client is registered for.
    """

    ASKED_SOMEBODY = False

    def validate_requested_scope(self) -> None:
        """Settle the scopes of the token; raises InvalidScopeError."""
        registered = self.request.client.allowed(scopes.OF_SYSTEMS)
        asked = scopes.scopes_of(self.request.payload.scope) or registered
        if not asked or not set(asked) <= set(registered):
            raise InvalidScopeError(scopes.beyond(asked, registered))
        self.request.payload.data["scope"] = scopes.scope_from(asked)
