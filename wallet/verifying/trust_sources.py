"""The trust lists of other provinces: which are believed, for what, and the last good one of each.

A list that cannot be had, or is refused, changes nothing: the last good one holds until its own next update, and after that nobody whom it
names is believed until a newer one comes. Why it could not be had is kept apart from that it has run out.
"""

import hashlib
import re
from datetime import datetime, timedelta

import structlog
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from sqlalchemy import select
from sqlalchemy.orm import Mapped, Session, mapped_column

from keys import paths
from keys.issued_certificates import IssuedCertificate
from keys.ring import OPERATOR
from runtime import backlog, cache, ledger
from runtime.backlog import Backlog
from runtime.database import Base
from runtime.languages import Text
from runtime.outbound import NoAnswer, allowed_by, fetch
from runtime.problems import Refusal
from runtime.settings import Settings
from wallet.register.departments import Department
from wallet.verifying.listed import Listed
from wallet.verifying.trust_list_reading import MOST_BYTES, ListRefused, ReadList, Source, read_list

log = structlog.get_logger(__name__)
TOPIC = "trust_lists"
NAME = re.compile(r"[a-z][a-z0-9-]{0,31}")
EVERY, TIMEOUT = timedelta(hours=1), 10.0
OK = 200
WARNED_BEFORE = timedelta(days=2)  # of a list that nobody fetches: somebody must bring the next one
STANDING = """
SELECT CASE WHEN next_update <= now() THEN 'expired' WHEN fault IS NOT NULL THEN 'unavailable'
WHEN url IS NULL AND next_update <= now() + interval '2 days' THEN 'ending' ELSE 'good' END, count(*)
FROM trust_list_sources GROUP BY 1"""
backlog.declare(Backlog("trust_lists", "Trust lists of other provinces, by how they stand", STANDING, label="state", is_aged=False))
MEDIA_TYPES = ("application/jose", "application/jwt")


class SourceRefused(Refusal):
    """The trust list cannot be added, or there is none of that name."""

    code, status, title = "trust-list-refused", 422, Text("该信任名单不能采用。", "The trust list cannot be used.")


class TrustListSource(Base):
    """A list of another province, with the last good token. `fault` is why the newest attempt brought nothing."""

    __tablename__ = "trust_list_sources"
    name: Mapped[str] = mapped_column(primary_key=True)
    province: Mapped[str]
    url: Mapped[str | None]
    root: Mapped[bytes]
    types: Mapped[list[str]]
    signer: Mapped[str]
    sequence: Mapped[int]
    token: Mapped[bytes]
    digest: Mapped[str]
    next_update: Mapped[datetime]
    added_at: Mapped[datetime]
    taken_at: Mapped[datetime]
    tried_at: Mapped[datetime]
    fault: Mapped[str | None]

    def state_at(self, now: datetime) -> str:
        """How the list stands: good, unavailable while the last good one still holds, ending where nobody fetches the next one, or expired."""
        if now >= self.next_update:
            return "expired"
        if self.fault:
            return "unavailable"
        return "ending" if self.url is None and now >= self.next_update - WARNED_BEFORE else "good"


def add(
    session: Session,
    settings: Settings,
    *,
    name: str,
    province: str,
    url: str | None,
    given: bytes | None,
    root: bytes,
    types: list[str],
    now: datetime,
) -> TrustListSource:
    """Believe a province's list from now on, for some of our types; it is fetched, unless it is given. Raises SourceRefused."""
    if not NAME.fullmatch(name) or session.get(TrustListSource, name) is not None:
        raise SourceRefused("a name has small letters, digits and hyphens, begins with a letter, and is not taken", field="name")
    source = Source(province, _read_root(root, now=now), frozenset(types), settings.public_url)
    try:
        token = given if given is not None else _fetch(settings, url or "")
        read = read_list(token, source, now=now)
        _check_apart(session, settings, read, name)
    except ListRefused as refused:
        raise SourceRefused(str(refused), field="list") from refused
    row = TrustListSource(name=name, province=province, url=url, root=source.root.public_bytes(Encoding.DER), types=sorted(types), added_at=now)
    row.signer = read.signer
    _take(row, token, read, now=now)
    session.add(row)
    ledger.record(session, "trust_list.added", actor=OPERATOR, object_id=name, now=now, sequence=read.sequence)
    session.flush()
    cache.changed(session, TOPIC)
    return row


def remove(session: Session, name: str, *, now: datetime) -> None:
    """Believe a list no longer; raises SourceRefused."""
    session.delete(get_source(session, name))
    ledger.record(session, "trust_list.removed", actor=OPERATOR, object_id=name, now=now)
    session.flush()
    cache.changed(session, TOPIC)


def get_source(session: Session, name: str) -> TrustListSource:
    """Return a list by its name; raises SourceRefused."""
    row = session.get(TrustListSource, name, with_for_update=True)
    if row is None:
        raise SourceRefused("there is no list of that name", field="name")
    return row


