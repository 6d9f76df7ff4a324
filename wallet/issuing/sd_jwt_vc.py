"""SD-JWT VC (draft-ietf-oauth-sd-jwt-vc over RFC 9901): a licence each of whose fields its holder may keep to themselves.

The department's own key signs and its certificate goes along (`x5c`). In the open stand only the issuer, the type, the validity, the
status, the licence identifier, and the fields that the type does not let be hidden.
"""

from datetime import datetime
from typing import Any

from keys import certificates, ring
from runtime.settings import Settings
from wallet.issuing import sd_jwt, status_lists
from wallet.issuing.contents import Content
from wallet.issuing.status_lists import Place

TYPE = "dc+sd-jwt"


def make(settings: Settings, content: Content, *, holder_key: dict[str, Any] | None, place: Place, now: datetime) -> str:
    """Return the whole SD-JWT, with all its disclosures and without a key binding; raises KeyNotReady if the department has no key."""
    claims = {**_open_claims(settings, content, place=place, now=now), **content.values}
    if holder_key is not None:
        claims["cnf"] = {"jwk": holder_key}
    payload, disclosures = sd_jwt.conceal(claims, hidden=content.hideable)
    signed = ring.signer(certificates.department_use(content.department)).sign(payload, typ=TYPE)
    return sd_jwt.combine(signed, disclosures)


def _open_claims(settings: Settings, content: Content, *, place: Place, now: datetime) -> dict[str, Any]:
    claims: dict[str, Any] = {
        "iss": content.issuer,
        "vct": content.vct,
        "iat": int(now.timestamp()),
        "nbf": max(0, int(content.begins_at.timestamp())),
        "status": {"status_list": {"idx": place.index, "uri": status_lists.uri_of(settings, place.list_id)}},
        "licence_identifier": content.identifier,
    }
    if content.expires_at is not None:
        claims["exp"] = int(content.expires_at.timestamp())
    return claims
