"""Rotation of the data keys: a new key is made, then used, then everything under the old one is renewed, and the old one is wiped.

First every process comes to know the new key (`LEAD`); from its moment on all write under it; once nobody can still be writing under the old
one (`SETTLE`) the rows follow, a batch a transaction, and how far each table is, is kept in that transaction: whoever is killed is
followed by another at the same place. The old key goes only when a count over every declared column shows that nothing is
left under it. While this lasts, readers know both keys. Every `now` here is the database's (`sealing.present`).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy import BigInteger, ColumnElement, ForeignKeyConstraint, func, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from keys import resealing, sealing
from keys.sealed_tables import declared
from keys.sealing import INDEX, SEAL
from runtime import ledger
from runtime.database import Base
from runtime.languages import Text
from runtime.problems import Refusal
from runtime.settings import Settings

PURPOSES = (SEAL, INDEX)
LEAD = timedelta(seconds=90)  # longer than a process may keep what it read of the keys (`runtime.cache`)
SETTLE = timedelta(seconds=60)  # longer than a request that began under the old key (`runtime.database`)
RETRY = timedelta(minutes=10)  # until rows that could not be renewed are tried again
QUEUE_WAIT = timedelta(minutes=1)  # until it is looked again whether jobs that carry something sealed are through
AGAIN = timedelta(seconds=2)  # until rows that others held are looked for again
BATCH = 2_000


class RotationUnderWay(Refusal):
    """A rotation of this kind of key has not ended yet."""

    code, status, title = "rotation-under-way", 409, Text("密钥轮换尚未完成。", "A rotation of this key is under way.")


class NotProven(Exception):
    """A column that may stand under the old key cannot be looked at: this program is older or newer than the database."""


class Stage(StrEnum):
    """Where a rotation stands."""

    WAITING = "waiting"
    WORKING = "working"
    ELSEWHERE = "elsewhere"
    HELD_UP = "held up"
    DONE = "done"


class DataKeyRotation(Base):
    """A rotation to a version of a data key. `held_up` counts the rows that could not be renewed."""

    __tablename__ = "data_key_rotations"
    purpose: Mapped[str] = mapped_column(primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True)
    began_at: Mapped[datetime]
    used_from: Mapped[datetime]
    moves_from: Mapped[datetime]
    held_up: Mapped[int] = mapped_column(BigInteger)
    ended_at: Mapped[datetime | None]


class RotationStep(Base):
    """One table of a rotation: how many of its rows are renewed, and the primary key up to which. `total` is not known until it begins."""

    __tablename__ = "data_key_rotation_steps"
    purpose: Mapped[str] = mapped_column(primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True)
    table_name: Mapped[str] = mapped_column(primary_key=True)
    total: Mapped[int | None] = mapped_column(BigInteger)
    renewed: Mapped[int] = mapped_column(BigInteger)
    broken: Mapped[int] = mapped_column(BigInteger)
    cursor: Mapped[list[str] | None]
    passes: Mapped[int]
    began_at: Mapped[datetime | None]
    moved_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]
    __table_args__ = (
        ForeignKeyConstraint(
            ["purpose", "version"], ["data_key_rotations.purpose", "data_key_rotations.version"], name="fk_data_key_rotation_steps_rotation"
        ),
    )


@dataclass(frozen=True, slots=True)
class Which:
    """A rotation, by the key that it leads to."""

    purpose: str
    version: int

    @property
    def id(self) -> str:
        """Its name in the ledger."""
        return f"{self.purpose}:{self.version}"


def begin(
    session: Session, settings: Settings, purpose: str, *, now: datetime, lead: timedelta = LEAD, settle: timedelta = SETTLE
) -> DataKeyRotation:
    """Make the next key of a purpose and begin the rotation to it; raises RotationUnderWay."""
    session.execute(select(func.pg_advisory_xact_lock(func.hashtext(f"rotation:{purpose}"))))
    if any(rotation.purpose == purpose for rotation in open_rotations(session)):
        raise RotationUnderWay(purpose)
    used_from = now + lead
    version = sealing.add_data_key(session, settings, purpose, now=now, used_from=used_from)
    rotation = DataKeyRotation(purpose=purpose, version=version, began_at=now, used_from=used_from, moves_from=used_from + settle, held_up=0)
    session.add(rotation)
    session.flush()
    for table in declared.values():
        if table.columns_of(purpose):
            session.add(_step(rotation, table.name))
    ledger.record(session, "data_key.made", actor="operator", object_id=f"{purpose}:{version}", now=now, used_from=used_from.isoformat())
    return rotation


def open_rotations(session: Session) -> list[DataKeyRotation]:
    """Return the rotations that have not ended."""
    return list(session.scalars(select(DataKeyRotation).where(DataKeyRotation.ended_at.is_(None)).order_by(DataKeyRotation.began_at)))


def has_due(now: datetime) -> ColumnElement[bool]:
    """Return the condition that a rotation has rows to renew."""
    return select(DataKeyRotation.version).where(DataKeyRotation.ended_at.is_(None), DataKeyRotation.moves_from <= now).exists()


def rotations(session: Session) -> list[DataKeyRotation]:
    """Return every rotation, the newest first."""
    return list(session.scalars(select(DataKeyRotation).order_by(DataKeyRotation.began_at.desc())))


def steps_of(session: Session, rotation: DataKeyRotation) -> list[RotationStep]:
    """Return the tables of a rotation, by name."""
    mine = select(RotationStep).where(RotationStep.purpose == rotation.purpose, RotationStep.version == rotation.version)
    return list(session.scalars(mine.order_by(RotationStep.table_name)))


def advance(session: Session, which: Which, *, now: datetime, size: int = BATCH) -> Stage:
    """Take a rotation one batch further, or, when all tables are through, prove that nothing is left and wipe the old key."""
    rotation = session.get_one(DataKeyRotation, (which.purpose, which.version))
    if rotation.ended_at is not None:
        return Stage.DONE
    if now < rotation.moves_from:
        return Stage.WAITING
    mine = select(RotationStep).where(RotationStep.purpose == which.purpose, RotationStep.version == which.version, RotationStep.ended_at.is_(None))
    step = session.scalars(mine.order_by(RotationStep.table_name).limit(1).with_for_update(skip_locked=True)).one_or_none()
    if step is not None:
        _move(session, step, now=now, size=size)
        return Stage.WORKING
    if session.scalars(mine.limit(1)).first() is not None:
        return Stage.ELSEWHERE
    return _conclude(session, which, now=now)


def _move(session: Session, step: RotationStep, *, now: datetime, size: int) -> None:
    table = declared[step.table_name]
    if step.total is None:
        step.total, step.began_at, step.moved_at = resealing.count_old(session, table, step.purpose, step.version), now, now
        return
    batch = resealing.renew_batch(session, table, step.purpose, step.version, after=step.cursor, size=size)
    step.renewed, step.broken, step.moved_at = step.renewed + batch.renewed, step.broken + batch.broken, now
    if batch.last is not None:
        step.cursor = batch.last
    if not batch.full:
        step.ended_at = now


def _conclude(session: Session, which: Which, *, now: datetime) -> Stage:
    rotation = session.get_one(DataKeyRotation, (which.purpose, which.version), with_for_update=True, populate_existing=True)
    if rotation.ended_at is not None:
        return Stage.DONE
    if which.purpose == SEAL and resealing.count_queued(session, which.version):
        rotation.moves_from = now + QUEUE_WAIT
        return Stage.WAITING
    if unknown := resealing.undeclared(session, which.purpose):
        raise NotProven(f"nothing is known here of {', '.join(unknown)}")
    steps = {step.table_name: step for step in steps_of(session, rotation)}
    left = dict(_left(session, which))
    rotation.held_up = sum(left.values())
    if not left:
        _end(session, rotation, renewed=sum(step.renewed for step in steps.values()), now=now)
        return Stage.DONE
    is_stuck = all(name in steps and steps[name].broken >= count for name, count in left.items())
    for name, count in left.items():
        _reopen(session, rotation, steps.get(name), name, count)
    rotation.moves_from = now + (RETRY if is_stuck else AGAIN)
    return Stage.HELD_UP if is_stuck else Stage.WAITING


def _left(session: Session, which: Which) -> Iterable[tuple[str, int]]:
    """Count what still stands under another key, in each table that has any."""
    for table in declared.values():
        if table.columns_of(which.purpose) and (count := resealing.count_old(session, table, which.purpose, which.version)):
            yield table.name, count


def _reopen(session: Session, rotation: DataKeyRotation, step: RotationStep | None, name: str, count: int) -> None:
    """Go over a table again, in which rows were held by others, or which is newer than the rotation."""
    if step is None:
        step = _step(rotation, name)
        session.add(step)
    step.cursor, step.ended_at, step.broken, step.passes = None, None, 0, step.passes + 1
    step.total = None if step.total is None else step.renewed + count


def _end(session: Session, rotation: DataKeyRotation, *, renewed: int, now: datetime) -> None:
    rotation.ended_at = now
    actor, name = "operator", f"{rotation.purpose}:{rotation.version}"
    ledger.record(session, "data_keys.rotated", actor=actor, object_id=name, now=now, renewed=renewed, left=0)
    for version in sealing.wipe(session, rotation.purpose, before=rotation.version, now=now):
        ledger.record(session, "data_key.gone", actor=actor, object_id=f"{rotation.purpose}:{version}", now=now)


def _step(rotation: DataKeyRotation, table_name: str) -> RotationStep:
    return RotationStep(purpose=rotation.purpose, version=rotation.version, table_name=table_name, renewed=0, broken=0, passes=1)
