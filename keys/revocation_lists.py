"""The revocation lists of our roots (RFC 5280 section 5): signed ahead, renewed long before they end, never at a request."""

from datetime import datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from sqlalchemy import select
from sqlalchemy.orm import Mapped, Session, mapped_column

from keys import profiles, ring
from keys.certificates import leaf_of
from keys.issued_certificates import IssuedCertificate
from keys.profiles import Authority
from keys.ring import SigningKey
from runtime import cache
from runtime.database import Base, transaction
from runtime.settings import Settings

LIFETIME = timedelta(days=7)
RENEWED_BEFORE = timedelta(days=3)
TOPIC = "revocation_lists"


class RevocationList(Base):
    """The newest list of a root."""

    __tablename__ = "revocation_lists"
    issuer_kid: Mapped[str] = mapped_column(primary_key=True)
    number: Mapped[int]
    der: Mapped[bytes]
    made_at: Mapped[datetime]
    next_update: Mapped[datetime]


def renew(session: Session, settings: Settings, *, now: datetime) -> int:
    """Sign the list of each root that has none, whose list grows old, or whose certificates were revoked since; returns how many. ModuleAway."""
    roots = session.scalars(select(SigningKey).where(SigningKey.use == ring.ROOT, SigningKey.state.in_([ring.ACTIVE, ring.RETIRED])))
    due = [row for row in roots if (row.wrapped or row.token) and _is_due(session, row.kid, now=now)]
    for row in due:
        sign(session, settings, row, now=now)
    return len(due)


def sign(session: Session, settings: Settings, root: SigningKey, *, now: datetime) -> None:
    """Sign the list of a root anew."""
    authority = Authority(leaf_of(root), ring.open_private(settings, root), root.kid)
    row = session.get(RevocationList, root.kid, with_for_update=True)
    number = row.number + 1 if row else 1
    der = _build(authority, _revoked(session, root.kid), number=number, now=now).public_bytes(Encoding.DER)
    if row is None:
        session.add(RevocationList(issuer_kid=root.kid, number=number, der=der, made_at=now, next_update=now + LIFETIME))
    else:
        row.number, row.der, row.made_at, row.next_update = number, der, now, now + LIFETIME
    session.flush()
    cache.changed(session, TOPIC)


def find(kid: str) -> bytes | None:
    """Return the list of a root, in DER, from the process's cache."""
    return cache.get(TOPIC, kid, lambda: _load(kid))


def _load(kid: str) -> bytes | None:
    with transaction() as session:
        return session.scalar(select(RevocationList.der).where(RevocationList.issuer_kid == kid))


def _is_due(session: Session, kid: str, *, now: datetime) -> bool:
    row = session.get(RevocationList, kid)
    if row is None or row.next_update - now < RENEWED_BEFORE:
        return True
    return len(_revoked(session, kid)) != len(x509.load_der_x509_crl(row.der))


def _revoked(session: Session, kid: str) -> list[IssuedCertificate]:
    of_root = select(IssuedCertificate).where(IssuedCertificate.issuer_kid == kid, IssuedCertificate.revoked_at.is_not(None))
    return list(session.scalars(of_root.order_by(IssuedCertificate.revoked_at)))


def _build(authority: Authority, revoked: list[IssuedCertificate], *, number: int, now: datetime) -> x509.CertificateRevocationList:
    own = authority.certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(authority.certificate.subject)
        .last_update(now)
        .next_update(now + LIFETIME)
        .add_extension(x509.CRLNumber(number), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(own), critical=False)
    )
    for row in revoked:
        builder = builder.add_revoked_certificate(_entry(row))
    return builder.sign(authority.key, profiles.digest(authority.key))


def _entry(row: IssuedCertificate) -> x509.RevokedCertificate:
    assert row.revoked_at is not None
    entry = x509.RevokedCertificateBuilder().serial_number(row.certificate.serial_number).revocation_date(row.revoked_at)
    reason = x509.ReasonFlags(row.reason)
    return (entry if reason is x509.ReasonFlags.unspecified else entry.add_extension(x509.CRLReason(reason), critical=False)).build()
