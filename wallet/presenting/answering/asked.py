"""Requests that a holder opened: kept sealed until they are answered, once, or over.

The request is verified when it comes and read again from its own signed text ever after. It is marked answered in one statement, in the
transaction in which the answer is made, before anything is sent: of two who press at once only one sends, and a crash costs an answer, never
gives two.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from flask import current_app
from sqlalchemy import CTE, CursorResult, DateTime, Index, Select, String, bindparam, cast, delete, null, select, tuple_, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, Session, mapped_column

from idp.signin.sessions import SignedIn
from idp.subjects import directory, mandates
from idp.subjects.mandates import GivenMandate
from keys import sealed_tables, sealing
from runtime.database import Base
from runtime.ids import new_id
from runtime.languages import Text
from runtime.problems import Refusal
from runtime.settings import Settings
from wallet.holding import awaiting
from wallet.presenting.answering import request_objects, verifiers
from wallet.presenting.answering.refusals import RequestRefused
from wallet.presenting.answering.request_objects import Expected, RequestObject
from wallet.presenting.answering.verifiers import Verifier

TABLE, COLUMN = "asked_requests", "request_sealed"
LIFETIME, LONGEST, KEPT_AFTER = timedelta(minutes=10), timedelta(days=7), timedelta(days=30)
PRUNE_BATCH, LATEST, SENT_WITHIN = 500, 10, timedelta(seconds=15)


class Outcome(StrEnum):
    """What became of a request: an answer is on its way, was sent of which nobody knows whether it arrived, was taken or not, or it was refused."""

    SENDING = "sending"
    UNHEARD = "unheard"
    TAKEN = "taken"
    NOT_TAKEN = "not-taken"
    REFUSED = "refused"


class RequestUnknown(Refusal):
    """No such request was opened by this person for this holder."""

    code, status, title = "request-unknown", 404, Text("没有这个请求。", "There is no such request.")


class RequestOver(Refusal):
    """The request was answered before, or its time is over."""

    code, status, title = (
        "request-over",
        410,
        Text("这个请求已答复或已过期，您刚才的选择没有发送。", "The request was answered before, or is over; what you chose now was not sent."),
    )


class AskedRequest(Base):
    """A request that a person opened for a holder. `request_hash` is the same however often its link is opened."""

    __tablename__ = TABLE
    holder_id: Mapped[UUID] = mapped_column(primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True)
    person_id: Mapped[UUID]
    request_hash: Mapped[bytes]
    request_sealed: Mapped[bytes]
    opened_at: Mapped[datetime]
    expires_at: Mapped[datetime] = mapped_column(index=True)
    answered_at: Mapped[datetime | None]
    outcome: Mapped[str | None]
    goal_sealed: Mapped[bytes | None]
    __table_args__ = (Index("uq_asked_requests_hash", "holder_id", "request_hash", unique=True),)

    @property
    def goal(self) -> str | None:
        """Where the verifier would have the person go on."""
        return None if self.goal_sealed is None else sealing.unseal(self.goal_sealed, table=TABLE, column="goal_sealed", row=self.id)

    @property
    def goal_host(self) -> str:
        """The host of that, which need not be where the answer went: whoever follows reads where to."""
        return urlsplit(self.goal or "").hostname or ""


sealed_tables.declare(AskedRequest, sealed={COLUMN: COLUMN, "goal_sealed": "goal_sealed"}, left={"request_hash": "of a request, which is random"})


@dataclass(frozen=True, slots=True)
class Asked:
    """A request before its holder: the row, what it asks, and who asks."""

    row: AskedRequest
    request: RequestObject
    verifier: Verifier

    def is_open(self, now: datetime) -> bool:
        """Whether it may still be answered."""
        return self.row.answered_at is None and self.row.expires_at > now

    def is_answered_so(self, *, is_approved: bool) -> bool:
        """Whether just this was answered already."""
        return self.row.answered_at is not None and (self.row.outcome != Outcome.REFUSED) == is_approved

    def is_on_its_way(self, now: datetime) -> bool:
        """Whether the answer is just being sent: whoever pressed twice sees the page before the first press has ended."""
        return self.row.outcome == Outcome.SENDING and self.row.answered_at is not None and self.row.answered_at > now - SENT_WITHIN


def open_request(session: Session, text: str, request: RequestObject, *, viewer: SignedIn, now: datetime) -> UUID:
    """Keep a request that was verified, and return its id; one that the holder has already is not kept twice.

    Raises RequestUnknown if another who acts for the holder opened it.
    """
    row_id = new_id()
    ends = datetime.fromtimestamp(request.expires_at, UTC) if request.expires_at is not None and request.expires_at < 2**33 else now + LIFETIME
    values = {
        "holder_id": viewer.holder_id,
        "id": row_id,
        "person_id": viewer.subject_id,
        "request_hash": request.digest,
        "request_sealed": sealing.seal(text, table=TABLE, column=COLUMN, row=row_id),
        "opened_at": now,
        "expires_at": min(ends, now + LONGEST),
    }
    session.execute(insert(AskedRequest).values(**values).on_conflict_do_nothing(index_elements=["holder_id", "request_hash"]))
    mine = (AskedRequest.holder_id == viewer.holder_id, AskedRequest.request_hash == request.digest)
    found = session.scalars(select(AskedRequest).where(*mine)).one()
    if found.person_id != viewer.subject_id:
        raise RequestUnknown("opened by another")
    return found.id


def get_asked(session: Session, request_id: UUID, *, viewer: SignedIn) -> Asked:
    """Return a request that this person opened for this holder; raises RequestUnknown, RequestRefused."""
    row = session.get(AskedRequest, (viewer.holder_id, request_id))
    if row is None or row.person_id != viewer.subject_id:
        raise RequestUnknown
    return read(row)


def find_person(session: Session, holder_id: UUID, digest: bytes) -> UUID | None:
    """Return who opened a request for a holder, by the request's digest; None if nobody did here."""
    return session.scalar(select(AskedRequest.person_id).where(AskedRequest.holder_id == holder_id, AskedRequest.request_hash == digest))


