"""A request to a wallet, as it rests here: who asks, for what and why, the secrets that belong to it alone, and what came of it.

A request waits, is fetched once, and is answered once; each is one statement. Its terms, its key and its result rest sealed. The key by which an
answer is encrypted is made for it, and is forgotten with its answer or its end.
"""

import base64
import json
import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Index, Select, select, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from keys import sealed_tables, sealing, suites
from runtime.database import Base, prune
from runtime.languages import Text
from runtime.problems import Refusal

TABLE = "presentation_requests"
DIRECT_POST, DIRECT_POST_JWT = "direct_post", "direct_post.jwt"
SAN_DNS, HASH = "x509_san_dns", "x509_hash"
KEPT_AFTER_EXPIRY = timedelta(days=2)
END_BATCH = 500
CODE_BYTES = 24
SERVICE = ""  # in the place of a department: the service itself asks, to know who holds an account


class RequestNotFound(Refusal):
    """There is no such request, or it is another's; the caller is not told which."""

    code, status, title = "request-not-found", 404, Text("没有此出示请求。", "No such request.")


class State(StrEnum):
    """How a request stands: it waits for a wallet, a wallet has it, it was answered, its holder refused, or its time is over."""

    WAITING = "waiting"
    FETCHED = "fetched"
    ANSWERED = "answered"
    DECLINED = "declined"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True)
class Ended:
    """A request whose time is over, and the client that asked; None for an officer."""

    id: UUID
    client_id: str | None


@dataclass(frozen=True, slots=True)
class Terms:
    """What is asked: `query` in DCQL, of which types; why, on what basis; acts to confirm, as they are sent; where the holder goes on.

    `number` is whose answer it must be, where somebody's was given: also of one whom nobody knew here when it was asked.
    """

    query: dict[str, Any] = field(repr=False)
    types: list[str]
    cause: dict[str, str] = field(repr=False)
    basis: str
    transaction: list[str] = field(default_factory=list, repr=False)
    return_to: str | None = field(default=None, repr=False)
    number: str | None = field(default=None, repr=False)


class PresentationRequest(Base):
    """A request. `verifier` is the client identifier by which it asks; `by_consent` if a person asked for their own wallet, or their own token did.

    `holder_id` is in whose inbox it waits; None for anyone who is shown its code. `types` are the codes of what it asks for, as its terms have them.
    """

    __tablename__ = TABLE
    id: Mapped[UUID] = mapped_column(primary_key=True)
    department: Mapped[str]
    client_id: Mapped[str | None]
    officer_id: Mapped[UUID | None]
    holder_id: Mapped[UUID | None]
    by_consent: Mapped[bool]
    verifier: Mapped[str]
    types: Mapped[list[str]] = mapped_column(server_default="[]")
    response_mode: Mapped[str]
    nonce: Mapped[str]
    state: Mapped[str]
    terms_sealed: Mapped[bytes]
    key_sealed: Mapped[bytes | None]
    asked_at: Mapped[datetime]
    expires_at: Mapped[datetime] = mapped_column(index=True)
    fetched_at: Mapped[datetime | None]
    answered_at: Mapped[datetime | None]
    outcome: Mapped[str | None]
    result_sealed: Mapped[bytes | None]
    code_hash: Mapped[bytes | None]
    __table_args__ = (
        Index("ix_presentation_requests_inbox", "holder_id", "id", postgresql_where="holder_id IS NOT NULL AND fetched_at IS NULL"),
        Index("ix_presentation_requests_open", "expires_at", postgresql_where="outcome IS NULL"),
    )

    @property
    def terms(self) -> Terms:
        """What is asked."""
        return Terms(**json.loads(sealing.unseal(self.terms_sealed, table=TABLE, column="terms_sealed", row=self.id)))

    @property
    def key(self) -> suites.PrivateKey | None:
        """The key by which an answer is opened."""
        if self.key_sealed is None:
            return None
        return suites.from_der(base64.b64decode(sealing.unseal(self.key_sealed, table=TABLE, column="key_sealed", row=self.id)))

    @property
    def result(self) -> dict[str, Any] | None:
        """What came of it, values of fields included."""
        if self.result_sealed is None:
            return None
        found: dict[str, Any] = json.loads(sealing.unseal(self.result_sealed, table=TABLE, column="result_sealed", row=self.id))
        return found

    def state_at(self, now: datetime) -> State:
        """Return how it stands."""
        if self.answered_at is not None:
            return State.DECLINED if self.outcome == State.DECLINED else State.ANSWERED
        if self.expires_at <= now:
            return State.EXPIRED
        return State.WAITING if self.fetched_at is None else State.FETCHED


