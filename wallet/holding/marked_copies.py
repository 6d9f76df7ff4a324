"""Marked copies (加注件): a licence's sealed document for one recipient, one cause and a time, handed over by a link.

The link is a random secret that says nothing of anybody; it works once, within ten minutes. The document rests sealed for just so long, and is
forgotten as it is fetched, withdrawn or late. That there was a copy, for whom and until when, stays, and so does its place in a status list:
what becomes of the licence reaches it wherever it is.
"""

import base64
import hashlib
import json
import re
import secrets
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from uuid import UUID

from sqlalchemy import ColumnElement, CursorResult, Index, select, tuple_, update
from sqlalchemy.orm import Mapped, Session, defer, mapped_column

from idp.signin import begun
from idp.subjects import directory, mandates
from idp.subjects.mandates import GivenMandate
from idp.subjects.records import ACTIVE
from keys import sealed_tables, sealing
from runtime import ledger
from runtime.database import Base
from runtime.languages import HAN, Text
from runtime.problems import Refusal
from wallet.holding.cards import HOLDER_NAME, HOLDER_NUMBER, LICENCE_NUMBER
from wallet.holding.uses import Way, record_use
from wallet.issuing import copy_marks
from wallet.issuing.copy_marks import Marking
from wallet.issuing.documents import kept
from wallet.issuing.documents.kept import Draft
from wallet.register.licences import Licence, LicenceState, fields_of, find_held

TABLE = "marked_copies"
LIFETIME = timedelta(minutes=10)
SECRET_BYTES, SECRET = 32, re.compile(r"[A-Za-z0-9_-]{43}")
FORGET_BATCH = 200
LAST = datetime.max.replace(tzinfo=UTC)
UNSYNCHRONIZED = {"synchronize_session": False}


class LinkOver(Refusal):
    """Nothing is behind this link: it was used, withdrawn, is late, or never was; the caller is not told which."""

    code, status, title = (
        "copy-link-over",
        410,
        Text(
            "此链接无效、已使用或已过期，请持证人重新制作。", "The link is wrong, was used before, or its time is over. Ask the holder for a new one."
        ),
    )


class CopyNotFound(Refusal):
    """The holder has made no such copy of this licence."""

    code, status, title = "copy-not-found", 404, Text("没有此加注件。", "There is no such marked copy.")


class CopyGone(Refusal):
    """The copy was fetched already, so its link can no longer be withdrawn; or the link is over anyway."""

    code, status, title = "copy-gone", 409, Text("链接已使用或已失效，不能再撤回。", "The link was used or is over; it can no longer be withdrawn.")


class CopyState(StrEnum):
    """What became of a copy's link."""

    WAITING = "waiting"
    FETCHED = "fetched"
    WITHDRAWN = "withdrawn"
    OVER = "over"


class MarkedCopy(Base):
    """A marked copy; `id` is its document's, `person_id` who made it: the holder, or one who acted for them. `pdf_sealed` waits to be fetched."""

    __tablename__ = TABLE
    holder_id: Mapped[UUID] = mapped_column(primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True)
    licence_id: Mapped[UUID]
    person_id: Mapped[UUID]
    marking_sealed: Mapped[bytes]
    pdf_sealed: Mapped[bytes | None]
    link_hash: Mapped[bytes] = mapped_column(unique=True)
    made_at: Mapped[datetime]
    link_ends_at: Mapped[datetime]
    ends_at: Mapped[datetime]
    fetched_at: Mapped[datetime | None]
    withdrawn_at: Mapped[datetime | None]
    __table_args__ = (
        Index("ix_marked_copies_licence", "holder_id", "licence_id", "id"),
        Index("ix_marked_copies_waiting", "link_ends_at", postgresql_where="pdf_sealed IS NOT NULL"),
    )

    @property
    def marking(self) -> Marking:
        """For whom, why and until when it was made."""
        return copy_marks.from_json(json.loads(sealing.unseal(self.marking_sealed, table=TABLE, column="marking_sealed", row=self.id)))

    def state_at(self, now: datetime) -> CopyState:
        """Return what became of the link."""
        if self.fetched_at is not None:
            return CopyState.FETCHED
        if self.withdrawn_at is not None:
            return CopyState.WITHDRAWN
        return CopyState.WAITING if now < self.link_ends_at else CopyState.OVER


