"""What a licence type is to whoever holds or checks a credential of it, at the addresses that credentials carry."""

from typing import Any

from flask import Blueprint, Response, current_app

from runtime.guard import allow, anyone
from runtime.settings import Settings
from wallet.issuing import type_metadata
from wallet.issuing.contents import type_uri
from wallet.register.catalogue import get_type, get_version
from wallet.register.definitions import LicenceType

MAX_AGE = 300
types = Blueprint("types", __name__)


@types.get("/types/licence")
@allow(anyone)
def base() -> Response:
    """Give what every licence has, whatever its type."""
    return _served(type_metadata.base_metadata(_settings().public_url))


@types.get("/types/<slug>")
@allow(anyone)
def of_type(slug: str) -> Response:
    """Give how a credential of this type is shown, and which of its claims are hidden (SD-JWT VC type metadata)."""
    licence_type = get_type(slug)
    response = _metadata(licence_type)
    if licence_type.version > 1:
        response.headers["Link"] = f'<{type_uri(_settings(), licence_type)}/versions/{licence_type.version - 1}>; rel="predecessor-version"'
    return response


@types.get("/types/<slug>/versions/<int:version>")
@allow(anyone)
def of_version(slug: str, version: int) -> Response:
    """Give the same as it was in a version of the type, under which credentials may have been issued (links: RFC 5829)."""
    newest = get_type(slug)
    response = _metadata(get_version(newest.code, version))
    response.headers["Link"] = f'<{type_uri(_settings(), newest)}>; rel="latest-version"'
    return response


@types.get("/types/<slug>/schema")
@allow(anyone)
def schema(slug: str) -> Response:
    """Give the JSON schema of W3C credentials of this type."""
    licence_type = get_type(slug)
    uri = f"{type_uri(_settings(), licence_type)}/schema"
    return _served(type_metadata.schema_of(licence_type, uri=uri), content_type="application/schema+json")


def _metadata(licence_type: LicenceType) -> Response:
    settings = _settings()
    return _served(type_metadata.metadata_of(settings.public_url, licence_type, vct=type_uri(settings, licence_type)))


def _served(document: dict[str, Any], *, content_type: str = "application/json") -> Response:
    response = Response(type_metadata.as_served(document), content_type=content_type)
    response.headers["Cache-Control"] = f"public, max-age={MAX_AGE}"
    response.headers["Access-Control-Allow-Origin"] = "*"
    return response


def _settings() -> Settings:
    settings: Settings = current_app.extensions["kabao_settings"]
    return settings
