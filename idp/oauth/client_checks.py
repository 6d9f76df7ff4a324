"""What must hold of every registration, whoever makes it: an operator, a command or the client itself.

One line a rule: the member that is at fault and when it is. Whoever adds a grant, a way of proof or a member adds its line here.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from idp.oauth import profiles, redirects, scopes
from idp.oauth.client_kinds import (
    AUTH_METHODS,
    AUTHORIZATION_CODE,
    CIBA,
    CONFIDENTIAL_GRANTS,
    DEVICE_CODE,
    GRANT_TYPES,
    KEY_METHODS,
    NONE,
    SECRET_METHODS,
)
from idp.oauth.client_metadata import FAPI2, FAPI2_MESSAGE_SIGNING, NAMES
from idp.oauth.key_sets import read_key_set

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
        return row.jwks is not None or not isinstance(jwks_uri, str) or not redirects.is_acceptable(jwks_uri)
    try:
        keys = read_key_set(row.jwks).signing
    except ValueError as error:
        raise NotAcceptable("jwks", str(error)) from error
    return row.auth_method in KEY_METHODS and not keys


def _redirects_badly(row: "RegisteredClient") -> bool:
    return not all(map(redirects.is_acceptable, row.redirect_uris)) or (AUTHORIZATION_CODE in row.grant_types) != bool(row.redirect_uris)


def _delivers_badly(row: "RegisteredClient") -> bool:
    """Whether a client of the back channel does not say how it hears of answers (CIBA Core section 4): by asking, or by being told to ask."""
    if CIBA not in row.grant_types:
        return False
    mode, uri = (row.client_metadata.get(f"backchannel_{name}") for name in ("token_delivery_mode", "client_notification_endpoint"))
    return mode not in ("poll", "ping") or (mode == "ping" and not (isinstance(uri, str) and redirects.is_acceptable(uri)))


def _is_address(uri: str | None) -> bool:
    return uri is None or redirects.is_acceptable(uri)


CHECKS = (
    Check("auth_method", lambda row: row.auth_method not in AUTH_METHODS, "one of " + ", ".join(AUTH_METHODS)),
    Check("jwks", _lacks_keys, "private_key_jwt wants jwks or jwks_uri, not both"),
    Check("client_secret", lambda row: (row.auth_method in SECRET_METHODS) != (row.secret_hash is not None), "just where the proof is a secret"),
    Check("redirect_uris", _redirects_badly, "https, or http to a loopback literal, without fragment; just for authorization_code"),
    Check(
        "post_logout_redirect_uris",
        lambda row: not all(map(redirects.is_acceptable, row.post_logout_redirect_uris)),
        "https, or http to a loopback literal, without fragment",
    ),
    Check("backchannel_logout_uri", lambda row: not _is_address(row.backchannel_logout_uri), "https, without fragment"),
    Check("grant_types", lambda row: not row.grant_types or not set(row.grant_types) <= set(GRANT_TYPES), "some of " + ", ".join(GRANT_TYPES)),
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
    Check("metadata", lambda row: not set(row.client_metadata) <= NAMES, "only members that are known"),
    *(Check(rule.field, rule.is_wrong, rule.wanted) for rule in profiles.RULES),
)
