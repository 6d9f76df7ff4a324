"""W3C presentations as a JWT (`vp` in a `JWT`, data model 1.1 section 6.3.1), before the checks. Pure.

Inside is one credential as its issuer signed it; around it its holder signs for whom and for which occasion. Which key is the holder's is the
issuer's to say (`cnf`), not the presentation's: a name that it gives its holder must only not be of another key. OpenID4VP 1.0 appendix B.1.
"""

from contextlib import suppress
from functools import cached_property
from typing import Any

from keys import suites
from wallet.issuing import sd_jwt
from wallet.issuing.w3c_types import PRESENTATION
from wallet.presenting import holder_names
from wallet.verifying.presentations import is_same, is_signed, is_time, read_object
from wallet.verifying.vc_jwt_reading import TYPE_1_1, VcJwtPresentation

LONGEST = 2 * sd_jwt.MAX_TEXT  # base64url makes the credential inside a third longer
ALLOWED_TYPES = (None, TYPE_1_1)


class VpJwtPresentation(VcJwtPresentation):
    """A presentation of one W3C credential."""

    def __init__(self, unverified: str) -> None:
        super().__init__(_credential_in(unverified))
        self.proof = unverified

    def check_form(self) -> None:
        """Read the credential, as alone, and what its holder signed around it."""
        super().check_form()
        if "crit" in self.proof_header or not isinstance(self.bound, dict):
            raise sd_jwt.MalformedSdJwt("something must be understood that is not")

    @cached_property
    def proof_header(self) -> dict[str, Any]:
        """The holder's header."""
        return read_object(self.proof, 0)

    @cached_property
    def bound(self) -> dict[str, Any]:
        """What the holder signed, the signature not yet checked."""
        return read_object(self.proof, 1)

    @property
    def is_bound(self) -> bool:
        """Whether the holder signed: it would be no presentation otherwise."""
        return True

    @property
    def occasion(self) -> str | None:
        """The nonce that was given."""
        return "nonce"

    def is_bound_rightly(self) -> bool:
        """Whether the key of `cnf` signed, as a JWT and nothing else, and under no other key's name."""
        cnf = self.signed.get("cnf")
        jwk: Any = cnf.get("jwk") if isinstance(cnf, dict) else None
        key = suites.key_from_jwk(jwk)
        is_right = self.proof_header.get("typ") in ALLOWED_TYPES and is_signed(self.proof, self.proof_header, key)
        return is_right and self._is_named_rightly(jwk)

    def is_made_between(self, oldest: float, newest: float) -> bool:
        """Whether its `iat` is in that time and its `nbf` not after it, where it has them: no specification asks for either, and wallets in use write
        neither. That it is no older than the occasion, its nonce says."""
        made_at, begins_at = self.bound.get("iat"), self.bound.get("nbf")
        is_fresh = made_at is None or (is_time(made_at) and oldest <= made_at <= newest)
        return is_fresh and (begins_at is None or (is_time(begins_at) and begins_at <= newest))

    def is_over(self, present: float) -> bool:
        """Whether its `exp`, where it has one, is past."""
        ends_at = self.bound.get("exp")
        return ends_at is not None and not (is_time(ends_at) and present < ends_at)

    def is_for(self, audience: str | None) -> bool:
        """Whether its `aud` is just that, alone or as the one member of a list (RFC 7519 section 4.1.3)."""
        named = self.bound.get("aud")
        return is_same(named[0] if isinstance(named, list) and len(named) == 1 else named, audience)

    def is_of(self, nonce: str | None) -> bool:
        """Whether its `nonce` is just that."""
        return is_same(self.bound.get("nonce"), nonce)

    def _is_named_rightly(self, jwk: dict[str, Any]) -> bool:
        """Whether its two ways to name the holder say the same, and not another key's name."""
        holder = self.bound["vp"].get("holder")
        names = [one for one in (self.bound.get("iss"), holder.get("id") if isinstance(holder, dict) else holder) if one is not None]
        is_one = len({str(one) for one in names}) <= 1 and all(isinstance(one, str) for one in names)
        return is_one and not any(holder_names.is_of_another(one, jwk) for one in names)


def read_jwt(unverified: str) -> VcJwtPresentation:
    """Return what a compact JWS shows: a presentation, if it says so, or a credential alone; what is neither fails the first check."""
    is_presentation = False
    with suppress(ValueError):
        is_presentation = "vp" in read_object(unverified, 1) if len(unverified) <= LONGEST and sd_jwt.is_compact_jws(unverified) else False
    return VpJwtPresentation(unverified) if is_presentation else VcJwtPresentation(unverified)


def _credential_in(unverified: str) -> str:
    """Return the one credential in a presentation; nothing, which is malformed, if there is none, or more than one, or it is of another kind."""
    vp = read_object(unverified, 1).get("vp")
    if not isinstance(vp, dict) or not is_presentation_type(vp.get("type")):
        return ""
    held = vp.get("verifiableCredential")
    found = held[0] if isinstance(held, list) and len(held) == 1 else held
    return found if isinstance(found, str) else ""


def is_presentation_type(found: Any) -> bool:
    """Whether the `type` of something says that it is a presentation."""
    return PRESENTATION in (found if isinstance(found, list) else [found])
