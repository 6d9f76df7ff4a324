"""What a stream has to say: one row a security event, written in the transaction of the act, gone once its receiver has it.

A row is signed when it leaves, so that a key that is rotated meanwhile does no harm; its `jti` is the row's id, the same however often it leaves.
What a receiver refuses, or could not be brought for a week, is a dead letter: it waits for an operator, and what came later about the same
thing waits behind it, so that nobody hears of a thing's later acts before its earlier ones. RFC 8417; Shared Signals Framework 1.0 section 4.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Index, and_, delete, exists, func, insert, or_, select, text, update
from sqlalchemy.orm import Mapped, Session, aliased, mapped_column

from idp.signals import event_types
from idp.signals.streams import DELIVERED, DISABLED, ENABLED, SIGNALS, Listening, SignalStream
from keys import ring
from runtime import backlog, jobs
from runtime.backlog import Backlog
from runtime.database import Base, prune, transaction
from runtime.ids import new_id
from runtime.settings import Settings

TYP = "secevent+jwt"
RS256 = "RS256"  # the CAEP interoperability profile, section 2.6, asks for it
OFFERED = timedelta(days=7)
KEPT = timedelta(days=90)
MOST_TRIES = 12
UNDELIVERED = "undelivered"
BATCH = 1000
PUSHING = "push_signals"
ALWAYS = (event_types.VERIFICATION, event_types.STREAM_UPDATED)
WAITING = """
SELECT stream.method, count(*), extract(epoch FROM now() - min(token.made_at)) FROM signal_tokens token
JOIN signal_streams stream ON stream.id = token.stream_id WHERE token.refused IS NULL AND stream.status = 'enabled' GROUP BY stream.method"""
REFUSED = "SELECT count(*) FROM signal_tokens WHERE refused IS NOT NULL"


class SignalToken(Base):
    """An event that waits for its receiver; `refused` is the receiver's own word for what it did not like, and then it waits for an operator.

    `about` is the thing whose events keep their order; `tries` counts the answers that were neither yes nor no.
    """

    __tablename__ = "signal_tokens"
    stream_id: Mapped[UUID] = mapped_column(primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True)
    made_at: Mapped[datetime] = mapped_column(index=True)
    type: Mapped[str]
    claims: Mapped[dict[str, Any]]
    refused: Mapped[str | None]
    about: Mapped[str | None]
    tries: Mapped[int] = mapped_column(server_default="0", default=0)
    __table_args__ = (
        Index("ix_signal_tokens_dead", "stream_id", "about", "id", postgresql_where=text("refused IS NOT NULL")),
        Index("ix_signal_tokens_living", "made_at", postgresql_where=text("refused IS NULL")),
    )


backlog.declare(
    Backlog("signals_waiting", "Events that wait for receivers whose streams go on", WAITING, label="method"),
    Backlog("signals_refused", "Events that were set aside for an operator", REFUSED, is_aged=False),
)


def add(
    session: Session,
    receivers: Iterable[Listening],
    *,
    event_type: str,
    subjects: Mapping[UUID, dict[str, Any]],
    event: dict[str, Any],
    now: datetime,
    about: str | None = None,
) -> None:
    """Write an event for some streams; `subjects` says, by stream, what each of them calls whom it is about (`sub_id`).

    `about` names the thing whose events are heard in their order.
    """
    txn = str(new_id())
    for one in receivers:
        row_id = new_id()
        claims = {"txn": txn, "sub_id": subjects[one.stream_id], "events": {event_type: event}}
        row = {"stream_id": one.stream_id, "id": row_id, "made_at": now, "type": event_type, "claims": claims, "about": about}
        session.execute(insert(SignalToken).values(row))
        if one.method in DELIVERED:
            jobs.defer(session, PUSHING, stream_id=str(one.stream_id))


def add_of_stream(session: Session, row: SignalStream, event_type: str, event: dict[str, Any], *, now: datetime) -> None:
    """Write an event about the stream itself: a verification, or that it was changed by us."""
    subject = {row.id: {"format": "opaque", "id": str(row.id)}}
    add(session, [Listening(row.id, row.client_id, row.method)], event_type=event_type, subjects=subject, event=event, now=now)


def waiting(session: Session, row: SignalStream, *, limit: int) -> list[SignalToken]:
    """Return the next events of a stream, in order; of one that is not enabled only those about the stream itself.

    What stands behind a dead letter about the same thing is not among them.
    """
    dead = aliased(SignalToken)
    before = exists().where(dead.stream_id == row.id, dead.refused.is_not(None), dead.about == SignalToken.about, dead.id < SignalToken.id)
    mine: list[ColumnElement[bool]] = [SignalToken.stream_id == row.id, SignalToken.refused.is_(None), ~before]
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


def let_go(session: Session, row: SignalStream) -> None:
    """Forget what waits in a stream that is disabled, but for what is about itself: it is not held for later (section 8.1.2.1).

    A webhook is closed by an answer of its address, and hears what it missed once it is opened again.
    """
    if row.status == DISABLED and row.method in SIGNALS:
        waits = (SignalToken.stream_id == row.id, SignalToken.refused.is_(None), SignalToken.type.not_in(ALWAYS))
        session.execute(delete(SignalToken).where(*waits))


def refuse(session: Session, stream_id: UUID, token_id: UUID, err: str) -> None:
    """Set an event aside that its receiver will not take."""
    session.execute(update(SignalToken).where(SignalToken.stream_id == stream_id, SignalToken.id == token_id).values(refused=err))


def count_try(session: Session, stream_id: UUID, token_id: UUID, err: str) -> bool:
    """Count an answer that was neither yes nor no; returns whether it was one too many, and the event is set aside."""
    tries = update(SignalToken).where(SignalToken.stream_id == stream_id, SignalToken.id == token_id).values(tries=SignalToken.tries + 1)
    is_over = (session.scalar(tries.returning(SignalToken.tries)) or 0) >= MOST_TRIES
    if is_over:
        refuse(session, stream_id, token_id, err)
    return is_over


def dead_letters(session: Session, stream_id: UUID, *, after: UUID | None = None, limit: int) -> list[SignalToken]:
    """Return the events of a stream that were set aside, the oldest first."""
    dead = select(SignalToken).where(SignalToken.stream_id == stream_id, SignalToken.refused.is_not(None))
    return list(session.scalars((dead.where(SignalToken.id > after) if after else dead).order_by(SignalToken.id).limit(limit)))


def counts(session: Session, *stream_ids: UUID) -> dict[UUID, tuple[int, int]]:
    """Return, by stream, how many events wait and how many were set aside; of some streams, or of all."""
    found = select(SignalToken.stream_id, func.count().filter(SignalToken.refused.is_(None)), func.count(SignalToken.refused))
    found = found.where(SignalToken.stream_id.in_(stream_ids)) if stream_ids else found
    return {stream_id: (waits, dead) for stream_id, waits, dead in session.execute(found.group_by(SignalToken.stream_id))}


def replay(session: Session, row: SignalStream, token_id: UUID | None = None) -> int:
    """Offer the events that were set aside once more, or one of them; returns how many."""
    dead = [SignalToken.stream_id == row.id, SignalToken.refused.is_not(None), *([SignalToken.id == token_id] if token_id else [])]
    found = session.scalars(update(SignalToken).where(*dead).values(refused=None, tries=0).returning(SignalToken.id)).all()
    if row.method in DELIVERED:
        row.failures, row.due_at = 0, None
        jobs.defer(session, PUSHING, stream_id=str(row.id))
    return len(found)


def drop(session: Session, row: SignalStream, token_id: UUID) -> bool:
    """Give an event up that was set aside: what stands behind it goes on. Returns whether there was one."""
    dead = (SignalToken.stream_id == row.id, SignalToken.id == token_id, SignalToken.refused.is_not(None))
    gone = session.scalar(delete(SignalToken).where(*dead).returning(SignalToken.id)) is not None
    if gone and row.method in DELIVERED:
        jobs.defer(session, PUSHING, stream_id=str(row.id))
    return gone


def sign(row: SignalToken, *, client_id: str, settings: Settings) -> str:
    """Return the event as a signed token for its receiver; it never expires (section 4.1.7) and has no `sub` (section 4.1.2)."""
    claims = {"iss": settings.public_url, "jti": str(row.id), "iat": int(row.made_at.timestamp()), "aud": client_id, **row.claims}
    return ring.signer(ring.OIDC, RS256 if RS256 in ring.signing_suites(ring.OIDC) else None).sign(claims, typ=TYP)


def forget(*, now: datetime) -> None:
    """Set aside what nobody came for in seven days; forget dead letters of three months, and the events of streams that are gone."""
    orphaned = SignalToken.stream_id.not_in(select(SignalStream.id))
    prune(SignalToken, or_(SignalToken.made_at < now - KEPT, and_(orphaned, SignalToken.made_at < now - timedelta(minutes=1))))
    late = select(SignalToken.stream_id, SignalToken.id).where(SignalToken.refused.is_(None), SignalToken.made_at < now - OFFERED)
    with transaction() as session:
        for row in session.execute(late.order_by(SignalToken.made_at).limit(BATCH).with_for_update(skip_locked=True)).all():
            refuse(session, row.stream_id, row.id, UNDELIVERED)
