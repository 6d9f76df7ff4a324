"""What a stream has to say: one row a security event, written in the transaction of the act, gone once its receiver has it.

A row is signed when it leaves, so that a key that is rotated meanwhile does no harm; its `jti` is the row's id, the same however often it leaves.
RFC 8417; Shared Signals Framework 1.0 section 4.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, and_, delete, insert, or_, select, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from idp.signals import event_types
from idp.signals.streams import ENABLED, Listening, SignalStream
from keys import ring
from runtime import jobs
from runtime.database import Base, prune
from runtime.ids import new_id
from runtime.settings import Settings

TYP = "secevent+jwt"
RS256 = "RS256"  # the CAEP interoperability profile, section 2.6, asks for it
KEPT = timedelta(days=7)
PUSHING = "push_signals"
ALWAYS = (event_types.VERIFICATION, event_types.STREAM_UPDATED)


class SignalToken(Base):
    """An event that waits for its receiver; `refused` is the receiver's own word for what it did not like, and then it waits for an operator."""

    __tablename__ = "signal_tokens"
    stream_id: Mapped[UUID] = mapped_column(primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True)
    made_at: Mapped[datetime] = mapped_column(index=True)
    type: Mapped[str]
    claims: Mapped[dict[str, Any]]
    refused: Mapped[str | None]


def add(
    session: Session,
    receivers: Iterable[Listening],
    *,
    event_type: str,
    subjects: Mapping[UUID, dict[str, Any]],
    event: dict[str, Any],
    now: datetime,
) -> None:
    """Write an event for some streams; `subjects` says, by stream, what each of them calls whom it is about (`sub_id`)."""
    txn = str(new_id())
    for one in receivers:
        row_id = new_id()
        claims = {"txn": txn, "sub_id": subjects[one.stream_id], "events": {event_type: event}}
        session.execute(insert(SignalToken).values(stream_id=one.stream_id, id=row_id, made_at=now, type=event_type, claims=claims, refused=None))
        if one.method.endswith("8935"):
            jobs.defer(session, PUSHING, stream_id=str(one.stream_id))


def add_of_stream(session: Session, row: SignalStream, event_type: str, event: dict[str, Any], *, now: datetime) -> None:
    """Write an event about the stream itself: a verification, or that it was changed by us."""
    about = {row.id: {"format": "opaque", "id": str(row.id)}}
    add(session, [Listening(row.id, row.client_id, row.method)], event_type=event_type, subjects=about, event=event, now=now)


def waiting(session: Session, row: SignalStream, *, limit: int) -> list[SignalToken]:
    """Return the next events of a stream, in order; of one that is not enabled only those about the stream itself."""
    mine: list[ColumnElement[bool]] = [SignalToken.stream_id == row.id, SignalToken.refused.is_(None)]
    if row.status != ENABLED:
        mine.append(SignalToken.type.in_(ALWAYS))
    return list(session.scalars(select(SignalToken).where(*mine).order_by(SignalToken.id).limit(limit)))


def taken(session: Session, stream_id: UUID, ids: Iterable[UUID]) -> None:
    """Forget events that their receiver has."""
    session.execute(delete(SignalToken).where(SignalToken.stream_id == stream_id, SignalToken.id.in_(list(ids))))


def take_back(session: Session, client_id: str, subject: dict[str, Any]) -> None:
    """Forget what waits for a client about a subject, its sessions included."""
    sub_id = SignalToken.claims["sub_id"]
    about = or_(sub_id.contains(subject), sub_id["user"].contains(subject))
    mine = SignalToken.stream_id.in_(select(SignalStream.id).where(SignalStream.client_id == client_id))
    session.execute(delete(SignalToken).where(mine, about))


def refuse(session: Session, stream_id: UUID, token_id: UUID, err: str) -> None:
    """Set an event aside that its receiver will not take."""
    session.execute(update(SignalToken).where(SignalToken.stream_id == stream_id, SignalToken.id == token_id).values(refused=err))


def replay(session: Session, row: SignalStream) -> int:
    """Offer the events that were set aside once more; returns how many."""
    again = update(SignalToken).where(SignalToken.stream_id == row.id, SignalToken.refused.is_not(None)).values(refused=None)
    found = session.scalars(again.returning(SignalToken.id)).all()
    if row.method.endswith("8935"):
        jobs.defer(session, PUSHING, stream_id=str(row.id))
    return len(found)


def sign(row: SignalToken, *, client_id: str, settings: Settings) -> str:
    """Return the event as a signed token for its receiver; it never expires (section 4.1.7) and has no `sub` (section 4.1.2)."""
    claims = {"iss": settings.public_url, "jti": str(row.id), "iat": int(row.made_at.timestamp()), "aud": client_id, **row.claims}
    return ring.signer(ring.OIDC, RS256 if RS256 in ring.signing_suites(ring.OIDC) else None).sign(claims, typ=TYP)


def forget(*, now: datetime) -> None:
    """Forget events that nobody came for in seven days, and those of streams that are gone."""
    orphaned = SignalToken.stream_id.not_in(select(SignalStream.id))
    prune(SignalToken, or_(SignalToken.made_at < now - KEPT, and_(orphaned, SignalToken.made_at < now - timedelta(minutes=1))))
