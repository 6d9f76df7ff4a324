"""A wallet takes up an offer of credentials (OpenID4VCI 1.0 sections 6.1 to 6.3).

A wallet that nobody registered may come without a client id, where the operator named the public client whose tokens such wallets get.
The token is good for the credentials of the offer and nothing else: it has no scope. A wallet that is registered for it gets a refresh token,
by which it fetches what becomes of the licence.
"""

import json
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from authlib.oauth2 import OAuth2Error
from authlib.oauth2.rfc6749 import InvalidClientError, InvalidGrantError, InvalidRequestError
from authlib.oauth2.rfc6749.grants import TokenEndpointMixin

from idp.oauth import cutoffs, refresh_tokens, resources
from idp.oauth.attested import wallet_attestation
from idp.oauth.authorization_code import still_entitled
from idp.oauth.clients import NONE, PRE_AUTHORIZED_CODE, REFRESH_TOKEN, Client, find_client
from idp.oauth.exchange import pre_authorized
from idp.oauth.exchange.pre_authorized import OPENID_CREDENTIAL, PreAuthorizedCode
from idp.oauth.grantees import Grantee
from idp.oauth.grants import Grant
from idp.oauth.terms import Terms
from idp.signin import throttle
from runtime import ledger
from runtime.ids import new_id
from runtime.settings import Settings

CODE, TX_CODE, DETAILS = "pre-authorized_code", "tx_code", "authorization_details"
LONGEST_TX_CODE, LONGEST_DETAILS, MOST_DETAILS = 64, 8192, 20
IDENTIFYING = ("client_id", "client_assertion", "client_assertion_type", "client_secret")


class InvalidAuthorizationDetails(OAuth2Error):
    """The details are malformed, or beyond the offer (RFC 9396 section 5)."""

    error = "invalid_authorization_details"
    description = "The authorization details are malformed, or not those of the offer."


