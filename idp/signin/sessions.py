"""Sessions on the server: a browser holds a random token, the database only its SHA-256.

The token is `id.secret`; the row is found by its id and the secret (256 bits) compared in constant time. A session ends
by sign-out, from another device, by idleness, or at the end of its life. That it was seen is written at most once a minute. When it began and was
seen is told by the database's clock (`sealing.present`), whatever each machine's own shows: one that is wrong would end, for good, whatever it sees.
`on_session_end` holds what must happen in the transaction that ends a session, however it ends, as `(session, session id)`;
`on_person_cut` what must happen where everything is taken from whoever holds a person's sessions, access tokens too; `on_session_cut`
where what was given in one session is.
"""

import base64
import binascii
import hashlib
import hmac
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import ColumnElement, ForeignKey, Index, bindparam, delete, func, or_, select, true, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, Session, mapped_column

from idp.signin import devices, proofs
from idp.signin.accounts import Account
from idp.signin.assurance import FORMAT_ONLY
from idp.signin.devices import About
from idp.subjects.mandates import Mandate
from keys import sealed_tables, sealing
from runtime import base64url, ledger, straight
from runtime.database import Base, transaction
from runtime.ids import new_id
from runtime.problems import NotSignedIn
from runtime.straight import Straight

SEEN_EVERY = timedelta(minutes=1)
SECRET_BYTES = 32
PRUNE_BATCH = 500
on_session_end: list[Callable[[Session, UUID], None]] = []
on_person_cut: list[Callable[[Session, UUID, datetime], None]] = []
on_session_cut: list[Callable[[Session, UUID, datetime], None]] = []


class SigninSession(Base):
    """A browser in which a person is signed in. `acting_for` is the organisation or the child they act for, if any.

    `began_at` is when they came in, from which the session's life is counted; `auth_time` when they last proved who they are.
    `about_sealed` says what is known of the browser, `mark_hash` is that of the mark by which it is known again (`devices`).
    """

    __tablename__ = "signin_sessions"
    id: Mapped[UUID] = mapped_column(primary_key=True)
    secret_hash: Mapped[bytes]
    subject_id: Mapped[UUID] = mapped_column(ForeignKey("subjects.id"), index=True)
    acting_for: Mapped[UUID | None] = mapped_column(ForeignKey("subjects.id"))
    auth_time: Mapped[datetime]
    seen_at: Mapped[datetime]
    amr: Mapped[list[str]]
    began_at: Mapped[datetime] = mapped_column(server_default=func.now())
    about_sealed: Mapped[bytes | None]
    mark_hash: Mapped[bytes | None]
    __table_args__ = (Index("ix_signin_sessions_seen_at", "seen_at"),)


sealed_tables.declare(SigninSession, sealed={"about_sealed": "about"})


@dataclass(frozen=True, slots=True)
class SignedIn:
    """Who is signed in, since when (`auth_time`), how (`amr`, RFC 8176), for whom they act, under which mandate, and how well they are known."""

    session_id: UUID
    subject_id: UUID
    acting_for: UUID | None
    auth_time: datetime
    amr: list[str]
    mandate: Mandate | None = None
    ial: int = FORMAT_ONLY

    @property
    def types(self) -> frozenset[str] | None:
        """The types of licences that may be seen and shown, None for all: one's own all, another's as far as the mandate reaches."""
        if self.acting_for is None:
            return None
        return self.mandate.right.types if self.mandate is not None else frozenset()

    def allows_type(self, code: str) -> bool:
        """Whether licences of a type may be seen and shown."""
        return self.types is None or code in self.types

    @property
    def portals(self) -> frozenset[str] | None:
        """The portals that may be gone to, None for all: for oneself all, for another as far as the mandate reaches."""
        if self.acting_for is None:
            return None
        return self.mandate.right.portals if self.mandate is not None else frozenset()

    def allows_portal(self, client_id: str) -> bool:
        """Whether a portal may be gone to, for oneself or for whom one acts."""
        return self.acting_for is None or (self.mandate is not None and self.mandate.allows_portal(client_id))

    @property
    def holder_id(self) -> UUID:
        """Whose wallet this is: theirs who is acted for, else the person's own."""
        return self.acting_for or self.subject_id


@dataclass(frozen=True, slots=True)
class Lifetimes:
    """How long a session may be idle, and how long it lasts in all."""

    idle: timedelta
    total: timedelta


@dataclass(frozen=True, slots=True)
class Found:
    """The session of a token, read alone: a change of it is written nowhere. `ial` is how well its person is known now."""

    row: SigninSession
    ial: int


