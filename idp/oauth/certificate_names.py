"""The names in a certificate by which a client may be known: its subject, or one alternative name (RFC 8705 section 2.1.2). Pure."""

import ipaddress
from collections.abc import Callable, Mapping

from cryptography import x509
from cryptography.x509.oid import NameOID, ObjectIdentifier

from idp.oauth.client_metadata import ClientMetadata

LONGEST = 1000
STANDARD: Mapping[str, ObjectIdentifier] = {
    "CN": NameOID.COMMON_NAME,
    "L": NameOID.LOCALITY_NAME,
    "ST": NameOID.STATE_OR_PROVINCE_NAME,
    "O": NameOID.ORGANIZATION_NAME,
    "OU": NameOID.ORGANIZATIONAL_UNIT_NAME,
    "C": NameOID.COUNTRY_NAME,
    "STREET": NameOID.STREET_ADDRESS,
    "DC": NameOID.DOMAIN_COMPONENT,
    "UID": NameOID.USER_ID,
    "E": NameOID.EMAIL_ADDRESS,
    "EMAILADDRESS": NameOID.EMAIL_ADDRESS,
    "SERIALNUMBER": NameOID.SERIAL_NUMBER,
}
NAMES = {written: oid for name, oid in STANDARD.items() for written in (name, name.lower())} | {"emailAddress": NameOID.EMAIL_ADDRESS}
SUBJECTS = (
    "tls_client_auth_subject_dn",
    "tls_client_auth_san_dns",
    "tls_client_auth_san_uri",
    "tls_client_auth_san_ip",
    "tls_client_auth_san_email",
)


def names(metadata: ClientMetadata, certificate: x509.Certificate) -> bool:
    """Whether the subject or the alternative name that was registered is the certificate's (section 2.1.2)."""
    for member in SUBJECTS:
        expected: str | None = getattr(metadata, member)
        if expected is not None:
            try:
                return MATCHES[member](expected, certificate)
            except (ValueError, x509.DuplicateExtension, x509.UnsupportedGeneralNameType):
                return False
    return False


def is_readable(member: str, expected: str) -> bool:
    """Whether a registered name has the form that it is compared in."""
    if not expected or len(expected) > LONGEST:
        return False
    try:
        if member == "tls_client_auth_subject_dn":
            return bool(_read_dn(expected))
        if member == "tls_client_auth_san_ip":
            return bool(ipaddress.ip_address(expected))
    except ValueError:
        return False
    return expected.isprintable()


def _has_subject(expected: str, certificate: x509.Certificate) -> bool:
    return _read_dn(expected) == _canonical(certificate.subject)


def _read_dn(text: str) -> list[frozenset[tuple[str, str]]]:
    """Read a distinguished name as RFC 4514 writes it, the last part first; raises ValueError."""
    return _canonical(x509.Name.from_rfc4514_string(text, NAMES))


def _canonical(name: x509.Name) -> list[frozenset[tuple[str, str]]]:
    """Return a name as it is compared: by kind and value of each attribute, whatever its case, its spaces and its ASN.1 string type."""
    return [frozenset((part.oid.dotted_string, " ".join(str(part.value).casefold().split())) for part in rdn) for rdn in name.rdns]


def _alternatives(certificate: x509.Certificate) -> x509.SubjectAlternativeName:
    try:
        return certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return x509.SubjectAlternativeName([])


def _has_dns(expected: str, certificate: x509.Certificate) -> bool:
    return expected.lower() in (name.lower() for name in _alternatives(certificate).get_values_for_type(x509.DNSName))


def _has_uri(expected: str, certificate: x509.Certificate) -> bool:
    return expected in _alternatives(certificate).get_values_for_type(x509.UniformResourceIdentifier)


def _has_ip(expected: str, certificate: x509.Certificate) -> bool:
    return ipaddress.ip_address(expected) in _alternatives(certificate).get_values_for_type(x509.IPAddress)


def _has_email(expected: str, certificate: x509.Certificate) -> bool:
    return expected in _alternatives(certificate).get_values_for_type(x509.RFC822Name)


MATCHES: Mapping[str, Callable[[str, x509.Certificate], bool]] = dict(
    zip(SUBJECTS, (_has_subject, _has_dns, _has_uri, _has_ip, _has_email), strict=True)
)
