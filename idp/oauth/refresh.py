"""A portal goes on after the person has left: the refresh grant (RFC 6749 section 6, OpenID Connect Core section 12)."""

from typing import Any

from authlib.oauth2.rfc6749 import InvalidGrantError, grants

from idp.oauth import id_tokens, refresh_tokens, scopes
from idp.oauth.access_tokens import Grantee
from idp.oauth.authorization_code import still_entitled
from idp.oauth.grants import Grant
from idp.oauth.id_tokens import Authentication
from idp.oauth.refresh_tokens import Presented, RefreshFamily


class RefreshGrant(Grant, grants.RefreshTokenGrant):
    """The grant; each use gives a new refresh token. Scopes may be narrowed for one access token, never for the family."""

    INCLUDE_NEW_REFRESH_TOKEN = True
    presented: Presented

    def authenticate_refresh_token(self, refresh_token: str) -> RefreshFamily | None:
        """Return the family that the token may still refresh, or None."""
        request = self.request
        found = refresh_tokens.find_family(
            request.session, refresh_token, client_id=request.client.client_id, settings=request.settings, now=request.now
        )
        if found is None:
            return None
        family, self.presented = found
        return family

    def authenticate_user(self, refresh_token: RefreshFamily) -> Grantee:
        """Return whom the family stands for; raises InvalidGrantError, and ends the family, if they may no longer act so."""
        grantee = still_entitled(self.request.session, refresh_token.grantee, self.request)
        if grantee is None:
            refresh_tokens.end_family(self.request.session, refresh_token.id, why="mandate ended", now=self.request.now)
            raise InvalidGrantError()
        return grantee

    def issue_token(self, user: Grantee, refresh_token: RefreshFamily) -> dict[str, Any]:
        """Rotate, before anything is signed, and return the token response."""
        request = self.request
        successor = refresh_tokens.rotate(request.session, self.presented, settings=request.settings, now=request.now)
        if successor is None:
            raise InvalidGrantError()
        asked = [scope for scope in scopes.scopes_of(request.payload.scope) or refresh_token.scopes if scope in request.client.scopes]
        token = self.generate_token(user=user, scope=scopes.scope_from(asked))
        token["refresh_token"] = successor
        if scopes.OPENID in asked:
            authentication = Authentication(refresh_token.session_id, refresh_token.auth_time, refresh_token.amr)
            token["id_token"] = id_tokens.sign_id_token(
                request.client,
                user,
                authentication,
                access_token=token["access_token"],
                settings=request.settings,
                now=request.now,
            )
        return token

    def revoke_old_credential(self, refresh_token: RefreshFamily) -> None:
        """Do nothing more: the rotation has used the token up."""
