"""What our grants share: how a token response is put together."""

from dataclasses import replace
from functools import lru_cache
from typing import Any
from uuid import UUID

from authlib.oauth2 import OAuth2Error
from authlib.oauth2.rfc6749 import UnauthorizedClientError
from authlib.oauth2.rfc6749.grants import BaseGrant

from idp.oauth import resources, scopes
from idp.oauth.access_tokens import details_of, expires_in, sign_access_token
from idp.oauth.authentication import Authentication
from idp.oauth.clients import AUTH_METHODS, NONE, Client
from idp.oauth.grantees import Grantee
from idp.oauth.requests import authorization_details, resource_indicators
from idp.oauth.requests.authorization_details import Holder
from idp.oauth.server import OAuthRequest
from idp.oauth.terms import PLAIN, Terms

NARROWING = frozenset({resource_indicators.PARAMETER, authorization_details.PARAMETER})


class Grant(BaseGrant):
    """A grant whose access token is ours."""

    TOKEN_ENDPOINT_AUTH_METHODS = AUTH_METHODS
    ASKED_SOMEBODY = True
    request: OAuthRequest
    settled: Terms | None = None

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

    def grant_id(self) -> UUID | None:
        """Return the id that ties the access tokens of one grant together, so that they can end together; None for a system's own."""
        return None

    def settle(self) -> Terms:
        """Return the terms of this very token: those of the grant, or as much of them as the request asks for (RFC 8707, RFC 9396).

        Whoever asked for too much may ask again: what was used up for this request is given back. Raises InvalidTarget,
        InvalidAuthorizationDetails.
        """
        if self.settled is None:
            try:
                self.settled = self._settled()
            except OAuth2Error:
                self.give_back()
                raise
        return self.settled

    def give_back(self) -> None:
        """Let what was used up be brought again, since nothing came of it; in the transaction that used it up, so that nobody comes between."""

    def _settled(self) -> Terms:
        request, whole = self.request, self.terms()
        if not (whole.resources or whole.authorization_details or NARROWING & request.payload.data.keys()):
            return self._for_own(whole)
        audience = resource_indicators.settle(request, request.client, granted=whole.resources if self.ASKED_SOMEBODY else None)
        details = authorization_details.settle(request, request.client, granted=whole.authorization_details if self.ASKED_SOMEBODY else None)
        if not whole.resources and resource_indicators.PARAMETER not in request.payload.data:
            own = resources.own(request.settings)
            audience = authorization_details.audience_for(details, self.granted_scopes(), settings=request.settings, own=own)
        return replace(whole, resources=audience, authorization_details=details)

    def _for_own(self, whole: Terms) -> Terms:
        """Return the terms of what nothing says more of: a token for our own API."""
        own = resources.own(self.request.settings)
        return _plain_for(own) if whole is PLAIN else replace(whole, resources=(own,))

    def granted_scopes(self) -> list[str]:
        """Return the scopes that were allowed, where a person allowed them."""
        return []

    def _scope(self, asked: str | None) -> str:
        """Return the scopes that the resources of the token take, without those that go only with details that were left out."""
        terms, request, within = self.settle(), self.request, scopes.scopes_of(asked)
        if granted := self.terms().authorization_details:
            within = authorization_details.scopes_within(within, granted=granted, kept=terms.authorization_details)
        return scopes.scope_from(resources.scopes_for(terms.resources, within, request.settings))

    def generate_token(self, user: Grantee | None = None, scope: str | None = None, **_: Any) -> dict[str, Any]:
        """Return the members of the token response, for a grantee or for the client itself."""
        request, terms, scope = self.request, self.settle(), self._scope(scope)
        details = details_of(terms, request.settings, holder=Holder(request.session, user.holder_id) if user else None)
        token = sign_access_token(
            request.client,
            scopes=scope,
            settings=request.settings,
            now=request.now,
            grantee=user,
            authentication=self.authentication(),
            terms=terms,
            grant_id=self.grant_id(),
            binding=request.binding,
            details=details,
        )
        return {
            "access_token": token,
            "token_type": request.binding.token_type if request.binding else "Bearer",
            "expires_in": expires_in(request.settings, now=request.now, grantee=user),
            "scope": scope,
            **({"authorization_details": details} if details else {}),
        }

    def lasting(self, terms: Terms) -> Terms:
        """Return the terms of a refresh family that this request begins.

        A public client's family is bound to the key or certificate that it was begun with (RFC 9449 section 5, RFC 8705 section 7.1); a
        confidential client's to the client alone, which may change its key; an attested wallet's to the installation that began it.
        """
        bound = terms.bound_to(self.request.binding if self.request.client.auth_method == NONE else None)
        return replace(bound, instance=self.request.instance)


@lru_cache(maxsize=4)
def _plain_for(own: str) -> Terms:
    return Terms(resources=(own,))