sealed_tables.declare(MarkedCopy, sealed={name: name for name in ("marking_sealed", "pdf_sealed")})


@dataclass(frozen=True, slots=True)
class Link:
    """A copy that was made, and the secret of its link, which is told once."""

    id: UUID
    secret: str = field(repr=False)


def keep(session: Session, drafted: Draft, pdf: bytes, marking: Marking, *, person_id: UUID, now: datetime, until: datetime | None = None) -> Link:
    """Write down a copy that was made, tell the holder's history, and return its link; raises NotInForce.

    Where it is one who acts for the holder who makes it, their mandate ends by itself at `until`, and the link with it.

    The PDF was made before this transaction: what it takes to make one holds no row.
    """
    content, secret = drafted.content, secrets.token_urlsafe(SECRET_BYTES)
    copy_id = kept.keep(session, drafted, actor=f"subject:{person_id}", act="copy.made", now=now)
    told = json.dumps(marking.as_json(), ensure_ascii=False)
    row = MarkedCopy(
        holder_id=content.holder_id,
        id=copy_id,
        licence_id=content.licence_id,
        person_id=person_id,
        marking_sealed=sealing.seal(told, table=TABLE, column="marking_sealed", row=copy_id),
        pdf_sealed=sealing.seal(base64.b64encode(pdf).decode(), table=TABLE, column="pdf_sealed", row=copy_id),
        link_hash=_hash(secret),
        made_at=now,
        link_ends_at=min(now + LIFETIME, until or LAST),
        ends_at=marking.ends_at,
        fetched_at=None,
        withdrawn_at=None,
    )
    session.add(row)
    _record_use(session, row, marking, Way.COPY, department=content.department, fields=list(content.values), now=now)
    return Link(copy_id, secret)


def fetch(session: Session, unverified_secret: str, *, now: datetime) -> tuple[bytes, Licence]:
    """Give the document for a link's secret, once, and the licence that it is of; raises LinkOver.

    The row is marked in one statement, so that of any number who race one gets it; whoever then refuses undoes it. The document is forgotten here.
    """
    row = _take(session, unverified_secret, now=now)
    licence = _find_in_force(session, row, now=now)
    if licence is None or row.pdf_sealed is None:
        raise LinkOver("the licence or its holder has ended")
    pdf = base64.b64decode(sealing.unseal(row.pdf_sealed, table=TABLE, column="pdf_sealed", row=row.id))
    row.pdf_sealed = None
    seen = [HOLDER_NAME, HOLDER_NUMBER, LICENCE_NUMBER, *fields_of(licence)]
    _record_use(session, row, row.marking, Way.COPY_FETCHED, department=licence.issuer_code, fields=seen, now=now)
    ledger.record(session, "copy.fetched", actor="link", object_id=row.id, subject_id=row.holder_id, now=now)
    return pdf, licence


def find_waiting(session: Session, unverified_secret: str, *, now: datetime) -> MarkedCopy | None:
    """Return the copy that `fetch` would give for a link, without its document; nothing is spent."""
    if not SECRET.fullmatch(unverified_secret):
        return None
    waiting = select(MarkedCopy).where(MarkedCopy.link_hash == _hash(unverified_secret), *_waits(now))
    found = session.scalars(waiting.options(defer(MarkedCopy.pdf_sealed))).one_or_none()
    return found if found is not None and _find_in_force(session, found, now=now) else None


def copies_of(session: Session, *, holder_id: UUID, licence_id: UUID | None = None, limit: int = 50) -> list[MarkedCopy]:
    """Return the copies that a holder has made, of one licence if it is given, the newest first."""
    query = select(MarkedCopy).where(MarkedCopy.holder_id == holder_id).options(defer(MarkedCopy.pdf_sealed))
    if licence_id is not None:
        query = query.where(MarkedCopy.licence_id == licence_id)
    return list(session.scalars(query.order_by(MarkedCopy.id.desc()).limit(limit)))


def get_copy(session: Session, copy_id: UUID, *, holder_id: UUID, licence_id: UUID) -> MarkedCopy:
    """Return a holder's copy of a licence; raises CopyNotFound."""
    found = session.get(MarkedCopy, (holder_id, copy_id), options=[defer(MarkedCopy.pdf_sealed)])
    if found is None or found.licence_id != licence_id:
        raise CopyNotFound
    return found


