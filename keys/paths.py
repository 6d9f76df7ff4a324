"""The path from a signer's certificate to a root that is trusted, and when it held. Pure: no network, no database.

A signature is good if every certificate of the path was in its period at the moment of signing (the hybrid model, see decision 39): renewal
breaks nothing that was signed before, and an ended certificate signs nothing more. What can be found out without a clock is found out once
for each chain and kept, failures too.
"""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.hashes import SHA256, SHA384, SHA512
from cryptography.x509.oid import ExtendedKeyUsageOID, ObjectIdentifier

from runtime import base64url

MAX_ENCODED = 8 * 1024
MOST_CERTIFICATES = 4
KEPT = 1024
HASHES = (SHA256, SHA384, SHA512)
UNREADABLE = (
    TypeError,  # a name with a value of a kind that is not for it
    ValueError,
    UnsupportedAlgorithm,
    x509.InvalidVersion,
    x509.ExtensionNotFound,
    x509.DuplicateExtension,
    x509.UnsupportedGeneralNameType,
)
UNDERSTOOD = (
    x509.BasicConstraints,
    x509.KeyUsage,
    x509.SubjectAlternativeName,
    x509.SubjectKeyIdentifier,
    x509.AuthorityKeyIdentifier,
    x509.ExtendedKeyUsage,
)
MDOC_READER = ObjectIdentifier("1.0.18013.5.1.6")
OF_OTHERS = frozenset(  # purposes of a certificate that is for another protocol; authorities give signers of documents others, or none
    (
        ExtendedKeyUsageOID.SERVER_AUTH,
        ExtendedKeyUsageOID.CLIENT_AUTH,
        ExtendedKeyUsageOID.CODE_SIGNING,
        ExtendedKeyUsageOID.TIME_STAMPING,
        ExtendedKeyUsageOID.OCSP_SIGNING,
        MDOC_READER,
    )
)


class UntrustedChain(ValueError):
    """The certificate does not lead to a trusted root, or may not sign, or did not hold when it signed."""


class CertificateRevoked(ValueError):
    """A certificate of the path was revoked before it signed, or its key was in other hands."""


@dataclass(frozen=True, slots=True)
class Revoked:
    """A revocation: nothing signed from `at` on counts, and nothing at all where the key was compromised, since a stranger may write any time."""

    at: datetime
    is_compromised: bool


@dataclass(frozen=True, slots=True)
class Path:
    """The certificates from leaf to root, what they are known by, and the time in which all of them hold, in seconds since 1970."""

    certificates: tuple[x509.Certificate, ...]
    fingerprints: tuple[str, ...]
    begins: float
    ends: float

    @property
    def root(self) -> x509.Certificate:
        """The root at its end."""
        return self.certificates[-1]

    def check_held(self, signed_at: float) -> None:
        """Check that every certificate was in its period; raises UntrustedChain."""
        if not self.begins <= signed_at <= self.ends:
            raise UntrustedChain("a certificate was out of its period when it signed")

    def check_not_revoked(self, revoked: Mapping[str, Revoked], signed_at: float) -> None:
        """Check that none was revoked; raises CertificateRevoked."""
        if revoked:
            for fingerprint in self.fingerprints:
                found = revoked.get(fingerprint)
                if found is not None and (found.is_compromised or signed_at >= found.at.timestamp()):
                    raise CertificateRevoked("revoked before it signed" if not found.is_compromised else "its key was compromised")


def check_path(unverified_chain: Sequence[str], *, roots: tuple[x509.Certificate, ...], asks: bool = False) -> Path:
    """Return the path from the first certificate of an `x5c` to one of the roots; raises UntrustedChain.

    Who only `asks` may do so by the certificate of a server, or of a reader of mobile documents.
    """
    path = _find(tuple(unverified_chain), roots, asks=asks)
    if path is None:
        raise UntrustedChain("no path to a trusted root for signing")
    return path


def fingerprint_of(certificate: x509.Certificate) -> str:
    """Return what a certificate is known by here: the SHA-256 of its DER, in hex."""
    return certificate.fingerprint(SHA256()).hex()


def read_certificate(unverified: str) -> x509.Certificate:
    """Read a certificate as `x5c` carries it: base64, not base64url (RFC 7515 section 4.1.6); raises ValueError."""
    if len(unverified) > MAX_ENCODED:
        raise ValueError("the certificate is too large")
    try:
        certificate = x509.load_der_x509_certificate(base64.b64decode(unverified, validate=True))
        _ = certificate.public_key(), certificate.issuer, certificate.subject, certificate.extensions
    except UNREADABLE as error:
        raise ValueError("not a certificate") from error
    return certificate


