"""Scanning to sign in: a desk's browser shows a code, a phone that is signed in reads it and gives the number that the desk shows.

Three secrets keep it together. The QR code's leads a phone to the request and gives nobody a session; the desk's, which never leaves
its own browser, fetches the session once; the two-digit number, which the person carries from the one screen to the other, shows
that they see both. A request lives two minutes, is answered once, and a wrong number spends it. See decision 0019.
"""

import enum
import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from prometheus_client import Counter
from sqlalchemy import ColumnElement, ForeignKey, case, select, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from idp.signin import devices, throttle
from idp.signin.assurance import TWO_FACTORS, aal_of
from idp.signin.devices import About
from idp.signin.sessions import SignedIn
from keys import sealed_tables, sealing
from runtime import ledger
from runtime.database import Base, prune
from runtime.ids import new_id
from runtime.languages import Text, text_of
from runtime.problems import Refusal

LIFETIME = timedelta(minutes=2)
TO_FETCH = timedelta(seconds=30)
TABLE, DOOR = "signin_scans", "scan"
LEAST, MOST = 10, 99
SECRET_BYTES = 24
PENALTY = 10
SCANS = Counter("kabao_scans_total", "Requests to sign in by scanning", ["outcome"])


class Answer(enum.StrEnum):
    """What a phone said."""

    CONFIRMED = "confirmed"
    WRONG = "wrong"
    REFUSED = "refused"
    REPORTED = "reported"


class ScanOver(Refusal):
    """There is no such request, or it was answered, or two minutes have gone by."""

    code, status = "scan-over", 410
    title = Text("二维码已失效，请在电脑上重新生成。", "This code is over; make a new one on the other screen.")


class SigninScan(Base):
    """A desk that asks to be signed in, until a phone answers."""

    __tablename__ = TABLE
    id: Mapped[UUID] = mapped_column(primary_key=True)
    qr_hash: Mapped[bytes] = mapped_column(index=True, unique=True)
    desk_hash: Mapped[bytes]
    number_index: Mapped[bytes]
    about_sealed: Mapped[bytes]
    address_key: Mapped[bytes]
    asker: Mapped[dict[str, Any] | None]
    at: Mapped[datetime]
    expires_at: Mapped[datetime] = mapped_column(index=True)
    answered_at: Mapped[datetime | None]
    answer: Mapped[str | None]
    subject_id: Mapped[UUID | None] = mapped_column(ForeignKey("subjects.id"))
    amr: Mapped[list[str] | None]
    auth_time: Mapped[datetime | None]
    fetched_at: Mapped[datetime | None]


sealed_tables.declare(
    SigninScan, sealed={"about_sealed": "about"}, left={"number_index": "a request lives two minutes, and both key versions are tried"}
)


@dataclass(frozen=True, slots=True)
class Shown:
    """What the desk keeps and shows: the secrets are here and nowhere else."""

    id: UUID
    qr: str
    desk: str
    number: int
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Asking:
    """What a phone is shown: who asks, in what browser, from where, since when."""

    asker: Text | None
    about: About
    at: datetime


@dataclass(frozen=True, slots=True)
class Confirmed:
    """Whom a desk may let in: by what proof, and when that was shown."""

    subject_id: UUID
    amr: list[str]
    auth_time: datetime


def make(session: Session, *, address: str, about: About, asker: Text | None, now: datetime) -> Shown:
    """Make a request of a desk, and return what it shows and keeps."""
    scan_id, number = new_id(), LEAST + secrets.randbelow(MOST - LEAST + 1)
    shown = Shown(scan_id, secrets.token_urlsafe(SECRET_BYTES), secrets.token_urlsafe(SECRET_BYTES), number, now + LIFETIME)
    session.add(
        SigninScan(
            id=scan_id,
            qr_hash=_hash(shown.qr),
            desk_hash=_hash(shown.desk),
            number_index=sealing.index_of(_numbered(shown.qr, str(number))),
            about_sealed=about.seal(table=TABLE, row=scan_id),
            address_key=throttle.Try(DOOR, "", address).address_key(),
            asker=asker.as_json() if asker else None,
            at=now,
            expires_at=shown.expires_at,
        )
    )
    SCANS.labels("made").inc()
    return shown


def get_asking(session: Session, unverified_qr: str, *, now: datetime) -> Asking:
    """Return what a code's request is; raises ScanOver."""
    row = session.scalars(select(SigninScan).where(*_waiting(unverified_qr, now=now))).first()
    if row is None:
        raise ScanOver
    return Asking(text_of(row.asker) if row.asker else None, devices.unseal(row.about_sealed, table=TABLE, row=row.id), row.at)


