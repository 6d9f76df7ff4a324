"""SD-JWT VC, with or without a key binding (RFC 9901, SD-JWT VC), before the checks. Pure."""

from collections.abc import Sequence
from functools import cached_property
from typing import Any

from keys import suites
from wallet.issuing import sd_jwt
from wallet.verifying.presentations import Presentation, chain_of, is_same, is_signed, is_time, read_header, read_object

TYPES = ("dc+sd-jwt", "vc+sd-jwt")  # today's and the older drafts' spelling
BINDING_TYPE, HASH = "kb+jwt", "sha-256"
SKEW_SECONDS = 60


class SdJwtPresentation(Presentation):
    """An SD-JWT, its chosen disclosures, and the holder's key binding."""

    format = TYPES[0]

    def __init__(self, unverified: str) -> None:
        self.unverified = unverified

    @cached_property
    def parts(self) -> sd_jwt.SdJwt:
        """The text taken apart."""
        return sd_jwt.parse(self.unverified)

    @cached_property
    def header(self) -> dict[str, Any]:
        """The issuer's header."""
        return read_header(self.parts.jwt)

    def check_form(self) -> None:
        """Read the header and the payload."""
        if "crit" in self.header or not isinstance(self.payload, dict):
            raise sd_jwt.MalformedSdJwt("something must be understood that is not")

    @property
    def chain(self) -> list[str]:
        """The certificates of the header."""
        return chain_of(self.header)

    def is_signed(self, key: suites.PublicKey) -> bool:
        """Whether the key signed the JWT."""
        return is_signed(self.parts.jwt, self.header, key)

    @property
    def type(self) -> str | None:
        """The `vct`, if `typ` says that it is an SD-JWT VC."""
        vct = self.payload.get("vct")
        return vct if self.header.get("typ") in TYPES and isinstance(vct, str) else None

    @cached_property
    def payload(self) -> dict[str, Any]:
        """What the issuer signed, digests and all."""
        return read_object(self.parts.jwt, 1)

    @cached_property
    def claims(self) -> dict[str, Any]:
        """The processed payload (RFC 9901 section 7.1)."""
        return sd_jwt.reveal(self.payload, self.parts.disclosures)

    @property
    def disclosed(self) -> tuple[str, ...]:
        """The names of the disclosures that stand at the top."""
        return tuple(str(one.name) for one in self.parts.disclosures if one.name in self.claims)

    @property
    def is_bound(self) -> bool:
        """Whether there is a key binding."""
        return bool(self.parts.key_binding)

    @cached_property
    def binding(self) -> dict[str, Any]:
        """The payload of the key binding, its signature not yet checked."""
        return read_object(self.parts.key_binding, 1)

    def is_bound_rightly(self) -> bool:
        """Whether the key of `cnf` signed, and over these disclosures."""
        bound, cnf = self.parts.key_binding, self.claims.get("cnf")
        header = read_header(bound)
        key = suites.key_from_jwk(cnf.get("jwk") if isinstance(cnf, dict) else None)
        is_right = header.get("typ") == BINDING_TYPE and "crit" not in header and is_signed(bound, header, key)
        return is_right and is_same(self.binding.get("sd_hash"), sd_jwt.sd_hash(self.parts.bound_text))

    def is_made_between(self, oldest: float, newest: float) -> bool:
        """Whether its `iat` is in that time."""
        made_at = self.binding.get("iat")
        return is_time(made_at) and oldest <= made_at <= newest

    def is_over(self, present: float) -> bool:
        """Whether a time that it sets itself is past, or to come: it must be good as a JWT in all other respects, too (section 7.3)."""
        begins_at, ends_at = self.binding.get("nbf", present), self.binding.get("exp", present + 1)
        return not (is_time(begins_at) and begins_at <= present + SKEW_SECONDS and is_time(ends_at) and present < ends_at)

    def is_for(self, audience: str | None) -> bool:
        """Whether its `aud` is just that."""
        return is_same(self.binding.get("aud"), audience)

    def is_of(self, nonce: str | None) -> bool:
        """Whether its `nonce` is just that."""
        return is_same(self.binding.get("nonce"), nonce)

    def confirms(self, acts: Sequence[str]) -> bool:
        """Whether the binding has the hash of each act, in whatever order, and of no other (OpenID4VP 1.0 appendix B.3.3.1)."""
        hashes, named = self.binding.get("transaction_data_hashes"), self.binding.get("transaction_data_hashes_alg", HASH)
        if not isinstance(hashes, list) or named != HASH or not all(isinstance(one, str) for one in hashes):
            return False
        return sorted(hashes) == sorted(sd_jwt.sd_hash(one) for one in acts)
