"""Callers with an access token: departments' systems, and portals for a person (RFC 6750, RFC 9449 section 7, RFC 8705 section 3, RFC 9470).

A refusal says in its challenge where the resource is described, if the address asked lies beneath the resource's own name: of any other a client
need not believe that (RFC 9728 sections 5.1 and 7.3).
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from authlib.oauth2 import OAuth2Error
from flask import g, request

from idp.oauth import bindings, resources
from idp.oauth.access_tokens import AccessToken, InvalidToken, verify_access_token
from idp.oauth.authentication import is_from_future
from idp.oauth.binding import dpop, mutual_tls, nonces
from idp.oauth.bindings import CERTIFICATE, DPOP
from idp.oauth.clients import find_client
from idp.signin.assurance import ACRS, LEAST, Level, read_acr
from runtime import lean
from runtime.clock import now
from runtime.guard import Caller
from runtime.languages import Text
from runtime.present import extension
from runtime.problems import NotAllowed, NotSignedIn, Refusal
from runtime.settings import Settings

CREDENTIALS = re.compile(r"(bearer|dpop) +([A-Za-z0-9._~+/-]+=*)", re.IGNORECASE)
REALM = 'realm="kabao"'
ALGS = f'algs="{" ".join(dpop.ALGORITHMS)}"'
IN_BODY = "access_token"
SEND_ONE = Text(
    "请在Authorization头中出示访问令牌：Bearer、空格、令牌。", "Send an access token in the Authorization header: Bearer, a space, the token."
)
ONE_OF = Text("本操作需要授权范围：{0}（其一即可）。", "This needs a scope of these: {0}.")


class InsufficientScope(NotAllowed):
    """The token is good, but not for this (RFC 6750 section 3.1: insufficient_scope)."""

    code, status, title = "insufficient-scope", 403, Text("访问令牌的授权范围不足。", "The access token does not have the scope for this.")


class InsufficientAuthentication(NotSignedIn):
    """The person must be known better, or sign in more strongly or anew, before this is done for them (RFC 9470)."""

    code, status = "insufficient-user-authentication", 401
    title = Text("本操作需要更高等级或更近的登录，请重新授权。", "This needs a stronger or more recent sign-in: authorize again.")


class InvalidProof(NotSignedIn):
    """The DPoP proof that came with the token is not valid, or lacks our nonce (RFC 9449 sections 7.1 and 9)."""

    code, status, title = "invalid-dpop-proof", 401, Text("访问令牌的持有证明无效。", "The proof that came with the access token is not valid.")


class TwoTokens(Refusal):
    """The token is there more than once (RFC 6750 section 3.1: invalid_request)."""

    code, status, title = "invalid-request", 400, Text("访问令牌只能以一种方式出示。", "Show the access token in one way.")


@dataclass(frozen=True, slots=True)
class Shown:
    """A token as it was shown: by which scheme, in the spelling of the registry."""

    scheme: str
    unverified: str
    audience: str

    def challenge(self, error: str, more: str = "") -> dict[str, str]:
        """Return the challenge that goes with a refusal, by the scheme that was tried."""
        return {"WWW-Authenticate": challenge(self.scheme, self.audience, f', error="{error}"{more}')}


def challenge(scheme: str, audience: str, more: str = "") -> str:
    """Return the challenge of a scheme: what is wrong, by what a proof may be signed, and where the resource asked is described."""
    settings: Settings = extension("kabao_settings")
    algorithms = f", {ALGS}" if scheme == "DPoP" else ""
    is_beneath = request.host == settings.host and f"{settings.public_url}{request.path}".startswith(f"{audience}/")
    described = f', resource_metadata="{resources.metadata_uri(audience, settings)}"' if is_beneath else ""
    return f"{scheme} {REALM}{more}{algorithms}{described}"


class Bearer:
    """Someone with an access token of one of some scopes; records it as `g.token`.

    With a `level`, or an age that the sign-in may have, a person's token must have been given for one; `in_body` lets a form carry the token.
    """

    def __init__(self, scopes: tuple[str, ...], level: Level = LEAST, max_age: timedelta | None = None, *, in_body: bool = False) -> None:
        self.scopes = scopes
        self.level, self.max_age, self.in_body = level, max_age, in_body
        self.name = "bearer:" + "|".join(scopes)

    def audience(self, settings: Settings) -> str:
        """Return the resource whose door this is."""
        return resources.own(settings)

    def admit(self) -> None:
        """Record the token of the request; raises NotSignedIn, InvalidToken, InvalidProof or InsufficientScope, each with its challenge."""
        settings, moment = extension("kabao_settings"), now()
        shown = self._shown(self.audience(settings))
        try:
            token = verify_access_token(shown.unverified, settings=settings, now=moment, audience=shown.audience)
            _check_holder(token, shown, settings, moment)
        except InvalidToken as error:
            error.headers.update(shown.challenge("invalid_token"))
            raise
        self.check_scope(token, shown, settings)
        g.token = token
        g.token_scheme = shown.scheme
        check_authentication(self.level, self.max_age)

    def check_scope(self, token: AccessToken, shown: Shown, settings: Settings) -> None:
        """Check that the token has one of the scopes; raises InsufficientScope."""
        if token.scopes.isdisjoint(self.scopes):
            headers = shown.challenge("insufficient_scope", f', scope="{" ".join(self.scopes)}"')
            raise InsufficientScope("the token lacks the scope", headers=headers, shown=ONE_OF.format(", ".join(self.scopes)))

    def _shown(self, audience: str) -> Shown:
        header = lean.headers().get("Authorization")
        posted = request.form.getlist(IN_BODY) if self.in_body and request.method == "POST" else []
        if posted and len(posted) + (header is not None) > 1:
            raise TwoTokens("more than one token", headers=Shown("Bearer", "", audience).challenge("invalid_request"))
        match = CREDENTIALS.fullmatch(header or "")
        if match is not None:
            return Shown("DPoP" if match[1].lower() == "dpop" else "Bearer", match[2], audience)
        if not posted:
            either = f"{challenge('Bearer', audience)}, {challenge('DPoP', audience)}"
            raise NotSignedIn("no access token", headers={"WWW-Authenticate": either}, shown=SEND_ONE)
        return Shown("Bearer", posted[0], audience)


def bearer(*scopes: str, level: Level = LEAST, max_age: timedelta | None = None, in_body: bool = False) -> Caller:
    """Return the caller with a token of this scope; of several scopes, one is enough."""
    return Bearer(scopes, level, max_age, in_body=in_body)


def check_authentication(level: Level, max_age: timedelta | None = None) -> None:
    """Check that the person of the present token was known, and signed in, well and recently enough; raises InsufficientAuthentication.

    Its challenge says what to ask of the person at the authorization endpoint (RFC 9470 section 3). A system's own token has no person.
    """
    token: AccessToken = g.token
    if token.holder_id is None:
        return
    is_recent = max_age is None or _is_within(max_age, datetime.fromtimestamp(token.claims.get("auth_time", 0), UTC))
    if token.level.covers(level) and is_recent:
        return
    enough = [acr for acr in ACRS if (read_acr(acr) or LEAST).covers(level)]
    more = f', error_description="A stronger or more recent sign-in is needed", acr_values="{" ".join(enough)}"'
    if max_age is not None:
        more += f', max_age="{int(max_age.total_seconds())}"'
    shown = Shown(g.token_scheme, "", resources.own(extension("kabao_settings")))
    raise InsufficientAuthentication("the sign-in is not strong or recent enough", headers=shown.challenge("insufficient_user_authentication", more))


def _is_within(max_age: timedelta, auth_time: datetime) -> bool:
    present = now()
    return present - auth_time <= max_age and not is_from_future(auth_time, now=present)


def _check_holder(token: AccessToken, shown: Shown, settings: Settings, moment: datetime) -> None:
    """Check that whoever shows a bound token has what it is bound to, and that each kind of token comes by its own scheme."""
    binding = token.binding
    is_bound_to_key = binding is not None and binding.method == DPOP
    if is_bound_to_key != (shown.scheme == "DPoP"):
        raise InvalidToken("the token is not for this scheme")
    if binding is None:
        return
    if binding.method == CERTIFICATE:
        presented = mutual_tls.read(request.headers, settings)
        if presented is None or presented.thumbprint != binding.thumbprint:
            raise InvalidToken("another certificate")
    elif _prove(token, shown, settings, moment) != binding.thumbprint:
        raise InvalidToken("another key")


def _prove(token: AccessToken, shown: Shown, settings: Settings, moment: datetime) -> str:
    """Return the thumbprint of the key that the request's proof is by; raises InvalidProof with its challenge."""
    client = find_client(token.client_id)
    needs_nonce = client is None or bindings.needs_nonce(client, settings)
    algorithms = dpop.ALGORITHMS if client is None else bindings.algorithms_of(client)
    expected = dpop.Expected(request.method, request.path, shown.unverified, needs_nonce, algorithms)
    try:
        proved = dpop.check(request.headers.get(dpop.HEADER, ""), expected=expected, settings=settings, now=moment)
    except OAuth2Error as error:
        if isinstance(error, dpop.UseNonce):
            nonces.hand_out(settings, now=moment)
        raise InvalidProof(str(error.error), headers=shown.challenge(str(error.error))) from error
    if proved.had_nonce:
        nonces.hand_out(settings, now=moment)
    return proved.jkt
