"""What must hold of every registration, whoever makes it: an operator, a command or the client itself.

One line a rule: the member that is at fault and when it is. Whoever adds a grant, a way of proof or a member adds its line here.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING

from idp.oauth import profiles, redirects, scopes
from idp.oauth.certificate_names import SUBJECTS, is_readable
from idp.oauth.client_kinds import (
    AUTH_METHODS,
    AUTHORIZATION_CODE,
    CIBA,
    CLIENT_SECRET_JWT,
    CONFIDENTIAL_GRANTS,
    DEVICE_CODE,
    GRANT_TYPES,
    KEY_METHODS,
    NONE,
    PRIVATE_KEY_JWT,
    SECRET_METHODS,
    SELF_SIGNED_TLS_CLIENT_AUTH,
    TLS_CLIENT_AUTH,
)
from idp.oauth.client_metadata import FAPI2, FAPI2_MESSAGE_SIGNING, NAMES, NATIVE, PAIRWISE, PUBLIC, RESPONSE_MODES, WEB
from idp.oauth.key_sets import read_key_set
from idp.oauth.pairwise import PUBLIC_SECTOR
from idp.oauth.requests import detail_scopes
from keys import jwe, suites

if TYPE_CHECKING:
    from idp.oauth.clients import RegisteredClient


@dataclass(frozen=True, slots=True)
class Check:
    """A rule: the member, when it is wrong, and what it should be."""

    field: str
    is_wrong: Callable[["RegisteredClient"], bool]
    wanted: str


class NotAcceptable(ValueError):
    """A registration breaks a rule; `field` is the member at fault."""

    def __init__(self, field: str, wanted: str) -> None:
        super().__init__(f"{field} is not acceptable: {wanted}")
        self.field = field


def check(row: "RegisteredClient") -> None:
    """Check a registration by every rule; raises NotAcceptable for the first that it breaks."""
    for rule in CHECKS:
        if rule.is_wrong(row):
            raise NotAcceptable(rule.field, rule.wanted)


def _lacks_keys(row: "RegisteredClient") -> bool:
    """Whether there are no keys where the proof wants them, both kinds at once, or a set that cannot be read; unused keys are fine."""
    jwks_uri = row.client_metadata.get("jwks_uri")
    if jwks_uri is not None:
        return row.jwks is not None
    try:
        key_set = read_key_set(row.jwks)
    except ValueError as error:
        raise NotAcceptable("jwks", str(error)) from error
    usable = key_set.public_key_hashes if row.auth_method == SELF_SIGNED_TLS_CLIENT_AUTH else key_set.signing
    return row.auth_method in KEY_METHODS and not usable


def _lacks_subject(row: "RegisteredClient") -> bool:
    """Whether a client known by a name in its certificate has not exactly one, or another client has one (RFC 8705 section 2.1.2)."""
    named = {member: row.client_metadata[member] for member in SUBJECTS if row.client_metadata.get(member) is not None}
    readable = all(isinstance(name, str) and is_readable(member, name) for member, name in named.items())
    return not readable or len(named) != (1 if row.auth_method == TLS_CLIENT_AUTH else 0)


def _signs_otherwise(row: "RegisteredClient") -> bool:
    algorithm = row.client_metadata.get("token_endpoint_auth_signing_alg")
    if row.auth_method == PRIVATE_KEY_JWT:
        return algorithm is not None and algorithm not in suites.SUITES
    return algorithm not in ((None, "HS256") if row.auth_method == CLIENT_SECRET_JWT else (None,))


def _is_bound_twice(row: "RegisteredClient") -> bool:
    return all(row.client_metadata.get(member) is True for member in ("dpop_bound_access_tokens", "tls_client_certificate_bound_access_tokens"))


def _redirects_badly(row: "RegisteredClient") -> bool:
    is_native = row.client_metadata.get("application_type") == NATIVE
    if not all(redirects.is_acceptable(uri) or (is_native and redirects.is_private_use(uri)) for uri in row.redirect_uris):
        return True
    return (AUTHORIZATION_CODE in row.grant_types) != bool(row.redirect_uris)


def _delivers_badly(row: "RegisteredClient") -> bool:
    """Whether a client of the back channel does not say how it hears of answers (CIBA Core section 4): by asking, or by being told to ask."""
    if CIBA not in row.grant_types:
        return False
    mode, uri = (row.client_metadata.get(f"backchannel_{name}") for name in ("token_delivery_mode", "client_notification_endpoint"))
    return mode not in ("poll", "ping") or (mode == "ping" and uri is None)


def _leaves_out_pkce(row: "RegisteredClient") -> bool:
    """Whether PKCE is optional for a client whose codes nothing else guards (RFC 9700 section 2.1.1)."""
    said = row.client_metadata
    guarded = row.auth_method != NONE and said.get("application_type", WEB) == WEB and said.get("security_profile") is None
    return said.get("pkce_optional", False) is not False and not guarded


def _is_address(uri: object) -> bool:
    return uri is None or (isinstance(uri, str) and redirects.is_acceptable(uri))


def _keeps_requests_badly(row: "RegisteredClient") -> bool:
    """Whether an address of requests is none that can be asked; a fragment may say which state of it is meant (OpenID Connect Core section 6.2)."""
    return not all(_is_address(uri.partition("#")[0]) for uri in row.client_metadata.get("request_uris", ()))


def _unknown(name: str, known: Collection[str]) -> Check:
    return Check(name, lambda row: row.client_metadata.get(name) not in (None, *known), "one of " + ", ".join(known))


def _without_alg(answer: str) -> Check:
    """An encryption method means nothing without the algorithm that its key is written by."""
    alg, enc = f"{answer}_alg", f"{answer}_enc"
    return Check(enc, lambda row: enc in row.client_metadata and alg not in row.client_metadata, f"only with {alg}")


def _is_written_to_nobody(row: "RegisteredClient") -> bool:
    is_encrypted = any(row.client_metadata.get(f"{answer}_alg") for answer in ENCRYPTED)
    return is_encrypted and row.jwks is None and "jwks_uri" not in row.client_metadata


SIGNED = (
    "id_token_signed_response_alg",
    "userinfo_signed_response_alg",
    "authorization_signed_response_alg",
    "introspection_signed_response_alg",
)
HMACS = ("HS256", "HS384", "HS512")  # of client_secret_jwt
BY_THE_CLIENT = ("request_object_signing_alg", "backchannel_authentication_request_signing_alg")
ENCRYPTED = ("id_token_encrypted_response", "userinfo_encrypted_response", "authorization_encrypted_response", "introspection_encrypted_response")
TO_US = "request_object_encryption"
ADDRESS = "https, or http to 127.0.0.1 or [::1] (not localhost), without fragment"
CALLED = ("frontchannel_logout_uri", "initiate_login_uri", "backchannel_client_notification_endpoint", "sector_identifier_uri")


def _is_elsewhere(row: "RegisteredClient") -> bool:
    """Whether the address that a frame loads is not at the origin of one that the browser is sent to (Front-Channel Logout 1.0 section 2)."""
    uri = row.client_metadata.get("frontchannel_logout_uri")
    if uri is None:
        return False
    return not redirects.is_acceptable(uri) or redirects.origin_of(uri) not in map(redirects.origin_of, row.redirect_uris)


def _is_no_age(row: "RegisteredClient") -> bool:
    age = row.client_metadata.get("default_max_age")
    return age is not None and not (isinstance(age, int) and not isinstance(age, bool) and 0 <= age < LONGEST_AGE)


LONGEST_AGE = 10**9
CHECKS = (
    Check("auth_method", lambda row: row.auth_method not in AUTH_METHODS, "one of " + ", ".join(AUTH_METHODS)),
    Check("jwks_uri", lambda row: not _is_address(row.client_metadata.get("jwks_uri")), "https, without fragment and user name"),
    Check("jwks", _lacks_keys, "private_key_jwt and self_signed_tls_client_auth want jwks or jwks_uri, not both"),
    Check("tls_client_auth_subject_dn", _lacks_subject, "tls_client_auth, and no other, wants just one name of its certificate"),
    Check("token_endpoint_auth_signing_alg", _signs_otherwise, "HS256 for client_secret_jwt; for private_key_jwt one of " + ", ".join(suites.SUITES)),
    Check("dpop_bound_access_tokens", _is_bound_twice, "tokens are bound to a key or to a certificate, not to both"),
    Check(
        "client_secret", lambda row: row.auth_method == CLIENT_SECRET_JWT and row.secret_sealed is None, "a new one, kept to be the key of an HMAC"
    ),
    Check("client_secret", lambda row: (row.auth_method in SECRET_METHODS) != (row.secret_hash is not None), "just where the proof is a secret"),
    Check("grant_types", lambda row: not row.grant_types or not set(row.grant_types) <= set(GRANT_TYPES), "some of " + ", ".join(GRANT_TYPES)),
    Check(
        "redirect_uris",
        _redirects_badly,
        "https, http to 127.0.0.1 or [::1] (not localhost), or a native application's own scheme, without fragment; just for authorization_code",
    ),
    Check(
        "post_logout_redirect_uris",
        lambda row: not all(map(redirects.is_acceptable, row.post_logout_redirect_uris)),
        "https, or http to 127.0.0.1 or [::1] (not localhost), without fragment",
    ),
    Check("backchannel_logout_uri", lambda row: not _is_address(row.backchannel_logout_uri), "https, without fragment"),
    Check(
        "grant_types",
        lambda row: row.auth_method == NONE and not CONFIDENTIAL_GRANTS.isdisjoint(row.grant_types),
        "a client that proves nothing cannot have this grant",
    ),
    Check(
        "grant_types",
        lambda row: DEVICE_CODE in row.grant_types and row.client_metadata.get("security_profile") in (FAPI2, FAPI2_MESSAGE_SIGNING),
        "a client under FAPI 2.0 cannot have the device grant",
    ),
    Check("backchannel_token_delivery_mode", _delivers_badly, "poll, or ping with a backchannel_client_notification_endpoint"),
    Check(
        "backchannel_user_code_parameter",
        lambda row: bool(row.client_metadata.get("backchannel_user_code_parameter")),
        "false: no user codes are kept",
    ),
    Check("scopes", lambda row: not set(row.scopes) <= set(scopes.ALL), "some of " + ", ".join(scopes.ALL)),
    Check("levels", lambda row: not set(row.levels) <= set(row.scopes) & set(scopes.OF_PEOPLE), "only of scopes of people that it has"),
    *(_unknown(name, tuple(suites.SUITES)) for name in (*SIGNED, *BY_THE_CLIENT)),
    _unknown("token_endpoint_auth_signing_alg", (*suites.SUITES, *HMACS)),
    *(_unknown(f"{answer}_alg", jwe.ALGS) for answer in (*ENCRYPTED, TO_US)),
    *(_unknown(f"{answer}_enc", jwe.ENCS) for answer in (*ENCRYPTED, TO_US)),
    *map(_without_alg, (*ENCRYPTED, TO_US)),
    Check("jwks", _is_written_to_nobody, "answers are encrypted to a key in jwks or jwks_uri"),
    Check(
        "response_modes",
        lambda row: not set(row.client_metadata.get("response_modes", ())) <= set(RESPONSE_MODES),
        "some of " + ", ".join(RESPONSE_MODES),
    ),
    Check(
        "authorization_details_types",
        lambda row: not set(row.client_metadata.get("authorization_details_types", ())) <= detail_scopes.TYPES,
        "types that authorization_details_types_supported names",
    ),
    _unknown("application_type", (WEB, NATIVE)),
    _unknown("subject_type", (PAIRWISE, PUBLIC)),
    _unknown("security_profile", profiles.PROFILES),
    Check("pkce_optional", _leaves_out_pkce, "false, but for a web application that proves itself and is under no profile"),
    *(Check(name, lambda row, name=name: not _is_address(row.client_metadata.get(name)), ADDRESS) for name in CALLED),  # type: ignore[misc]
    Check("request_uris", _keeps_requests_badly, "https, or http to 127.0.0.1 or [::1] (not localhost)"),
    Check("sector", lambda row: row.sector == PUBLIC_SECTOR, "not the one of all who have public subjects"),
    Check("frontchannel_logout_uri", _is_elsewhere, "of the origin of one of the redirect_uris"),
    Check("default_max_age", _is_no_age, "a whole number of seconds"),
    Check("metadata", lambda row: not set(row.client_metadata) <= NAMES, "only members that are known"),
    *(Check(rule.field, rule.is_wrong, rule.wanted) for rule in profiles.RULES),
)
