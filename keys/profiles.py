"""What stands in a certificate of ours: of the root, of a signer, of a root that vouches for its successor. RFC 5280, ETSI EN 319 412-1 and -3."""

import ipaddress
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID, NameOID

from keys import suites
from runtime.settings import Settings

ROOT_LIFETIME = timedelta(days=20 * 365)
LEAF_LIFETIME = timedelta(days=3 * 365)
BACKDATED = timedelta(minutes=5)
COUNTRY = "CN"
NAME_LIMIT = 64
TIME_STAMPING = ExtendedKeyUsageOID.TIME_STAMPING


@dataclass(frozen=True, slots=True)
class Holder:
    """Whom a signer's certificate names: a name, a credit code where it is a public body's, and the URI that its signatures carry.

    What `stamps_time` does nothing else (RFC 3161 section 2.3).
    """

    name: str
    uri: str
    code: str | None = None
    stamps_time: bool = False

    def subject(self) -> x509.Name:
        """The distinguished name. A long name is whole in the organisation's, and in the common name as far as its 64 octets go."""
        attributes = [x509.NameAttribute(NameOID.COUNTRY_NAME, COUNTRY)]
        if self.code is not None:
            attributes.append(x509.NameAttribute(NameOID.ORGANIZATION_NAME, self.name[:NAME_LIMIT]))
            attributes.append(x509.NameAttribute(NameOID.ORGANIZATION_IDENTIFIER, f"GOV{COUNTRY}-{self.code}"))
        common = self.name.encode()[:NAME_LIMIT].decode(errors="ignore")
        return x509.Name([*attributes, x509.NameAttribute(NameOID.COMMON_NAME, common)])

    def alternative_names(self, settings: Settings) -> x509.SubjectAlternativeName:
        """The URI, and the host that it is reached at (OpenID4VP's `x509_san_dns`)."""
        host = urlsplit(settings.public_url).hostname or ""
        try:
            reached: x509.GeneralName = x509.IPAddress(ipaddress.ip_address(host))
        except ValueError:
            reached = x509.DNSName(host.encode("idna").decode())
        return x509.SubjectAlternativeName([x509.UniformResourceIdentifier(self.uri), reached])


@dataclass(frozen=True, slots=True)
class Authority:
    """A root that signs: its certificate and key, and the name under which its lists and its certificate are published."""

    certificate: x509.Certificate
    key: suites.PrivateKey
    kid: str


def holder_of(certificate: x509.Certificate) -> Holder:
    """Read whom a certificate names, as its successor will name them."""
    subject = certificate.subject
    names_of_it = (*subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME), *subject.get_attributes_for_oid(NameOID.COMMON_NAME))
    name = str(names_of_it[0].value)
    codes = subject.get_attributes_for_oid(NameOID.ORGANIZATION_IDENTIFIER)
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    uri = names.get_values_for_type(x509.UniformResourceIdentifier)[0]
    stamps_time = any(isinstance(one.value, x509.ExtendedKeyUsage) and TIME_STAMPING in one.value for one in certificate.extensions)
    return Holder(name, uri, str(codes[0].value).partition("-")[2] if codes else None, stamps_time=stamps_time)


def root(settings: Settings, key: suites.PrivateKey, *, now: datetime) -> x509.Certificate:
    """Return a root's certificate, signed by itself."""
    name = x509.Name(
        [
            x509.NameAttribute(NameOID.COUNTRY_NAME, COUNTRY),  # ISO/IEC 18013-5 Annex B: who issues a signer's certificate has a country
            x509.NameAttribute(NameOID.COMMON_NAME, "Kabao Root"),
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, settings.host),
            x509.NameAttribute(NameOID.SERIAL_NUMBER, x509.SubjectKeyIdentifier.from_public_key(key.public_key()).digest.hex()),
        ]
    )
    return _authority(name, name, key.public_key(), now=now, ends=now + ROOT_LIFETIME, path_length=1).sign(key, digest(key))


def cross(authority: Authority, successor: x509.Certificate, *, now: datetime) -> x509.Certificate:
    """Return a certificate by which a root vouches for its successor, for those who hold the former alone."""
    key: suites.PublicKey = successor.public_key()  # type: ignore[assignment]
    ends = authority.certificate.not_valid_after_utc
    builder = _authority(successor.subject, authority.certificate.subject, key, now=now, ends=ends, path_length=0)
    return builder.add_extension(_authority_key(authority), critical=False).sign(authority.key, digest(authority.key))


def leaf(settings: Settings, authority: Authority, holder: Holder, key: suites.PublicKey, *, now: datetime) -> x509.Certificate:
    """Return a signer's certificate; it ends with its root at the latest."""
    ends = min(now + LEAF_LIFETIME, authority.certificate.not_valid_after_utc)
    published = f"{settings.public_url}/certificates/{authority.kid}"
    lists = x509.DistributionPoint([x509.UniformResourceIdentifier(f"{published}.crl")], None, None, None)
    issuer = x509.AccessDescription(AuthorityInformationAccessOID.CA_ISSUERS, x509.UniformResourceIdentifier(f"{published}.crt"))
    builder = (
        _builder(holder.subject(), authority.certificate.subject, key, now=now, ends=ends)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(usage(signs_certificates=False), critical=True)
        .add_extension(holder.alternative_names(settings), critical=False)
        .add_extension(_authority_key(authority), critical=False)
        .add_extension(x509.CRLDistributionPoints([lists]), critical=False)
        .add_extension(x509.AuthorityInformationAccess([issuer]), critical=False)
    )
    if holder.stamps_time:
        builder = builder.add_extension(x509.ExtendedKeyUsage([TIME_STAMPING]), critical=True)
    return builder.sign(authority.key, digest(authority.key))


def request(settings: Settings, holder: Holder, key: suites.PrivateKey) -> x509.CertificateSigningRequest:
    """Return what an outside authority is asked to sign (PKCS #10)."""
    return (
        x509.CertificateSigningRequestBuilder()
        .subject_name(holder.subject())
        .add_extension(holder.alternative_names(settings), critical=False)
        .add_extension(usage(signs_certificates=False), critical=True)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .sign(key, digest(key))
    )


def usage(*, signs_certificates: bool) -> x509.KeyUsage:
    """Return what a key is for: certificates and their revocation, or signatures that commit (digitalSignature, nonRepudiation)."""
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def digest(key: suites.PrivateKey) -> SHA256 | None:
    """Return the hash that a key signs certificates with."""
    return None if isinstance(key, Ed25519PrivateKey) else SHA256()


def _authority(
    subject: x509.Name, issuer: x509.Name, key: suites.PublicKey, *, now: datetime, ends: datetime, path_length: int
) -> x509.CertificateBuilder:
    return (
        _builder(subject, issuer, key, now=now, ends=ends)
        .add_extension(x509.BasicConstraints(ca=True, path_length=path_length), critical=True)
        .add_extension(usage(signs_certificates=True), critical=True)
    )


def _builder(subject: x509.Name, issuer: x509.Name, key: suites.PublicKey, *, now: datetime, ends: datetime) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - BACKDATED)
        .not_valid_after(ends)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def _authority_key(authority: Authority) -> x509.AuthorityKeyIdentifier:
    own = authority.certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    return x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(own)
