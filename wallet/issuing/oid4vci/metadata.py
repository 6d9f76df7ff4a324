"""The issuer's metadata: what can be had, in which forms, how it is shown, and where (OpenID4VCI 1.0 section 12.2).

Put together from what each part announces, nothing but what answers. It is the same for everyone, and a signed form of it goes with a
certificate under the root, which never travels itself.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from idp.oauth import profiles, resources
from keys import ring
from runtime.languages import Text
from runtime.settings import Settings
from wallet.issuing.contents import type_uri
from wallet.issuing.formats import MDOC, SD_JWT_VC
from wallet.issuing.formats import VC_JWT_1_1 as JWT_VC
from wallet.issuing.oid4vci import credential_api, messages
from wallet.issuing.oid4vci.configurations import Configuration, all_configurations
from wallet.issuing.vc_jwt import types_of
from wallet.register.catalogue import LicenceType

TYPE = "openidvci-issuer-metadata+jwt"
LIFETIME = timedelta(days=1)
LOCALES = {"zh-CN": "zh", "en": "en"}
NAME = Text("卡包电子证照服务", "Kabao e-licence service")
OF_EVERY_LICENCE = {
    "holder_name": Text("持证人", "Holder"),
    "holder_number": Text("持证人号码", "Holder's number"),
    "licence_number": Text("证照编号", "Licence number"),
    "licence_identifier": Text("证照标识", "Licence identifier"),
    "licence_valid_from": Text("有效期起", "Valid from"),
    "licence_valid_until": Text("有效期止", "Valid until"),
}
BACKGROUNDS = {
    "red": "#9B2C2C",
    "rose": "#9D3B5E",
    "amber": "#8A5A0B",
    "green": "#276749",
    "teal": "#1F6B70",
    "blue": "#245A9C",
    "indigo": "#3F4A9A",
    "purple": "#6B3F8E",
    "brown": "#7A4A2A",
    "slate": "#44546A",
}
TEXT_COLOUR = "#FFFFFF"


def document_of(settings: Settings) -> dict[str, Any]:
    """Return the whole metadata."""
    return {
        "credential_issuer": resources.credential_issuer(settings),
        **credential_api.announced(settings),
        **messages.announced(settings),
        "display": [{"name": getattr(NAME, form), "locale": locale, "logo": _logo(settings, form)} for locale, form in LOCALES.items()],
        "credential_configurations_supported": {one.id: _configuration(one, settings) for one in all_configurations()},
    }


def signed(settings: Settings, *, now: datetime) -> str:
    """Return the metadata as a signed token (section 12.2.3); raises KeyNotReady."""
    claims = {
        "iss": resources.credential_issuer(settings),
        "sub": resources.credential_issuer(settings),
        "iat": int(now.timestamp()),
        "exp": int((now + LIFETIME).timestamp()),
    }
    return ring.signer(ring.METADATA).sign({**document_of(settings), **claims}, typ=TYPE)


def _configuration(one: Configuration, settings: Settings) -> dict[str, Any]:
    proof: dict[str, Any] = {"proof_signing_alg_values_supported": list(one.profile.proving)}
    if profiles.are_all_keys_attested(settings):
        proof["key_attestations_required"] = {}
    return {
        "format": one.format.name,
        **_of_format(one, settings),
        "scope": one.scope,
        "cryptographic_binding_methods_supported": [one.profile.binding],
        "credential_signing_alg_values_supported": list(one.profile.signing),
        "proof_types_supported": {"jwt": proof, "attestation": proof},
        "credential_metadata": {"display": _display(one.licence_type, settings), "claims": list(_claims(one))},
    }


def _of_format(one: Configuration, settings: Settings) -> dict[str, Any]:
    if one.format.name == SD_JWT_VC:
        return {"vct": type_uri(settings, one.licence_type)}
    if one.format.name == MDOC:
        return {"doctype": one.licence_type.doctype}
    return {"credential_definition": {"type": types_of(one.licence_type.slug)}}


def _display(licence_type: LicenceType, settings: Settings) -> list[dict[str, Any]]:
    return [
        {
            "name": getattr(licence_type.name, form),
            "locale": locale,
            "description": getattr(licence_type.description, form),
            "logo": _logo(settings, form),
            "background_color": BACKGROUNDS.get(licence_type.colour, BACKGROUNDS["slate"]),
            "text_color": TEXT_COLOUR,
        }
        for locale, form in LOCALES.items()
    ]


def _claims(one: Configuration) -> Iterable[dict[str, Any]]:
    above = {MDOC: [one.licence_type.doctype], JWT_VC: ["credentialSubject"]}.get(one.format.name, [])
    for name, label in OF_EVERY_LICENCE.items():
        yield _claim([*above, name], label, mandatory=name != "licence_valid_until" or one.licence_type.validity.rule == "dated")
    for field in one.licence_type.fields:
        yield _claim([*above, field.name], field.label, mandatory=field.required)


def _claim(path: list[str], label: Text, *, mandatory: bool) -> dict[str, Any]:
    return {"path": path, "mandatory": mandatory, "display": [{"name": getattr(label, form), "locale": locale} for locale, form in LOCALES.items()]}


def _logo(settings: Settings, form: str) -> dict[str, str]:
    return {"uri": f"{settings.public_url}/static/logo.svg", "alt_text": getattr(Text("卡包", "Kabao"), form)}
