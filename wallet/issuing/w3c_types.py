"""What W3C credentials and presentations call themselves, and how a query may name that. Pure."""

from collections.abc import Iterable

VERIFIABLE, PRESENTATION, SUBJECT = "VerifiableCredential", "VerifiablePresentation", "credentialSubject"
EXPANDED = f"https://www.w3.org/2018/credentials#{VERIFIABLE}"


def type_of(slug: str) -> str:
    """Return what credentials of a type of licence call it: `driving-licence` is a DrivingLicence."""
    return "".join(part.capitalize() for part in slug.split("-"))


def names_of(slug: str) -> frozenset[str]:
    """Return all that credentials of a type of licence are, as a query may name them."""
    return expanded((VERIFIABLE, type_of(slug)))


def expanded(types: Iterable[str]) -> frozenset[str]:
    """Return types as a query may name them: as they stand, and the one that the W3C's contexts define by its IRI, too. OpenID4VP 1.0 B.1.1."""
    found = frozenset(types)
    return found | {EXPANDED} if VERIFIABLE in found else found
