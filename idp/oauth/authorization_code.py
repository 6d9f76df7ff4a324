"""A portal signs a person in: the authorization-code grant, with PKCE S256 (RFC 6749 section 4.1, RFC 7636, RFC 9207)."""

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any
from uuid import UUID

from authlib.oauth2 import OAuth2Error
from authlib.oauth2.rfc6749 import InvalidGrantError, InvalidRequestError, InvalidScopeError, UnsupportedResponseTypeError, grants
from authlib.oauth2.rfc7636 import CodeChallenge
from authlib.oidc.core.errors import LoginRequiredError
from authlib.oidc.core.grants import OpenIDCode
from sqlalchemy.orm import Session

from idp.oauth import bindings, code_records, codes, hints, id_tokens, profiles, refresh_tokens, response_modes, scopes
from idp.oauth.acquaintances import SIGNED_IN
from idp.oauth.authentication import Authentication
from idp.oauth.clients import REFRESH_TOKEN, Client
from idp.oauth.codes import AuthorizationCode
from idp.oauth.grantees import Grantee
from idp.oauth.grants import Grant
from idp.oauth.requests import authorization_details, claims, detail_scopes, resource_indicators
from idp.oauth.server import OAuthRequest
from idp.oauth.terms import Terms
from idp.subjects import mandates
from idp.subjects.mandates import NoMandate
from runtime import ledger

S256_CHALLENGE = re.compile(r"[A-Za-z0-9_-]{43}")
NONCE = re.compile(r"[ -~]{1,512}")
CHECKS: tuple[Callable[[OAuthRequest, Client], None], ...] = (
    response_modes.check_mode,
    profiles.check_request,
    hints.check_id_token_hint,
    claims.check,
    resource_indicators.check,
    authorization_details.check,
    bindings.check_code_key,
)
REFUSED_PARAMETERS = {"request": "request_not_supported", "request_uri": "request_uri_not_supported", "registration": "registration_not_supported"}