def sources(session: Session) -> list[TrustListSource]:
    """Return every list, the first added first."""
    return list(session.scalars(select(TrustListSource).order_by(TrustListSource.added_at)))


def due(session: Session, *, now: datetime) -> list[str]:
    """Return the names of the lists that are to be fetched now."""
    return [row.name for row in sources(session) if row.url is not None and row.tried_at <= now - EVERY]


def fetch_newer(settings: Settings, source: TrustListSource) -> bytes:
    """Fetch a list; raises ListRefused, and SourceRefused for one that came as a file."""
    if source.url is None:
        raise SourceRefused("it came as a file and is never fetched: give the file of the newer list", field="file")
    return _fetch(settings, source.url)


def take(session: Session, settings: Settings, name: str, token: bytes | ListRefused, *, now: datetime) -> None:
    """Put a list that was fetched, or why there is none, in the place of the last one; what is not newer and right changes nothing."""
    row = get_source(session, name)
    row.tried_at, before = now, row.fault
    try:
        if isinstance(token, ListRefused):
            raise token
        read = read_again(row, settings, token, now=now)
        if read.sequence < row.sequence or (read.sequence == row.sequence and _digest(token) != row.digest):
            raise ListRefused("the sequence number goes back, or one number stands on two lists")
        _check_apart(session, settings, read, name)
    except ListRefused as refused:
        row.fault = str(refused)
        if before is None:
            log.warning("a trust list brings nothing", source=name, reason=row.fault)
        return
    row.fault = None
    if read.sequence > row.sequence:
        _take(row, token, read, now=now)
        ledger.record(session, "trust_list.taken", actor="worker", object_id=name, now=now, sequence=read.sequence)
        session.flush()
        cache.changed(session, TOPIC)


def read_again(row: TrustListSource, settings: Settings, token: bytes, *, now: datetime) -> ReadList:
    """Read a list of a source that is known; raises ListRefused."""
    root = x509.load_der_x509_certificate(row.root)
    return read_list(token, Source(row.province, root, frozenset(row.types), settings.public_url, row.signer), now=now)


def all_listed(session: Session, settings: Settings) -> dict[str, Listed]:
    """Return what the last good lists say, by certificate; those that have run out, too, so that it can be said."""
    found: dict[str, Listed] = {}
    for row in sources(session):
        taken = read_again(row, settings, row.token, now=row.taken_at)
        found = {**taken.listed, **found}
    return found


def _take(row: TrustListSource, token: bytes, read: ReadList, *, now: datetime) -> None:
    row.token, row.digest, row.sequence, row.next_update = token, _digest(token), read.sequence, read.next_update
    row.taken_at = row.tried_at = now
    row.fault = None


def _digest(token: bytes) -> str:
    return hashlib.sha256(token).hexdigest()


def _check_apart(session: Session, settings: Settings, read: ReadList, name: str) -> None:
    """Refuse a list that speaks for a department of ours, or for an issuer whom another list speaks for, by name or by certificate."""
    ours = set(session.scalars(select(Department.code).where(Department.code.in_({one.code for one in read.listed.values()} - {""}))))
    if ours or read.listed.keys() & set(session.scalars(select(IssuedCertificate.fingerprint))):
        raise ListRefused("the list speaks for one of our own departments")
    for row in sources(session):
        other = read_again(row, settings, row.token, now=row.taken_at).listed if row.name != name else {}
        if other.keys() & read.listed.keys() or {one.uri for one in other.values()} & {one.uri for one in read.listed.values()}:
            raise ListRefused("the list speaks for an issuer whom another list speaks for")


def _fetch(settings: Settings, url: str) -> bytes:
    try:
        answer = fetch("GET", url, headers={"Accept": MEDIA_TYPES[0]}, allowed=allowed_by(settings), timeout=TIMEOUT, limit=MOST_BYTES)
    except NoAnswer as error:
        raise ListRefused("there was no answer in time, or its address may not be asked") from error
    if answer.status != OK:
        raise ListRefused("the answer was a redirect" if 300 <= answer.status < 400 else "the answer was an error")
    if answer.headers.get("content-type", "").partition(";")[0].strip().lower() not in MEDIA_TYPES:
        raise ListRefused("the answer was of another content type")
    return answer.body


def _read_root(unverified: bytes, *, now: datetime) -> x509.Certificate:
    try:
        root = x509.load_pem_x509_certificate(unverified)
    except ValueError as error:
        raise SourceRefused("the root is not one certificate in PEM", field="root") from error
    if not paths.is_root(root) or not root.not_valid_before_utc <= now <= root.not_valid_after_utc:
        raise SourceRefused("the root is no authority that signed itself, or is not in its period", field="root")
    return root
