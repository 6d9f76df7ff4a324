"""Requests that wait for an answer on another device: the one table of both kinds, and the one life that they have.

Made by a client, answered once by a person, and redeemed once by the client that made it. Of the client's secret (a device code, an
`auth_req_id`) only the hash is kept. How often a client may ask is kept with the request, and one statement does both: it notes that
the client asked, and spends what was answered.
"""

import enum
import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from prometheus_client import Counter
from sqlalchemy import ColumnElement, Index, SmallInteger, and_, case, null, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, Session, mapped_column

from idp.oauth.authentication import Authentication
from idp.oauth.grantees import Grantee
from idp.oauth.terms import Terms, read_terms
from keys import sealed_tables, sealing
from runtime.database import Base, prune
from runtime.ids import new_id
from runtime.languages import Text
from runtime.problems import Refusal

TABLE = "apart_requests"
CODE_BYTES = 32
INTERVAL, SLOWER = timedelta(seconds=5), timedelta(seconds=5)
EARLY = timedelta(seconds=1)  # by which a request may come too early: the network is not even
REMEMBERED = timedelta(hours=1)
APART = Counter("kabao_apart_requests_total", "Requests that are answered on another device", ["kind", "outcome"])


class Kind(enum.StrEnum):
    """How a request came about."""

    DEVICE = "device"
    BACKCHANNEL = "backchannel"


class Answer(enum.StrEnum):
    """What a person said; a report refuses, too."""

    APPROVED = "approved"
    REFUSED = "refused"
    REPORTED = "reported"

    @classmethod
    def of_button(cls, pressed: str) -> "Answer":
        """Return what a button of a page says; whatever is not for it is against it."""
        return {"approve": cls.APPROVED, "report": cls.REPORTED}.get(pressed, cls.REFUSED)


class RequestOver(Refusal):
    """There is no such request, or it was answered, or its time is over."""

    code, status = "request-over", 410
    title = Text("该请求已失效，或已经答复过。", "This request is over, or has been answered.")


class ApartRequest(Base):
    """A request of a client. What a device's has alone: a user code and where it is; a back channel's: whom it is meant for, and a message.

    `ping_sealed` holds what a client is told with that there is an answer. The last columns say who answered, in which session.
    """

    __tablename__ = TABLE
    id: Mapped[UUID] = mapped_column(primary_key=True)
    kind: Mapped[str]
    code_hash: Mapped[bytes] = mapped_column(index=True, unique=True)
    client_id: Mapped[str]
    scopes: Mapped[list[str]]
    acr_values: Mapped[str] = mapped_column(server_default="", default="")
    agreed: Mapped[dict[str, Any]] = mapped_column(server_default="{}", default=dict)
    at: Mapped[datetime]
    expires_at: Mapped[datetime] = mapped_column(index=True)
    interval: Mapped[timedelta]
    polled_at: Mapped[datetime | None]
    hurried: Mapped[bool] = mapped_column(server_default=text("false"), default=False)
    user_code_index: Mapped[bytes | None] = mapped_column(index=True, unique=True)
    about_sealed: Mapped[bytes | None]
    address_key: Mapped[bytes | None]
    meant_for: Mapped[UUID | None]
    message_sealed: Mapped[bytes | None]
    ping_sealed: Mapped[bytes | None]
    answered_at: Mapped[datetime | None]
    answer: Mapped[str | None]
    holder_id: Mapped[UUID | None]
    person_id: Mapped[UUID | None]
    session_id: Mapped[UUID | None]
    family_id: Mapped[UUID | None]
    auth_time: Mapped[datetime | None]
    amr: Mapped[list[str] | None]
    ial: Mapped[int | None] = mapped_column(SmallInteger)
    spent_at: Mapped[datetime | None]
    __table_args__ = (Index("ix_apart_requests_meant_for", "meant_for", postgresql_where=text("meant_for IS NOT NULL AND answered_at IS NULL")),)

    def get_client_id(self) -> str:
        """Return the client that asks, for Authlib."""
        return self.client_id

    def get_scope(self) -> str:
        """Return the scopes that were allowed, for Authlib."""
        return " ".join(self.scopes)

    @property
    def terms(self) -> Terms:
        """The terms on which the tokens are given."""
        return read_terms(self.agreed)

    @property
    def grantee(self) -> Grantee:
        """Whom the tokens are for; of an approved request."""
        assert self.holder_id is not None
        assert self.person_id is not None
        return Grantee(self.holder_id, self.person_id)

    @property
    def authentication(self) -> Authentication:
        """How the person had signed in who approved."""
        assert self.session_id is not None
        assert self.auth_time is not None
        return Authentication(self.session_id, self.auth_time, self.amr or [], self.ial or 1)

    @property
    def message(self) -> str | None:
        """What the client wants the person to see beside its own screen."""
        return sealing.unseal(self.message_sealed, table=TABLE, column="message", row=self.id) if self.message_sealed else None