sealed_tables.declare(PresentationRequest, sealed={name: name for name in ("terms_sealed", "key_sealed", "result_sealed")})


def fresh(request_id: UUID, terms: Terms, *, response_mode: str) -> dict[str, Any]:
    """Return the columns of a new request that are its own alone: nonce and state of 256 bits, its key, its sealed terms."""
    key = suites.ES256.generate() if response_mode == DIRECT_POST_JWT else None
    encoded = base64.b64encode(suites.to_der(key)).decode() if key is not None else None
    return {
        "nonce": secrets.token_urlsafe(32),
        "state": secrets.token_urlsafe(32),
        "response_mode": response_mode,
        "terms_sealed": sealing.seal(json.dumps(asdict(terms)), table=TABLE, column="terms_sealed", row=request_id),
        "key_sealed": sealing.seal(encoded, table=TABLE, column="key_sealed", row=request_id) if encoded is not None else None,
    }


def get_request(session: Session, request_id: UUID) -> PresentationRequest:
    """Return a request; raises RequestNotFound."""
    row = session.get(PresentationRequest, request_id)
    if row is None:
        raise RequestNotFound
    return row


def take(session: Session, request_id: UUID, *, now: datetime) -> PresentationRequest | None:
    """Mark a request fetched, in one statement, and return it; None if it was before, or is over."""
    free = (PresentationRequest.fetched_at.is_(None), PresentationRequest.answered_at.is_(None), PresentationRequest.expires_at > now)
    taken = update(PresentationRequest).where(PresentationRequest.id == request_id, *free).values(fetched_at=now).returning(PresentationRequest)
    return session.scalars(taken.execution_options(populate_existing=True)).one_or_none()


def spend(session: Session, request_id: UUID, *, now: datetime) -> bool:
    """Mark a request answered, in one statement; of many who race one wins, and the others are told so at once rather than wait for it.

    What was ended is not answered any more, although the answer had set out in time: whoever asked was told so.
    """
    free_of = (PresentationRequest.answered_at.is_(None), PresentationRequest.outcome.is_(None))
    open_ = (PresentationRequest.fetched_at.is_not(None), *free_of, PresentationRequest.expires_at > now)
    free = select(PresentationRequest.id).where(PresentationRequest.id == request_id, *open_).with_for_update(skip_locked=True)
    spent = update(PresentationRequest).where(PresentationRequest.id.in_(free)).values(answered_at=now, key_sealed=None)
    return session.execute(spent.returning(PresentationRequest.id), execution_options={"synchronize_session": False}).first() is not None


def conclude(session: Session, request_id: UUID, *, outcome: str, result: Mapping[str, Any] | None, code_hash: bytes | None) -> None:
    """Keep what came of a request that was just spent."""
    sealed = sealing.seal(json.dumps(result), table=TABLE, column="result_sealed", row=request_id) if result is not None else None
    done = update(PresentationRequest).where(PresentationRequest.id == request_id).values(outcome=outcome, result_sealed=sealed, code_hash=code_hash)
    session.execute(done, execution_options={"synchronize_session": False})


def end(session: Session, *, now: datetime) -> list[Ended]:
    """End a batch of requests whose time is over unanswered, in one statement: their keys go. Returns them, each once ever."""
    batch = _over(now).order_by(PresentationRequest.expires_at).limit(END_BATCH).with_for_update(skip_locked=True)
    ended = update(PresentationRequest).where(PresentationRequest.id.in_(batch)).values(outcome=State.EXPIRED, key_sealed=None)
    told = ended.returning(PresentationRequest.id, PresentationRequest.client_id)
    return [Ended(*row) for row in session.execute(told, execution_options={"synchronize_session": False})]


def has_over(now: datetime) -> ColumnElement[bool]:
    """Return the condition that the time of a request is over that was not ended yet."""
    return _over(now).exists()


def _over(now: datetime) -> Select[UUID]:
    open_ = (PresentationRequest.answered_at.is_(None), PresentationRequest.outcome.is_(None))
    return select(PresentationRequest.id).where(PresentationRequest.expires_at <= now, *open_)


def forget(*, now: datetime) -> int:
    """Forget the requests whose time has been over for two days, and what came of them, and return how many."""
    return prune(PresentationRequest, PresentationRequest.expires_at < now - KEPT_AFTER_EXPIRY)
