"""What a client's registration says beyond its names and addresses, in the words of RFC 7591 and of the specifications that add to it. Pure.

One document a client: what is left out has its default, so that a registration says only what is special about it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any

WEB, NATIVE = "web", "native"
PAIRWISE, PUBLIC = "pairwise", "public"
FAPI2, FAPI2_MESSAGE_SIGNING, HAIP = "fapi2", "fapi2-message-signing", "haip"
RESPONSE_MODES = ("query", "fragment", "form_post", "query.jwt", "fragment.jwt", "form_post.jwt", "jwt")


@dataclass(frozen=True)
class ClientMetadata:
    """The members, by their registered names; `security_profile`, `pkce_optional` (an old portal may leave PKCE out), `resources`,
    `may_exchange_for` (clients that tokens are exchanged for) and `may_exchange_from` (clients whose tokens are brought) are ours.

    Without `response_modes` a client may use every mode (FAPI 2.0 Message Signing section 5.3.3). An `_alg` of None is the service's own way:
    signed by the active key, not encrypted; for a userinfo or introspection response: plain JSON.
    """

    application_type: str = WEB
    subject_type: str = PAIRWISE
    sector_identifier_uri: str | None = None
    security_profile: str | None = None
    pkce_optional: bool = False
    jwks_uri: str | None = None
    token_endpoint_auth_signing_alg: str | None = None
    tls_client_auth_subject_dn: str | None = None
    tls_client_auth_san_dns: str | None = None
    tls_client_auth_san_uri: str | None = None
    tls_client_auth_san_ip: str | None = None
    tls_client_auth_san_email: str | None = None
    dpop_bound_access_tokens: bool = False
    tls_client_certificate_bound_access_tokens: bool = False
    id_token_signed_response_alg: str | None = None
    id_token_encrypted_response_alg: str | None = None
    id_token_encrypted_response_enc: str | None = None
    userinfo_signed_response_alg: str | None = None
    userinfo_encrypted_response_alg: str | None = None
    userinfo_encrypted_response_enc: str | None = None
    response_modes: tuple[str, ...] = ()
    authorization_signed_response_alg: str | None = None
    authorization_encrypted_response_alg: str | None = None
    authorization_encrypted_response_enc: str | None = None
    introspection_signed_response_alg: str | None = None
    introspection_encrypted_response_alg: str | None = None
    introspection_encrypted_response_enc: str | None = None
    require_pushed_authorization_requests: bool = False
    require_signed_request_object: bool = False
    request_object_signing_alg: str | None = None
    request_object_encryption_alg: str | None = None
    request_object_encryption_enc: str | None = None
    request_uris: tuple[str, ...] = ()
    authorization_details_types: tuple[str, ...] = ()
    resources: tuple[str, ...] = ()
    may_exchange_for: tuple[str, ...] = ()
    may_exchange_from: tuple[str, ...] = ()
    default_max_age: int | None = None
    default_acr_values: tuple[str, ...] = ()
    require_auth_time: bool = False
    initiate_login_uri: str | None = None
    frontchannel_logout_uri: str | None = None
    frontchannel_logout_session_required: bool = False
    backchannel_logout_session_required: bool = False
    backchannel_token_delivery_mode: str | None = None
    backchannel_client_notification_endpoint: str | None = None
    backchannel_authentication_request_signing_alg: str | None = None
    backchannel_user_code_parameter: bool = False
    client_uri: str | None = None
    logo_uri: str | None = None
    policy_uri: str | None = None
    tos_uri: str | None = None
    contacts: tuple[str, ...] = ()
    software_id: str | None = None
    software_version: str | None = None

    @cached_property
    def is_fapi2(self) -> bool:
        """Whether the client is held to the FAPI 2.0 security profile, with or without message signing."""
        return self.security_profile in (FAPI2, FAPI2_MESSAGE_SIGNING)

    @cached_property
    def is_haip(self) -> bool:
        """Whether the client is a wallet that is held to the OpenID4VC High Assurance Interoperability Profile."""
        return self.security_profile == HAIP


NAMES = frozenset(field.name for field in fields(ClientMetadata))
PLAIN = ClientMetadata()


def read_metadata(document: Mapping[str, Any]) -> ClientMetadata:
    """Return the metadata of a stored document; members that are not known are another release's, and left out."""
    known: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in document.items() if name in NAMES}
    return ClientMetadata(**known)