class AuthorizationCodeGrant(Grant, grants.AuthorizationCodeGrant):
    """The grant, from the authorization request to the tokens. `request.user` is a `Grantee`."""

    @classmethod
    def check_authorization_endpoint(cls, request: OAuthRequest) -> bool:
        """Take every authorization request: another `response_type` is refused once it is known where to."""
        return True

    @staticmethod
    def validate_authorization_redirect_uri(request: OAuthRequest, client: Client) -> str:
        """Return the address to answer to, once it is sure; from then on errors go there."""
        redirect_uri = request.payload.redirect_uri
        if not redirect_uri or request.repeated & {"client_id", "redirect_uri"} or not client.check_redirect_uri(redirect_uri):
            raise InvalidRequestError("redirect_uri is not registered for this client.")
        check_parameters(request, redirect_uri)
        check_asked(request, client, redirect_uri)
        return str(redirect_uri)

    def validate_requested_scope(self) -> None:
        """Settle the scopes asked for: those of people that the client was registered for; raises InvalidScopeError."""
        request, client = self.request, self.request.client
        asked = scopes.scopes_of(request.payload.scope)
        known = {*client.allowed(scopes.OF_PEOPLE), *detail_scopes.of_client(client, asked)}
        if detail_scopes.may_ask(client):  # a wallet's unknown ones are to be left out (OpenID4VCI 1.0 section 5.1.2)
            asked = [scope for scope in asked if scope in known]
            request.payload.data["scope"] = scopes.scope_from(asked)
        if not (asked or request.terms.authorization_details) or not set(asked) <= known:
            raise InvalidScopeError(scopes.beyond(asked, known))

    def save_authorization_code(self, code: str, request: OAuthRequest) -> None:
        """Keep nothing more: `generate_authorization_code` has kept the hash."""

    def respond(self, grantee: Grantee) -> dict[str, str]:
        """Return the parameters of the response to a request that was allowed; raises LoginRequiredError where the session has just ended."""
        self.request.user = grantee
        return {"code": self.generate_authorization_code()}

    def generate_authorization_code(self) -> str:
        """Make the code, for the session that the request was allowed in; raises LoginRequiredError if that has just ended."""
        request, parameters = self.request, self.request.payload.data
        signed_in = request.signed_in
        assert signed_in is not None
        client_id, allowed = request.client.client_id, scopes.scopes_of(request.scope)
        code, row = codes.new(
            request.user,
            client_id=client_id,
            session_id=signed_in.session_id,
            redirect_uri=parameters["redirect_uri"],
            scopes=allowed,
            nonce=parameters.get("nonce"),
            code_challenge=parameters.get("code_challenge", ""),
            auth_time=signed_in.auth_time,
            amr=signed_in.amr,
            ial=request.reached.ial,
            terms=replace(request.terms, authorization_details=authorization_details.narrowed(request)),
            now=request.now,
        )
        who = {"actor": f"subject:{request.user.person_id}", "subject_id": request.user.holder_id}
        entry = ledger.row_of(SIGNED_IN, **who, object_id=client_id, now=request.now, scopes=allowed)
        if not code_records.write(request.session, code=row, entry=entry, now=request.now, is_last=self._is_answered_by_code_alone()):
            raise LoginRequiredError(redirect_uri=parameters["redirect_uri"])
        return code

    def _is_answered_by_code_alone(self) -> bool:
        """Whether nothing can fail any more once there is a code, and nothing else is to be written: no kept request is used up, no answer signed."""
        return self.request.reference is None and not response_modes.mode_of(self.request.payload.data).is_signed

    def query_authorization_code(self, code: str, client: Client) -> AuthorizationCode | None:
        """Spend the code and return what it stands for, or None; raises InvalidGrantError where the request lacks the key that it is bound to."""
        found = codes.redeem(self.request.session, code, client_id=client.client_id, now=self.request.now)
        if found is not None and not found.terms.is_for(self.request.binding):
            raise InvalidGrantError("The code is bound to a key that the request does not prove.")
        return found

    def delete_authorization_code(self, authorization_code: AuthorizationCode) -> None:
        """Delete nothing: a spent code is remembered, so that a replay is noticed."""

    def authenticate_user(self, authorization_code: AuthorizationCode) -> Grantee | None:
        """Return whom the code stands for, if the session lasts and they may still act for whom they did."""
        return still_entitled(self.request.session, authorization_code.grantee, self.request) if authorization_code.in_session else None

    def authentication(self) -> Authentication:
        """Return how the person signed in who was given the code."""
        return authentication_of(self.request.authorization_code)

    def terms(self) -> Terms:
        """Return the terms that the code was given on."""
        code: AuthorizationCode = self.request.authorization_code
        return code.terms

    def give_back(self) -> None:
        """Let the client redeem its code yet: the client, its key, its verifier and its address were right."""
        code: AuthorizationCode = self.request.authorization_code
        codes.give_back(self.request.session, code)

    def granted_scopes(self) -> list[str]:
        """Return the scopes that were allowed."""
        code: AuthorizationCode = self.request.authorization_code
        return code.scopes

    def grant_id(self) -> UUID:
        """Return what the access tokens of this sign-in have in common with its refresh family."""
        code: AuthorizationCode = self.request.authorization_code
        return code.family_id

    def save_token(self, token: dict[str, Any]) -> None:
        """Begin the refresh family and add its first token, where `offline_access` was allowed, or what is to be had again by details."""
        request, code = self.request, self.request.authorization_code
        is_lasting = scopes.OFFLINE_ACCESS in code.scopes or authorization_details.are_lasting(code.terms.authorization_details)
        if is_lasting and request.client.check_grant_type(REFRESH_TOKEN):
            token["refresh_token"] = refresh_tokens.begin_family(
                request.session,
                code.grantee,
                family_id=code.family_id,
                client_id=code.client_id,
                session_id=code.session_id,
                scopes=code.scopes,
                auth_time=code.auth_time,
                amr=code.amr,
                terms=self.lasting(code.terms),
                settings=request.settings,
                now=request.now,
            )