def begin(
    session: Session,
    *,
    subject_id: UUID,
    amr: list[str],
    now: datetime,
    before: SignedIn | None = None,
    auth_time: datetime | None = None,
    about: About | None = None,
    mark_hash: bytes | None = None,
) -> tuple[UUID, str]:
    """Begin a session; return its id and the browser's new token.

    `before` is who was signed in in this browser: the same person keeps the session's id, with a new secret; another's
    session ends. A token from before the sign-in is worthless after it. `auth_time` is given where the proof is older.
    """
    if before is not None and before.subject_id != subject_id:
        end(session, before, now=now)
        before = None
    secret = secrets.token_bytes(SECRET_BYTES)
    session_id = before.session_id if before is not None else new_id()
    values = {
        "secret_hash": _hash(secret),
        "auth_time": auth_time or now,
        "began_at": sealing.present(),
        "seen_at": sealing.present(),
        "amr": amr,
        "about_sealed": (about or About()).seal(table=SigninSession.__tablename__, row=session_id),
        "mark_hash": mark_hash,
    }
    fresh = insert(SigninSession).values(id=session_id, subject_id=subject_id, acting_for=None, **values)
    session.execute(fresh.on_conflict_do_update(index_elements=["id"], set_=values))
    ledger.record(session, "session.begun", actor=f"subject:{subject_id}", object_id=session_id, subject_id=subject_id, now=now, amr=amr)
    return session_id, _token(session_id, secret)


def raise_to(session: Session, signed_in: SignedIn, *, amr: list[str], now: datetime) -> str:
    """Let a session stand on a further proof, and return the browser's new token; the session keeps its id, and lives no longer for it.

    `amr` is all that the session stands on from now on. Of a session that ended meanwhile the token is worth nothing.
    """
    secret = secrets.token_bytes(SECRET_BYTES)
    values = {"secret_hash": _hash(secret), "auth_time": now, "seen_at": sealing.present(), "amr": amr}
    subject_id, session_id = signed_in.subject_id, signed_in.session_id
    if session.scalar(update(SigninSession).where(SigninSession.id == session_id).values(values).returning(SigninSession.id)) is not None:
        ledger.record(session, "session.raised", actor=f"subject:{subject_id}", object_id=session_id, subject_id=subject_id, now=now, amr=amr)
    return _token(session_id, secret)


COLUMNS = [column.key for column in SigninSession.__mapper__.column_attrs]


def _finding() -> Straight:
    known = proofs.highest(SigninSession.__table__.c.subject_id, bindparam("now")).lateral("known")
    columns = [getattr(SigninSession, name) for name in COLUMNS]
    return Straight("find_session", select(*columns, known.c[0]).join(known, true()).where(SigninSession.id == bindparam("id")))


FIND = _finding()


def find(unverified_token: str, *, lifetimes: Lifetimes, now: datetime) -> Found | None:
    """Return the session of a token, or None if there is none, it is another's, or its time is over; then it ends here, and all hear of it.

    One statement, which needs no transaction; one more where it ends.
    """
    read = _read_token(unverified_token)
    found = _look_up(*read, now=now) if read is not None else None
    if found is not None and is_over(found.row, lifetimes=lifetimes, now=now):
        with transaction() as session:
            _end_if(session, SigninSession.id == found.row.id, _over(lifetimes, now=now))
        return None
    return found


def hold(session: Session, signed_in: SignedIn) -> None:
    """Check that a session stands, where a way to sign in is about to be added in it; raises NotSignedIn if it has ended meanwhile.

    The account is held first, until the transaction ends. Whoever takes every way and session away changes the account before, so that they wait
    for what is added here, and find it; or they were first, are waited for here, and this session is no more.
    """
    session.execute(select(Account.subject_id).where(Account.subject_id == signed_in.subject_id).with_for_update(key_share=True))
    if session.scalar(select(SigninSession.id).where(SigninSession.id == signed_in.session_id)) is None:
        raise NotSignedIn("the session ended meanwhile")


def is_token(unverified: str) -> bool:
    """Whether a text has the form of a token, be there such a session or not."""
    return _read_token(unverified) is not None


def _look_up(session_id: UUID, secret: bytes, *, now: datetime) -> Found | None:
    for *columns, ial in straight.run_alone(FIND, {"id": session_id, "now": now}):
        row = SigninSession(**dict(zip(COLUMNS, columns, strict=True)))
        if hmac.compare_digest(row.secret_hash, _hash(secret)):
            return Found(row, ial or FORMAT_ONLY)
    return None


def is_over(row: SigninSession, *, lifetimes: Lifetimes, now: datetime) -> bool:
    """Whether a session's time is over, by idleness or by age."""
    return row.seen_at + lifetimes.idle <= now or row.began_at + lifetimes.total <= now


def of(session: Session, subject_id: UUID) -> list[SigninSession]:
    """Return the sessions of a person that have not been ended, last seen first; some may be over by their age."""
    return list(session.scalars(select(SigninSession).where(SigninSession.subject_id == subject_id).order_by(SigninSession.seen_at.desc())))


