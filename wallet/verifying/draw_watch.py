"""Watching the draws: how many, by which system, of which type, of how many people; and what looks odd is flagged, to be looked at by people.

Nothing is stopped by it. Each draw leaves a line without a cause or a field, one that found nothing, too, since who tries numbers learns by that; odd
is what passes a threshold of the settings. A flag goes to the
departments that supervise the type (an event, and a page) and to the operators (a notice, and the log), once a day for the same thing.
"""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy import ColumnElement, Index, UniqueConstraint, false, func, insert, or_, select, true, update
from sqlalchemy.dialects import postgresql
from sqlalchemy.orm import Mapped, Session, mapped_column

from idp.signin import notices, operators
from idp.signin.notice_texts import NOTICES, NoticeText
from idp.subjects.numbers import written_plainly
from keys import sealing
from runtime import events, ledger
from runtime.database import Base
from runtime.ids import new_id
from runtime.languages import Text
from runtime.settings import Settings
from wallet.register.licences import CHINA

log = structlog.get_logger(__name__)
KEPT = timedelta(days=31)
HOUR, SHORT, DAY = timedelta(hours=1), timedelta(minutes=10), timedelta(days=1)
MORNING, EVENING = 7, 21  # by the clock of China
MOST_TOLD, MOST_TYPES = 100, 50
FLAGGED, NOTICE = "draws.flagged", "draws-flagged"


class Pattern(StrEnum):
    """What looks odd."""

    RATE = "rate"
    HOLDERS = "holders"
    NIGHT = "night"
    DEPARTMENTS = "departments"


PATTERNS = {
    Pattern.RATE: Text("一小时内同一系统对同一类证照调用过多", "Many draws of one type by one system within an hour"),
    Pattern.HOLDERS: Text(
        "十分钟内同一系统调用了许多不同持证主体的证照", "Licences of many different holders drawn by one system within ten minutes"
    ),
    Pattern.NIGHT: Text("同一系统在夜间（21时至7时）多次调用", "Many draws by one system at night (21:00 to 7:00)"),
    Pattern.DEPARTMENTS: Text("一天内多个部门调用同一持证主体的证照", "Licences of one holder drawn by several departments within a day"),
}
NOTICES |= {
    NOTICE: NoticeText(
        Text("证照调用出现异常", "Draws look odd"),
        Text("{pattern}：{counted}次（阈值{threshold}）。请查看。", "{pattern}: {counted} (threshold {threshold}). Have a look."),
        Text("查看", "Look"),
    )
}


class Drawn(Base):
    """A draw on authority, as it is watched; `id` is its receipt's. One that `missed` has no receipt, and for its holder an id that is made of the
    number and means nobody."""

    __tablename__ = "watched_draws"
    id: Mapped[UUID] = mapped_column(primary_key=True)
    at: Mapped[datetime] = mapped_column(index=True)
    department: Mapped[str]
    system: Mapped[str]
    type_code: Mapped[str]
    holder_id: Mapped[UUID]
    missed: Mapped[bool] = mapped_column(server_default=false())
    __table_args__ = (Index("ix_watched_draws_department", "department", "id"),)


class DrawFlag(Base):
    """Something odd, on a day: which pattern, of what (`key`), how often when it was flagged. It names no holder but by an opaque id."""

    __tablename__ = "draw_flags"
    id: Mapped[UUID] = mapped_column(primary_key=True)
    pattern: Mapped[str]
    key: Mapped[str]
    day: Mapped[date]
    department: Mapped[str | None]
    system: Mapped[str | None]
    types: Mapped[list[str]]
    counted: Mapped[int]
    threshold: Mapped[int]
    flagged_at: Mapped[datetime] = mapped_column(index=True)
    seen_at: Mapped[datetime | None]
    seen_by: Mapped[str | None]
    __table_args__ = (UniqueConstraint("pattern", "key", "day"),)


@dataclass(frozen=True, slots=True)
class Odd:
    """A count that passed its threshold."""

    pattern: Pattern
    key: str
    counted: int
    threshold: int
    types: list[str]
    department: str | None = None
    system: str | None = None


def note(session: Session, receipt_id: UUID, *, department: str, system: str, type_code: str, holder_id: UUID, now: datetime) -> None:
    """Leave the line by which a draw is watched, in the draw's own transaction."""
    whole = {"id": receipt_id, "at": now, "department": department, "system": system, "type_code": type_code, "holder_id": holder_id}
    session.execute(insert(Drawn).values(whole))


def note_miss(session: Session, *, department: str, system: str, type_code: str, number: str, now: datetime) -> None:
    """Leave the line of a draw that found nothing, in a transaction of its own: its own was undone."""
    nobody = UUID(bytes=sealing.index_of(f"draw:{written_plainly(number)}")[:16])
    whole = {"id": new_id(), "at": now, "department": department, "system": system, "type_code": type_code, "holder_id": nobody, "missed": True}
    session.execute(insert(Drawn).values(whole))


def watch(session: Session, settings: Settings, *, now: datetime) -> int:
    """Flag whatever is odd now and was not flagged today, and return how many that were."""
    return sum(_flag(session, odd, now=now) for odd in find_odd(session, settings, now=now))


