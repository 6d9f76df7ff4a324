"""W3C Verifiable Credentials as a JWT, in two forms: of the data model 2.0 (`vc+jwt`, Securing Verifiable Credentials using JOSE and COSE),
and of 1.1 with its `vc` claim, which is what OpenID4VCI 1.0 means by `jwt_vc_json`.

Nothing in them can be hidden: whoever is shown one sees the whole licence. They are for those who speak nothing else.
"""

from datetime import UTC, datetime
from typing import Any

from keys import certificates, ring
from runtime.settings import Settings
from wallet.issuing import status_lists, times
from wallet.issuing.contents import Content
from wallet.issuing.copy_marks import Marking
from wallet.issuing.status_lists import Place
from wallet.issuing.times import Times
from wallet.issuing.w3c_types import SUBJECT, VERIFIABLE, type_of

FORMAT, TYPE, CONTENT_TYPE = "vc+jwt", "vc+jwt", "vc"
FORMAT_1_1, TYPE_1_1 = "jwt_vc_json", "JWT"
CONTEXT, CONTEXT_1_1 = "https://www.w3.org/ns/credentials/v2", "https://www.w3.org/2018/credentials/v1"


def make(settings: Settings, content: Content, *, holder_key: dict[str, Any] | None, place: Place, now: datetime) -> str:
    """Return a credential of the data model 2.0, which is the payload itself; raises KeyNotReady if the department has no key."""
    signer = ring.signer(certificates.department_use(content.department))
    moments = times.passing(content, chain=signer.chain, lifetime=settings.credential_lifetime, now=now)
    return _sign(settings, content, signer, moments, holder_key, place)


def make_lasting(settings: Settings, content: Content, *, place: Place, now: datetime, marking: Marking | None = None) -> str:
    """Return the same for as long as the licence holds, bound to nobody: what a sealed document carries inside; raises KeyNotReady.

    With a marking it is that of a marked copy, which is over when that says so, and before if the licence is.
    """
    signer = ring.signer(certificates.department_use(content.department))
    return _sign(settings, content, signer, times.lasting(content, chain=signer.chain, now=now, marking=marking), None, place, marking)


def _sign(
    settings: Settings,
    content: Content,
    signer: ring.Signer,
    moments: Times,
    holder_key: dict[str, Any] | None,
    place: Place,
    marking: Marking | None = None,
) -> str:
    credential = {
        "@context": [CONTEXT, {"@vocab": f"{content.vct}#"}],
        "type": types_of(content.licence_type.slug),
        "issuer": content.issuer,
        "validFrom": _written(moments.begins_at),
        **({"validUntil": _written(moments.ends_at)} if moments.ends_at else {}),
        "credentialSubject": subject_of(content),
        "credentialSchema": {"id": f"{content.vct}/schema", "type": "JsonSchema"},
        "credentialStatus": {"type": "TokenStatusList", "status_list": _status(settings, place)},
        **({"termsOfUse": [marking.as_terms()]} if marking else {}),
    }
    return signer.sign({**credential, **_claims(settings, content, moments, holder_key, place)}, typ=TYPE, headers={"cty": CONTENT_TYPE})


def make_1_1(settings: Settings, content: Content, *, holder_key: dict[str, Any] | None, place: Place, now: datetime) -> str:
    """Return a credential of the data model 1.1, in the claim `vc` (its section 6.3.1); raises KeyNotReady."""
    signer = ring.signer(certificates.department_use(content.department))
    moments = times.passing(content, chain=signer.chain, lifetime=settings.credential_lifetime, now=now)
    ends = {"expirationDate": _written(moments.ends_at)} if moments.ends_at else {}
    credential = {**said_1_1(content), "issuanceDate": _written(moments.begins_at), **ends}
    return signer.sign({"vc": credential, **_claims(settings, content, moments, holder_key, place)}, typ=TYPE_1_1)


def said_1_1(content: Content) -> dict[str, Any]:
    """Return what such a credential says, whenever it is made: all but its dates."""
    return {
        "@context": [CONTEXT_1_1],
        "type": types_of(content.licence_type.slug),
        "issuer": content.issuer,
        SUBJECT: subject_of(content),
        "credentialSchema": {"id": f"{content.vct}/schema", "type": "JsonSchemaValidator2018"},
    }


def types_of(slug: str) -> list[str]:
    """Return the `type` of a credential."""
    return [VERIFIABLE, type_of(slug)]


def subject_of(content: Content) -> dict[str, Any]:
    """Return what the credential says: the licence whole, under the names that its SD-JWT VC has."""
    return {**content.values, "licence_identifier": content.identifier, **content.dates}


def _claims(settings: Settings, content: Content, moments: Times, holder_key: dict[str, Any] | None, place: Place) -> dict[str, Any]:
    """Return the registered claims, which say the same as the credential, and whose key binds it."""
    claims: dict[str, Any] = {
        "iss": content.issuer,
        "iat": int(moments.made_at.timestamp()),
        "nbf": max(0, int(moments.begins_at.timestamp())),
        **({"exp": int(moments.ends_at.timestamp())} if moments.ends_at else {}),
        "status": {"status_list": _status(settings, place)},
    }
    return claims if holder_key is None else {**claims, "cnf": {"jwk": holder_key}}


def _status(settings: Settings, place: Place) -> dict[str, Any]:
    return {"idx": place.index, "uri": status_lists.uri_of(settings, place.list_id)}


def _written(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
