"""Streams: what a receiver wants to hear of, and how it hears (Shared Signals Framework 1.0 section 8.1).

A receiver is a client that got a token of the scope `ssf.manage` in its own name. Which streams there are is kept in every process, so that an act
of which nobody wants to hear costs nothing.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import urlsplit
from uuid import UUID

from flask import current_app
from sqlalchemy import BigInteger, Index, delete, false, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, Session, mapped_column

from idp.oauth import scopes
from idp.oauth.clients import find_client
from idp.signals import event_types
from keys import sealed_tables, sealing
from runtime import cache, events, ledger
from runtime.database import Base, transaction
from runtime.ids import new_id
from runtime.languages import Text
from runtime.problems import NotAllowed, Refusal, TooManyRequests
from runtime.settings import Settings

PUSH, POLL, WEBHOOK = "urn:ietf:rfc:8935", "urn:ietf:rfc:8936", "urn:kabao:webhook"
SIGNALS, DELIVERED = (PUSH, POLL), (PUSH, WEBHOOK)
ENABLED, PAUSED, DISABLED = "enabled", "paused", "disabled"
STATUSES = (ENABLED, PAUSED, DISABLED)
MOST_STREAMS = 5
SECRET = "whsec_"  # noqa: S105 (how a webhook's secrets begin)
LICENCE_SCOPE, ASKING_SCOPE = "events", "verifications"
LISTENERS = frozenset({scopes.SSF_MANAGE, scopes.SSF_READ})
TOPIC = "signal streams"
OPERATOR, RECEIVER = "operator", "client:"  # how those begin who act on a stream
BETWEEN_VERIFICATIONS = timedelta(seconds=30)


class StreamNotFound(Refusal):
    """The receiver has no such stream; another's are as unknown as those that never were."""

    code, status, title = "stream-not-found", 404, Text("没有这个事件流。", "There is no such stream.")


class TooManyStreams(Refusal):
    """The receiver has as many streams as it may have."""

    code, status = "too-many-streams", 409
    title = Text(f"每个接收方最多{MOST_STREAMS}个事件流。", f"A receiver has at most {MOST_STREAMS} streams.")


class StreamRefused(Refusal):
    """The configuration is not acceptable; `field` says where."""

    code, status, title = "stream-refused", 400, Text("事件流的设置有误。", "The configuration of the stream is not acceptable.")


class StreamHeld(NotAllowed):
    """An operator let the stream wait or stop, so an operator lets it go on."""

    code, status = "stream-held", 403
    title = Text("运营方已暂停该事件流，须由运营方恢复。", "The stream was stopped by the operator of the service, who alone can let it go on.")


class SignalStream(Base):
    """One stream of a receiver. `cursor` is how far the licences' events were told; `leased_until` says that a worker is pushing.

    `is_held` says that an operator let it wait or stop.
    """

    __tablename__ = "signal_streams"
    id: Mapped[UUID] = mapped_column(primary_key=True)
    client_id: Mapped[str] = mapped_column(index=True)
    method: Mapped[str]
    endpoint_url: Mapped[str | None]
    authorization_sealed: Mapped[bytes | None]
    events_requested: Mapped[list[str]]
    description: Mapped[str | None]
    status: Mapped[str]
    reason: Mapped[str | None]
    is_held: Mapped[bool] = mapped_column(server_default=false(), default=False)
    made_at: Mapped[datetime]
    verified_at: Mapped[datetime | None]
    cursor_transaction: Mapped[int] = mapped_column(BigInteger)
    cursor_sequence: Mapped[int] = mapped_column(BigInteger)
    failures: Mapped[int] = mapped_column(server_default="0", default=0)
    due_at: Mapped[datetime | None]
    leased_until: Mapped[datetime | None]

    @property
    def authorization(self) -> str | None:
        """What the receiver wants to be sent as its `Authorization` header; a webhook's secrets, the newest first."""
        if self.authorization_sealed is None:
            return None
        return sealing.unseal(self.authorization_sealed, table="signal_streams", column="authorization", row=self.id)


sealed_tables.declare(SignalStream, sealed={"authorization_sealed": "authorization"})


class SignalExclusion(Base):
    """A subject of whom a receiver does not want to hear on a stream."""

    __tablename__ = "signal_exclusions"
    subject_id: Mapped[UUID] = mapped_column(primary_key=True)
    stream_id: Mapped[UUID] = mapped_column(primary_key=True)
    __table_args__ = (Index("ix_signal_exclusions_stream_id", "stream_id"),)


