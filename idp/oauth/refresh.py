"""A portal goes on after the person has left: the refresh grant (RFC 6749 section 6, OpenID Connect Core section 12)."""

from typing import Any
from uuid import UUID

import structlog
from authlib.oauth2.rfc6749 import InvalidGrantError, InvalidScopeError, grants

from idp.oauth import demands, id_tokens, profiles, refresh_tokens, scopes
from idp.oauth.authentication import Authentication
from idp.oauth.authorization_code import still_entitled
from idp.oauth.grantees import Grantee
from idp.oauth.grants import Grant
from idp.oauth.refresh_tokens import Presented, RefreshFamily
from idp.oauth.requests import detail_scopes
from idp.oauth.terms import Terms
from idp.signin.assurance import Level, aal_of

log = structlog.get_logger(__name__)


class RefreshGrant(Grant, grants.RefreshTokenGrant):
    """The grant; each use gives a new refresh token. Scopes may be narrowed for one access token, never for the family."""

    INCLUDE_NEW_REFRESH_TOKEN = True
    presented: Presented
    family: RefreshFamily
    ial: int
    known: Authentication

    def authenticate_refresh_token(self, refresh_token: str) -> RefreshFamily | None:
        """Return the family that the token may still refresh, or None."""
        request = self.request
        found = refresh_tokens.find_family(
            request.session,
            refresh_token,
            client_id=request.client.client_id,
            binding=request.binding,
            instance=request.instance,
            settings=request.settings,
            now=request.now,
        )
        if found is None or self._has_lost_lasting_use(found.family):
            return None
        self.family, self.presented, self.ial = found
        return self.family

    def _has_lost_lasting_use(self, family: RefreshFamily) -> bool:
        """Whether a family was begun by a scope that the operator has since taken from its client; the log says so."""
        client = self.request.client
        if scopes.OFFLINE_ACCESS not in family.scopes or scopes.OFFLINE_ACCESS in client.scopes:
            return False
        log.info("refresh token refused", why="the client has lost offline_access", client_id=client.client_id)
        return True

    def authenticate_user(self, refresh_token: RefreshFamily) -> Grantee:
        """Return whom the family stands for.

        Raises InvalidGrantError, and ends the family, if they may no longer act so; InvalidScopeError, before the token is used up, where the
        person is not known well enough any more: a proof has expired, and a narrower scope may still be had.
        """
        grantee = still_entitled(self.request.session, refresh_token.grantee, self.request)
        if grantee is None:
            refresh_tokens.end_family(self.request.session, refresh_token.id, why="mandate ended", now=self.request.now)
            raise InvalidGrantError()
        self._check_levels(refresh_token)
        self.settle()  # before the token is used up: what was asked for wrongly can be asked for again
        return grantee

    def authentication(self) -> Authentication:
        """Return how the person signed in, and how well they are known by now."""
        return self.known

    def terms(self) -> Terms:
        """Return the terms that the family was begun on."""
        return self.family.terms

    def granted_scopes(self) -> list[str]:
        """Return the scopes that the family was begun with."""
        return self.family.scopes

    def grant_id(self) -> UUID:
        """Return the family's id, which its access tokens carry."""
        return self.family.id

    def _check_levels(self, family: RefreshFamily) -> None:
        request = self.request
        self.known = Authentication(family.session_id, family.auth_time, family.amr, self.ial)
        reached = Level(self.ial, aal_of(family.amr))
        short = [scope for scope in self._asked(family) if not reached.covers(demands.demand_of(request.client.levels, scope))]
        if short:
            raise InvalidScopeError(f"The proof of who the person is does not suffice any more for {' '.join(short)}; let them authorize again.")

    def _asked(self, family: RefreshFamily) -> list[str]:
        request = self.request
        asked = scopes.scopes_of(request.payload.scope) or family.scopes
        known = {*request.client.scopes, *detail_scopes.of_client(request.client, asked)}
        return [scope for scope in asked if scope in known]

    def issue_token(self, user: Grantee, refresh_token: RefreshFamily) -> dict[str, Any]:
        """Rotate, before anything is signed, and return the token response."""
        request = self.request
        kept = self._go_on()
        asked = self._asked(refresh_token)
        token = {**self.generate_token(user=user, scope=scopes.scope_from(asked)), **kept}
        if scopes.OPENID in asked:
            token["id_token"] = id_tokens.sign_id_token(
                request.client,
                user,
                self.known,
                access_token=token["access_token"],
                settings=request.settings,
                now=request.now,
                terms=refresh_token.terms,
            )
        return token

    def _go_on(self) -> dict[str, str]:
        """Use the token up and return its successor; a client held to FAPI 2.0 or HAIP keeps the one that it has (Security Profile section 5.3.2.1).

        Its tokens are good for nobody else: it proves who it is, and has the key. Raises InvalidGrantError if the family has ended.
        """
        request = self.request
        if not profiles.rotates_refresh_tokens(request.client):
            if not refresh_tokens.use(request.session, self.presented, now=request.now):
                raise InvalidGrantError()
            return {}
        successor = refresh_tokens.rotate(request.session, self.presented, settings=request.settings, now=request.now)
        if successor is None:
            raise InvalidGrantError()
        return {"refresh_token": successor}

    def revoke_old_credential(self, refresh_token: RefreshFamily) -> None:
        """Do nothing more: the rotation has used the token up."""
