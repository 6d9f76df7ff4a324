"""Making an archive of a department's receipts (decree 716, article 12): written as it is sent, never held whole, and sealed at its end.

It holds what was sealed when it began, whatever is verified meanwhile, and says until when that is all. Each page of receipts is read in a
transaction of its own, with the proofs under the checkpoint that is newest then.
"""

import base64
import io
import json
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any
from uuid import UUID

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from sqlalchemy import ColumnElement, func, or_, select
from sqlalchemy.orm import Session

from keys import certificates, paths, revocation_lists, ring
from runtime import ledger
from runtime.database import transaction
from runtime.languages import Text
from runtime.ledger import LedgerCheckpoint, LedgerEntry
from runtime.problems import Refusal
from runtime.settings import Settings
from wallet.verifying import archives
from wallet.verifying.archive_words import README
from wallet.verifying.presentations import chain_of, read_object
from wallet.verifying.receipts import Receipt

AT_ONCE = 500


class ArchiveTooLarge(Refusal):
    """There are more receipts in the period than one archive holds."""

    code, status = "archive-too-large", 422
    title = Text("该时段回执过多，请缩短时段分次归档。", "There are more receipts in that time than one archive holds; take a shorter one.")


class NothingToArchive(Refusal):
    """There is no receipt in the period, or the period is none."""

    code, status, title = "nothing-to-archive", 404, Text("该时段没有回执。", "There is no receipt in that time.")


class NotSealedYet(Refusal):
    """Some receipt of the period is not in the sealed ledger yet."""

    code, status = "not-sealed-yet", 409
    title = Text("最近的回执尚未完成存证，请几秒后再试。", "The latest receipts are not sealed yet; try again in some seconds.")


@dataclass(frozen=True, slots=True)
class Period:
    """What is archived: a department's receipts from a moment on and before another; once it has begun, those in a ledger of some `size`."""

    department: str
    since: datetime
    until: datetime
    size: int = 0

    def covers(self) -> tuple[ColumnElement[bool], ...]:
        """Return the conditions of its receipts."""
        return Receipt.department == self.department, Receipt.issued_at >= self.since, Receipt.issued_at < self.until

    def find_first_beyond(self, session: Session) -> datetime | None:
        """Return when the first of its receipts was issued whose row is not in the ledger of that size, or None."""
        beyond = or_(LedgerEntry.position.is_(None), LedgerEntry.position >= self.size)
        first = select(func.min(Receipt.issued_at)).join(LedgerEntry, LedgerEntry.id == Receipt.ledger_entry_id)
        return session.scalar(first.where(*self.covers(), beyond))


def begin(session: Session, period: Period, *, actor: str, now: datetime) -> Period:
    """Check that the period can be archived, write down that it is, and return it, for `write`.

    One that is not over ends where the sealed ledger does: what is verified while the archive is written would have no proof. Raises
    NothingToArchive, ArchiveTooLarge, NotSealedYet, KeyNotReady.
    """
    period = replace(period, size=session.scalar(select(func.max(LedgerCheckpoint.size))) or 0)
    waiting = period.find_first_beyond(session)
    if waiting is not None and (period.until <= now or waiting <= period.since):
        raise NotSealedYet("a row has no place yet", headers={"Retry-After": "5"})
    period = replace(period, until=min(period.until, now, waiting or now))
    within = select(Receipt.id).where(*period.covers()).limit(archives.MOST_RECEIPTS + 1).subquery()
    count = session.scalar(select(func.count()).select_from(within)) or 0
    if count == 0 and waiting is not None:
        raise NotSealedYet("none has a place yet", headers={"Retry-After": "5"})
    if count == 0:
        raise NothingToArchive(field="from")
    if count > archives.MOST_RECEIPTS:
        raise ArchiveTooLarge("too many receipts", field="until", most=archives.MOST_RECEIPTS)
    ring.signer(ring.RECEIPT)
    told: dict[str, Any] = {"receipts": count, "since": period.since.isoformat(), "until": period.until.isoformat()}
    ledger.record(session, "receipts.archived", actor=actor, object_id=period.department, now=now, **told)
    return period


