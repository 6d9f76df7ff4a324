"""A client gives a token back (RFC 7009): an access token ends alone, a refresh token with its whole family and their access tokens."""

from datetime import UTC, datetime
from typing import Any

from authlib.oauth2.rfc6749 import InvalidGrantError, InvalidRequestError
from authlib.oauth2.rfc7009 import RevocationEndpoint

from idp.oauth import refresh_tokens, revoked_tokens
from idp.oauth.access_tokens import AccessToken, InvalidToken, read_access_token
from idp.oauth.clients import AUTH_METHODS, Client
from idp.oauth.refresh_tokens import RefreshFamily
from idp.oauth.server import OAuthRequest
from runtime import ledger


class Revocation(RevocationEndpoint):
    """The endpoint, also for public clients, which name themselves.

    A token is of the kind that it looks like, whatever the hint says (section 2.1). One that is not ours, or spent, is no error
    (section 2.2); one that was issued to another client is, and goes on being good.
    """

    CLIENT_AUTH_METHODS = AUTH_METHODS

    def authenticate_token(self, request: OAuthRequest, client: Client) -> RefreshFamily | AccessToken | None:
        """Return what the token stands for, or None; raises InvalidRequestError if there is none, InvalidGrantError if it is another client's."""
        unverified = request.form.get("token")
        if not unverified:
            raise InvalidRequestError("token is missing.")
        found = _access_token(unverified, request) if is_access_token(unverified) else _family(unverified, request)
        if found is not None and found.client_id != client.client_id:
            raise InvalidGrantError("The token was issued to another client.")
        return found

    def revoke_token(self, token: RefreshFamily | AccessToken, request: Any) -> None:
        """End the token."""
        if isinstance(token, AccessToken):
            _revoke(token, request)
        else:
            refresh_tokens.end_family(request.session, token.id, why="given back", now=request.now)


def _revoke(token: AccessToken, request: OAuthRequest) -> None:
    expires_at = datetime.fromtimestamp(token.expires_at, UTC)
    if revoked_tokens.revoke(request.session, token.jti, expires_at=expires_at):
        actor, subject_id = f"client:{token.client_id}", token.holder_id
        ledger.record(request.session, "token.revoked", actor=actor, object_id=token.client_id, subject_id=subject_id, now=request.now)


def is_access_token(unverified: str) -> bool:
    """Whether this looks like an access token: a signed JWT of three parts; a refresh token has one."""
    return unverified.count(".") == 2


def _access_token(unverified: str, request: OAuthRequest) -> AccessToken | None:
    try:
        return read_access_token(unverified, settings=request.settings, now=request.now)
    except InvalidToken:
        return None


def _family(unverified: str, request: OAuthRequest) -> RefreshFamily | None:
    presented = refresh_tokens.read(unverified, request.settings)
    return request.session.get(RefreshFamily, presented.family_id) if presented else None
