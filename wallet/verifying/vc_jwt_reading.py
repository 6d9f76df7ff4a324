"""W3C credentials as a JWT, of the data model 2.0 (`vc+jwt`) or 1.1 (`vc` in a `JWT`), before the checks. Pure.

Nothing in them is hidden and nobody's proof comes along: they tell that an issuer said this, not who shows it. That a presentation around one
tells (`vp_jwt_reading`). The times of the JWT are those of its signature; how long what is said holds, the credential itself may say (data model 2.0
section 4.9, VC-JOSE-COSE section 3.1.3), and the narrower of both counts.
"""

from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from functools import cached_property
from typing import Any

from keys import suites
from wallet.issuing import copy_marks, sd_jwt, w3c_types
from wallet.issuing.copy_marks import Marking
from wallet.verifying.presentations import Presentation, chain_of, is_signed, is_time, read_object

TYPE, TYPE_1_1 = "vc+jwt", "JWT"
SCHEMA = "/schema"
REGISTERED = frozenset({"iss", "aud", "vct", "iat", "nbf", "exp", "cnf", "status"})
ALWAYS = frozenset({"licence_identifier", "licence_valid_from", "licence_valid_until"})
TIMES: tuple[tuple[str, frozenset[str], Callable[..., float]], ...] = (
    ("nbf", frozenset({"validFrom", "issuanceDate"}), max),
    ("exp", frozenset({"validUntil", "expirationDate"}), min),
)


class VcJwtPresentation(Presentation):
    """A W3C credential. Its `vct` is the address of the type, under which its schema stands."""

    format = "jwt_vc_json"

    def __init__(self, unverified: str) -> None:
        self.unverified = unverified

    def check_form(self) -> None:
        """Read the header, the payload and the credential in it."""
        if len(self.unverified) > sd_jwt.MAX_TEXT or not sd_jwt.is_compact_jws(self.unverified):
            raise sd_jwt.MalformedSdJwt("not a compact JWS")
        issuer = self.credential.get("issuer")
        named = issuer.get("id") if isinstance(issuer, dict) else issuer
        if "crit" in self.header or named != self.signed.get("iss", named):
            raise sd_jwt.MalformedSdJwt("something must be understood that is not, or it names two issuers")
        _ = self.subject, self.payload

    @cached_property
    def header(self) -> dict[str, Any]:
        """The issuer's header."""
        return read_object(self.unverified, 0)

    @cached_property
    def signed(self) -> dict[str, Any]:
        """The JWT's payload."""
        return read_object(self.unverified, 1)

    @property
    def credential(self) -> dict[str, Any]:
        """The credential: the payload itself, or its `vc` in the data model 1.1."""
        found = self.signed.get("vc") if self.header.get("typ") == TYPE_1_1 else self.signed
        if not isinstance(found, dict):
            raise sd_jwt.MalformedSdJwt("no credential")
        return found

    @property
    def subject(self) -> dict[str, Any]:
        """What the credential says."""
        found = self.credential.get("credentialSubject")
        if not isinstance(found, dict):
            raise sd_jwt.MalformedSdJwt("it is about no one, or about several")
        return found

    @property
    def chain(self) -> list[str]:
        """The certificates of the header."""
        return chain_of(self.header)

    def is_signed(self, key: suites.PublicKey) -> bool:
        """Whether the key signed the JWT."""
        return is_signed(self.unverified, self.header, key)

    @property
    def type(self) -> str | None:
        """The address of the type, if `typ` says that it is a credential."""
        schema = self.credential.get("credentialSchema")
        at = schema.get("id") if isinstance(schema, dict) else None
        is_credential = self.header.get("typ") in (TYPE, TYPE_1_1) and isinstance(at, str) and at.endswith(SCHEMA)
        return at.removesuffix(SCHEMA) if is_credential and isinstance(at, str) else None

    @property
    def names_status(self) -> bool:
        """Whether there is the claim, or the W3C's own member for it (data model 2.0 section 4.10), of whichever type."""
        return super().names_status or "credentialStatus" in self.credential

    @property
    def types(self) -> frozenset[str]:
        """The types of the credential, as a query may name them."""
        found = self.credential.get("type")
        return w3c_types.expanded(one for one in (found if isinstance(found, list) else [found]) if isinstance(one, str))

    @property
    def queried(self) -> dict[str, Any]:
        """The credential."""
        return self.credential

    @cached_property
    def payload(self) -> dict[str, Any]:
        """The registered claims, and the identifier of the licence; what the subject says stays back until all is believed."""
        claims = {name: value for name, value in self.signed.items() if name in REGISTERED}
        for claim, names, narrower in TIMES:
            said = [_moment(self.credential[name]) for name in sorted(names & self.credential.keys())]
            if said and is_time(claims.get(claim, 0)):  # what is no time stays, for the check to find
                claims[claim] = narrower(*said, claims.get(claim, said[0]))
        identifier = self.subject.get("licence_identifier")
        return {**claims, "vct": self.type, **({"licence_identifier": identifier} if isinstance(identifier, str) else {})}

    @cached_property
    def claims(self) -> dict[str, Any]:
        """The registered claims with what the subject says; raises ValueError if that has a registered name."""
        if REGISTERED & self.subject.keys():
            raise sd_jwt.MalformedSdJwt("a field has a registered name")
        return {**self.subject, **self.payload}

    @property
    def is_marked(self) -> bool:
        """Whether its terms of use mark a copy, rightly or not."""
        with suppress(ValueError):
            return copy_marks.is_marked(self.credential.get("termsOfUse"))
        return False

    @property
    def marking(self) -> Marking | None:
        """What its terms of use say of a marked copy."""
        return copy_marks.of_terms(self.credential.get("termsOfUse"))

    @property
    def disclosed(self) -> tuple[str, ...]:
        """Every field."""
        return tuple(name for name in self.subject if name not in ALWAYS)


def _moment(unverified: Any) -> float:
    """Return a moment in seconds since 1970; raises ValueError for what is no date with a time and a time zone."""
    moment = datetime.fromisoformat(unverified) if isinstance(unverified, str) else None
    if moment is None or moment.tzinfo is None:
        raise sd_jwt.MalformedSdJwt("a time of the credential is none")
    return moment.timestamp()
