"""Every certificate that a key of ours ever had: what it is, whose, and whether it was revoked; none is ever forgotten.

A key's present chain stands in its row of the ring. This is for what lasts longer than a key: revocation lists, the trust list, and
the judgement of what was signed long ago.
"""

import base64
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

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


class CertificateNotFound(Refusal):
    """There is no such certificate of ours, or it is revoked already."""

    code, status, title = "certificate-not-found", 404, Text("没有此证书，或已被吊销。", "There is no such certificate, or it was revoked already.")


class Reason(StrEnum):
    """Why a certificate is revoked, as RFC 5280 section 5.3.1 spells it."""

    UNSPECIFIED = "unspecified"
    KEY_COMPROMISE = "keyCompromise"
    CA_COMPROMISE = "cACompromise"
    AFFILIATION_CHANGED = "affiliationChanged"
    SUPERSEDED = "superseded"
    CESSATION_OF_OPERATION = "cessationOfOperation"
    PRIVILEGE_WITHDRAWN = "privilegeWithdrawn"


COMPROMISES = (Reason.KEY_COMPROMISE, Reason.CA_COMPROMISE)


class IssuedCertificate(Base):
    """A certificate of a key of ours. `issuer_kid` is the root of ours that signed it, None where an authority outside did."""

    __tablename__ = "certificates"
    fingerprint: Mapped[str] = mapped_column(primary_key=True)
    use: Mapped[str] = mapped_column(index=True)
    kid: Mapped[str]
    issuer_kid: Mapped[str | None] = mapped_column(index=True)
    der: Mapped[bytes]
    begins_at: Mapped[datetime]
    ends_at: Mapped[datetime]
    made_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]
    reason: Mapped[str | None]

    @property
    def certificate(self) -> x509.Certificate:
        """The certificate itself."""
        return x509.load_der_x509_certificate(self.der)


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose a certificate is: a use of the ring, its key, and the root of ours that signed."""

    use: str
    kid: str
    issuer_kid: str | None


def record(session: Session, certificate: x509.Certificate, owner: Owner, *, now: datetime) -> None:
    """Keep a certificate; one that is there already stays as it is."""
    fingerprint = paths.fingerprint_of(certificate)
    if session.get(IssuedCertificate, fingerprint) is None:
        begins, ends = certificate.not_valid_before_utc, certificate.not_valid_after_utc
        der = certificate.public_bytes(Encoding.DER)
        owned = {"use": owner.use, "kid": owner.kid, "issuer_kid": owner.issuer_kid}
        session.add(IssuedCertificate(fingerprint=fingerprint, **owned, der=der, begins_at=begins, ends_at=ends, made_at=now))


def of_use(session: Session, use: str) -> list[IssuedCertificate]:
    """Return the certificates of a use, the newest first."""
    return list(session.scalars(select(IssuedCertificate).where(IssuedCertificate.use == use).order_by(IssuedCertificate.made_at.desc())))


def revoke(session: Session, *, use: str, serial: int, reason: Reason, at: datetime, now: datetime) -> IssuedCertificate:
    """Revoke a certificate from a moment on, which may be past; raises CertificateNotFound."""
    row = next((row for row in of_use(session, use) if row.revoked_at is None and row.certificate.serial_number == serial), None)
    if row is None:
        raise CertificateNotFound("no certificate of that serial number that is not revoked", field="serial")
    row.revoked_at, row.reason = at, reason.value
    ledger.record(
        session, "certificate.revoked", actor=OPERATOR, object_id=row.fingerprint, now=now, use=use, reason=row.reason, since=at.isoformat()
    )
    session.flush()
    cache.changed(session, TOPIC)
    return row


def is_revoked(session: Session, fingerprints: tuple[str, ...]) -> bool:
    """Whether one of these was revoked."""
    return not revoked(session).keys().isdisjoint(fingerprints)


def revoked(session: Session) -> dict[str, paths.Revoked]:
    """Return what was revoked, by fingerprint."""
    rows = session.scalars(select(IssuedCertificate).where(IssuedCertificate.revoked_at.is_not(None)))
    return {row.fingerprint: paths.Revoked(row.revoked_at, row.reason in COMPROMISES) for row in rows if row.revoked_at}


def encode(certificate: x509.Certificate) -> str:
    """Return a certificate as `x5c` carries it."""
    return base64.b64encode(certificate.public_bytes(Encoding.DER)).decode()