def standing_of(session: Session, subject_id: UUID, *, lifetimes: Lifetimes) -> list[SigninSession]:
    """Return the sessions of a person that stand now, last seen first."""
    return [row for row in of(session, subject_id) if not is_over(row, lifetimes=lifetimes, now=sealing.present())]


def is_due(row: SigninSession, *, now: datetime) -> bool:
    """Whether it is time to write that a session was seen."""
    return row.seen_at + SEEN_EVERY <= now


def about(row: SigninSession) -> About:
    """Return what is known of a session's browser."""
    return devices.unseal(row.about_sealed, table=SigninSession.__tablename__, row=row.id)


def see(session: Session, row: SigninSession, *, now: datetime) -> None:
    """Write that a session was seen; of several requests at once one writes, and none minds that it ended meanwhile."""
    session.execute(update(SigninSession).where(SigninSession.id == row.id, SigninSession.seen_at <= now - SEEN_EVERY).values(seen_at=now))


def act_for(session: Session, signed_in: SignedIn, organisation_id: UUID | None, *, now: datetime) -> None:
    """Let a session act for an organisation, or for the person alone; the mandate is the caller's to check."""
    session.execute(update(SigninSession).where(SigninSession.id == signed_in.session_id).values(acting_for=organisation_id))
    act = "acting.begun" if organisation_id else "acting.ended"
    on = organisation_id or signed_in.acting_for or signed_in.subject_id
    ledger.record(session, act, actor=f"subject:{signed_in.subject_id}", object_id=signed_in.session_id, subject_id=on, now=now)


def end(session: Session, signed_in: SignedIn, *, now: datetime) -> None:
    """End a session, and let everyone hear of it who must; a second call does nothing."""
    end_one(session, signed_in.subject_id, signed_in.session_id, now=now)


def end_one(session: Session, subject_id: UUID, session_id: UUID, *, now: datetime) -> bool:
    """End one session of a person; returns whether there was such a one of theirs."""
    ended = _end_if(session, SigninSession.id == session_id, SigninSession.subject_id == subject_id)
    _record_ends(session, subject_id, ended, now=now)
    return bool(ended)


def end_all(session: Session, subject_id: UUID, *, now: datetime, but: UUID | None = None) -> int:
    """End every session of a person, but one if that is named, and return how many those were."""
    ended = _end_if(session, SigninSession.subject_id == subject_id, SigninSession.id != but if but else SigninSession.id.is_not(None))
    _record_ends(session, subject_id, ended, now=now)
    return len(ended)


def cut(session: Session, subject_id: UUID, *, now: datetime) -> None:
    """Let everything that was given in a person's name until now be worth nothing: access tokens, refresh tokens, codes."""
    for hear in on_person_cut:
        hear(session, subject_id, now)


def cut_session(session: Session, session_id: UUID, *, now: datetime) -> None:
    """Let everything that was given in one session until now be worth nothing."""
    for hear in on_session_cut:
        hear(session, session_id, now)


def forget(*, lifetimes: Lifetimes, now: datetime) -> None:
    """End the sessions whose time is over, a batch a transaction; their portals hear of it."""
    over = select(SigninSession.id).where(_over(lifetimes, now=now)).limit(PRUNE_BATCH).with_for_update(skip_locked=True)
    while True:
        with transaction() as session:
            if len(_end_if(session, SigninSession.id.in_(over))) < PRUNE_BATCH:
                return


def as_signed_in(row: SigninSession, *, ial: int = FORMAT_ONLY) -> SignedIn:
    """Return what the rest of the service sees of a session."""
    return SignedIn(row.id, row.subject_id, row.acting_for, row.auth_time, row.amr, ial=ial)


def _end_if(session: Session, *where: ColumnElement[bool]) -> list[UUID]:
    ended = list(session.scalars(delete(SigninSession).where(*where).returning(SigninSession.id)))
    for session_id in ended:
        for hear in on_session_end:
            hear(session, session_id)
    return ended


def _record_ends(session: Session, subject_id: UUID, ended: list[UUID], *, now: datetime) -> None:
    for session_id in ended:
        ledger.record(session, "session.ended", actor=f"subject:{subject_id}", object_id=session_id, subject_id=subject_id, now=now)


def _over(lifetimes: Lifetimes, *, now: datetime) -> ColumnElement[bool]:
    return or_(SigninSession.seen_at <= now - lifetimes.idle, SigninSession.began_at <= now - lifetimes.total)


def _token(session_id: UUID, secret: bytes) -> str:
    return base64url.write(session_id.bytes + secret)


def _read_token(unverified_token: str) -> tuple[UUID, bytes] | None:
    try:
        raw = base64.b64decode(unverified_token + "=" * (-len(unverified_token) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return None
    return (UUID(bytes=raw[:16]), raw[16:]) if len(raw) == 16 + SECRET_BYTES else None


def _hash(secret: bytes) -> bytes:
    return hashlib.sha256(secret).digest()
