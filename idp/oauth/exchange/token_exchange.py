"""A system passes a person's token on, or gets one to act for an organisation (RFC 8693).

It always is a delegation: the token says who acts (`act`), so that nobody is taken for another. It reaches no further than what it was made
from, lives no longer, and ends with it: it names the same person, holder and session, and the moment at which the first of them was issued.
"""

from typing import Any

from authlib.oauth2.rfc6749 import InvalidRequestError, InvalidScopeError
from authlib.oauth2.rfc6749.grants import TokenEndpointMixin

from idp.oauth import consents, demands, scopes
from idp.oauth.access_tokens import AccessToken, details_of, sign_access_token
from idp.oauth.authorization_code import still_entitled
from idp.oauth.clients import TOKEN_EXCHANGE, Client
from idp.oauth.exchange import actors, subject_tokens, targets
from idp.oauth.exchange.actors import Chain
from idp.oauth.exchange.subject_tokens import ACCESS_TOKEN, CREDIT_CODE
from idp.oauth.grantees import Grantee
from idp.oauth.grants import Grant
from idp.oauth.pairwise import pairwise_sid, pairwise_sub
from idp.oauth.requests import authorization_details
from idp.oauth.requests.authorization_details import Holder
from idp.oauth.terms import Terms
from idp.subjects import directory
from idp.subjects.numbers import NumberRefused, parse_number
from runtime import ledger

SUBJECT_TYPES = (ACCESS_TOKEN, CREDIT_CODE)
MOST_ORIGINS = 2 * actors.DEEPEST


