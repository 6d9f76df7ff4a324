"""What a portal learns of whom it signed in: who they are to it, and name and number only where that was allowed.

They are told at the userinfo endpoint alone (OpenID Connect Core section 5.4): an ID token travels in addresses.
"""

from collections.abc import Collection
from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from idp.oauth import scopes
from idp.oauth.grantees import Grantee
from idp.subjects import directory


def claims_of(session: Session, grantee: Grantee, *, allowed: Collection[str], sector: str) -> dict[str, Any]:
    """Return `sub`, `sub_type`, `act` and, by scope, `name`, `number` and `number_type` (the holder code type)."""
    claims = grantee.claims(sector)
    claims.update(_personal(session, grantee.holder_id, allowed))
    if grantee.is_acting and scopes.PROFILE in allowed:
        claims["act"]["name"] = directory.name_of(directory.get_subject(session, grantee.person_id))
    return claims


def _personal(session: Session, holder_id: UUID, allowed: Collection[str]) -> dict[str, str]:
    claims: dict[str, str] = {}
    if scopes.PROFILE not in allowed and scopes.NUMBER not in allowed:
        return claims
    subject = directory.get_subject(session, holder_id)
    if scopes.PROFILE in allowed:
        claims["name"] = directory.name_of(subject)
    if scopes.NUMBER in allowed:
        number = directory.number_of(subject)
        claims.update(number=number.value, number_type=number.holder_code_type)
    return claims