sealed_tables.declare(
    ApartRequest,
    sealed={"about_sealed": "about", "message_sealed": "message", "ping_sealed": "ping"},
    left={"user_code_index": "a request lives some minutes, and both key versions are tried"},
)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a client asks for."""

    client_id: str
    scopes: list[str]
    terms: Terms
    lifetime: timedelta
    acr_values: str = ""


def new_secret() -> str:
    """Return a fresh secret for a client, of 256 bits."""
    return secrets.token_urlsafe(CODE_BYTES)


def add(session: Session, wanted: Wanted, *, kind: Kind, secret: str, now: datetime, row_id: UUID | None = None, **more: Any) -> bool:
    """Write a request down; False, and nothing is written, if its user code is somebody else's at this time."""
    values = {
        "id": row_id or new_id(),
        "kind": kind.value,
        "code_hash": hash_of(secret),
        "client_id": wanted.client_id,
        "scopes": wanted.scopes,
        "acr_values": wanted.acr_values,
        "agreed": wanted.terms.as_json(),
        "at": now,
        "expires_at": now + wanted.lifetime,
        "interval": INTERVAL,
        **more,
    }
    row = insert(ApartRequest).values(values).on_conflict_do_nothing(index_elements=["user_code_index"]).returning(ApartRequest.id)
    is_new = session.scalar(row) is not None
    if is_new:
        APART.labels(kind.value, "made").inc()
    return is_new


def poll(session: Session, unverified_secret: str, *, kind: Kind, client_id: str, now: datetime) -> ApartRequest | None:
    """Note that a client asks for its answer, and spend the answer if there is one; of two who ask at once only one gets it.

    Returns None if the secret is unknown, spent, or another client's. Whoever asks sooner than the interval allows has it raised by
    five seconds (RFC 8628 section 3.5), and `hurried` says so.
    """
    table = ApartRequest
    waits = and_(table.answered_at.is_(None), table.expires_at > now)
    due = table.polled_at + table.interval
    too_early = and_(waits, table.polled_at.is_not(None), due > now + EARLY)
    changes = {
        "polled_at": now,
        "hurried": case((too_early, True), else_=False),
        "interval": case((too_early, table.interval + SLOWER), else_=table.interval),
        "spent_at": case((and_(table.answered_at.is_not(None), table.expires_at > now), now), else_=null()),
    }
    own = (table.code_hash == hash_of(unverified_secret), table.kind == kind.value, table.client_id == client_id, table.spent_at.is_(None))
    asked = update(table).where(*own).values(changes).returning(table).execution_options(synchronize_session=False)
    return session.scalars(asked).one_or_none()


def find(session: Session, request_id: UUID, *, kind: Kind, now: datetime) -> ApartRequest | None:
    """Return a request that waits for its answer, or None."""
    row = session.get(ApartRequest, request_id)
    return row if row is not None and row.kind == kind and row.answered_at is None and row.expires_at > now else None


def answer(session: Session, request_id: UUID, said: Answer, *, now: datetime, **by: Any) -> ApartRequest:
    """Answer a request, once; `by` are the columns that say who did. Raises RequestOver if it was answered or is over."""
    table = ApartRequest
    waits = (table.id == request_id, table.answered_at.is_(None), table.expires_at > now)
    answered = update(table).where(*waits).values(answered_at=now, answer=said.value, **by).returning(table)
    row = session.scalars(answered.execution_options(synchronize_session=False, populate_existing=True)).one_or_none()
    if row is None:
        raise RequestOver
    APART.labels(row.kind, said.value).inc()
    return row


def find_answered(session: Session, request_id: UUID, said: Answer, **by: Any) -> ApartRequest | None:
    """Return a request that was given just this answer by just these, or None; who presses a button twice has said one thing."""
    return session.scalar(select(ApartRequest).filter_by(id=request_id, answer=said.value, **by))


def take_back(session: Session, *, holder_id: UUID, client_id: str, now: datetime) -> None:
    """Take back what was approved for a holder and not fetched yet: they have taken back what they allowed the client."""
    end_approved(session, ApartRequest.holder_id == holder_id, ApartRequest.client_id == client_id, now=now)


def end_approved(session: Session, *whose: ColumnElement[bool], now: datetime) -> None:
    """Let what somebody approved and no client has fetched yet count as refused; whoever fetches it at this moment is waited for."""
    table = ApartRequest
    approved = (table.answer == Answer.APPROVED.value, table.spent_at.is_(None), table.expires_at > now)
    refused = update(table).where(*whose, *approved).values(answer=Answer.REFUSED.value)
    session.execute(refused.execution_options(synchronize_session=False))


def forget(*, now: datetime) -> None:
    """Forget the requests that are over."""
    prune(ApartRequest, ApartRequest.expires_at < now - REMEMBERED)


def hash_of(secret: str) -> bytes:
    """Return what is kept of a secret."""
    return hashlib.sha256(secret.encode()).digest()
