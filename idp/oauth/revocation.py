"""A client gives a refresh token back (RFC 7009): its whole family ends."""

from typing import Any

from authlib.oauth2.rfc6749 import InvalidRequestError, UnsupportedTokenTypeError
from authlib.oauth2.rfc7009 import RevocationEndpoint

from idp.oauth import refresh_tokens
from idp.oauth.clients import AUTH_METHODS, Client
from idp.oauth.refresh_tokens import RefreshFamily
from idp.oauth.server import OAuthRequest


class Revocation(RevocationEndpoint):
    """The endpoint. An access token cannot be taken back, lives ten minutes, and is refused by name (section 2.2.1)."""

    CLIENT_AUTH_METHODS = AUTH_METHODS

    def check_params(self, request: OAuthRequest, client: Client) -> None:
        """Check that there is a token of a kind that can be revoked; the hint is not needed to tell."""
        token = request.form.get("token")
        if not token:
            raise InvalidRequestError("token is missing.")
        if token.count(".") == 2:
            raise UnsupportedTokenTypeError()

    def authenticate_token(self, request: OAuthRequest, client: Client) -> RefreshFamily | None:
        """Return the family that the token belongs to if it is this client's, else None: an unknown token is no error (section 2.2)."""
        self.check_params(request, client)
        presented = refresh_tokens.read(request.form["token"], request.settings)
        family = request.session.get(RefreshFamily, presented.family_id) if presented else None
        return family if family is not None and family.check_client(client) else None

    def revoke_token(self, token: RefreshFamily, request: Any) -> None:
        """End the family."""
        refresh_tokens.end_family(request.session, token.id, why="given back", now=request.now)
