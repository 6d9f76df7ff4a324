"""How and when the person signed in, and how well they are known: what the tokens say of it. Pure."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from idp.signin.assurance import aal_of, acr_of

SKEW = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Authentication:
    """A sign-in, and the nonce of the portal's request; `ial` is how well the person was known when the portal was answered."""

    session_id: UUID
    auth_time: datetime
    amr: list[str]
    ial: int
    nonce: str | None = None

    @property
    def aal(self) -> int:
        """How strong the sign-in was."""
        return aal_of(self.amr)

    def brief_claims(self) -> dict[str, Any]:
        """Return `acr` and `auth_time`, for an access token (RFC 9068 section 2.2.1, RFC 9470 section 6.1)."""
        return {"acr": acr_of(self.ial, self.aal), "auth_time": int(self.auth_time.timestamp())}

    def claims(self) -> dict[str, Any]:
        """Return those and `amr`, `ial`, `aal`, for an ID token."""
        return {**self.brief_claims(), "amr": self.amr, "ial": str(self.ial), "aal": str(self.aal)}


def is_from_future(auth_time: datetime, *, now: datetime) -> bool:
    """Whether somebody signed in where a clock is wrong: that would be recent for as long as it is ahead, and newer than whatever was asked for."""
    return auth_time > now + SKEW
