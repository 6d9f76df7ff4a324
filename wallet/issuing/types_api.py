"""SD-JWT VC type metadata, at the URI that credentials carry as `vct` (draft-ietf-oauth-sd-jwt-vc, type metadata)."""

from typing import Any

from flask import Blueprint, Response, current_app, jsonify

from runtime.guard import allow, anyone
from runtime.languages import Text
from runtime.settings import Settings
from wallet.issuing.contents import type_uri
from wallet.register.catalogue import get_type
from wallet.register.definitions import LicenceType

MAX_AGE = 300
LOCALES = {"zh-CN": "zh", "en": "en"}
CLAIMS = {
    "holder_name": Text("持证人", "Holder"),
    "holder_number": Text("持证人号码", "Holder's number"),
    "licence_number": Text("证照编号", "Licence number"),
}
types = Blueprint("types", __name__)


@types.get("/types/<slug>")
@allow(anyone)
def type_metadata(slug: str) -> Response:
    """Give how a credential of this type is shown, and which of its claims are hidden."""
    response = jsonify(metadata_of(current_app.extensions["kabao_settings"], get_type(slug)))
    response.headers["Cache-Control"] = f"public, max-age={MAX_AGE}"
    response.headers["Access-Control-Allow-Origin"] = "*"
    return response


def metadata_of(settings: Settings, licence_type: LicenceType) -> dict[str, Any]:
    """Return the type metadata document of a licence type."""
    return {
        "vct": type_uri(settings, licence_type),
        "name": licence_type.name.zh,
        "description": licence_type.description.zh,
        "display": [
            {"locale": locale, "name": getattr(licence_type.name, form), "description": getattr(licence_type.description, form)}
            for locale, form in LOCALES.items()
        ],
        "claims": [
            _claim("licence_identifier", Text("证照标识", "Licence identifier"), sd="never", mandatory=True),
            *(_claim(name, label, sd="always", mandatory=True) for name, label in CLAIMS.items()),
            *(_claim(one.name, one.label, sd="always", mandatory=one.required) for one in licence_type.fields),
        ],
    }


def _claim(name: str, label: Text, *, sd: str, mandatory: bool) -> dict[str, Any]:
    display = [{"locale": locale, "label": getattr(label, form)} for locale, form in LOCALES.items()]
    return {"path": [name], "display": display, "sd": sd, "mandatory": mandatory}
