"""The certificate that a credential carries: its key, the names it stands for, and whether a trusted root vouches for it.

Pure. What was found once about a certificate is kept, since it cannot change; only its period is looked at each time.
"""

import base64
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm

from keys import suites

MAX_ENCODED = 8 * 1024
KEPT = 1024
UNREADABLE = (
    TypeError,  # a name with a value of a kind that is not for it
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


class UntrustedChain(ValueError):
    """The certificate does not lead to a trusted root, or may not sign."""


@dataclass(frozen=True, slots=True)
class Leaf:
    """The certificate of a signing key: the key, its suite, and the URIs that it speaks for."""

    certificate: x509.Certificate
    key: suites.PublicKey
    suite: str
    uris: frozenset[str]


@lru_cache(maxsize=KEPT)
def read_leaf(unverified: str) -> Leaf:
    """Read a certificate as `x5c` carries it: base64, not base64url (RFC 7515 section 4.1.6). Nothing is trusted yet.

    Raises ValueError for what is not a certificate of a key that we support.
    """
    if len(unverified) > MAX_ENCODED:
        raise ValueError("the certificate is too large")
    try:
        certificate = x509.load_der_x509_certificate(base64.b64decode(unverified, validate=True))
        key, _ = certificate.public_key(), (certificate.issuer, certificate.subject)
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except UNREADABLE as error:
        raise ValueError("not a certificate that names anyone") from error
    suite = suites.suite_of(key)  # type: ignore[arg-type]
    return Leaf(certificate, key, suite.name, frozenset(names.get_values_for_type(x509.UniformResourceIdentifier)))  # type: ignore[arg-type]


def check_chain(leaf: Leaf, *, chain_length: int, roots: tuple[x509.Certificate, ...], now: datetime) -> None:
    """Check that a root issued the leaf itself, that the leaf may sign, and that both are in their period.

    The chain is the leaf alone: a root never travels, and there is none between. Raises UntrustedChain.
    """
    if chain_length != 1 or leaf.certificate in roots:
        raise UntrustedChain("the chain is not one leaf")
    root = next((root for root in roots if root.subject == leaf.certificate.issuer and _is_issued_by(leaf.certificate, root)), None)
    if root is None or not _may_sign(leaf.certificate):
        raise UntrustedChain("no trusted root issued the leaf, or not for signing")
    if not all(certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc for certificate in (leaf.certificate, root)):
        raise UntrustedChain("a certificate is out of its period")


@lru_cache(maxsize=KEPT)
def _is_issued_by(leaf: x509.Certificate, root: x509.Certificate) -> bool:
    try:
        leaf.verify_directly_issued_by(root)
    except (InvalidSignature, ValueError, TypeError):
        return False
    return leaf.subject != leaf.issuer


@lru_cache(maxsize=KEPT)
def _may_sign(leaf: x509.Certificate) -> bool:
    try:
        extensions = leaf.extensions
        usage = extensions.get_extension_for_class(x509.KeyUsage).value
        constraints = extensions.get_extension_for_class(x509.BasicConstraints).value
    except (ValueError, x509.ExtensionNotFound, x509.DuplicateExtension, x509.UnsupportedGeneralNameType):
        return False
    understood = all(isinstance(extension.value, UNDERSTOOD) for extension in extensions if extension.critical)
    return understood and usage.digital_signature and not usage.key_cert_sign and not constraints.ca