class RequireS256(CodeChallenge):
    """PKCE, S256 and nothing else: for every client but one that an operator lets leave it out, as OpenID Connect Core alone would."""

    SUPPORTED_CODE_CHALLENGE_METHOD = ("S256",)

    def validate_code_challenge(self, grant: Any, redirect_uri: Any) -> None:
        """Check that an S256 challenge came, or neither it nor a method where that is allowed; raises InvalidRequestError."""
        parameters = grant.request.payload.data
        if grant.request.client.metadata.pkce_optional and not parameters.keys() & {"code_challenge", "code_challenge_method"}:
            return
        if not S256_CHALLENGE.fullmatch(parameters.get("code_challenge", "")) or parameters.get("code_challenge_method") != "S256":
            raise InvalidRequestError("PKCE with code_challenge_method S256 is required.")

    def validate_code_verifier(self, grant: Any, result: Any) -> None:
        """Check the verifier; raises InvalidGrantError where it is not the challenge's, where there is none, and where there was no challenge.

        RFC 7636 section 4.6; a verifier without a challenge is a downgrade (RFC 9700 section 4.8.2).
        """
        is_challenged, is_brought = grant.request.authorization_code.code_challenge != "", "code_verifier" in grant.request.payload.data
        if is_challenged != is_brought:
            raise InvalidGrantError("code_verifier is missing." if is_challenged else "code_verifier was not promised.")
        super().validate_code_verifier(grant, result)


class OpenId(OpenIDCode):
    """The ID token, signed by our key ring."""

    def __call__(self, grant: Any) -> None:
        """Add an ID token to the token response; prompts are `prompts.next_step`'s, and a code is single use, so a nonce needs no table."""
        grant.register_hook("after_create_token_response", self.process_token)

    def encode_id_token(self, token: dict[str, Any], request: OAuthRequest) -> str:
        """Return the ID token that goes with a token response."""
        code: AuthorizationCode = request.authorization_code
        return id_tokens.sign_id_token(
            request.client,
            request.user,
            authentication_of(code),
            access_token=token["access_token"],
            settings=request.settings,
            now=request.now,
            terms=code.terms,
        )


def authentication_of(code: AuthorizationCode) -> Authentication:
    """Return how the person signed in who was given a code, and how well they were known then."""
    return Authentication(code.session_id, code.auth_time, code.amr, code.ial, code.nonce)


def check_parameters(request: OAuthRequest, redirect_uri: str) -> None:
    """Check what is not about the client; raises errors that go to the portal."""
    parameters = request.payload.data
    for name, error in REFUSED_PARAMETERS.items():
        if name in parameters:
            raise InvalidRequestError(f"{name} is not supported.", error=error, redirect_uri=redirect_uri)
    if request.repeated:
        raise InvalidRequestError("A parameter is given more than once.", redirect_uri=redirect_uri)
    if not request.payload.response_type:
        raise InvalidRequestError("response_type is missing.", redirect_uri=redirect_uri)
    if request.payload.response_type != "code":
        raise UnsupportedResponseTypeError("anything but code", redirect_uri=redirect_uri)
    if "nonce" in parameters and not NONCE.fullmatch(parameters["nonce"]):
        raise InvalidRequestError("nonce is too long, or not printable ASCII.", redirect_uri=redirect_uri)


def check_asked(request: OAuthRequest, client: Client, redirect_uri: str) -> None:
    """Let each part check, in this order, what is its own of a request, and add it to the request's terms; the portal is told what is wrong."""
    try:
        for check in CHECKS:
            check(request, client)
    except OAuth2Error as error:
        error.redirect_uri = redirect_uri
        raise


def still_entitled(session: Session, grantee: Grantee, request: OAuthRequest) -> Grantee | None:
    """Return the grantee if the person is themselves, or may still act for the holder at this portal; how far the mandate reaches comes with it."""
    if not grantee.is_acting:
        return grantee
    try:
        mandate = mandates.check_mandate(session, person_id=grantee.person_id, organisation_id=grantee.holder_id, now=request.now)
    except NoMandate:
        return None
    return Grantee.under(mandate, grantee.person_id) if mandate.allows_portal(request.client.client_id) else None
