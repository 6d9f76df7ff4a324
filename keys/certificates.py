"""X.509: one root that signs, and under it a leaf for each signing department and for the service's own uses.

The root signs nothing but certificates and revocation lists, and never travels in an `x5c`; who verifies holds it already. A root that
follows another is trusted before it signs (`next`), and the one before goes on being trusted (`retired`); in between, its leaves carry the
certificate by which the former vouches for the new one. A department's leaf names it by its credit code and by the URI that its
credentials carry as `iss`.
"""

from dataclasses import dataclass
from datetime import datetime

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from sqlalchemy import select
from sqlalchemy.orm import Session

from keys import issued_certificates, paths, profiles, ring, suites, trust_anchors
from keys.issued_certificates import IssuedCertificate, Owner, encode
from keys.profiles import Authority, Holder
from keys.ring import SigningKey
from runtime import cache
from runtime.database import transaction
from runtime.settings import Settings

DEPARTMENT = "department:"


@dataclass(frozen=True, slots=True)
class Anchors:
    """What credentials are judged by: our roots, the one that signs first; those of others; which leaves of these were taken; what was revoked."""

    roots: tuple[x509.Certificate, ...]
    outside: tuple[x509.Certificate, ...]
    imported: frozenset[str]
    revoked: dict[str, paths.Revoked]


def department_use(code: str) -> str:
    """Return the key ring's use for a department, by its credit code."""
    return f"{DEPARTMENT}{code}"


def department_uri(settings: Settings, code: str) -> str:
    """Return the URI that stands for a department: the `iss` of what it issues, and a name in its certificate."""
    return f"{settings.public_url}/departments/{code}"


def create_root(session: Session, settings: Settings, *, now: datetime, in_token: bool = False) -> x509.Certificate:
    """Make a root: the first one signs at once; one that follows is published, and vouched for by the one that signs."""
    ring.alone(session)
    made = ring.make_key(session, settings, use=ring.ROOT, suite=suites.ES256, in_token=in_token, now=now)
    certificate = profiles.root(settings, made.key, now=now)
    chain, state = [encode(certificate)], ring.ACTIVE
    if session.scalar(select(SigningKey.kid).where(SigningKey.use == ring.ROOT, SigningKey.state == ring.ACTIVE)) is not None:
        chain.append(encode(profiles.cross(authority(session, settings), certificate, now=now)))
        state = ring.NEXT
    ring.keep(session, settings, made, use=ring.ROOT, suite=suites.ES256, state=state, chain=chain, now=now)
    session.flush()
    return certificate


def authority(session: Session, settings: Settings) -> Authority:
    """Return the root that signs; raises KeyNotReady, ModuleAway."""
    row, key = ring.load_private(session, settings, ring.ROOT)
    return Authority(root_certificate_of(row), key, row.kid)


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
    actor: str = ring.OPERATOR,
) -> SigningKey:
    """Make a key for a use, in the security module if so wanted, with a certificate under the root, and put both in the ring."""
    made = ring.make_key(session, settings, use=use, suite=suites.ES256, in_token=in_token, now=now)
    root = authority(session, settings)
    holder = Holder(common_name, uri, organisation_code, stamps_time=use == ring.TIME_STAMPING)
    certificate = profiles.leaf(settings, root, holder, made.key.public_key(), now=now)
    chain = [encode(certificate), *session.get_one(SigningKey, root.kid).chain[1:]]  # type: ignore[index]
    row = ring.keep(session, settings, made, use=use, suite=suites.ES256, state=state, chain=chain, now=now, actor=actor)
    issued_certificates.record(session, certificate, Owner(use, row.kid, root.kid), now=now)
    return row


def leaf_of(row: SigningKey) -> x509.Certificate:
    """Read the certificate of a key that has one."""
    assert row.chain
    return paths.read_certificate(row.chain[0])


def kid_of(certificate: x509.Certificate) -> str:
    """Return what a key of ours is called by the ring, from its certificate."""
    return suites.thumbprint(suites.public_jwk(certificate.public_key()))  # type: ignore[arg-type]


def anchors() -> Anchors:
    """Return what credentials are judged by, kept in the process; raises KeyNotReady before `kabao init`."""
    found = cache.get(ring.TOPIC, "anchors", _load_anchors)
    if found is None:
        raise ring.KeyNotReady("no root")
    return found


def root_certificate() -> x509.Certificate:
    """Return the root that signs, kept in the process; raises KeyNotReady before `kabao init`."""
    return anchors().roots[0]


def root_certificate_of(row: SigningKey) -> x509.Certificate:
    """Read the certificate of a root's row."""
    return leaf_of(row)


def root_pem() -> bytes:
    """Return the roots as PEM, for verifiers to hold, the one that signs first."""
    return b"".join(root.public_bytes(Encoding.PEM) for root in anchors().roots)


def _load_anchors() -> Anchors | None:
    order = {ring.ACTIVE: 0, ring.NEXT: 1, ring.RETIRED: 2}
    with transaction() as session:
        rows = session.scalars(select(SigningKey).where(SigningKey.use == ring.ROOT, SigningKey.state != ring.GONE)).all()
        roots = tuple(map(leaf_of, sorted(rows, key=lambda row: (order[row.state], row.made_at))))
        imported = session.scalars(select(IssuedCertificate.fingerprint).where(IssuedCertificate.issuer_kid.is_(None)))
        known = frozenset(imported), issued_certificates.revoked(session)
        return Anchors(roots, trust_anchors.trusted(session), *known) if roots else None
