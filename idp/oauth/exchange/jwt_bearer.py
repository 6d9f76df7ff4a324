"""A system gets a token by the word of an identity system that the operator trusts (RFC 7521 section 4.1, RFC 7523 section 2.1).

The assertion names a person by the `sub` that the client knows them by, or the client itself, for its own account. It is good for what the
operator set for that issuer, and for a person only for what they themselves have allowed the client: nobody is there to be asked.
"""

from typing import Any

from authlib.oauth2.rfc6749 import InvalidGrantError, InvalidRequestError, InvalidScopeError
from authlib.oauth2.rfc6749.grants import TokenEndpointMixin
from sqlalchemy import select

from idp.oauth import demands, scopes
from idp.oauth.access_tokens import expires_in, sign_access_token
from idp.oauth.clients import JWT_BEARER, Client
from idp.oauth.consents import Consent
from idp.oauth.exchange import assertion_grants
from idp.oauth.exchange.assertion_grants import Vouched
from idp.oauth.grantees import Grantee
from idp.oauth.grants import Grant
from idp.oauth.pairwise import NotPairwise, subject_of
from idp.signin import accounts, proofs
from idp.signin.accounts import NoSuchAccount
from idp.signin.assurance import ONE_FACTOR, Level, acr_of
from idp.subjects import directory
from idp.subjects.directory import SubjectNotFound
from runtime import ledger


class JwtBearer(Grant, TokenEndpointMixin):
    """The grant. `grantee` is None where the assertion is of the client's own account."""

    GRANT_TYPE = JWT_BEARER
    grantee: Grantee | None
    ial: int
    allowed: str

    def validate_token_request(self) -> None:
        """Check, in this order: the client, the assertion, whom it names, the scopes, the resource, and that the assertion is new."""
        client = self.request.client = self.authorized_client()
        unverified = self.request.form.get("assertion")
        if not unverified:
            raise InvalidRequestError("assertion is missing.")
        vouched = assertion_grants.verify(unverified, client=client, settings=self.request.settings, now=self.request.now)
        self.grantee = self._person(vouched, client) if vouched.sub != client.client_id else None
        self.allowed = self._settle_scopes(vouched, client)
        self.settle()
        assertion_grants.use_up(vouched)

    def create_token_response(self) -> tuple[int, dict[str, Any], Any]:
        """Write the act down and return the token; there is no refresh token: another assertion is as good (RFC 7521 section 4.1)."""
        request, grantee = self.request, self.grantee
        also: dict[str, Any] = {}
        if grantee is not None:
            also["acr"] = acr_of(self.ial, ONE_FACTOR)
            client_id, asked = request.client.client_id, scopes.scopes_of(self.allowed)
            who = {"actor": f"client:{client_id}", "object_id": client_id, "subject_id": grantee.holder_id}
            ledger.record(request.session, "exchange.vouched", **who, now=request.now, scopes=asked)
        token = sign_access_token(
            request.client,
            scopes=self.allowed,
            settings=request.settings,
            now=request.now,
            grantee=grantee,
            terms=self.settle(),
            binding=request.binding,
            also=also,
        )
        response = {
            "access_token": token,
            "token_type": request.binding.token_type if request.binding else "Bearer",
            "expires_in": expires_in(request.settings, now=request.now, grantee=grantee),
            "scope": self.allowed,
        }
        return 200, response, self.TOKEN_RESPONSE_HEADER

    def _person(self, vouched: Vouched, client: Client) -> Grantee:
        """Return the person whom the client knows by the assertion's `sub`, if they have an account here; raises InvalidGrantError."""
        session = self.request.session
        try:
            subject = directory.get_subject(session, subject_of(vouched.sub, client.sector))
            accounts.check_stands(session, subject.id)
        except (NotPairwise, SubjectNotFound, NoSuchAccount) as error:
            raise InvalidGrantError("The assertion names nobody who is known here.") from error
        if subject.kind != directory.PERSON or not subject.is_active:
            raise InvalidGrantError("The assertion names nobody who is known here.")
        self.ial = proofs.ial_of(session, subject.id, now=self.request.now)
        return Grantee(subject.id, subject.id)

    def _settle_scopes(self, vouched: Vouched, client: Client) -> str:
        """Return the scopes: of those that the issuer's word is good for, those that the client has, and the person has allowed it."""
        possible = [scope for scope in vouched.scopes if scope in self._had_by(client)]
        asked = scopes.scopes_of(self.request.payload.scope) or possible
        if not asked or not set(asked) <= set(possible):
            raise InvalidScopeError(scopes.beyond(asked, possible))
        return scopes.scope_from(asked)

    def _had_by(self, client: Client) -> list[str]:
        if self.grantee is None:
            return client.allowed(scopes.OF_SYSTEMS)
        person_id, reached = self.grantee.person_id, Level(self.ial, ONE_FACTOR)
        mine = select(Consent.scopes).where(Consent.holder_id == person_id, Consent.client_id == client.client_id, Consent.given_by == person_id)
        consented = self.request.session.scalar(mine) or []
        offered = [scope for scope in client.allowed(scopes.OF_PEOPLE) if scope in consented and scope != scopes.OFFLINE_ACCESS]
        return [scope for scope in offered if reached.covers(demands.demand_of(client.levels, scope))]
