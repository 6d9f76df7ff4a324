"""Authorization details of type `openid_credential`: which credential a wallet may have issued (OpenID4VCI 1.0 section 5.1.1).

A scope of a licence type stands for the details of all its forms. Each token says by which identifiers the licences are asked for that the
holder has of the type this moment, so that a refreshed token is good for what has changed since.
"""

from typing import Any

from idp.oauth import resources
from idp.oauth.requests import authorization_details, detail_scopes
from idp.oauth.requests.authorization_details import Detail, Details, Faulty, Holder, Words
from idp.oauth.requests.detail_fields import check_locations, check_text
from runtime.languages import Text
from runtime.settings import Settings
from wallet.issuing.oid4vci import identifiers
from wallet.issuing.oid4vci.configurations import LONGEST, SCOPE_PREFIX, all_configurations, find_configuration, of_scope
from wallet.register.catalogue import LicenceType
from wallet.register.definitions import CLAIMS_OF_EVERY_LICENCE

OPENID_CREDENTIAL = "openid_credential"
CONFIGURATION, IDENTIFIERS = "credential_configuration_id", "credential_identifiers"
MOST_CLAIMS = 100
ASIDE = frozenset({"type", CONFIGURATION, "claims", "locations"})


class CredentialDetails:
    """The type, as RFC 9396 asks of one."""

    scopes: frozenset[str] = frozenset()

    def check(self, detail: Detail, *, settings: Settings) -> None:
        """Check the fields; raises Faulty. Fields that are not known here are never at fault (section 5.1.1), save what a response says."""
        if CONFIGURATION not in detail:
            raise Faulty(f"{CONFIGURATION} is missing.")
        if IDENTIFIERS in detail:
            raise Faulty(f"{IDENTIFIERS} are given in a response, not asked for.")
        check_text(detail[CONFIGURATION], CONFIGURATION, longest=LONGEST)
        configuration = find_configuration(detail[CONFIGURATION])
        if configuration is None:
            raise Faulty(f"{CONFIGURATION} is not one that there is.")
        if "locations" in detail:
            check_locations(detail["locations"], [resources.credential_issuer(settings), resources.own(settings)])
        if "claims" in detail:
            _check_claims(detail["claims"], configuration.licence_type)

    def covers(self, granted: Detail, asked: Detail) -> bool:
        """Whether it is the same configuration, and claims no more than those granted."""
        if asked[CONFIGURATION] != granted[CONFIGURATION]:
            return False
        return "claims" not in granted or ("claims" in asked and all(claim in granted["claims"] for claim in asked["claims"]))

    def words(self, detail: Detail) -> Words:
        """Return which credential, and which of its claims; in which form it comes is nothing to decide on."""
        configuration = find_configuration(detail[CONFIGURATION])
        name = configuration.licence_type.name if configuration is not None else Text("证照", "licence")
        title = Text(f"领取您的“{name.zh}”电子凭证，存入该应用", f"Receive credentials of your {name.en}, to keep in the application")
        if "claims" not in detail or configuration is None:
            return Words(title, (LASTING,))
        labels = [_label(configuration.licence_type, claim["path"][-1]) for claim in detail["claims"]]
        shown = Text("、".join(each.zh for each in labels), ", ".join(each.en for each in labels))
        return Words(title, ((Text("包含项目", "With these fields"), shown), LASTING))

    def enriched(self, detail: Detail, *, holder: Holder | None) -> dict[str, Any]:
        """Return the detail with the identifiers by which the holder's credentials are asked for (section 6.2); an offer names its own."""
        known = {name: value for name, value in detail.items() if name in ASIDE or name == IDENTIFIERS}
        configuration = find_configuration(detail[CONFIGURATION])
        if holder is None or configuration is None:
            return {IDENTIFIERS: [detail[CONFIGURATION]], **known}
        if IDENTIFIERS in known:
            return {**known, IDENTIFIERS: identifiers.followed(holder.session, known[IDENTIFIERS], holder_id=holder.id)}
        return {**known, IDENTIFIERS: identifiers.of_holder(holder.session, configuration, holder_id=holder.id)}


LASTING = (Text("证照变更后", "When the licence changes"), Text("该应用可以自动换领新的凭证", "The application may fetch the new one by itself"))


def _check_claims(value: Any, licence_type: LicenceType) -> None:
    """Check claims descriptions (appendix B.1): a path into the credential, and whether it is mandatory."""
    if not isinstance(value, list) or not 0 < len(value) <= MOST_CLAIMS:
        raise Faulty(f"claims is not an array of one to {MOST_CLAIMS} descriptions.")
    for each in value:
        if not isinstance(each, dict) or not {"path"} <= set(each) <= {"path", "mandatory"} or not isinstance(each.get("mandatory", False), bool):
            raise Faulty("claims holds something else than a path and mandatory.")
        if not isinstance(each["path"], list) or not 0 < len(each["path"]) <= 2 or not all(isinstance(part, str) for part in each["path"]):
            raise Faulty("The path of a claim is not the name of one field.")
        if each["path"][-1] not in CLAIMS_OF_EVERY_LICENCE and licence_type.find_field(each["path"][-1]) is None:
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


def _meaning(scope: str) -> Details:
    return tuple({"type": OPENID_CREDENTIAL, CONFIGURATION: one.id} for one in of_scope(scope))


def _every() -> list[str]:
    return list(dict.fromkeys(one.scope for one in all_configurations()))


authorization_details.declare(OPENID_CREDENTIAL, CredentialDetails(), audience=resources.credential_issuer)
detail_scopes.declare(SCOPE_PREFIX, detail_scopes.Family(OPENID_CREDENTIAL, _meaning, _every))
