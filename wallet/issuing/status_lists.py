"""Status lists: whether a credential is still good, told to anyone without telling whose it is (Token Status List, draft -20).

A credential holds a random place in a list of 2^20, of two bits each (0 valid, 1 invalid, 2 suspended), or of one bit for types that are
never suspended. Changing a status takes part in the change's own transaction and is true for verification here at once; the signed list for
everyone else is built anew by a job, off the request path (`status_building`).
"""

import re
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import BigInteger, Identity, Integer, SmallInteger, func, insert, literal, select, tuple_, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from runtime import cache
from runtime.database import Base, transaction
from runtime.settings import Settings
from wallet.issuing import status_packing, status_tokens
from wallet.issuing.status_packing import SIZE
from wallet.issuing.status_tokens import Snapshot
from wallet.issuing.status_tokens import uri_of as uri_of
from wallet.register.definitions import LicenceType

VALID, INVALID, SUSPENDED = 0, 1, 2
WITH_SUSPENSION, WITHOUT_SUSPENSION = 2, 1
LIST_ID, LIST_ID_BYTES = re.compile(r"[0-9a-f]{12}"), 6
OPENING_LOCK = 0x6B61736F
TOPIC = "status_lists"


class StatusList(Base):
    """A list, with its newest token in both forms. New credentials get their places in the newest one of their width that is open.

    `lst` is the compressed array of the newest token; `base` that of the oldest state that is still told, which was published at `base_at`.
    """

    __tablename__ = "status_lists"
    id: Mapped[str] = mapped_column(primary_key=True)
    bits: Mapped[int] = mapped_column(SmallInteger)
    is_open: Mapped[bool]
    made_at: Mapped[datetime]
    token: Mapped[str]
    cwt: Mapped[bytes]
    lst: Mapped[bytes]
    built_at: Mapped[datetime]
    base: Mapped[bytes]
    base_at: Mapped[datetime]


class StatusEntry(Base):
    """A place that is taken, and what stands there."""

    __tablename__ = "status_entries"
    list_id: Mapped[str] = mapped_column(primary_key=True)
    index: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    status: Mapped[int] = mapped_column(SmallInteger)


class StatusChange(Base):
    """A change that is not in its list's token yet. Rows are only added and taken away, so that those who revoke never wait for each other.

    The changes of one place are numbered in their order, since each is noted while its entry is locked.
    """

    __tablename__ = "status_changes"
    list_id: Mapped[str] = mapped_column(primary_key=True)
    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    index: Mapped[int] = mapped_column(Integer)
    status: Mapped[int] = mapped_column(SmallInteger)


class NoSuchPlace(ValueError):
    """Nobody holds the place, or its list has no room for the status: a fault of ours, never a caller's."""


@dataclass(frozen=True, slots=True)
class Place:
    """A credential's place in a list."""

    list_id: str
    index: int


def draw(list_id: str) -> Place:
    """Return a place at random, which may be taken: neighbours in a list have nothing in common."""
    return Place(list_id, secrets.randbelow(SIZE))


def open_list(settings: Settings, *, now: datetime, bits: int = WITH_SUSPENSION) -> str:
    """Return the list of a width in which new credentials get their places, made if there is none."""
    found = cache.get(TOPIC, ("open", bits), lambda: _find_or_make(settings, now=now, bits=bits))
    assert found is not None
    return found


def bits_for(licence_type: LicenceType) -> int:
    """Return the width of the list for credentials of a type: what can never be suspended needs one bit."""
    return WITH_SUSPENSION if licence_type.may_be_suspended else WITHOUT_SUSPENSION


def set_status(session: Session, place: Place, status: int) -> None:
    """Change what stands at a place; the list's token follows within two seconds of the commit. Raises NoSuchPlace."""
    held = (StatusEntry.list_id == place.list_id, StatusEntry.index == place.index)
    has_room = select(1).where(StatusList.id == place.list_id, literal(status) < func.pow(2, StatusList.bits)).exists()
    changed = update(StatusEntry).where(*held, has_room).values(status=status).returning(StatusEntry.list_id, StatusEntry.index, StatusEntry.status)
    noted = insert(StatusChange).from_select(["list_id", "index", "status"], select(changed.cte("changed"))).returning(StatusChange.id)
    if session.scalar(noted) is None:
        raise NoSuchPlace


def set_statuses(session: Session, places: Iterable[Place], status: int) -> None:
    """Change what stands at some places, however many, in one statement; what is invalid stays so. Raises NoSuchPlace."""
    wanted = {(one.list_id, one.index) for one in places}
    if not wanted:
        return
    held = tuple_(StatusEntry.list_id, StatusEntry.index).in_(sorted(wanted))
    done = StatusEntry.status.in_((INVALID, status))
    has_room = select(1).where(StatusList.id == StatusEntry.list_id, literal(status) < func.pow(2, StatusList.bits)).exists()
    changed = update(StatusEntry).where(held, ~done, has_room).values(status=status)
    changed = changed.returning(StatusEntry.list_id, StatusEntry.index, StatusEntry.status)
    session.execute(insert(StatusChange).from_select(["list_id", "index", "status"], select(changed.cte("changed"))))
    if session.scalar(select(func.count()).select_from(StatusEntry).where(held, done)) != len(wanted):
        raise NoSuchPlace


def state_of(session: Session, place: Place) -> int | None:
    """Return what stands at a place this moment, or None if it was never taken."""
    return session.scalar(select(StatusEntry.status).where(StatusEntry.list_id == place.list_id, StatusEntry.index == place.index))


def place_of(settings: Settings, uri: str, index: int) -> Place | None:
    """Return the place that a credential's `status_list` claim names, or None if it is a list of another house."""
    prefix = uri_of(settings, "")
    return Place(uri.removeprefix(prefix), index) if uri.startswith(prefix) and 0 <= index < SIZE else None


def make_list(session: Session, settings: Settings, *, now: datetime, bits: int) -> str:
    """Open a list in which every place is free, with its first token."""
    empty = status_packing.compress(status_packing.pack((), bits=bits))
    snapshot = Snapshot(secrets.token_hex(LIST_ID_BYTES), bits, empty, now)
    signed = {"token": status_tokens.sign_jwt(settings, snapshot), "cwt": status_tokens.sign_cwt(settings, snapshot)}
    session.add(StatusList(id=snapshot.list_id, bits=bits, is_open=True, made_at=now, lst=empty, built_at=now, base=empty, base_at=now, **signed))
    cache.changed(session, TOPIC)
    return snapshot.list_id


def _find_or_make(settings: Settings, *, now: datetime, bits: int) -> str:
    newest = select(StatusList.id).where(StatusList.is_open, StatusList.bits == bits).order_by(StatusList.made_at.desc()).limit(1)
    with transaction() as session:
        found = session.scalar(newest)
        if found is None:
            session.execute(select(func.pg_advisory_xact_lock(OPENING_LOCK)))
            found = session.scalar(newest) or make_list(session, settings, now=now, bits=bits)
        return found