def find_odd(session: Session, settings: Settings, *, now: datetime) -> list[Odd]:
    """Return every count that is past its threshold now."""
    who, times = (Drawn.department, Drawn.system), func.count()
    types, holders = func.array_agg(Drawn.type_code.distinct()), func.count(Drawn.holder_id.distinct())
    local = func.extract("hour", func.timezone("Asia/Shanghai", Drawn.at))
    night, departments = or_(local < MORNING, local >= EVENING), func.count(Drawn.department.distinct())
    asked = (
        (Pattern.RATE, settings.draws_an_hour, (*who, Drawn.type_code), times, HOUR, ()),
        (Pattern.HOLDERS, settings.draws_of_holders, who, holders, SHORT, ()),
        (Pattern.NIGHT, settings.draws_at_night, who, times, timedelta(hours=10), (night,)),
        (Pattern.DEPARTMENTS, settings.draws_by_departments, (Drawn.holder_id,), departments, DAY, (Drawn.missed.is_(False),)),
    )
    found = []
    for pattern, threshold, by, counted, span, also in asked:
        rows: Any = select(counted, types, *by).where(Drawn.at > now - span, Drawn.at <= now, *also).group_by(*by).having(counted > threshold)
        found += [_odd(pattern, threshold, list(row)) for row in session.execute(rows.order_by(counted.desc()).limit(MOST_TOLD))]
    return found


def rates(session: Session, *, types: set[str] | None, now: datetime) -> list[Any]:
    """Return the busiest systems of the last day: department, system, type, draws in the last hour and in the day, holders. `types` None: all."""
    within: ColumnElement[bool] = Drawn.at > now - DAY
    hour = func.count().filter(Drawn.at > now - HOUR)
    rows = select(Drawn.department, Drawn.system, Drawn.type_code, hour, func.count(), func.count(Drawn.holder_id.distinct())).where(within)
    rows = rows if types is None else rows.where(Drawn.type_code.in_(types))
    by = (Drawn.department, Drawn.system, Drawn.type_code)
    return list(session.execute(rows.group_by(*by).order_by(func.count().desc(), *by).limit(MOST_TOLD)))


def drawn_by(session: Session, departments: list[str]) -> list[Drawn]:
    """Return the last draws of some departments, the newest first."""
    rows = select(Drawn).where(Drawn.department.in_(departments), Drawn.missed.is_(False)).order_by(Drawn.id.desc())
    return list(session.scalars(rows.limit(MOST_TOLD)))


def flags_of(session: Session, departments: list[str]) -> list[DrawFlag]:
    """Return the latest flags of what some departments drew, as their supervisors see them."""
    rows = select(DrawFlag).where(DrawFlag.department.in_(departments)).order_by(DrawFlag.flagged_at.desc())
    return list(session.scalars(rows.limit(MOST_TOLD)))


def flags(session: Session, *, types: set[str] | None) -> list[DrawFlag]:
    """Return the latest flags that touch some types, those first that nobody has looked at; `types` None: all."""
    rows = select(DrawFlag).order_by(DrawFlag.seen_at.is_not(None), DrawFlag.flagged_at.desc())
    return list(session.scalars(rows.where(_touches(types)).limit(MOST_TOLD)))


def see(session: Session, flag_id: UUID, *, types: set[str] | None, by: str, now: datetime) -> bool:
    """Write down that somebody looked at a flag that is theirs to look at, the first of them; returns whether that was so."""
    mine = update(DrawFlag).where(DrawFlag.id == flag_id, DrawFlag.seen_at.is_(None), _touches(types)).values(seen_at=now, seen_by=by)
    if session.execute(mine.returning(DrawFlag.id)).first() is None:
        return False
    ledger.record(session, "draws.flag-seen", actor=by, object_id=flag_id, now=now)
    return True


def _touches(types: set[str] | None) -> ColumnElement[bool]:
    """Return the condition that a flag is of one of some types; `types` None: of any."""
    return true() if types is None else or_(false(), *(DrawFlag.types.contains([one]) for one in sorted(types)))


def _odd(pattern: Pattern, threshold: int, row: list[Any]) -> Odd:
    counted, types, *by = row
    kinds = sorted(types)[:MOST_TYPES]
    if pattern is Pattern.DEPARTMENTS:
        return Odd(pattern, str(by[0]), counted, threshold, kinds)
    return Odd(pattern, " ".join(by), counted, threshold, kinds, by[0], by[1])


def _flag(session: Session, odd: Odd, *, now: datetime) -> int:
    """Write a flag and tell of it, unless the same was flagged today: of a night, by the day on which it began."""
    day = (now.astimezone(CHINA) - timedelta(hours=MORNING if odd.pattern is Pattern.NIGHT else 0)).date()
    told = {"pattern": odd.pattern.value, "counted": odd.counted, "threshold": odd.threshold}
    row = {"id": new_id(), "key": odd.key, "day": day, "department": odd.department, "system": odd.system, "types": odd.types, **told}
    new = postgresql.insert(DrawFlag).values({**row, "flagged_at": now}).on_conflict_do_nothing().returning(DrawFlag.id)
    flag_id = session.scalar(new)
    if flag_id is None:
        return 0
    about: dict[str, Any] = {**told, **({"department": odd.department, "system": odd.system} if odd.department else {})}
    ledger.record(session, FLAGGED, actor="operator", object_id=flag_id, now=now, **about)
    for type_code in odd.types:
        events.emit(session, FLAGGED, topic=type_code, object_id=flag_id, now=now, **about)
    for one in operators.operators(session):
        notices.tell(
            session,
            one.subject_id,
            NOTICE,
            now=now,
            link="/desk/draws",
            pattern=PATTERNS[odd.pattern],
            counted=odd.counted,
            threshold=odd.threshold,
        )
    log.warning("draws look odd", **told, department=odd.department, system=odd.system)
    return 1
