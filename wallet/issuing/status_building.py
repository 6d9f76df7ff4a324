"""Building: a list's tokens are signed anew when something changed in it, or when they grow old.

Only what changed is put into the packed array that the last build left, so that a build costs what its compression does. Whoever builds a list
holds its row and nothing else: issuers and revokers never wait, another worker takes another list, and what a killed one did is undone whole.
"""

import struct
from collections.abc import Iterable
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Select, delete, func, or_, select
from sqlalchemy.orm import Mapped, Session, load_only, mapped_column

from runtime import cache
from runtime.database import Base
from runtime.settings import Settings
from wallet.issuing import status_packing, status_tokens
from wallet.issuing.status_lists import TOPIC, StatusChange, StatusList
from wallet.issuing.status_tokens import Snapshot

REFRESH_AFTER = timedelta(hours=12)
MOST_CHANGES = 100_000
BEGINNING = 8192  # of a token: its header with a certificate, and its first claims, without the list itself
NEXT_MOMENT = timedelta(microseconds=1)
CHANGE = struct.Struct("<IB")


class StatusBuild(Base):
    """When a list was published anew, and what had changed since the time before: five bytes a change."""

    __tablename__ = "status_builds"
    list_id: Mapped[str] = mapped_column(primary_key=True)
    built_at: Mapped[datetime] = mapped_column(primary_key=True)
    changes: Mapped[bytes]


def rebuild_next(session: Session, settings: Settings, *, now: datetime, thorough: bool = True) -> bool:
    """Build the list that is due and was built longest ago, unless another builder has it in hand; whether there was one."""
    due = select(StatusList).where(_is_due(now)).order_by(StatusList.built_at).limit(1)
    return _build(session, settings, due, now=now, thorough=thorough)


def has_due(now: datetime) -> ColumnElement[bool]:
    """Return the condition that a list is due."""
    return select(StatusList.id).where(_is_due(now)).exists()


def _is_due(now: datetime) -> ColumnElement[bool]:
    has_changes = select(StatusChange.id).where(StatusChange.list_id == StatusList.id).exists()
    return or_(has_changes, StatusList.built_at < now - REFRESH_AFTER)


def rebuild(session: Session, settings: Settings, list_id: str, *, now: datetime) -> bool:
    """Build a list whatever changed, unless another builder has it in hand; whether it was built."""
    return _build(session, settings, select(StatusList).where(StatusList.id == list_id), now=now)


def find_moved(session: Session, settings: Settings) -> list[str]:
    """Return the lists whose tokens name an address that is not theirs any more: the service's own has changed since they were signed."""
    beginnings = session.execute(select(StatusList.id, func.left(StatusList.token, BEGINNING)))
    return [list_id for list_id, token in beginnings if status_tokens.address_in(token) != status_tokens.uri_of(settings, list_id)]


def _build(session: Session, settings: Settings, which: Select[StatusList], *, now: datetime, thorough: bool = True) -> bool:
    found = session.scalars(which.with_for_update(skip_locked=True).options(load_only(StatusList.bits, StatusList.lst, StatusList.built_at))).first()
    if found is None:
        return False
    changes = _taken_changes(session, found.id)
    packed = bytearray(status_packing.decompress(found.lst))
    status_packing.put(packed, changes, bits=found.bits)
    found.lst, found.built_at = status_packing.compress(packed, thorough=thorough), max(now, found.built_at + NEXT_MOMENT)
    snapshot = Snapshot(found.id, found.bits, found.lst, found.built_at)
    found.token, found.cwt = status_tokens.sign_jwt(settings, snapshot), status_tokens.sign_cwt(settings, snapshot)
    session.add(StatusBuild(list_id=found.id, built_at=found.built_at, changes=encode_changes(changes)))
    cache.changed(session, topic_of(found.id))
    return True


def topic_of(list_id: str) -> str:
    """Return what processes are told when a list is built, so that they drop that one alone."""
    return f"{TOPIC}:{list_id}"


def encode_changes(changes: Iterable[tuple[int, int]]) -> bytes:
    """Return changes (index, status) as a build keeps them."""
    return b"".join(CHANGE.pack(index, status) for index, status in changes)


def decode_changes(encoded: bytes) -> Iterable[tuple[int, int]]:
    """Return the changes of a build, in their order."""
    return CHANGE.iter_unpack(encoded)


def _taken_changes(session: Session, list_id: str) -> list[tuple[int, int]]:
    """Take the changes that wait for a list; those that are committed later are left for the next build."""
    oldest = select(StatusChange.id).where(StatusChange.list_id == list_id).order_by(StatusChange.id).limit(MOST_CHANGES)
    taken = delete(StatusChange).where(StatusChange.list_id == list_id, StatusChange.id.in_(oldest))
    rows = session.execute(taken.returning(StatusChange.id, StatusChange.index.label("index_"), StatusChange.status))
    return [(row.index_, row.status) for row in sorted(rows, key=lambda row: row.id)]
