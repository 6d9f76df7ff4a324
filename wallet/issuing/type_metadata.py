"""What wallets elsewhere read of a licence type: its SD-JWT VC type metadata, and a JSON schema for credentials that are checked by one. Pure.

Each type extends one base type, which describes what every licence has. Neither `vct#integrity` nor `extends#integrity` is given: the document
at a type's address follows the catalogue, and a credential outlives a version.
"""

import base64
import hashlib
import json
from functools import lru_cache
from pathlib import Path
from typing import Any

import runtime
from runtime.languages import Text
from wallet.register.colours import COLOURS, TEXT
from wallet.register.definitions import LicenceType
from wallet.register.fields import Field

LOCALES = {"zh-CN": "zh", "en": "en"}
LOGO = "static/logo.svg"
BASE_NAME, BASE_DESCRIPTION = Text("电子证照", "Licence"), Text("由政府部门颁发的电子证照。", "A licence that a public body issued.")
BASE_CLAIMS: tuple[tuple[str, Text, str, bool], ...] = (
    ("licence_identifier", Text("证照标识", "Licence identifier"), "allowed", True),
    ("holder_name", Text("持证人", "Holder"), "always", True),
    ("holder_number", Text("持证人号码", "Holder's number"), "always", True),
    ("licence_number", Text("证照编号", "Licence number"), "always", True),
    ("licence_valid_from", Text("有效期起", "Valid from"), "always", False),
    ("licence_valid_until", Text("有效期止", "Valid until"), "always", False),
)
SCHEMA = "https://json-schema.org/draft/2020-12/schema"


def base_uri(public_url: str) -> str:
    """Return the `vct` of the type that all others extend."""
    return f"{public_url}/types/licence"


def base_metadata(public_url: str) -> dict[str, Any]:
    """Return the type metadata of what every licence is."""
    return {
        "vct": base_uri(public_url),
        "name": BASE_NAME.zh,
        "description": BASE_DESCRIPTION.zh,
        "display": _display(BASE_NAME, BASE_DESCRIPTION),
        "claims": [_claim(name, label, sd=sd, mandatory=mandatory) for name, label, sd, mandatory in BASE_CLAIMS],
    }


def metadata_of(public_url: str, licence_type: LicenceType, *, vct: str) -> dict[str, Any]:
    """Return the type metadata document of a licence type."""
    rendering = {"rendering": {"simple": _simple(public_url, licence_type)}}
    return {
        "vct": vct,
        "name": licence_type.name.zh,
        "description": licence_type.description.zh,
        "extends": base_uri(public_url),
        "display": [{**one, **rendering} for one in _display(licence_type.name, licence_type.description)],
        "claims": [_claim(one.name, one.label, sd="always" if one.hideable else "never", mandatory=one.required) for one in licence_type.fields],
    }


def schema_of(licence_type: LicenceType, *, uri: str) -> dict[str, Any]:
    """Return the JSON schema of a W3C credential of the type."""
    always = {name: {"type": "string"} for name, _, _, _ in BASE_CLAIMS}
    subject = {
        "type": "object",
        "properties": {**always, **{one.name: _property(one) for one in licence_type.fields}},
        "required": [*(name for name, _, _, mandatory in BASE_CLAIMS if mandatory), *(one.name for one in licence_type.fields if one.required)],
    }
    return {
        "$id": uri,
        "$schema": SCHEMA,
        "title": licence_type.name.en,
        "description": licence_type.description.en,
        "type": "object",
        "properties": {"credentialSubject": subject},
        "required": ["credentialSubject"],
    }


def as_served(document: dict[str, Any]) -> bytes:
    """Return a document in the very bytes that are served and hashed."""
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()


def integrity_of(served: bytes) -> str:
    """Return the integrity metadata of a document (W3C Subresource Integrity)."""
    return "sha256-" + base64.b64encode(hashlib.sha256(served).digest()).decode()


def _display(name: Text, description: Text) -> list[dict[str, Any]]:
    return [{"locale": locale, "name": getattr(name, form), "description": getattr(description, form)} for locale, form in LOCALES.items()]


def _claim(name: str, label: Text, *, sd: str, mandatory: bool) -> dict[str, Any]:
    display = [{"locale": locale, "label": getattr(label, form)} for locale, form in LOCALES.items()]
    return {"path": [name], "display": display, "sd": sd, "mandatory": mandatory}


def _simple(public_url: str, licence_type: LicenceType) -> dict[str, Any]:
    logo = {"uri": f"{public_url}/{LOGO}", "uri#integrity": _logo_integrity(), "alt_text": "卡包 Kabao"}
    return {"logo": logo, "background_color": COLOURS[licence_type.colour].light, "text_color": TEXT}


@lru_cache(maxsize=1)
def _logo_integrity() -> str:
    return integrity_of((Path(runtime.__file__).parent / LOGO).read_bytes())


def _property(one: Field) -> dict[str, Any]:
    limits = {"maxLength": one.max_length, "minimum": one.minimum, "maximum": one.maximum} if one.type in ("string", "integer") else {}
    kinds: dict[str, dict[str, Any]] = {
        "integer": {"type": "integer"},
        "date": {"type": "string", "format": "date"},
        "choice": {"type": "string", "enum": list(one.choices)},
    }
    told = {"title": one.label.en, **{name: value for name, value in limits.items() if value is not None}}
    return {**kinds.get(one.type, {"type": "string"}), **told}
