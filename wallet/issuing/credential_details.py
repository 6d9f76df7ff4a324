"""Authorization details of type `openid_credential`: which credential a wallet may have issued (OpenID4VCI 1.0 section 5.1.1).

A credential configuration is a licence type, by its short name.
"""

from typing import Any

from idp.oauth import resources
from idp.oauth.requests import authorization_details
from idp.oauth.requests.authorization_details import Detail, Faulty, Words
from idp.oauth.requests.detail_fields import check_locations, check_names, check_text
from runtime.languages import Text
from runtime.settings import Settings
from wallet.register.catalogue import LicenceType, LicenceTypeNotFound, get_type
from wallet.register.definitions import CLAIMS_OF_EVERY_LICENCE

OPENID_CREDENTIAL = "openid_credential"
MOST_CLAIMS, LONGEST = 100, 60


class CredentialDetails:
    """The type, as RFC 9396 asks of one."""

    scopes: frozenset[str] = frozenset()

    def check(self, detail: Detail, *, settings: Settings) -> None:
        """Check the fields; raises Faulty."""
        check_names(detail, required=["credential_configuration_id"], optional=["claims", "locations"])
        check_text(detail["credential_configuration_id"], "credential_configuration_id", longest=LONGEST)
        licence_type = find_configuration(detail["credential_configuration_id"])
        if licence_type is None:
            raise Faulty("credential_configuration_id is not one that there is.")
        if "locations" in detail:
            check_locations(detail["locations"], [settings.public_url, resources.own(settings)])
        if "claims" in detail:
            _check_claims(detail["claims"], licence_type)

    def covers(self, granted: Detail, asked: Detail) -> bool:
        """Whether it is the same configuration, and claims no more than those granted."""
        if asked["credential_configuration_id"] != granted["credential_configuration_id"]:
            return False
        return "claims" not in granted or ("claims" in asked and all(claim in granted["claims"] for claim in asked["claims"]))

    def words(self, detail: Detail) -> Words:
        """Return which credential, and which of its claims."""
        licence_type = find_configuration(detail["credential_configuration_id"])
        name = licence_type.name if licence_type is not None else Text("证照", "licence")
        title = Text(f"领取您的“{name.zh}”电子凭证，存入该应用", f"Receive a credential of your {name.en}, to keep in the application")
        if "claims" not in detail or licence_type is None:
            return Words(title)
        labels = [_label(licence_type, claim["path"][0]) for claim in detail["claims"]]
        shown = Text("、".join(each.zh for each in labels), ", ".join(each.en for each in labels))
        return Words(title, ((Text("包含项目", "With these fields"), shown),))

    def enriched(self, detail: Detail) -> dict[str, Any]:
        """Return the detail with the identifiers by which the credential is asked for (section 6.2)."""
        return {"credential_identifiers": [detail["credential_configuration_id"]], **detail}


def find_configuration(credential_configuration_id: str) -> LicenceType | None:
    """Return the licence type that a credential configuration stands for, or None."""
    try:
        found = get_type(credential_configuration_id)
    except LicenceTypeNotFound:
        return None
    return found if found.slug == credential_configuration_id else None


def _check_claims(value: Any, licence_type: LicenceType) -> None:
    """Check claims descriptions (appendix B.1): a path into the credential, and whether it is mandatory."""
    if not isinstance(value, list) or not 0 < len(value) <= MOST_CLAIMS:
        raise Faulty(f"claims is not an array of one to {MOST_CLAIMS} descriptions.")
    for each in value:
        if not isinstance(each, dict) or not {"path"} <= set(each) <= {"path", "mandatory"} or not isinstance(each.get("mandatory", False), bool):
            raise Faulty("claims holds something else than a path and mandatory.")
        if not isinstance(each["path"], list) or len(each["path"]) != 1 or not isinstance(each["path"][0], str):
            raise Faulty("The path of a claim is not the name of one field.")
        if each["path"][0] not in CLAIMS_OF_EVERY_LICENCE and licence_type.find_field(each["path"][0]) is None:
            raise Faulty("claims names a field that the credential does not have.")
    if any(one["path"] == other["path"] for number, one in enumerate(value) for other in value[:number]):
        raise Faulty("claims names the same twice.")


def _label(licence_type: LicenceType, name: str) -> Text:
    every = {
        "holder_name": Text("持证人", "Holder"),
        "holder_number": Text("持证人号码", "Holder's number"),
        "licence_number": Text("证照编号", "Licence number"),
        "licence_identifier": Text("证照标识", "Licence identifier"),
    }
    found = licence_type.find_field(name)
    return found.label if found is not None else every.get(name, Text(name, name))


authorization_details.declare(OPENID_CREDENTIAL, CredentialDetails())
