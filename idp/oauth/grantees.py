"""Whom a portal deals with: a person for themselves, or one who acts for an organisation or for a child."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from idp.oauth.pairwise import pairwise_sub
from idp.subjects.mandates import Mandate

PERSON, ORGANISATION = "person", "organisation"


@dataclass(frozen=True, slots=True)
class Grantee:
    """Whom a token is for: the holder, and the person who acts where that is another, until when at most; `for_child` if the holder is a person."""

    holder_id: UUID
    person_id: UUID
    for_child: bool = False
    until: datetime | None = None

    @classmethod
    def under(cls, mandate: Mandate, person_id: UUID) -> "Grantee":
        """Return one who acts under a mandate."""
        return cls(mandate.holder_id, person_id, mandate.is_for_child, mandate.valid_until)

    @property
    def is_acting(self) -> bool:
        """Whether a person acts for an organisation, or for a child."""
        return self.holder_id != self.person_id

    def claims(self, sector: str) -> dict[str, Any]:
        """Return `sub`, `sub_type` and, when acting, `act`."""
        kind = ORGANISATION if self.is_acting and not self.for_child else PERSON
        claims: dict[str, Any] = {"sub": pairwise_sub(self.holder_id, sector), "sub_type": kind}
        if self.is_acting:
            claims["act"] = {"sub": pairwise_sub(self.person_id, sector)}
        return claims
