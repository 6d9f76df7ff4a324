"""What a client may find out of the resources that are ours: who gives tokens for them, and what with (RFC 9728).

There are two, the API and the credential issuer, each named as in the `aud` of its tokens and described at an address that its name makes.
A refusal there says where (section 5.1).
"""

from typing import Any

from flask import Blueprint, Response, current_app, jsonify

from idp.oauth import bindings, resources, scopes
from idp.oauth.binding import mutual_tls
from idp.oauth.discovery_api import MAX_AGE
from idp.oauth.requests import detail_scopes
from idp.oauth.resources import OPENID_CREDENTIAL
from runtime.guard import allow, anyone
from runtime.languages import Text
from runtime.settings import Settings

resource_metadata = Blueprint("resource_metadata", __name__)
API = Text("电子证照接口", "E-licence API")
ISSUER = Text("电子证照签发服务", "Issuer of e-licences to wallets")


@resource_metadata.get(f"{resources.WELL_KNOWN}/api")
@allow(anyone)
def api() -> Response:
    """Describe the API."""
    return _public(api_metadata_of(current_app.extensions["kabao_settings"]))


@resource_metadata.get(resources.WELL_KNOWN)
@allow(anyone)
def issuer() -> Response:
    """Describe the credential issuer, whose name has no path."""
    return _public(issuer_metadata_of(current_app.extensions["kabao_settings"]))


def api_metadata_of(settings: Settings) -> dict[str, Any]:
    """Return what there is to know of the API; its scopes are those that open a door or tell a claim."""
    return {
        "resource": resources.own(settings),
        "scopes_supported": [scope for scope in scopes.ALL if scope != scopes.OFFLINE_ACCESS],
        "authorization_details_types_supported": sorted(detail_scopes.TYPES - {OPENID_CREDENTIAL}),
        "resource_documentation": f"{settings.public_url}/api/docs",
        "bearer_methods_supported": ["header"],
        **_either(API, settings),
        **mutual_tls.announced({}, settings),
    }


def issuer_metadata_of(settings: Settings) -> dict[str, Any]:
    """Return what there is to know of the credential issuer; one under HAIP takes tokens that are bound by DPoP, and no other."""
    other = {"bearer_methods_supported": ["header"], **mutual_tls.announced({}, settings)}
    return {
        "resource": resources.credential_issuer(settings),
        "scopes_supported": detail_scopes.every(OPENID_CREDENTIAL),
        "authorization_details_types_supported": [OPENID_CREDENTIAL],
        **_either(ISSUER, settings),
        **({"dpop_bound_access_tokens_required": True} if settings.haip_required else other),
    }


def _either(name: Text, settings: Settings) -> dict[str, Any]:
    return {
        "authorization_servers": [settings.public_url],
        "resource_name": name.zh,
        **{f"resource_name#{language}": said for language, said in name.as_json().items()},
        **bindings.announced(settings),
    }


def _public(document: dict[str, Any]) -> Response:
    """Give a document without its empty lists (section 3.2)."""
    response = jsonify({member: value for member, value in document.items() if value != []})
    response.headers["Cache-Control"] = f"public, max-age={MAX_AGE}"
    return response