def latest_of(session: Session, viewer: SignedIn) -> list[Asked]:
    """Return the requests that a person opened last for a holder, the newest first; one that would be refused by now is left out."""
    mine = (AskedRequest.holder_id == viewer.holder_id, AskedRequest.person_id == viewer.subject_id)
    rows = session.scalars(select(AskedRequest).where(*mine).order_by(AskedRequest.id.desc()).limit(LATEST))
    return [found for row in rows if (found := _find_readable(row)) is not None]


def unanswered(whose: CTE) -> Select[*tuple[Any, ...]]:
    """Return a select of what the person opened for some holders and left unanswered, a row a request."""
    table, now = AskedRequest, bindparam("now", type_=DateTime(timezone=True))
    mine = (table.holder_id.in_(select(whose.c.holder_id)), table.person_id == awaiting.PERSON)
    rows = select(table.holder_id, cast(null(), String).label("client_id"), awaiting.ANY_TYPES)
    return rows.where(*mine, table.answered_at.is_(None), table.expires_at > now)


def spend(session: Session, row: AskedRequest, outcome: Outcome, *, now: datetime) -> None:
    """Mark a request answered, in one statement; raises RequestOver if it was, or is over."""
    mine = (AskedRequest.holder_id == row.holder_id, AskedRequest.id == row.id)
    waits = (AskedRequest.answered_at.is_(None), AskedRequest.expires_at > now)
    spent = update(AskedRequest).where(*mine, *waits).values(answered_at=now, outcome=outcome.value).returning(AskedRequest.id)
    if session.execute(spent, execution_options={"synchronize_session": False}).first() is None:
        raise RequestOver


def note(session: Session, row: AskedRequest, outcome: Outcome, *, goal: str | None = None) -> None:
    """Write down how the verifier took an answer."""
    sealed = sealing.seal(goal, table=TABLE, column="goal_sealed", row=row.id) if goal is not None else None
    mine = (AskedRequest.holder_id == row.holder_id, AskedRequest.id == row.id)
    changes: Mapping[str, Any] = {"outcome": outcome.value, "goal_sealed": sealed}
    session.execute(update(AskedRequest).where(*mine).values(changes), execution_options={"synchronize_session": False})


def prune(session: Session, *, now: datetime) -> int:
    """Remove a batch of the requests that have been over for a month, and return how many."""
    over = select(AskedRequest.holder_id, AskedRequest.id).where(AskedRequest.expires_at < now - KEPT_AFTER)
    batch = over.order_by(AskedRequest.expires_at).limit(PRUNE_BATCH).with_for_update(skip_locked=True)
    gone = delete(AskedRequest).where(tuple_(AskedRequest.holder_id, AskedRequest.id).in_(batch))
    done = session.execute(gone, execution_options={"synchronize_session": False})
    assert isinstance(done, CursorResult)
    return done.rowcount


def read(row: AskedRequest) -> Asked:
    """Read a kept request as of when it was opened; whose certificate it is, as of then too."""
    settings: Settings = current_app.extensions["kabao_settings"]
    text = sealing.unseal(row.request_sealed, table=TABLE, column=COLUMN, row=row.id)
    client_id = str(request_objects.unverified_client_id(text))
    expected = Expected(client_id, settings.public_url, row.opened_at, plain_http=settings.development)
    request = request_objects.read(text, expected=expected)
    return Asked(row, request, verifiers.verifier_of(request, settings, now=row.opened_at))


def _find_readable(row: AskedRequest) -> Asked | None:
    try:
        return read(row)
    except RequestRefused:
        return None


def _withdraw_opened_under(session: Session, given: GivenMandate, now: datetime) -> None:
    _end(session, AskedRequest.holder_id == given.holder_id, AskedRequest.person_id == given.person_id, now=now)


def _withdraw_all(session: Session, holder_id: UUID, now: datetime) -> None:
    _end(session, AskedRequest.holder_id == holder_id, now=now)


def _end(session: Session, *which: Any, now: datetime) -> None:
    """End what waits, also for an answer that has set out by now, and looks at its own moment."""
    waiting = (AskedRequest.answered_at.is_(None), AskedRequest.expires_at > now)
    over = update(AskedRequest).where(*which, *waiting).values(expires_at=AskedRequest.opened_at)
    session.execute(over, execution_options={"synchronize_session": False})


awaiting.arms.append(unanswered)
mandates.on_mandate_end.append(_withdraw_opened_under)
directory.on_subject_end.append(_withdraw_all)
