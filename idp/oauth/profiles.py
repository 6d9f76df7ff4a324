"""FAPI 2.0 and HAIP 1.0 as policies that a client can be put under: `security_profile` in its registration. Pure.

`fapi2` is the FAPI 2.0 Security Profile, `fapi2-message-signing` adds what FAPI 2.0 Message Signing says of authorization: requests and
responses are signed. What holds for every client (PKCE with S256, `iss`, codes of sixty seconds, single use, no password grant) is not said
again. What a profile asks elsewhere stands there, by `is_fapi2`: bound tokens and nonces in `bindings`, the audience of assertions in
`client_authentication`, no device grant in `apart.device`.

`haip` is for wallets: pushed requests by `scope`, tokens bound by DPoP with our nonces, refresh tokens that stay the same, a wallet attestation, and
attested keys at the credential endpoint. An installation can be held to it as a whole: then no other client has credentials issued.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Protocol

from authlib.oauth2.rfc6749 import InvalidRequestError
from authlib.oauth2.rfc9101.errors import InvalidRequestObjectError

from idp.oauth.client_kinds import ATTEST_JWT
from idp.oauth.client_metadata import FAPI2, FAPI2_MESSAGE_SIGNING, HAIP, NATIVE, ClientMetadata, read_metadata
from idp.oauth.key_sets import read_key_set
from runtime.settings import Settings

if TYPE_CHECKING:
    from idp.oauth.clients import Client
    from idp.oauth.server import OAuthRequest

PROFILES = (FAPI2, FAPI2_MESSAGE_SIGNING, HAIP)
ALGORITHMS = ("PS256", "ES256", "EdDSA", "Ed25519")  # Security Profile section 5.4.1
AUTH_METHODS = ("private_key_jwt", "tls_client_auth", "self_signed_tls_client_auth")
SIGNED_MODES = ("jwt", "query.jwt", "fragment.jwt", "form_post.jwt")
LONGEST_REQUEST = timedelta(minutes=60)


class Registration(Protocol):
    """What a registration is looked at for."""

    auth_method: str
    jwks: dict[str, Any] | None
    redirect_uris: list[str]
    client_metadata: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Rule:
    """What a profile asks of a registration: the member, when it is wrong, and what it should be."""

    field: str
    is_wrong: Callable[[Registration], bool]
    wanted: str


def check_request(request: "OAuthRequest", client: "Client") -> None:
    """Check how an authorization request came: pushed and signed, where the server or the client's registration wants it so.

    RFC 9126 sections 5 and 6, RFC 9101 section 10.5, Security Profile section 5.3.2.2, Message Signing sections 5.3 and 5.4. Raises
    InvalidRequestError.
    """
    arrival, metadata = request.arrival, client.metadata
    if must_push(client, request.settings) and not arrival.pushed:
        raise InvalidRequestError("The request must be pushed.")
    if (metadata.require_signed_request_object or signs_messages(client)) and not arrival.signed:
        raise InvalidRequestError("The request must be a signed request object.")
    if signs_messages(client) and request.payload.data.get("response_mode") not in SIGNED_MODES:
        raise InvalidRequestError("response_mode must be jwt.")
    if metadata.is_haip and not request.payload.scope:
        raise InvalidRequestError("Credentials are asked for by scope.")


def must_push(client: "Client", settings: Settings) -> bool:
    """Whether the client must push its authorization requests."""
    metadata = client.metadata
    return settings.pushed_requests_required or metadata.require_pushed_authorization_requests or metadata.is_fapi2 or metadata.is_haip


def may_have_credentials(client: "Client", settings: Settings) -> bool:
    """Whether a wallet may have credentials issued under the policy of the installation."""
    return client.metadata.is_haip or not settings.haip_required


def needs_attested_keys(client: "Client", settings: Settings) -> bool:
    """Whether a wallet's keys must be attested by its maker (HAIP 1.0 section 4.5.1): where all must, or its registration says so."""
    return are_all_keys_attested(settings) or client.metadata.is_haip


def are_all_keys_attested(settings: Settings) -> bool:
    """Whether every wallet's keys must be attested: all that metadata can say, for they are the same for everyone and must not say it where one
    wallet is served without (OpenID4VCI 1.0 section 12.2.4). What holds for one wallet is said by its registration (appendix D: out of band)."""
    return settings.haip_required


def signs_messages(client: "Client") -> bool:
    """Whether the client's requests and the responses to it must be signed."""
    return client.metadata.security_profile == FAPI2_MESSAGE_SIGNING


def check_algorithm(client: "Client", algorithm: str) -> None:
    """Check an algorithm that the client signed with; raises ValueError."""
    if client.metadata.is_fapi2 and algorithm not in ALGORITHMS:
        raise ValueError("an algorithm outside of the profile")