def withdraw(session: Session, copy_id: UUID, *, holder_id: UUID, person_id: UUID, now: datetime) -> None:
    """Let a link that was not used work no more, and forget its document; raises CopyGone."""
    if not _withdraw(session, MarkedCopy.holder_id == holder_id, MarkedCopy.id == copy_id, now=now):
        raise CopyGone
    ledger.record(session, "copy.withdrawn", actor=f"subject:{person_id}", object_id=copy_id, subject_id=holder_id, now=now)


def withdraw_made_under(session: Session, given: GivenMandate, now: datetime) -> None:
    """Withdraw the links that a person made for another, as the mandate ends that they were made under."""
    _withdraw(session, MarkedCopy.holder_id == given.holder_id, MarkedCopy.person_id == given.person_id, now=now)


def withdraw_begun(session: Session, person_id: UUID, now: datetime) -> None:
    """Withdraw the links that a person made, for themself or for others, as a session of theirs is ended that may have been stolen."""
    _withdraw(session, MarkedCopy.holder_id.in_(mandates.holders_of(person_id)), MarkedCopy.person_id == person_id, now=now)


def withdraw_all(session: Session, holder_id: UUID, now: datetime) -> None:
    """Withdraw every link of a holder who has ended."""
    _withdraw(session, MarkedCopy.holder_id == holder_id, now=now)


def forget(session: Session, *, now: datetime) -> int:
    """Forget a batch of the documents whose links are over, and return how many."""
    late = select(MarkedCopy.holder_id, MarkedCopy.id).where(MarkedCopy.pdf_sealed.is_not(None), MarkedCopy.link_ends_at <= now)
    batch = late.order_by(MarkedCopy.link_ends_at).limit(FORGET_BATCH).with_for_update(skip_locked=True)
    which = tuple_(MarkedCopy.holder_id, MarkedCopy.id).in_(batch)
    return _count(session.execute(update(MarkedCopy).where(which).values(pdf_sealed=None), execution_options=UNSYNCHRONIZED))


def _take(session: Session, unverified_secret: str, *, now: datetime) -> MarkedCopy:
    if not SECRET.fullmatch(unverified_secret):
        raise LinkOver("not a secret")
    waiting = update(MarkedCopy).where(MarkedCopy.link_hash == _hash(unverified_secret), *_waits(now))
    row = session.scalars(waiting.values(fetched_at=now).returning(MarkedCopy), execution_options=UNSYNCHRONIZED).one_or_none()
    if row is None:
        raise LinkOver
    return row


def _find_in_force(session: Session, row: MarkedCopy, *, now: datetime) -> Licence | None:
    """Return the licence that a copy is of, if it is in force and its holder has not ended."""
    licence = find_held(session, row.licence_id, holder_id=row.holder_id)
    is_active = directory.get_subject(session, row.holder_id).state == ACTIVE
    return licence if licence is not None and is_active and licence.state_at(now) is LicenceState.VALID else None


def _withdraw(session: Session, *which: ColumnElement[bool], now: datetime) -> int:
    withdrawn = update(MarkedCopy).where(*which, *_waits(now)).values(withdrawn_at=now, pdf_sealed=None)
    return _count(session.execute(withdrawn, execution_options=UNSYNCHRONIZED))


def _waits(now: datetime) -> tuple[ColumnElement[bool], ...]:
    return MarkedCopy.fetched_at.is_(None), MarkedCopy.withdrawn_at.is_(None), MarkedCopy.link_ends_at > now


def _record_use(session: Session, row: MarkedCopy, marking: Marking, way: Way, *, department: str, fields: list[str], now: datetime) -> None:
    record_use(
        session,
        holder_id=row.holder_id,
        licence_id=row.licence_id,
        department=department,
        cause=f"{marking.made_for}{'：' if HAN.search(marking.made_for) else ': '}{marking.cause}",
        fields=fields,
        way=way,
        verdict="valid",
        receipt_id=None,
        now=now,
        acted_by=row.person_id if way is Way.COPY else None,
    )


def _count(done: object) -> int:
    assert isinstance(done, CursorResult)
    return done.rowcount


def _hash(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()


begun.ends.append(withdraw_begun)
mandates.on_mandate_end.append(withdraw_made_under)
directory.on_subject_end.append(withdraw_all)
