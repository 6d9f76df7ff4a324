"""What a client may find out by itself: the server's metadata (OpenID Connect Discovery 1.0 section 3, RFC 8414, RFC 9207)."""

from collections.abc import Callable
from typing import Any

from flask import Blueprint, Response, current_app, jsonify

from idp.oauth import bindings, client_authentication, clients, front_channel, introspection, person_claims, resources, response_modes, scopes
from idp.oauth.apart import backchannel, device
from idp.oauth.binding import mutual_tls
from idp.oauth.client_metadata import PAIRWISE, PUBLIC
from idp.oauth.exchange import pre_authorized_grant
from idp.oauth.prompts import PROMPTS
from idp.oauth.registration import registration_api
from idp.oauth.requests import detail_scopes, pushed_api
from idp.signin.assurance import ACRS
from runtime.guard import allow, anyone
from runtime.settings import Settings

discovery = Blueprint("discovery", __name__)
MAX_AGE = 300


@discovery.route("/.well-known/openid-configuration", methods=["GET"])
@discovery.route("/.well-known/oauth-authorization-server", methods=["GET"])
@allow(anyone)
def metadata() -> Response:
    """Give the metadata, the same at both addresses."""
    response = jsonify(metadata_of(current_app.extensions["kabao_settings"]))
    response.headers["Cache-Control"] = f"public, max-age={MAX_AGE}"
    return response


def metadata_of(settings: Settings) -> dict[str, Any]:
    """Return the server's metadata, put together from what each part announces: nothing but what answers, no empty list (RFC 8414 section 3.2)."""
    whole: dict[str, Any] = {}
    for announced in PARTS:
        for name, value in announced(settings).items():
            whole[name] = list(dict.fromkeys([*whole.get(name, []), *value])) if isinstance(value, list) else value
    whole = {name: value for name, value in whole.items() if value != []}
    return {**whole, **mutual_tls.announced(whole, settings)}


def _core(settings: Settings) -> dict[str, Any]:
    at = settings.public_url
    return {
        "issuer": at,
        "authorization_endpoint": f"{at}/authorize",
        "token_endpoint": f"{at}/token",
        "userinfo_endpoint": f"{at}/userinfo",
        "revocation_endpoint": f"{at}/revoke",
        "end_session_endpoint": f"{at}/logout",
        "jwks_uri": f"{at}/jwks",
        "status_list_aggregation_endpoint": f"{at}/status",  # Token Status List section 9.1
        "scopes_supported": [*scopes.ALL, *detail_scopes.every()],
        "response_types_supported": ["code"],
        "grant_types_supported": list(clients.GRANT_TYPES),
        "code_challenge_methods_supported": ["S256"],
        "subject_types_supported": [PAIRWISE, PUBLIC],
        "acr_values_supported": list(ACRS),
        "prompt_values_supported": list(PROMPTS),
        "authorization_response_iss_parameter_supported": True,
        "protected_resources": [resources.own(settings), resources.credential_issuer(settings)],  # RFC 9728 section 4
        "backchannel_logout_supported": True,
        "backchannel_logout_session_supported": True,
        "claims_parameter_supported": True,
    }


PARTS: tuple[Callable[[Settings], dict[str, Any]], ...] = (
    _core,
    client_authentication.announced,
    bindings.announced,
    person_claims.announced,
    pre_authorized_grant.announced,
    device.announced,
    backchannel.announced,
    pushed_api.announced,
    introspection.announced,
    registration_api.announced,
    response_modes.announced,
    front_channel.announced,
)