def may_be_signed_for(client: "Client", algorithm: str | None) -> bool:
    """Whether tokens of a client may be signed so; None is the service's usual suite, which the profile knows."""
    return algorithm is None or not client.metadata.is_fapi2 or algorithm in ALGORITHMS


def check_request_object(client: "Client", claims: Mapping[str, Any], *, now: datetime) -> None:
    """Check what Message Signing section 5.3.1 asks of a request object besides its signature; raises InvalidRequestObjectError."""
    if not signs_messages(client):
        return
    if not {"aud", "nbf", "exp"} <= claims.keys():
        raise InvalidRequestObjectError(description="The request object must have aud, nbf and exp.")
    if claims["nbf"] < (now - LONGEST_REQUEST).timestamp() or claims["exp"] - claims["nbf"] > LONGEST_REQUEST.total_seconds():
        raise InvalidRequestObjectError(description="The request object is more than an hour old, or good for more than an hour.")


def rotates_refresh_tokens(client: "Client") -> bool:
    """Whether a refresh gives a new refresh token: not where every token is bound anyway (Security Profile section 5.3.2.1, HAIP 1.0 section 4)."""
    return not (client.metadata.is_fapi2 or client.metadata.is_haip)


def _under_profile(is_wrong: Callable[[Registration, ClientMetadata], bool]) -> Callable[[Registration], bool]:
    def judge(registration: Registration) -> bool:
        metadata = read_metadata(registration.client_metadata)
        return metadata.is_fapi2 and is_wrong(registration, metadata)

    return judge


def _signs_otherwise(registration: Registration, metadata: ClientMetadata) -> bool:
    chosen = {value for name in SIGNING_MEMBERS if (value := getattr(metadata, name)) is not None}
    return not chosen <= set(ALGORITHMS)


def _has_other_keys(registration: Registration, metadata: ClientMetadata) -> bool:
    return any(set(ALGORITHMS).isdisjoint(key.algorithms) for key in read_key_set(registration.jwks).signing)


def _is_answered_in_plain(registration: Registration, metadata: ClientMetadata) -> bool:
    """Whether an answer would go over plain http elsewhere than to a program on the person's own machine (Security Profile section 5.3.2.2)."""
    return metadata.application_type != NATIVE and any(uri.lower().startswith("http:") for uri in registration.redirect_uris)


def _cannot_sign(registration: Registration, metadata: ClientMetadata) -> bool:
    return metadata.security_profile == FAPI2_MESSAGE_SIGNING and registration.jwks is None and metadata.jwks_uri is None


SIGNING_MEMBERS = (
    "token_endpoint_auth_signing_alg",
    "request_object_signing_alg",
    "id_token_signed_response_alg",
    "userinfo_signed_response_alg",
    "authorization_signed_response_alg",
    "introspection_signed_response_alg",
    "backchannel_authentication_request_signing_alg",
)
RULES = (
    Rule(
        "security_profile",
        lambda registration: registration.client_metadata.get("security_profile") not in (None, *PROFILES),
        "one of " + ", ".join(PROFILES),
    ),
    Rule("auth_method", _under_profile(lambda one, _: one.auth_method not in AUTH_METHODS), "one of " + ", ".join(AUTH_METHODS)),
    Rule(
        "dpop_bound_access_tokens",
        _under_profile(lambda _, metadata: not (metadata.dpop_bound_access_tokens or metadata.tls_client_certificate_bound_access_tokens)),
        "this, or tls_client_certificate_bound_access_tokens: the profile has no bearer tokens",
    ),
    Rule(
        "auth_method", lambda one: one.client_metadata.get("security_profile") == HAIP and one.auth_method != ATTEST_JWT, f"{ATTEST_JWT} under haip"
    ),
    Rule(
        "dpop_bound_access_tokens",
        lambda one: one.client_metadata.get("security_profile") == HAIP and not one.client_metadata.get("dpop_bound_access_tokens"),
        "true: a wallet under haip has tokens that are bound by DPoP",
    ),
    Rule("redirect_uris", _under_profile(_is_answered_in_plain), "https under FAPI 2.0; http to 127.0.0.1 or [::1] for a native application alone"),
    Rule("jwks", _under_profile(_cannot_sign), "message signing wants jwks or jwks_uri"),
    Rule("jwks", _under_profile(_has_other_keys), "keys for " + ", ".join(ALGORITHMS)),
    Rule("id_token_signed_response_alg", _under_profile(_signs_otherwise), "one of " + ", ".join(ALGORITHMS) + ", and so every other _alg"),
)
