"""SD-JWT VC (draft-ietf-oauth-sd-jwt-vc over RFC 9901): a licence each of whose fields its holder may keep to themselves.

The department's own key signs and its certificate goes along (`x5c`). In the open stand only the issuer, the type, the validity, the
status, and the fields that the type does not let be hidden. A credential that stays here names its licence in the open; one that goes to
a wallet elsewhere hides that too, and the licence's own dates, so that nothing in it recognises its siblings.
"""

from datetime import datetime
from typing import Any

from keys import certificates, ring
from runtime.settings import Settings
from wallet.issuing import sd_jwt, status_lists, times
from wallet.issuing.contents import Content
from wallet.issuing.status_lists import Place
from wallet.issuing.times import Times

TYPE = "dc+sd-jwt"


def make(settings: Settings, content: Content, *, holder_key: dict[str, Any] | None, place: Place, now: datetime) -> str:
    """Return an SD-JWT for a wallet elsewhere, with all its disclosures and without a key binding.

    Raises KeyNotReady if the department has no key.
    """
    signer = ring.signer(certificates.department_use(content.department))
    moments = times.passing(content, chain=signer.chain, lifetime=settings.credential_lifetime, now=now)
    hidden = {"licence_identifier": content.identifier, **content.dates, **content.hideable}
    return _sign(signer, content, _open(settings, content, moments, holder_key, place), hidden)


def make_lasting(settings: Settings, content: Content, *, holder_key: dict[str, Any], place: Place, now: datetime) -> str:
    """Return the SD-JWT that the wallet here keeps for as long as the licence holds; raises KeyNotReady."""
    signer = ring.signer(certificates.department_use(content.department))
    moments = times.lasting(content, chain=signer.chain, now=now)
    claims = {**_open(settings, content, moments, holder_key, place), "licence_identifier": content.identifier}
    return _sign(signer, content, claims, content.hideable)


def _sign(signer: ring.Signer, content: Content, claims: dict[str, Any], hidden: dict[str, Any]) -> str:
    payload, disclosures = sd_jwt.conceal({**claims, **hidden}, hidden=hidden, decoys=_decoys(content))
    return sd_jwt.combine(signer.sign(payload, typ=TYPE), disclosures)


def _decoys(content: Content) -> int:
    """Return how many digests stand for nothing: one for each field that the licence lacks, so that none can be told to be absent."""
    return sum(one.hideable and one.name not in content.values for one in content.licence_type.fields)


def _open(settings: Settings, content: Content, moments: Times, holder_key: dict[str, Any] | None, place: Place) -> dict[str, Any]:
    hideable = content.hideable
    claims: dict[str, Any] = {
        "iss": content.issuer,
        "vct": content.vct,
        "iat": int(moments.made_at.timestamp()),
        "nbf": max(0, int(moments.begins_at.timestamp())),
        "status": {"status_list": {"idx": place.index, "uri": status_lists.uri_of(settings, place.list_id)}},
        **{name: value for name, value in content.values.items() if name not in hideable},
    }
    if moments.ends_at is not None:
        claims["exp"] = int(moments.ends_at.timestamp())
    return claims if holder_key is None else {**claims, "cnf": {"jwk": holder_key}}
