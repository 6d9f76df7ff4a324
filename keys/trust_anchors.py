"""Roots of authorities outside that may sign certificates of our departments: trusted for the certificates that were imported here, and no others."""

from datetime import datetime

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from sqlalchemy import select
from sqlalchemy.orm import Mapped, Session, mapped_column

from keys import paths
from keys.ring import OPERATOR, TOPIC
from runtime import cache, ledger
from runtime.database import Base
from runtime.languages import Text
from runtime.problems import Refusal


class AnchorRefused(Refusal):
    """The certificate cannot be trusted as a root."""

    code, status, title = "root-refused", 422, Text("该证书不能作为受信任的根证书。", "The certificate cannot be trusted as a root.")


class TrustAnchor(Base):
    """A root that the operator trusts."""

    __tablename__ = "trust_anchors"
    fingerprint: Mapped[str] = mapped_column(primary_key=True)
    der: Mapped[bytes]
    added_at: Mapped[datetime]

    @property
    def certificate(self) -> x509.Certificate:
        """The certificate itself."""
        return x509.load_der_x509_certificate(self.der)


def add(session: Session, unverified_pem: bytes, *, now: datetime) -> TrustAnchor:
    """Trust a root, given as PEM; raises AnchorRefused for what is none, or is not in its period."""
    try:
        certificate = x509.load_pem_x509_certificate(unverified_pem)
    except ValueError as error:
        raise AnchorRefused("not one certificate in PEM") from error
    if not paths.is_root(certificate):
        raise AnchorRefused("not a root: it must have signed itself, with a hash that holds, and be an authority that signs certificates")
    if not certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc:
        raise AnchorRefused("the root is not in its period")
    fingerprint = paths.fingerprint_of(certificate)
    row = session.get(TrustAnchor, fingerprint)
    if row is None:
        row = TrustAnchor(fingerprint=fingerprint, der=certificate.public_bytes(Encoding.DER), added_at=now)
        session.add(row)
        ledger.record(session, "root.trusted", actor=OPERATOR, object_id=fingerprint, now=now)
        session.flush()
        cache.changed(session, TOPIC)
    return row


def remove(session: Session, fingerprint: str, *, now: datetime) -> None:
    """Trust a root no longer; what was signed under it is believed no more. Raises AnchorRefused."""
    row = session.get(TrustAnchor, fingerprint)
    if row is None:
        raise AnchorRefused("no such root is trusted", field="fingerprint")
    session.delete(row)
    ledger.record(session, "root.distrusted", actor=OPERATOR, object_id=fingerprint, now=now)
    session.flush()
    cache.changed(session, TOPIC)


def trusted(session: Session) -> tuple[x509.Certificate, ...]:
    """Return the roots, in the order in which they were added."""
    return tuple(row.certificate for row in session.scalars(select(TrustAnchor).order_by(TrustAnchor.added_at)))
