"""What another province's trust list says of one certificate: whom it speaks for, and which types it was granted, from when until when. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from cryptography import x509

Span = tuple[float, float]
BLUR = 24 * 3600.0


@dataclass(frozen=True, slots=True)
class Granted:
    """A type as another house issues it: which of our types it is, and the times in which it was granted, in seconds since 1970."""

    type_code: str
    spans: tuple[Span, ...]


@dataclass(frozen=True, slots=True)
class Listed:
    """A certificate of an issuer elsewhere. `known_until` is when the list must have been renewed; under `roots` its house signs status lists."""

    uri: str
    code: str
    name: Mapping[str, str]
    province: str
    begins: float
    ends: float
    known_until: float
    grants: Mapping[str, Granted] = field(default_factory=dict)
    roots: tuple[x509.Certificate, ...] = field(default=(), repr=False)

    def held_at(self, moment: float) -> bool:
        """Whether the certificate was in its period."""
        return self.begins <= moment <= self.ends

    def is_granted(self, vct: str, moment: float) -> bool:
        """Whether the issuer might issue a type at a moment, or less than a day after: issuers draw what they call the moment of signing
        from the day before it, so that credentials cannot be lined up by it. Both are told in whole seconds: that of a withdrawal is before it."""
        granted = self.grants.get(vct)
        return granted is not None and any(begins - BLUR <= moment <= ends for begins, ends in granted.spans)