class PreAuthorizedCodeGrant(Grant, TokenEndpointMixin):
    """The grant."""

    GRANT_TYPE = PRE_AUTHORIZED_CODE
    grantee: Grantee
    family_id: UUID
    agreed: Terms
    is_anonymous = False

    def validate_token_request(self) -> None:
        """Check, in this order: the wallet, the parameters, what is asked of the offer, the code and transaction code, and who may still act."""
        self._settle_client()
        self.family_id = new_id()
        code = self.request.form.get(CODE)
        if not code:
            raise InvalidRequestError(f"{CODE} is missing.")
        offered = pre_authorized.find(self.request.session, code, now=self.request.now)
        if offered is None or offered.client_id not in (None, self.request.client.client_id):
            raise InvalidGrantError()
        self._check_tx_code(offered)
        details = _narrowed(offered.terms.authorization_details, self.request.form.get(DETAILS))
        self.agreed = Terms(resources=(resources.credential_issuer(self.request.settings),), authorization_details=details)
        redeemed = self._redeem(code, offered)
        if redeemed is None:
            raise InvalidGrantError()
        self.grantee = self._entitled(redeemed)

    def create_token_response(self) -> tuple[int, dict[str, Any], Any]:
        """Return the response, with the details that the token is good for (section 6.2)."""
        request = self.request
        actor = f"client:{request.client.client_id}"
        ledger.record(
            request.session,
            "offer.redeemed",
            actor=actor,
            object_id=request.client.client_id,
            subject_id=self.grantee.holder_id,
            now=request.now,
            credentials=len(self.agreed.authorization_details),
        )
        return 200, {**self.generate_token(user=self.grantee, scope=""), **self._begin_family()}, self.TOKEN_RESPONSE_HEADER

    def grant_id(self) -> UUID:
        """Return what the access token has in common with its refresh family."""
        return self.family_id

    def _begin_family(self) -> dict[str, str]:
        """Let a wallet that is registered come again for what becomes of the licence; one that nobody knows may not."""
        request = self.request
        if not request.client.check_grant_type(REFRESH_TOKEN) or self.is_anonymous:
            return {}
        token = refresh_tokens.begin_family(
            request.session,
            self.grantee,
            family_id=self.family_id,
            client_id=request.client.client_id,
            session_id=new_id(),  # of no session: nobody signed in
            scopes=[],
            auth_time=request.now,
            amr=[],
            terms=self.lasting(self.agreed),
            settings=request.settings,
            now=request.now,
        )
        return {"refresh_token": token}

    def terms(self) -> Terms:
        """Return the details of the offer, or those among them that were asked for."""
        return self.agreed

    def settle(self) -> Terms:
        """Return the same: what is asked of the offer was settled before its code was used up."""
        return self.agreed

    def _settle_client(self) -> None:
        request = self.request
        is_named = request.authorization is not None or wallet_attestation.is_brought(request.headers)
        if not is_named and not any(name in request.form for name in IDENTIFYING):
            anonymous = find_anonymous(request.settings)
            if anonymous is None:
                raise InvalidClientError(description="Wallets without a client id are not served here.", status_code=401)
            request.form["client_id"] = anonymous.client_id
            self.is_anonymous = True
        request.client = self.authorized_client()

    def _check_tx_code(self, offered: PreAuthorizedCode) -> None:
        given = self.request.form.get(TX_CODE)
        if (given is None) != (offered.tx_code_mac is None):
            raise InvalidRequestError("A transaction code is missing." if given is None else "No transaction code is expected.")
        if given is not None and len(given) > LONGEST_TX_CODE:
            raise InvalidGrantError()

    def _redeem(self, code: str, offered: PreAuthorizedCode) -> PreAuthorizedCode | None:
        """Return the code once it is spent, or None; raises SlowDown where too many transaction codes of one holder's offers were wrong."""
        session, now = self.request.session, self.request.now
        if offered.tx_code_mac is None:
            return pre_authorized.redeem(session, code, None, now=now)
        attempt = throttle.Try("transaction code", str(offered.holder_id), "", known_browser=True)  # one bucket, the holder's
        throttle.count(session, attempt, now=now)
        redeemed = pre_authorized.redeem(session, code, self.request.form[TX_CODE], now=now)
        if redeemed is not None:
            throttle.give_back(session, attempt, now=now)
        return redeemed

    def _entitled(self, code: PreAuthorizedCode) -> Grantee:
        """Return whom the code is for, unless all that they gave out was taken back since, or they may no longer act so."""
        issued_ms = int(code.issued_at.timestamp() * 1000)
        grantee = still_entitled(self.request.session, code.grantee, self.request)
        if grantee is None or cutoffs.is_cut(person_id=code.person_id, holder_id=code.holder_id, session_id=cutoffs.WHOEVER, issued_ms=issued_ms):
            raise InvalidGrantError()
        return grantee


def find_anonymous(settings: Settings) -> Client | None:
    """Return the client as which wallets without a client id are served, or None where they are not."""
    client = find_client(settings.anonymous_wallet_client)
    return client if client is not None and client.auth_method == NONE and client.check_grant_type(PRE_AUTHORIZED_CODE) else None


def announced(settings: Settings) -> dict[str, Any]:
    """Return what the metadata says of anonymous wallets (section 12.3)."""
    return {"pre-authorized_grant_anonymous_access_supported": find_anonymous(settings) is not None}


def _narrowed(offered: tuple[Mapping[str, Any], ...], unverified: str | None) -> tuple[Mapping[str, Any], ...]:
    """Return those of the offer's details that are asked for, all if none are named (section 6.1.1)."""
    if unverified is None:
        return offered
    named = {_configuration(detail) for detail in _objects(unverified)}
    if not named <= {detail["credential_configuration_id"] for detail in offered}:
        raise InvalidAuthorizationDetails()
    return tuple(detail for detail in offered if detail["credential_configuration_id"] in named)


def _objects(unverified: str) -> list[Any]:
    try:
        found = json.loads(unverified) if len(unverified) <= LONGEST_DETAILS else None
    except (ValueError, RecursionError) as error:
        raise InvalidAuthorizationDetails() from error
    if not isinstance(found, list) or not 0 < len(found) <= MOST_DETAILS:
        raise InvalidAuthorizationDetails()
    return found


def _configuration(detail: Any) -> str:
    if not isinstance(detail, dict) or detail.get("type") != OPENID_CREDENTIAL or not isinstance(detail.get("credential_configuration_id"), str):
        raise InvalidAuthorizationDetails()
    configuration: str = detail["credential_configuration_id"]
    return configuration
