"""Certificates that an authority outside signs: what it is asked for, and what is checked of what comes back.

The key is made here, or in the security module, before any certificate is; a certificate is taken only for a key that waits for one.
"""

from dataclasses import dataclass
from datetime import datetime

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from sqlalchemy import select
from sqlalchemy.orm import Session

from keys import certificates, issued_certificates, paths, profiles, ring, suites
from keys.issued_certificates import Owner, encode
from keys.profiles import Holder
from keys.ring import SigningKey
from runtime.languages import Text
from runtime.problems import Refusal
from runtime.settings import Settings

MOST_BYTES = 64 * 1024


class CertificateRefused(Refusal):
    """The certificate is not one that a key of the department can sign with."""

    code, status, title = (
        "certificate-refused",
        422,
        Text("该证书不能用于本部门签发。", "The certificate is not one for the department to sign with."),
    )


@dataclass(frozen=True, slots=True)
class Taken:
    """A chain that was checked, the root left out, and the key that it is for."""

    row: SigningKey
    path: paths.Path

    @property
    def leaf(self) -> x509.Certificate:
        """The signer's own certificate."""
        return self.path.certificates[0]


def request(session: Session, settings: Settings, use: str, holder: Holder, *, now: datetime, in_token: bool = False) -> bytes:
    """Return a request for a certificate (PKCS #10, PEM) of the use's next key, which is made unless it waits already; raises KeyNotReady."""
    ring.alone(session)
    row = session.scalars(select(SigningKey).where(SigningKey.use == use, SigningKey.state == ring.NEXT)).one_or_none()
    if row is None:
        row = ring.add(session, settings, use=use, suite=suites.ES256, state=ring.NEXT, now=now, in_token=in_token)
        session.flush()
    if row.chain:
        raise ring.KeyNotReady(f"the next key of {use} has its certificate already", field="use")
    return profiles.request(settings, holder, ring.open_private(settings, row)).public_bytes(Encoding.PEM)


def take(session: Session, settings: Settings, use: str, unverified_pem: bytes, *, uri: str, now: datetime) -> SigningKey:
    """Give the next key of a use, or the present one, the certificate that an authority outside signed; raises CertificateRefused."""
    taken = check(session, use, unverified_pem, uri=uri, now=now)
    taken.row.chain = [encode(one) for one in taken.path.certificates[:-1]]
    own = certificates.anchors().roots
    issuer_kid = certificates.kid_of(taken.path.root) if taken.path.root in own and len(taken.path.certificates) == 2 else None
    issued_certificates.record(session, taken.leaf, Owner(use, taken.row.kid, issuer_kid), now=now)
    ring.changed(session, taken.row, "key.certified", now=now)
    return taken.row


def check(session: Session, use: str, unverified_pem: bytes, *, uri: str, now: datetime) -> Taken:
    """Check a certificate and what comes with it, leaf first: its key is one of ours that waits, it may sign, names the department, is in
    its period, and leads to a root that is trusted. Raises CertificateRefused, which says what is wrong."""
    given = _read(unverified_pem)
    leaf = given[0]
    row = next((row for row in _waiting(session, use) if _is_key_of(leaf, row)), None)
    if row is None:
        raise CertificateRefused("it is for another key than those of this department that can be given one", field="key")
    if not paths.may_sign(leaf):
        raise CertificateRefused("its basic constraints, key usages, critical extensions or signature hash are not those of a signer", field="usage")
    if uri not in _uris(leaf):
        raise CertificateRefused(f"it does not name {uri} as a URI among its alternative names", field="subjectAltName")
    path = _find_path(given)
    if not path.begins <= now.timestamp() < path.ends:
        raise CertificateRefused("a certificate of the chain has not begun, or has ended", field="validity")
    if issued_certificates.is_revoked(session, path.fingerprints):
        raise CertificateRefused("a certificate of the chain was revoked here", field="validity")
    return Taken(row, path)


def _read(unverified_pem: bytes) -> list[x509.Certificate]:
    try:
        given = x509.load_pem_x509_certificates(unverified_pem) if len(unverified_pem) <= MOST_BYTES else []
    except ValueError:
        given = []
    if not given:
        raise CertificateRefused(f"not certificates in PEM, leaf first, of {MOST_BYTES // 1024} KB at most", field="file")
    return given


def _waiting(session: Session, use: str) -> list[SigningKey]:
    states = (ring.NEXT, ring.ACTIVE)
    return list(session.scalars(select(SigningKey).where(SigningKey.use == use, SigningKey.state.in_(states)).with_for_update()))


def _is_key_of(leaf: x509.Certificate, row: SigningKey) -> bool:
    try:
        own = suites.key_from_jwk(row.public_jwk).public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        return leaf.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo) == own
    except paths.UNREADABLE:
        return False


def _uris(leaf: x509.Certificate) -> list[str]:
    try:
        return leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value.get_values_for_type(x509.UniformResourceIdentifier)
    except paths.UNREADABLE:
        return []


def _find_path(given: list[x509.Certificate]) -> paths.Path:
    """A file from an authority often has the root at its end: it is left out, and trusted only if it was before."""
    anchors = certificates.anchors()
    trusted = (*anchors.roots, *anchors.outside)
    try:
        return paths.check_path([encode(one) for one in given if one not in trusted], roots=trusted)
    except paths.UntrustedChain as error:
        raise CertificateRefused("it does not lead to a root that is trusted; see: kabao keys root list", field="chain") from error
