"""Status lists: whether a credential is still good, told to anyone without telling whose it is (Token Status List, draft -20).

A credential holds a random place in a list of 2^20, two bits each: 0 valid, 1 invalid, 2 suspended. Changing a status takes
part in the change's own transaction and is true for verification here at once; the signed list for everyone else is built
anew by a job, off the request path.
"""

import base64
import re
import secrets
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import BigInteger, Identity, Index, Integer, SmallInteger, delete, func, insert, select, text, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from keys import ring
from runtime import cache
from runtime.database import Base, transaction
from runtime.languages import Text
from runtime.problems import Refusal
from runtime.settings import Settings

VALID, INVALID, SUSPENDED = 0, 1, 2
BITS = 2
LIST_ID = re.compile(r"[0-9a-f]{12}")
SIZE = 2**20
TYPE, MEDIA_TYPE = "statuslist+jwt", "application/statuslist+jwt"
TTL = timedelta(minutes=1)
LIFETIME = timedelta(hours=24)
REFRESH_AFTER = timedelta(hours=12)
FULL = SIZE // 2
TOPIC = "status_lists"
BUILDING_LOCK, OPENING_LOCK = 0x6B617362, 0x6B61736F


class StatusListNotFound(Refusal):
    """There is no such list."""

    code, status, title = "status-list-not-found", 404, Text("没有此状态列表。", "No such status list.")


class StatusList(Base):
    """A list, with its newest token. New credentials get their places in the newest one that is open."""

    __tablename__ = "status_lists"
    id: Mapped[str] = mapped_column(primary_key=True)
    is_open: Mapped[bool]
    made_at: Mapped[datetime]
    token: Mapped[str]
    built_at: Mapped[datetime]


class StatusEntry(Base):
    """A place that is taken, and what stands there."""

    __tablename__ = "status_entries"
    list_id: Mapped[str] = mapped_column(primary_key=True)
    index: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    status: Mapped[int] = mapped_column(SmallInteger)
    __table_args__ = (Index("ix_status_entries_set", "list_id", "index", "status", postgresql_where=text("status <> 0")),)


class StatusChange(Base):
    """A note that a list must be built anew. Rows are only added and taken away, so that those who revoke never wait for each other."""

    __tablename__ = "status_changes"
    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    list_id: Mapped[str]


@dataclass(frozen=True, slots=True)
class Place:
    """A credential's place in a list."""

    list_id: str
    index: int


@dataclass(frozen=True, slots=True)
class Token:
    """A list's signed token and when it was built."""

    signed: str
    built_at: datetime


def uri_of(settings: Settings, list_id: str) -> str:
    """Return the address of a list, which credentials carry and its token's `sub` repeats."""
    return f"{settings.public_url}/status/{list_id}"


def draw(list_id: str) -> Place:
    """Return a place at random, which may be taken: neighbours in a list have nothing in common."""
    return Place(list_id, secrets.randbelow(SIZE))


def open_list(settings: Settings, *, now: datetime) -> str:
    """Return the list in which new credentials get their places, made if there is none."""
    found = cache.get(TOPIC, "open", lambda: _find_or_make(settings, now=now))
    assert found is not None
    return found


def set_status(session: Session, place: Place, status: int) -> None:
    """Change what stands at a place; the list's token follows within two seconds of the commit."""
    session.execute(update(StatusEntry).where(StatusEntry.list_id == place.list_id, StatusEntry.index == place.index).values(status=status))
    session.execute(insert(StatusChange).values(list_id=place.list_id))


def state_of(session: Session, place: Place) -> int | None:
    """Return what stands at a place this moment, or None if it was never taken."""
    return session.scalar(select(StatusEntry.status).where(StatusEntry.list_id == place.list_id, StatusEntry.index == place.index))


def place_of(settings: Settings, uri: str, index: int) -> Place | None:
    """Return the place that a credential's `status_list` claim names, or None if it is a list of another house."""
    prefix = uri_of(settings, "")
    return Place(uri.removeprefix(prefix), index) if uri.startswith(prefix) and 0 <= index < SIZE else None


def get_token(list_id: str) -> Token:
    """Return the newest token of a list, from the process's cache; raises StatusListNotFound."""
    found = cache.get(TOPIC, ("token", list_id), lambda: _load_token(list_id)) if LIST_ID.fullmatch(list_id) else None
    if found is None:
        raise StatusListNotFound
    return found


def rebuild(session: Session, settings: Settings, *, now: datetime) -> int:
    """Build the lists that changed, and those whose token is growing old; returns how many. One builder works at a time."""
    if not session.scalar(select(func.pg_try_advisory_xact_lock(BUILDING_LOCK))):
        return 0
    due = set(session.scalars(delete(StatusChange).returning(StatusChange.list_id)))
    due |= set(session.scalars(select(StatusList.id).where(StatusList.built_at < now - REFRESH_AFTER)))
    for list_id in due:
        set_entries = select(StatusEntry.index.label("index_"), StatusEntry.status).where(StatusEntry.list_id == list_id, StatusEntry.status != VALID)
        signed = sign_list(uri_of(settings, list_id), [(row.index_, row.status) for row in session.execute(set_entries)], now=now)
        session.execute(update(StatusList).where(StatusList.id == list_id).values(token=signed, built_at=now))
    if due:
        cache.changed(session, TOPIC)
    return len(due)


def close_full(session: Session) -> None:
    """Close lists that are half full, so that the next credential opens a new one."""
    for one in session.scalars(select(StatusList).where(StatusList.is_open)):
        if (session.scalar(select(func.count()).where(StatusEntry.list_id == one.id)) or 0) >= FULL:
            one.is_open = False
            cache.changed(session, TOPIC)


def sign_list(uri: str, entries: Iterable[tuple[int, int]], *, now: datetime) -> str:
    """Return the Status List Token of a list. Section 5.1."""
    payload = {
        "sub": uri,
        "iat": int(now.timestamp()),
        "exp": int((now + LIFETIME).timestamp()),
        "ttl": int(TTL.total_seconds()),
        "status_list": {"bits": BITS, "lst": encode(entries)},
    }
    return ring.signer(ring.STATUS).sign(payload, typ=TYPE)


def encode(entries: Iterable[tuple[int, int]], *, size: int = SIZE) -> str:
    """Return `lst`: two bits an entry, the lowest first, ZLIB at level 9, base64url without padding. Sections 4.1 and 4.2."""
    packed = bytearray(size * BITS // 8)
    for index, status in entries:
        packed[index >> 2] |= status << (index & 3) * BITS
    return base64.urlsafe_b64encode(zlib.compress(packed, 9)).rstrip(b"=").decode()


def _find_or_make(settings: Settings, *, now: datetime) -> str:
    newest = select(StatusList.id).where(StatusList.is_open).order_by(StatusList.made_at.desc()).limit(1)
    with transaction() as session:
        found = session.scalar(newest)
        if found is None:
            session.execute(select(func.pg_advisory_xact_lock(OPENING_LOCK)))
            found = session.scalar(newest) or _make(session, settings, now=now)
        return found


def _make(session: Session, settings: Settings, *, now: datetime) -> str:
    list_id = secrets.token_hex(6)
    session.add(StatusList(id=list_id, is_open=True, made_at=now, token=sign_list(uri_of(settings, list_id), (), now=now), built_at=now))
    return list_id


def _load_token(list_id: str) -> Token | None:
    with transaction() as session:
        found = session.get(StatusList, list_id)
        return Token(found.token, found.built_at) if found else None
