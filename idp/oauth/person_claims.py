"""What a portal learns of whom it signed in: who they are to it, and name, number and the rest only where that was allowed.

They are told at the userinfo endpoint alone (OpenID Connect Core section 5.4): an ID token travels in addresses. What is allowed is what the
token's scopes say and, claim by claim, what the `claims` parameter asked for when the person consented (section 5.5). docs/claims.md has them all.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from idp.oauth import demands, scopes
from idp.oauth.access_tokens import AccessToken
from idp.oauth.assured import asking, verification
from idp.oauth.clients import Client
from idp.oauth.grantees import Grantee
from idp.oauth.requests import claims as asked_claims
from idp.signin import contacts
from idp.subjects import directory
from keys import jwe, ring
from runtime.settings import Settings

OF_TOKENS = ("sub", "sub_type", "act", "auth_time", "acr", "amr", "ial", "aal", "sid", "nonce", "at_hash")
BY_SCOPE: Mapping[str, Any] = {
    asking.VERIFICATION: {"trust_framework": None, "assurance_level": None, "time": None},
    asking.CLAIMS: None,
}


@dataclass(frozen=True, slots=True)
class Telling:
    """To whom, of whom, and by which token claims are told."""

    client: Client
    token: AccessToken
    grantee: Grantee
    settings: Settings
    now: datetime

    @property
    def asked_for(self) -> list[str]:
        """The scopes of claims that were asked for by name, as far as the client may have them still and the person is known well enough."""
        own = self.client.levels
        implied = asked_claims.implied(self.token.terms)
        return [scope for scope in implied if scope in self.client.scopes and self.token.level.covers(demands.demand_of(own, scope))]


def claims_of(session: Session, telling: Telling) -> dict[str, Any]:
    """Return `sub`, `sub_type`, `act`, `ial`, and of the rest what the token allows."""
    grantee, token = telling.grantee, telling.token
    claims = {**grantee.claims(telling.client.sector), "ial": str(token.level.ial)}
    known = _known(session, grantee.holder_id, {*token.scopes, *telling.asked_for})
    by_scope = {name for scope in token.scopes for name in scopes.CLAIMS.get(scope, ())}
    claims.update({name: value for name, value in known.items() if name in by_scope})
    claims.update(asked_claims.select(token.terms, known, telling.settings))
    if grantee.is_acting and scopes.PROFILE in token.scopes:
        claims["act"]["name"] = directory.name_of(directory.read_subject(grantee.person_id))
    verified = _verified(session, telling, known)
    return claims if verified is None else {**claims, "verified_claims": verified}


def announced(settings: Settings) -> dict[str, Any]:
    """Return how what a client is told can be signed and encrypted, and what it can be told, for discovery."""
    signed = list(ring.signing_suites(ring.OIDC))
    encrypted = {"encryption_alg_values_supported": list(jwe.ALGS), "encryption_enc_values_supported": list(jwe.ENCS)}
    return {
        **{f"{answer}_{name}": values for answer in ("id_token", "userinfo") for name, values in encrypted.items()},
        "id_token_signing_alg_values_supported": signed,
        "userinfo_signing_alg_values_supported": signed,
        "claims_supported": [*OF_TOKENS, *scopes.SCOPE_OF, "verified_claims"],
        "claim_types_supported": ["normal"],
        **verification.announced(settings),
    }


def _known(session: Session, holder_id: UUID, allowed: Collection[str]) -> dict[str, Any]:
    """Return every claim of some scopes that there is of a holder."""
    known: dict[str, Any] = {}
    if not {scopes.PROFILE, scopes.NUMBER, scopes.BIRTHDATE}.isdisjoint(allowed):
        known.update(_registered(holder_id))
    if not {scopes.EMAIL, scopes.PHONE}.isdisjoint(allowed):
        known.update(_reached(session, holder_id))
    return {name: value for name, value in known.items() if scopes.SCOPE_OF[name] in allowed and value is not None}


def _registered(holder_id: UUID) -> dict[str, Any]:
    subject = directory.read_subject(holder_id)
    number = directory.number_of(subject)
    born = number.born
    return {
        "name": directory.name_of(subject),
        "number": number.value,
        "number_type": number.holder_code_type,
        "birthdate": born.isoformat() if born else None,
        "gender": number.sex,
    }


def _reached(session: Session, holder_id: UUID) -> dict[str, Any]:
    """Return the address of each kind that was given first and verified."""
    found: dict[str, Any] = {}
    for contact in reversed(contacts.verified_of(session, holder_id)):
        name = "email" if contact.kind == contacts.EMAIL else "phone_number"
        found.update({name: contact.address, f"{name}_verified": True})
    return found


def _verified(session: Session, telling: Telling, known: Mapping[str, Any]) -> Any:
    """Return `verified_claims`: as the parameter asks, or by scope alone, of what the scopes allow; None where there are none."""
    terms, grantee = telling.token.terms, telling.grantee
    asked = asked_claims.verified_of(terms)
    by_scope = scopes.ASSURANCE in telling.token.scopes and asked is None
    if grantee.is_acting or not (by_scope or scopes.ASSURANCE in telling.asked_for):
        return None
    proven = verification.verification_of(session, grantee.person_id, now=telling.now)
    if proven is None:
        return None
    of_scopes = {name for scope in telling.token.scopes for name in scopes.CLAIMS.get(scope, ())}

    def told(names: Any) -> dict[str, Any]:
        wanted = dict.fromkeys(of_scopes) if names is None else names
        return {name: known[name] for name in verification.CLAIMS if _is_told(wanted, name, known, telling.settings)}

    return asking.fill(BY_SCOPE if asked is None else asked, verification=proven, claims=told, now=telling.now)


def _is_told(wanted: Mapping[str, Any], name: str, known: Mapping[str, Any], settings: Settings) -> bool:
    return name in wanted and name in known and asked_claims.is_wanted(wanted[name], name, known[name], settings)