def confirm(session: Session, unverified_qr: str, *, unverified_number: str, phone: SignedIn, now: datetime) -> bool:
    """Let the desk in as the phone's person if the number is the desk's; another number spends the request. Raises ScanOver."""
    is_right = SigninScan.number_index.in_(sealing.indexes_of(_numbered(unverified_qr, unverified_number.strip())))
    row = _answer(
        session,
        _waiting(unverified_qr, now=now),
        answer=case((is_right, Answer.CONFIRMED.value), else_=Answer.WRONG.value),
        subject_id=phone.subject_id,
        amr=amr_of(phone),
        auth_time=phone.auth_time,
        expires_at=now + TO_FETCH,
        now=now,
    )
    _record(session, row, phone, now=now)
    return row.answer == Answer.CONFIRMED


def refuse(session: Session, unverified_qr: str, *, phone: SignedIn, report: bool, now: datetime) -> None:
    """Refuse the desk; reported, its address has fewer tries left for a while, and operators see it counted. Raises ScanOver."""
    answer = Answer.REPORTED if report else Answer.REFUSED
    row = _answer(session, _waiting(unverified_qr, now=now), answer=answer.value, now=now)
    _record(session, row, phone, now=now)
    if report:
        throttle.penalise(session, row.address_key, door=DOOR, tries=PENALTY, now=now)


def state_of(session: Session, scan_id: UUID, unverified_desk: str, *, now: datetime) -> str:
    """Return how a desk's request stands: `waiting`, `confirmed`, `refused` or `over`."""
    row = session.scalars(select(SigninScan).where(*_of_desk(scan_id, unverified_desk))).first()
    if row is None or row.fetched_at is not None or row.expires_at <= now:
        return "over"
    if row.answer is None:
        return "waiting"
    return "confirmed" if row.answer == Answer.CONFIRMED else "refused"


def fetch(session: Session, scan_id: UUID, unverified_desk: str, *, now: datetime) -> Confirmed | None:
    """Return whom the desk may let in, once; None as long as no phone confirmed it, and for every other desk."""
    is_ready = (SigninScan.answer == Answer.CONFIRMED, SigninScan.fetched_at.is_(None), SigninScan.expires_at > now)
    spend = update(SigninScan).where(*_of_desk(scan_id, unverified_desk), *is_ready).values(fetched_at=now)
    row = session.execute(spend.returning(SigninScan.subject_id, SigninScan.amr, SigninScan.auth_time)).first()
    if row is None:
        return None
    SCANS.labels("entered").inc()
    return Confirmed(row.subject_id, row.amr, row.auth_time)


def end_all(session: Session, subject_id: UUID, *, now: datetime) -> None:
    """Let in no desk any more that was confirmed for a person and has not come yet: the session that confirmed it may be one that ends now."""
    confirmed = (SigninScan.subject_id == subject_id, SigninScan.answer == Answer.CONFIRMED, SigninScan.fetched_at.is_(None))
    session.execute(update(SigninScan).where(*confirmed, SigninScan.expires_at > now).values(fetched_at=now))


def amr_of(phone: SignedIn) -> list[str]:
    """Return what a desk's session stands on: that it was scanned, and two factors only where the phone's session stood on them."""
    return ["scan", "mfa"] if aal_of(phone.amr) >= TWO_FACTORS else ["scan"]


def forget(*, now: datetime) -> None:
    """Forget the requests that are over."""
    prune(SigninScan, SigninScan.expires_at < now)


def _answer(session: Session, waiting: tuple[ColumnElement[bool], ...], *, now: datetime, **values: Any) -> Any:
    answered = update(SigninScan).where(*waiting).values(answered_at=now, **values)
    row = session.execute(answered.returning(SigninScan.id, SigninScan.answer, SigninScan.address_key)).first()
    if row is None:
        raise ScanOver
    return row


def _record(session: Session, row: Any, phone: SignedIn, *, now: datetime) -> None:
    SCANS.labels(row.answer).inc()
    ledger.record(session, f"scan.{row.answer}", actor=f"subject:{phone.subject_id}", object_id=row.id, subject_id=phone.subject_id, now=now)


def _waiting(unverified_qr: str, *, now: datetime) -> tuple[ColumnElement[bool], ...]:
    return SigninScan.qr_hash == _hash(unverified_qr), SigninScan.answered_at.is_(None), SigninScan.expires_at > now


def _of_desk(scan_id: UUID, unverified_desk: str) -> tuple[ColumnElement[bool], ...]:
    return SigninScan.id == scan_id, SigninScan.desk_hash == _hash(unverified_desk)


def _numbered(qr: str, number: str) -> str:
    return f"scan:{qr}:{number}"


def _hash(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()