@dataclass(frozen=True, slots=True)
class Listening:
    """A stream that carries a type of event."""

    stream_id: UUID
    client_id: str
    method: str


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a receiver supplies of a configuration."""

    method: str = POLL
    endpoint_url: str | None = None
    authorization_header: str | None = None
    events_requested: tuple[str, ...] = ()
    description: str | None = None


def supported_by(client_id: str, settings: Settings) -> list[str]:
    """Return the types that a receiver can ask for: those of people as a portal, those of licences as a department's system.

    A portal that draws licences hears of those that it may draw. Whoever may ask wallets hears what came of its own requests.
    """
    client = find_client(client_id)
    if client is None:
        return []
    listens, is_portal = not LISTENERS.isdisjoint(client.scopes), bool(client.redirect_uris)
    draws = listens and is_portal and scopes.LICENCES in client.scopes
    of_people = event_types.OF_PEOPLE if listens and is_portal else ()
    of_licences = event_types.licence_types(settings) if draws or LICENCE_SCOPE in client.scopes else ()
    of_requests = event_types.request_types(settings) if draws or ASKING_SCOPE in client.scopes else ()
    return [*of_people, *of_licences, *of_requests]


def create(session: Session, client_id: str, wanted: Wanted, *, settings: Settings, now: datetime) -> SignalStream:
    """Make a stream; raises StreamRefused, NotAllowed where there is nothing to hear, TooManyStreams."""
    if not supported_by(client_id, settings):
        raise NotAllowed("there is no event of which the client may hear")
    check_wanted(wanted, settings)
    session.execute(select(text("pg_advisory_xact_lock(hashtextextended(:name, 0))")).params(name=f"signal streams of {client_id}"))
    there_are = streams_of(session, client_id, methods=(*SIGNALS, WEBHOOK))
    if len(there_are) >= MOST_STREAMS:
        raise TooManyStreams()
    if any(one.is_held for one in there_are):
        raise StreamHeld("another would go round the one that is held")
    end = events.end(session)
    row = SignalStream(
        id=new_id(), client_id=client_id, status=ENABLED, made_at=now, cursor_transaction=end.transaction, cursor_sequence=end.sequence
    )
    _set(row, wanted)
    session.add(row)
    ledger.record(session, "stream.made", actor=f"client:{client_id}", object_id=row.id, now=now, method=wanted.method)
    changed(session)
    return row


def check_wanted(wanted: Wanted, settings: Settings) -> None:
    """Check what a receiver supplies; raises StreamRefused."""
    is_secret = wanted.method == WEBHOOK
    if is_secret != (wanted.authorization_header or "").startswith(SECRET):
        raise StreamRefused("a webhook is signed, and nothing else is", field="delivery.authorization_header")
    if wanted.method == POLL and (wanted.endpoint_url or wanted.authorization_header):
        raise StreamRefused("polled streams have our address", field="delivery.endpoint_url")
    if wanted.method not in DELIVERED:
        return
    parts = urlsplit(wanted.endpoint_url or "")
    is_secure = parts.scheme == "https" or (settings.development and parts.scheme == "http")
    if not (is_secure and parts.hostname and parts.username is None and not parts.fragment):
        raise StreamRefused("not an address to push to", field="delivery.endpoint_url")


def replace(session: Session, row: SignalStream, wanted: Wanted, *, settings: Settings, now: datetime) -> None:
    """Give a stream another configuration; raises StreamRefused."""
    check_wanted(wanted, settings)
    _set(row, wanted)
    row.failures, row.due_at = 0, now
    ledger.record(session, "stream.changed", actor=f"client:{row.client_id}", object_id=row.id, now=now, method=wanted.method)
    changed(session)


def _set(row: SignalStream, wanted: Wanted) -> None:
    row.method, row.endpoint_url, row.description = wanted.method, wanted.endpoint_url, wanted.description
    row.events_requested = list(wanted.events_requested)
    header = wanted.authorization_header
    row.authorization_sealed = sealing.seal(header, table="signal_streams", column="authorization", row=row.id) if header else None


def supplied(row: SignalStream) -> Wanted:
    """Return what the receiver supplied of a stream."""
    return Wanted(row.method, row.endpoint_url, row.authorization, tuple(row.events_requested), row.description)


def streams_of(session: Session, client_id: str, *, methods: tuple[str, ...] = SIGNALS) -> list[SignalStream]:
    """Return the streams of a receiver, the oldest first."""
    mine = (SignalStream.client_id == client_id, SignalStream.method.in_(methods))
    return list(session.scalars(select(SignalStream).where(*mine).order_by(SignalStream.id)))


def get_stream(
    session: Session, stream_id: UUID, *, client_id: str | None = None, methods: tuple[str, ...] = (*SIGNALS, WEBHOOK), lock: bool = False
) -> SignalStream:
    """Return a stream, of a receiver if one is named; raises StreamNotFound."""
    row = session.get(SignalStream, stream_id, with_for_update=lock or None)
    if row is None or client_id not in (None, row.client_id) or row.method not in methods:
        raise StreamNotFound(field="stream_id")
    return row


def set_status(session: Session, row: SignalStream, status: str, *, reason: str | None, actor: str, now: datetime) -> None:
    """Let a stream go on, wait or stop; raises StreamHeld to a receiver whose stream an operator stopped (section 8.1.2.2)."""
    if actor.startswith(RECEIVER):
        _check_free(row)
    elif actor.startswith(OPERATOR):
        row.is_held = status != ENABLED
    if row.method in SIGNALS and row.status == DISABLED != status:  # what happened meanwhile was not held for it (section 8.1.2.1)
        end = events.end(session)
        row.cursor_transaction, row.cursor_sequence = end.transaction, end.sequence
    row.status, row.reason, row.due_at = status, reason, now
    ledger.record(session, "stream.status", actor=actor, object_id=row.id, now=now, status=status)
    changed(session)


def end_stream(session: Session, row: SignalStream, *, now: datetime) -> None:
    """Delete a stream and what it has to say; the tokens go by `prune`. Raises StreamHeld."""
    _check_free(row)
    session.execute(delete(SignalExclusion).where(SignalExclusion.stream_id == row.id))
    session.delete(row)
    ledger.record(session, "stream.ended", actor=f"client:{row.client_id}", object_id=row.id, now=now)
    changed(session)


def _check_free(row: SignalStream) -> None:
    if row.is_held:
        raise StreamHeld("an operator stopped it")


def exclude(session: Session, row: SignalStream, subject_id: UUID) -> None:
    """Say nothing more of a subject on a stream."""
    session.execute(insert(SignalExclusion).values(subject_id=subject_id, stream_id=row.id).on_conflict_do_nothing())


def include(session: Session, row: SignalStream, subject_id: UUID) -> None:
    """Speak of a subject on a stream again."""
    session.execute(delete(SignalExclusion).where(SignalExclusion.subject_id == subject_id, SignalExclusion.stream_id == row.id))


def excluded(session: Session, subject_id: UUID) -> set[UUID]:
    """Return the streams on which nothing is said of a subject."""
    return set(session.scalars(select(SignalExclusion.stream_id).where(SignalExclusion.subject_id == subject_id)))


def may_verify(session: Session, row: SignalStream, *, now: datetime) -> None:
    """Note that a verification was asked for; raises TooManyRequests within `min_verification_interval` of the last."""
    is_due = SignalStream.verified_at.is_(None) | (SignalStream.verified_at <= now - BETWEEN_VERIFICATIONS)
    noted = update(SignalStream).where(SignalStream.id == row.id, is_due).values(verified_at=now).returning(SignalStream.id)
    if session.scalar(noted.execution_options(synchronize_session=False)) is None:
        raise TooManyRequests("verifications too close together", retry_after=int(BETWEEN_VERIFICATIONS.total_seconds()))


def listening(event_type: str) -> tuple[Listening, ...]:
    """Return the streams that carry a type of event, from the process's memory; only of clients that may hear of it now.

    What a receiver asked for is kept as it said it, so whether it may is asked each time: a registration changes.
    """
    settings: Settings = current_app.extensions["kabao_settings"]
    known = cache.get(TOPIC, "all", _load) or {}
    return tuple(one for one in known.get(event_type, ()) if event_type in supported_by(one.client_id, settings))


def changed(session: Session) -> None:
    """Tell every process that a stream changed."""
    cache.changed(session, TOPIC)


def _load() -> dict[str, tuple[Listening, ...]]:
    found: dict[str, tuple[Listening, ...]] = {}
    with transaction() as session:
        rows = session.scalars(select(SignalStream).where(SignalStream.status != DISABLED).order_by(SignalStream.id)).all()
    for row in rows:
        for event_type in row.events_requested:
            found[event_type] = (*found.get(event_type, ()), Listening(row.id, row.client_id, row.method))
    return found
