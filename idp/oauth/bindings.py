"""Whom a token is bound to: the key or the certificate that its user must prove to have (RFC 9449, RFC 8705).

A client binds its tokens by what it brings to the token endpoint: a DPoP proof, or the certificate of its connection where it was registered
for that. Codes are bound to a key beforehand (`dpop_jkt`, or a proof when the request is pushed), and so are the refresh tokens of clients
that prove themselves by nothing else; refresh tokens of all others are bound to the client already, and each use may bring another key.
"""

import dataclasses
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from authlib.oauth2.rfc6749 import InvalidRequestError

from idp.oauth import profiles
from idp.oauth.binding import dpop, mutual_tls, nonces
from idp.oauth.clients import Client
from runtime.settings import Settings

if TYPE_CHECKING:
    from idp.oauth.server import OAuthRequest

DPOP, CERTIFICATE = "jkt", "x5t#S256"
TOKENS, PUSHED = "/token", "/par"
JKT = re.compile(r"[A-Za-z0-9_-]{43}")


@dataclass(frozen=True, slots=True)
class Binding:
    """A confirmation method of RFC 7800 and the thumbprint of the key or certificate."""

    method: str
    thumbprint: str

    @property
    def confirmation(self) -> dict[str, str]:
        """The `cnf` of an access token."""
        return {self.method: self.thumbprint}

    @property
    def token_type(self) -> str:
        """The `token_type` of a token response."""
        return "DPoP" if self.method == DPOP else "Bearer"


def read_binding(request: "OAuthRequest", client: Client) -> Binding | None:
    """Return what the tokens of a request are to be bound to, None for a bearer's.

    At the endpoint for pushed requests, what is bound is the code (RFC 9449 section 10.1). Elsewhere no token is given: what a client sends
    there out of habit is not looked at. Raises InvalidProof, UseNonce or InvalidRequestError.
    """
    if request.path == PUSHED:
        return _proved(request, client)
    if request.path != TOKENS:
        return None
    binding = _proved(request, client) or _connected(request, client)
    _check_demanded(binding, client)
    return binding


def check_code_key(request: "OAuthRequest", client: Client) -> None:
    """Check `dpop_jkt` of an authorization request, and add it to the request's terms (RFC 9449 section 10)."""
    jkt = request.payload.data.get("dpop_jkt")
    if jkt is None:
        return
    if not JKT.fullmatch(jkt):
        raise InvalidRequestError("dpop_jkt is not the thumbprint of a key.")
    request.terms = dataclasses.replace(request.terms, jkt=jkt)


def needs_nonce(client: Client, settings: Settings) -> bool:
    """Whether a client's proofs must carry a nonce of ours: under FAPI 2.0 and HAIP, or where the operator wants it of all."""
    return settings.dpop_nonces_always or client.metadata.is_fapi2 or client.metadata.is_haip


def algorithms_of(client: Client) -> tuple[str, ...]:
    """Return what a client's proofs may be signed by: FAPI 2.0 leaves out RS256 (Security Profile section 5.4.1)."""
    return tuple(one for one in dpop.ALGORITHMS if profiles.may_be_signed_for(client, one))


def announced(_: Settings) -> dict[str, Any]:
    """What discovery says of DPoP (RFC 9449 section 5.1)."""
    return {"dpop_signing_alg_values_supported": list(dpop.ALGORITHMS)}


def check_nonce(request: "OAuthRequest", client: Client) -> None:
    """Check the nonce of a DPoP proof before an assertion is used up: some clients answer a challenge with a new proof and the old assertion."""
    unverified = request.headers.get(dpop.HEADER)
    if unverified is None or request.path not in (TOKENS, PUSHED):
        return
    settings = request.settings
    try:
        had_nonce = dpop.check_nonce(unverified, needs_nonce=needs_nonce(client, settings), settings=settings, now=request.now)
    except dpop.UseNonce:
        nonces.hand_out(settings, now=request.now)
        raise
    if had_nonce:
        nonces.hand_out(settings, now=request.now)


def _proved(request: "OAuthRequest", client: Client) -> Binding | None:
    unverified = request.headers.get(dpop.HEADER)
    if unverified is None:
        return None
    check_nonce(request, client)
    expected = dpop.Expected(request.method, request.path, None, needs_nonce(client, request.settings), algorithms_of(client))
    return Binding(DPOP, dpop.check(unverified, expected=expected, settings=request.settings, now=request.now).jkt)


def _connected(request: "OAuthRequest", client: Client) -> Binding | None:
    if not (client.metadata.tls_client_certificate_bound_access_tokens or client.metadata.is_fapi2):
        return None
    presented = mutual_tls.read(request.headers, request.settings)
    return Binding(CERTIFICATE, presented.thumbprint) if presented else None


def _check_demanded(binding: Binding | None, client: Client) -> None:
    """Check that a client which is to have bound tokens only does not ask for others (RFC 9449 section 5.2; FAPI 2.0 section 5.3.2.1)."""
    method, metadata = binding.method if binding else None, client.metadata
    if metadata.dpop_bound_access_tokens and method != DPOP:
        raise dpop.InvalidProof("This client is registered for tokens that are bound by DPoP: send a proof.")
    if metadata.tls_client_certificate_bound_access_tokens and method != CERTIFICATE:
        raise InvalidRequestError("This client is registered for tokens that are bound to its certificate: come with one, and without a DPoP proof.")
    if metadata.is_fapi2 and binding is None:
        raise InvalidRequestError("This client has bound tokens only: send a DPoP proof, or come with a certificate.")
