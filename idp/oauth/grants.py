"""What our grants share: how a token response is put together."""

from typing import Any

from authlib.oauth2.rfc6749 import UnauthorizedClientError
from authlib.oauth2.rfc6749.grants import BaseGrant

from idp.oauth.access_tokens import expires_in, sign_access_token
from idp.oauth.authentication import Authentication
from idp.oauth.clients import AUTH_METHODS, NONE, Client
from idp.oauth.grantees import Grantee
from idp.oauth.server import OAuthRequest
from idp.oauth.terms import PLAIN, Terms


class Grant(BaseGrant):
    """A grant whose access token is ours."""

    TOKEN_ENDPOINT_AUTH_METHODS = AUTH_METHODS
    request: OAuthRequest

    def authorized_client(self) -> Client:
        """Return the client that the request proves to come from, if it may use this grant; raises InvalidClientError, UnauthorizedClientError."""
        client: Client = self.authenticate_token_endpoint_client()
        if not client.check_grant_type(self.GRANT_TYPE):
            raise UnauthorizedClientError(f"The client is not authorized to use grant_type={self.GRANT_TYPE}.")
        return client

    def authentication(self) -> Authentication | None:
        """Return how the person signed in whom the token is for; None for a client in its own name."""
        return None

    def terms(self) -> Terms:
        """Return the terms that the token is given on."""
        return PLAIN

    def generate_token(self, user: Grantee | None = None, scope: str | None = None, **_: Any) -> dict[str, Any]:
        """Return the members of the token response, for a grantee or for the client itself."""
        request = self.request
        token = sign_access_token(
            request.client,
            scopes=scope or "",
            settings=request.settings,
            now=request.now,
            grantee=user,
            authentication=self.authentication(),
            terms=self.terms(),
            binding=request.binding,
        )
        return {
            "access_token": token,
            "token_type": request.binding.token_type if request.binding else "Bearer",
            "expires_in": expires_in(request.settings, now=request.now, grantee=user),
            "scope": scope or "",
            **self.agreed_details(),
        }

    def agreed_details(self) -> dict[str, Any]:
        """Return what the response says of the details that were allowed (RFC 9396 section 7)."""
        details = self.terms().authorization_details
        return {"authorization_details": list(details)} if details else {}

    def lasting(self, terms: Terms) -> Terms:
        """Return the terms of a refresh family that this request begins.

        A public client's family is bound to the key or certificate that it was begun with (RFC 9449 section 5, RFC 8705 section 7.1); a
        confidential client's to the client alone, which may change its key.
        """
        return terms.bound_to(self.request.binding if self.request.client.auth_method == NONE else None)