class TokenExchange(Grant, TokenEndpointMixin):
    """The grant. `proof` is the token by which a person is known: the subject's, or the actor's where the subject is an organisation."""

    GRANT_TYPE = TOKEN_EXCHANGE
    proof: AccessToken
    grantee: Grantee
    chain: Chain
    targets: tuple[str, ...]
    allowed: str

    def validate_token_request(self) -> None:
        """Check, in this order: the client, what is asked, for whom, the tokens, who may act for whom, how often, and the scopes."""
        client = self.request.client = self.authorized_client()
        self._check_types()
        self.targets = targets.targets_of(self.request, client)
        self.proof = self._read_proof(client)
        self.grantee = self._entitled(client)
        self.chain = self._passed_on(client)
        self.allowed = self._settle_scopes(client)

    def create_token_response(self) -> tuple[int, dict[str, Any], Any]:
        """Write the act down, sign, and return the response of section 2.2.1."""
        request, now = self.request, self.request.now
        expires = self._expires()
        details = details_of(self.terms(), request.settings, holder=Holder(request.session, self.grantee.holder_id))
        self._record()
        token = sign_access_token(
            request.client,
            scopes=self.allowed,
            settings=request.settings,
            now=now,
            grantee=self.grantee,
            terms=self.terms(),
            binding=request.binding,
            grant_id=self.proof.grant_id,
            details=details,
            also={**self._claims(), "exp": expires},
        )
        response = {
            "access_token": token,
            "issued_token_type": ACCESS_TOKEN,
            "token_type": request.binding.token_type if request.binding else "Bearer",
            "expires_in": expires - int(now.timestamp()),
            "scope": self.allowed,
            **({"authorization_details": details} if details else {}),
        }
        return 200, response, self.TOKEN_RESPONSE_HEADER

    def terms(self) -> Terms:
        """Return whom the token is for, and the details of the one that it is made from."""
        return Terms(resources=self.targets, authorization_details=self.proof.terms.authorization_details)

    def _check_types(self) -> None:
        """Check that the parameters of section 2.1 are there, each token with its type, and of types that are known here."""
        form = self.request.form
        if form.get("requested_token_type", ACCESS_TOKEN) != ACCESS_TOKEN:
            raise InvalidRequestError("requested_token_type: only access tokens are issued.")
        if "subject_token" not in form or form.get("subject_token_type") not in SUBJECT_TYPES:
            raise InvalidRequestError("subject_token and a subject_token_type that is known here are required.")
        if ("actor_token" in form) != ("actor_token_type" in form) or form.get("actor_token_type", ACCESS_TOKEN) != ACCESS_TOKEN:
            raise InvalidRequestError("actor_token and actor_token_type go together, and the actor's is an access token.")
        if form["subject_token_type"] == CREDIT_CODE and "actor_token" not in form:
            raise InvalidRequestError("An organisation is acted for by a person: actor_token is required.")
        if "authorization_details" in form:
            raise InvalidRequestError("authorization_details are those of the subject's token.")

    def _read_proof(self, client: Client) -> AccessToken:
        """Return the token by which a person is known; an actor's token beside one says no more than that the client acts, and must be its own."""
        if self.request.form["subject_token_type"] == CREDIT_CODE:
            return self._of_person("actor_token", client)
        brought = self._of_person("subject_token", client)
        if "actor_token" in self.request.form:
            actor = subject_tokens.read_token("actor_token", self.request, client)
            if actor.holder_id is not None or actor.client_id != client.client_id:
                raise InvalidRequestError("actor_token is not the client's own.")
        return brought

    def _of_person(self, name: str, client: Client) -> AccessToken:
        brought = subject_tokens.read_token(name, self.request, client)
        if brought.grantee is None:
            raise InvalidRequestError(f"{name} is not a person's.")
        return brought

    def _entitled(self, client: Client) -> Grantee:
        """Return whom the token is for, if the person may act so at this client, by a mandate that is read afresh."""
        assert self.proof.grantee is not None
        grantee = self.proof.grantee
        if self.request.form["subject_token_type"] == CREDIT_CODE:
            grantee = Grantee(self._organisation(), self._oneself(grantee))
        entitled = still_entitled(self.request.session, grantee, self.request)
        if entitled is None:
            raise InvalidRequestError("The person has no mandate to act for them here.")
        return entitled

    def _organisation(self) -> Any:
        try:
            number = parse_number(self.request.form["subject_token"])
        except NumberRefused as error:
            raise InvalidRequestError("subject_token is no credit code.") from error
        found = directory.find_subject(self.request.session, number)
        if found is None or found.kind == directory.PERSON or not found.is_active:
            raise InvalidRequestError("The person has no mandate to act for them here.")
        return found.id

    @staticmethod
    def _oneself(grantee: Grantee) -> Any:
        if grantee.is_acting:
            raise InvalidRequestError("actor_token must be of a person who acts for themself.")
        return grantee.person_id

    def _passed_on(self, client: Client) -> Chain:
        """Return who acts: this client, unless the token was its own all along, for the person, who may act for another."""
        chain = Chain(self.proof.actors, self._person(client))
        if self.proof.client_id != client.client_id:
            chain = chain.passed_on(client.client_id)
        if len(chain.systems) > actors.DEEPEST or len(self._origins()) > MOST_ORIGINS:
            raise InvalidRequestError("The token was passed on too often.")
        return chain

    def _person(self, client: Client) -> str | None:
        return pairwise_sub(self.grantee.person_id, client.sector) if self.grantee.is_acting else None

    def _settle_scopes(self, client: Client) -> str:
        """Return the scopes: of those of the token, those that the client has, too, and that the person is known well enough for."""
        token = self.proof
        possible = [scope for scope in client.allowed(scopes.OF_PEOPLE) if scope in token.scopes and scope != scopes.OFFLINE_ACCESS]
        possible = [scope for scope in possible if token.level.covers(demands.demand_of(client.levels, scope))]
        possible = targets.scopes_for(self.targets, self._within_details(possible), self.request.settings)
        asked = scopes.scopes_of(self.request.payload.scope) or possible
        if not asked or not set(asked) <= set(possible):
            raise InvalidScopeError(scopes.beyond(asked, possible))
        if self.grantee.holder_id != token.holder_id and not self._has_consent(client, asked):
            raise InvalidScopeError("The organisation has not allowed this client so much.")
        return scopes.scope_from(asked)

    def _within_details(self, asked: list[str]) -> list[str]:
        """Return the scopes without those that go only with details that the targets are not told."""
        granted = self.proof.terms.authorization_details
        return authorization_details.scopes_within(asked, granted=granted, kept=details_of(self.terms(), self.request.settings))

    def _has_consent(self, client: Client, asked: list[str]) -> bool:
        return consents.is_given(self.request.session, self.grantee, client, asked, now=self.request.now)

    def _expires(self) -> int:
        request, until = self.request, self.grantee.until
        whole = int((request.now + request.settings.access_token_lifetime).timestamp())
        return min(whole, self.proof.expires_at, int(until.timestamp()) if until is not None else whole)

    def _claims(self) -> dict[str, Any]:
        token, claims = self.proof, self.proof.claims
        kept: dict[str, Any] = {name: claims[name] for name in ("acr", "auth_time") if name in claims}
        if token.session_id is not None:
            kept["sid"] = pairwise_sid(token.session_id, self.request.client.client_id)
        before = dict.fromkeys([*claims.get("origin_clients", []), token.client_id])
        return {"iat_ms": token.issued_ms, "origins": self._origins(), "origin_clients": list(before), **self.chain.claims(), **kept}

    def _origins(self) -> list[str]:
        return [*self.proof.claims.get("origins", []), self.proof.jti]

    def _record(self) -> None:
        token, client_id = self.proof, self.request.client.client_id
        detail: dict[str, Any] = {"scopes": scopes.scopes_of(self.allowed), "audience": list(self.targets)}
        if self.grantee.is_acting:
            detail["person"] = str(self.grantee.person_id)
        changes = self.grantee.holder_id != token.holder_id
        ledger.record(
            self.request.session,
            "exchange.acting" if changes else "exchange.made",
            actor=f"client:{client_id}",
            object_id=token.client_id,
            subject_id=self.grantee.holder_id,
            now=self.request.now,
            **detail,
        )
