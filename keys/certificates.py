"""X.509: one root, and under it a leaf for each signing department and for the service's own uses.

The root signs nothing but certificates and never travels in an `x5c`; who verifies holds it already. A department's leaf
names it by its credit code (organizationIdentifier, ETSI EN 319 412-1) and by the URI that its credentials carry as `iss`.
"""

import base64
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from sqlalchemy.orm import Session

from keys import ring, suites
from runtime import cache
from runtime.database import transaction
from runtime.settings import Settings

ROOT_LIFETIME = timedelta(days=20 * 365)
LEAF_LIFETIME = timedelta(days=3 * 365)
ORGANISATION_IDENTIFIER = NameOID.ORGANIZATION_IDENTIFIER
NAME_LIMIT = 64


def department_use(code: str) -> str:
    """Return the key ring's use for a department, by its credit code."""
    return f"department:{code}"


def department_uri(settings: Settings, code: str) -> str:
    """Return the URI that stands for a department: the `iss` of what it issues, and a name in its certificate."""
    return f"{settings.public_url}/departments/{code}"


def create_root(session: Session, settings: Settings, *, now: datetime) -> x509.Certificate:
    """Make the root key and its self-signed certificate."""
    key = suites.ES256.generate()
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Kabao Root"), x509.NameAttribute(NameOID.ORGANIZATION_NAME, settings.host)])
    certificate = (
        _builder(name, name, key, now=now, lifetime=ROOT_LIFETIME)
        .add_extension(x509.BasicConstraints(ca=True, path_length=1), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
        .sign(key, _digest(key))
    )
    ring.add(session, settings, use=ring.ROOT, suite=suites.ES256, state=ring.ACTIVE, key=key, chain=[_encode(certificate)], now=now)
    session.flush()
    return certificate


def issue_leaf(
    session: Session,
    settings: Settings,
    *,
    use: str,
    common_name: str,
    uri: str,
    now: datetime,
    organisation_code: str | None = None,
    state: str = ring.ACTIVE,
    in_token: bool = False,
) -> ring.SigningKey:
    """Make a key for a use, in the security module if so wanted, with a certificate under the root, and put both in the ring."""
    root_row, root_key = ring.load_private(session, settings, ring.ROOT)
    root = root_certificate_of(root_row)
    made = ring.make_key(session, settings, use=use, suite=suites.ES256, in_token=in_token, now=now)
    key = made.key
    names = [x509.NameAttribute(NameOID.COMMON_NAME, common_name[:NAME_LIMIT])]
    if organisation_code is not None:
        names.append(x509.NameAttribute(ORGANISATION_IDENTIFIER, f"GOVCN-{organisation_code}"))
    certificate = (
        _builder(x509.Name(names), root.subject, key, now=now, lifetime=LEAF_LIFETIME)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.UniformResourceIdentifier(uri)]), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(root_key.public_key()), critical=False)
        .sign(root_key, _digest(root_key))
    )
    return ring.keep(session, settings, made, use=use, suite=suites.ES256, state=state, chain=[_encode(certificate)], now=now)


def root_certificate() -> x509.Certificate:
    """Return the root, kept in the process; raises KeyNotReady before `kabao init`."""
    found = cache.get(ring.TOPIC, "root", _load_root)
    if found is None:
        raise ring.KeyNotReady("no root")
    return found


def root_certificate_of(row: ring.SigningKey) -> x509.Certificate:
    """Read the certificate of the root's row."""
    assert row.chain
    return x509.load_der_x509_certificate(base64.b64decode(row.chain[0]))


def root_pem() -> bytes:
    """Return the root as PEM, for verifiers to hold."""
    return root_certificate().public_bytes(Encoding.PEM)


def _load_root() -> x509.Certificate | None:
    with transaction() as session:
        for row in ring.listed(session):
            if row.use == ring.ROOT and row.state == ring.ACTIVE:
                return root_certificate_of(row)
    return None


def _builder(subject: x509.Name, issuer: x509.Name, key: suites.PrivateKey, *, now: datetime, lifetime: timedelta) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=5))
        .not_valid_after(now + lifetime)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _digest(key: suites.PrivateKey) -> SHA256 | None:
    return None if isinstance(key, Ed25519PrivateKey) else SHA256()


def _encode(certificate: x509.Certificate) -> str:
    return base64.b64encode(certificate.public_bytes(Encoding.DER)).decode()