def write(settings: Settings, period: Period, *, now: datetime) -> Iterator[bytes]:
    """Yield the archive of a period that `begin` returned, piece by piece."""
    writing = _Writing(now)
    yield from writing.add(archives.README, README.encode())
    yield from writing.add(archives.ANCHORS, certificates.root_pem())
    for root in certificates.anchors().roots:
        listed = revocation_lists.find(certificates.kid_of(root))
        if listed is not None:
            yield from writing.add(f"{archives.LISTS}{paths.fingerprint_of(root)}.crl", listed)
    last: UUID | None = None
    while True:
        with transaction() as session:
            page = _page(session, period, last)
            proofs = ledger.prove_all(session, [one.ledger_entry_id for one in page])
            texts = [(one.id, one.jws, proofs[one.ledger_entry_id]) for one in page]
        for receipt_id, jws, proof in texts:
            yield from _add_receipt(writing, receipt_id, jws, proof)
        if len(page) < AT_ONCE:
            break
        last = page[-1].id
    yield from _seal(settings, writing, period, now=now)


class _Writing:
    """A ZIP that goes out as it is written: what was written since is taken, nothing is gone back to."""

    def __init__(self, moment: datetime) -> None:
        self.out = _Out()
        self.zip = zipfile.ZipFile(self.out, "w", zipfile.ZIP_DEFLATED)
        self.digests: dict[str, str] = {}
        self.date = moment.astimezone(UTC).timetuple()[:6]

    def add(self, name: str, content: bytes) -> Iterator[bytes]:
        """Write a file once, and yield what is to be sent."""
        if name not in self.digests:
            self.digests[name] = sha256(content).hexdigest()
            yield from self.write(name, content)

    def write(self, name: str, content: bytes) -> Iterator[bytes]:
        """Write a file that the manifest does not name."""
        about = zipfile.ZipInfo(name, self.date)
        about.compress_type, about.external_attr = zipfile.ZIP_DEFLATED, 0o644 << 16
        self.zip.writestr(about, content)
        yield self.out.taken()

    def end(self) -> bytes:
        """Close it and return the rest."""
        self.zip.close()
        return self.out.taken()


@dataclass
class _Out(io.RawIOBase):
    """Where a ZIP is written: a stream that cannot be gone back in."""

    pieces: list[bytes] = field(default_factory=list)

    def writable(self) -> bool:
        return True

    def write(self, piece: Any) -> int:
        self.pieces.append(bytes(piece))
        return len(self.pieces[-1])

    def taken(self) -> bytes:
        """Return what was written since it was taken last."""
        whole = b"".join(self.pieces)
        self.pieces.clear()
        return whole


def _page(session: Session, period: Period, last: UUID | None) -> list[Receipt]:
    rows = select(Receipt).join(LedgerEntry, LedgerEntry.id == Receipt.ledger_entry_id)
    rows = rows.where(*period.covers(), LedgerEntry.position < period.size, *([Receipt.id > last] if last is not None else []))
    return list(session.scalars(rows.order_by(Receipt.id).limit(AT_ONCE)))


def _add_receipt(writing: _Writing, receipt_id: UUID, jws: str, proof: ledger.InclusionProof) -> Iterator[bytes]:
    yield from writing.add(f"{archives.RECEIPTS}{receipt_id}.jws", jws.encode())
    encoded = [base64.b64encode(one).decode() for one in proof.path]
    told = {"position": proof.position, "size": proof.size, "path": encoded, "row": proof.row}
    yield from writing.add(f"{archives.PROOFS}{receipt_id}.json", json.dumps(told, ensure_ascii=False, sort_keys=True).encode())
    yield from writing.add(f"{archives.CHECKPOINTS}{proof.size}.jws", proof.checkpoint.encode())
    for signed in (jws, proof.checkpoint):
        yield from _add_chain(writing, chain_of(read_object(signed, 0)))


def _add_chain(writing: _Writing, chain: list[str]) -> Iterator[bytes]:
    for encoded in chain:
        name = f"{archives.CERTIFICATES}{sha256(base64.b64decode(encoded)).hexdigest()}.pem"
        if name not in writing.digests:
            certificate = x509.load_der_x509_certificate(base64.b64decode(encoded))
            yield from writing.add(name, certificate.public_bytes(Encoding.PEM))


def _seal(settings: Settings, writing: _Writing, period: Period, *, now: datetime) -> Iterator[bytes]:
    with transaction() as session:
        until = period.find_first_beyond(session) or period.until  # what was committed after the archive had begun is the next one's
    told = {"department": period.department, "from": period.since.isoformat(), "until": until.isoformat()}
    manifest = json.dumps({**told, "made_at": now.isoformat(), "files": writing.digests}, ensure_ascii=False, indent=1).encode()
    sealed = {"iss": settings.public_url, "iat": int(now.timestamp()), **told, "digest": sha256(manifest).hexdigest()}
    signer = ring.signer(ring.RECEIPT)
    yield from writing.write(archives.MANIFEST, manifest)
    yield from writing.write(archives.SEAL, signer.sign(sealed, typ=archives.SEAL_TYPE).encode())
    yield writing.end()