@lru_cache(maxsize=KEPT)
def authorities_of(unverified_chain: tuple[str, ...]) -> frozenset[tuple[str, str]]:
    """Return the keys that issued the certificates of a chain, as a query names them (`aki`, OpenID4VP 1.0 section 6.1.1.1); raises ValueError."""
    found = set()
    for certificate in map(read_certificate, unverified_chain[:MOST_CERTIFICATES]):
        try:
            identifier = certificate.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value.key_identifier
        except x509.ExtensionNotFound:
            continue
        if identifier is not None:
            found.add(("aki", base64url.write(identifier)))
    return frozenset(found)


@lru_cache(maxsize=KEPT)
def _find(chain: tuple[str, ...], roots: tuple[x509.Certificate, ...], *, asks: bool) -> Path | None:
    if not 1 <= len(chain) <= MOST_CERTIFICATES or len(set(chain)) != len(chain):
        return None
    try:
        certificates = [read_certificate(one) for one in chain]
    except ValueError:
        return None
    if not may_sign(certificates[0], asks=asks) or any(one in roots for one in certificates):
        return None
    for place, certificate in enumerate(certificates):
        if certificate.issuer == certificate.subject:
            return None
        root = next((root for root in roots if _certified(certificate, root, below=place)), None)
        if root is not None:
            return _path(*certificates[: place + 1], root)
        if place + 1 == len(certificates) or not _certified(certificate, certificates[place + 1], below=place):
            return None
    return None


def _path(*certificates: x509.Certificate) -> Path:
    return Path(
        certificates,
        tuple(fingerprint_of(one) for one in certificates),
        max(one.not_valid_before_utc.timestamp() for one in certificates),
        min(one.not_valid_after_utc.timestamp() for one in certificates),
    )


def _certified(certificate: x509.Certificate, authority: x509.Certificate, *, below: int) -> bool:
    """Whether an authority issued a certificate that has `below` other authorities under it, and may."""
    if authority.subject != certificate.issuer or not _may_certify(authority, below=below):
        return False
    try:
        certificate.verify_directly_issued_by(authority)
    except (InvalidSignature, *UNREADABLE):
        return False
    return True


def _may_certify(authority: x509.Certificate, *, below: int) -> bool:
    try:
        extensions = authority.extensions
        usage = extensions.get_extension_for_class(x509.KeyUsage).value
        constraints = extensions.get_extension_for_class(x509.BasicConstraints).value
    except UNREADABLE:
        return False
    is_long_enough = constraints.path_length is None or constraints.path_length >= below
    return _is_understood(authority) and constraints.ca and usage.key_cert_sign and is_long_enough


def may_sign(leaf: x509.Certificate, *, asks: bool = False) -> bool:
    """Whether a certificate is one of a signer, and of no authority; one that says nothing of that is of none (RFC 5280 section 4.2.1.9).

    One whose every purpose is another protocol's, such as a web server's, signs nothing here (section 4.2.1.12), unless its owner only `asks`.
    """
    try:
        extensions = leaf.extensions
        usage = extensions.get_extension_for_class(x509.KeyUsage).value
    except UNREADABLE:
        return False
    is_authority = any(isinstance(one.value, x509.BasicConstraints) and one.value.ca for one in extensions)
    if not asks and any(isinstance(one.value, x509.ExtendedKeyUsage) and OF_OTHERS.issuperset(one.value) for one in extensions):
        return False
    return _is_understood(leaf) and usage.digital_signature and not usage.key_cert_sign and not is_authority


def _is_understood(certificate: x509.Certificate) -> bool:
    """Whether all that is critical in it is understood, and its signature is over a hash that holds."""
    understood = all(isinstance(extension.value, UNDERSTOOD) for extension in certificate.extensions if extension.critical)
    try:
        used = certificate.signature_hash_algorithm
    except UnsupportedAlgorithm:
        return False
    return understood and (used is None or isinstance(used, HASHES))


def is_root(certificate: x509.Certificate) -> bool:
    """Whether a certificate is one of an authority that signed itself."""
    return certificate.subject == certificate.issuer and _certified(certificate, certificate, below=0)
