"""What both grants share: a client asks for its answer, and is given tokens once (RFC 8628 section 3.5, CIBA sections 10.1 and 11)."""

from typing import Any
from uuid import UUID

from authlib.oauth2.rfc6749 import AccessDeniedError, InvalidGrantError, UnauthorizedClientError
from authlib.oauth2.rfc6749.grants import TokenEndpointMixin
from authlib.oauth2.rfc6749.hooks import hooked
from authlib.oauth2.rfc8628 import AuthorizationPendingError, ExpiredTokenError, SlowDownError

from idp.oauth import id_tokens, portal_sessions, refresh_tokens, scopes
from idp.oauth.apart import waiting
from idp.oauth.apart.waiting import Answer, ApartRequest, Kind
from idp.oauth.authentication import Authentication
from idp.oauth.authorization_code import still_entitled
from idp.oauth.clients import REFRESH_TOKEN, Client
from idp.oauth.grantees import Grantee
from idp.oauth.grants import Grant
from idp.oauth.terms import Terms


class ApartGrant(Grant, TokenEndpointMixin):
    """A grant whose answer was given on another device. `request.credential` is the `ApartRequest`."""

    KIND: Kind

    def authenticate_token_endpoint_client(self) -> Client:
        """Return the client, which the request knows from here on; raises UnauthorizedClientError if it may not use this grant."""
        client: Client = super().authenticate_token_endpoint_client()
        if not client.check_grant_type(self.GRANT_TYPE):
            raise UnauthorizedClientError("The client is not registered for this grant.")
        self.request.client = client
        return client

    def query_device_credential(self, unverified_secret: str) -> ApartRequest:
        """Return the request that the client asks about; raises InvalidGrantError if it is unknown, spent, or another client's."""
        request = self.request
        asked = waiting.poll(request.session, unverified_secret, kind=self.KIND, client_id=request.client.client_id, now=request.now)
        if asked is None:
            raise InvalidGrantError()
        request.credential = asked
        return asked

    def validate_device_credential(self, credential: ApartRequest) -> Grantee:
        """Return whom the tokens are for.

        Raises ExpiredTokenError, SlowDownError, AuthorizationPendingError, and AccessDeniedError where the person refused, signed out
        meanwhile, or may no longer act for whom they did.
        """
        if credential.expires_at <= self.request.now:
            raise ExpiredTokenError()
        if credential.answer is None:
            raise SlowDownError() if credential.hurried else AuthorizationPendingError()
        grantee = self._entitled(credential) if credential.answer == Answer.APPROVED else None
        if grantee is None:
            raise AccessDeniedError()
        return grantee

    def _entitled(self, credential: ApartRequest) -> Grantee | None:
        session, session_id = self.request.session, credential.authentication.session_id
        if not portal_sessions.is_open(session, session_id=session_id, client_id=credential.client_id):
            return None
        return still_entitled(session, credential.grantee, self.request)

    @hooked
    def create_token_response(self) -> tuple[int, dict[str, Any], Any]:
        """Return the tokens; what they stand for was spent when it was found."""
        token = self.generate_token(user=self.request.user, scope=self.request.credential.get_scope())
        self.save_token(token)
        return 200, token, self.TOKEN_RESPONSE_HEADER

    def authentication(self) -> Authentication:
        """Return how the person had signed in who approved."""
        credential: ApartRequest = self.request.credential
        return credential.authentication

    def terms(self) -> Terms:
        """Return the terms that the request was approved on."""
        credential: ApartRequest = self.request.credential
        return credential.terms

    def give_back(self) -> None:
        """Let the client fetch the answer yet."""
        credential: ApartRequest = self.request.credential
        credential.spent_at = None

    def grant_id(self) -> UUID | None:
        """Return what the access tokens have in common with the refresh family."""
        credential: ApartRequest = self.request.credential
        return credential.family_id

    def save_token(self, token: dict[str, Any]) -> None:
        """Begin the refresh family where `offline_access` was allowed, and add its first token and the ID token."""
        request, asked = self.request, self.request.credential
        if scopes.OFFLINE_ACCESS in asked.scopes and request.client.check_grant_type(REFRESH_TOKEN):
            known = asked.authentication
            token["refresh_token"] = refresh_tokens.begin_family(
                request.session,
                asked.grantee,
                family_id=asked.family_id,
                client_id=asked.client_id,
                session_id=known.session_id,
                scopes=asked.scopes,
                auth_time=known.auth_time,
                amr=known.amr,
                terms=self.lasting(asked.terms),
                settings=request.settings,
                now=request.now,
            )
        if scopes.OPENID in asked.scopes:
            token["id_token"] = id_tokens.sign_id_token(
                request.client, request.user, asked.authentication, access_token=token["access_token"], settings=request.settings, now=request.now
            )
