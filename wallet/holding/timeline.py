"""A life on record (记录一生): all that happened to a holder's licences, year by year, a page at a time, and what is to come.

A licence that took another's place stands there once, as a renewal, not as an end and a beginning. Nothing that a licence says is in it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import groupby
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, and_, exists, func, select, tuple_, union_all
from sqlalchemy.orm import Session, aliased

from idp.signin.sessions import SignedIn
from runtime.languages import Text
from wallet.holding.cards import issuer_name
from wallet.holding.lives import as_turn
from wallet.holding.piles import arms_of
from wallet.register.acts import TURNS
from wallet.register.licences import Licence, LicenceHolder, LicenceState, china_date, type_of
from wallet.register.turns import LicenceTurn

ENDS = Text("到期", "Ends")
PAGE = 50
HANDED_OVER = [act.value for act, turn in TURNS.items() if turn.succeeds]
STANDS = (LicenceState.VALID.value, LicenceState.SUSPENDED.value)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
LONGEST_TIME = 18


@dataclass(frozen=True, slots=True)
class Moment:
    """Something that happened to a licence on a day, or will; `is_good`: it was in force afterwards."""

    on: date
    what: Text
    licence_id: UUID
    name: Text
    issuer: Text
    colour: str
    is_good: bool


@dataclass(frozen=True, slots=True)
class Year:
    """The moments of a year that a page has."""

    year: int
    moments: tuple[Moment, ...]


@dataclass(frozen=True, slots=True)
class Place:
    """Where a page ends: the turn that it shows last, and when that took effect."""

    at: datetime
    turn_id: UUID

    def __str__(self) -> str:
        return f"{(self.at - EPOCH) // timedelta(microseconds=1)}.{self.turn_id}"

    @classmethod
    def read(cls, unverified: str | None) -> "Place | None":
        """Return the place that an unverified text means, or None: then a page is the first."""
        since, _, turn_id = (unverified or "").partition(".")
        try:
            return cls(EPOCH + timedelta(microseconds=int(since)), UUID(turn_id)) if len(since) < LONGEST_TIME else None
        except (ValueError, OverflowError):
            return None


@dataclass(frozen=True, slots=True)
class Timeline:
    """The years of a page, in its order, and the ends that lie ahead, the next one first, where they belong to it.

    `licences` counts all, `begins` is the year of the first of them, `after` the place after which the next page begins, if there is more.
    """

    years: tuple[Year, ...]
    ahead: tuple[Moment, ...]
    has_more_ahead: bool
    licences: int
    begins: int | None
    after: Place | None


def timeline_of(session: Session, viewer: SignedIn, *, now: datetime, backwards: bool = False, after: Place | None = None) -> Timeline:
    """Return a page of the timeline of a wallet, as far as its viewer may see: the first year first, or the last.

    What is to come stands after the last page, or before the first where the last year is first.
    """
    found = _turns(session, viewer, backwards=backwards, after=after)
    page, more = found[:PAGE], len(found) > PAGE
    moments = [_happened(turn, licence) for turn, licence in page]
    years = tuple(Year(year, tuple(group)) for year, group in groupby(moments, key=lambda moment: moment.on.year))
    ahead = _ends(session, viewer, now=now) if (after is None if backwards else not more) else []
    licences, begins = _begins(session, viewer)
    place = Place(page[-1][0].effective_at, page[-1][0].id) if more else None
    return Timeline(years, tuple(ahead[:PAGE]), len(ahead) > PAGE, licences, begins, place)


def _turns(session: Session, viewer: SignedIn, *, backwards: bool, after: Place | None) -> Sequence[Any]:
    """Return the turns of a page and one more, each with its licence: those that were in effect, but for what their successor tells of.

    They come in the order of an index, read as far as the page goes, and those of licences that are shared with others besides.
    """
    later = aliased(LicenceTurn)
    same = (later.holder_id == LicenceTurn.holder_id, later.licence_id == LicenceTurn.licence_id)
    ahead = later.effective_at - LicenceTurn.effective_at  # so written that it is looked up by licence and turn, never by its time
    undone = exists().where(*same, later.turn > LicenceTurn.turn, ahead <= timedelta(0))
    is_handed_over = and_(LicenceTurn.turn > 1, LicenceTurn.act.in_(HANDED_OVER))
    at, told = tuple_(LicenceTurn.effective_at, LicenceTurn.id), [~undone, ~is_handed_over, *_of_types(viewer)]
    if after is not None:
        place = tuple_(after.at, after.turn_id)
        told.append(at < place if backwards else at > place)
    order = (LicenceTurn.effective_at.desc(), LicenceTurn.id.desc()) if backwards else (LicenceTurn.effective_at, LicenceTurn.id)
    names = select(LicenceTurn.holder_id, LicenceTurn.id)
    turns = (names if viewer.types is None else _with_licences(names)).where(*told)
    arms = (turns.where(mine) for mine in _turns_of(viewer.holder_id))
    few = union_all(*(arm.order_by(*order).limit(PAGE + 1) for arm in arms)).subquery("few")
    found = and_(few.c.holder_id == LicenceTurn.holder_id, few.c.id == LicenceTurn.id)
    return session.execute(_with_licences(select(LicenceTurn, Licence)).join(few, found).order_by(*order).limit(PAGE + 1)).all()


def _ends(session: Session, viewer: SignedIn, *, now: datetime) -> list[Moment]:
    stands = and_(Licence.state.in_(STANDS), Licence.successor_id.is_(None), Licence.valid_until >= china_date(now))
    arms = (select(Licence.id).where(mine, stands, *_of_types(viewer)) for mine in arms_of(viewer.holder_id))
    few = union_all(*(arm.order_by(Licence.valid_until, Licence.id).limit(PAGE + 1) for arm in arms))
    rows = session.scalars(select(Licence).where(Licence.id.in_(few)).order_by(Licence.valid_until, Licence.id).limit(PAGE + 1))
    return [_moment(one, one.valid_until, ENDS, is_good=False) for one in rows if one.valid_until]


def _begins(session: Session, viewer: SignedIn) -> tuple[int, int | None]:
    """Return how many licences there are, and the year of the first turn."""
    every = union_all(*(select(Licence.id).where(mine, *_of_types(viewer)) for mine in arms_of(viewer.holder_id))).subquery("every")
    at = select(LicenceTurn.effective_at)
    turns = at if viewer.types is None else _with_licences(at).where(*_of_types(viewer))  # alone, they come in the order of an index
    arms = (turns.where(mine) for mine in _turns_of(viewer.holder_id))
    firsts = union_all(*(arm.order_by(LicenceTurn.effective_at).limit(1) for arm in arms)).subquery("firsts")
    begins = select(func.min(firsts.c.effective_at)).scalar_subquery()
    row = session.execute(select(func.count(), begins).select_from(every)).one()
    return row[0], china_date(row[1]).year if row[1] else None


def _turns_of(holder_id: UUID) -> Iterator[ColumnElement[bool]]:
    """Return the condition of the turns of a holder's own licences, and that of those that the holder has after others."""
    shared = select(LicenceHolder.first_holder_id, LicenceHolder.licence_id).where(LicenceHolder.holder_id == holder_id)
    yield LicenceTurn.holder_id == holder_id
    yield tuple_(LicenceTurn.holder_id, LicenceTurn.licence_id).in_(shared)


def _of_types(viewer: SignedIn) -> list[ColumnElement[bool]]:
    return [Licence.type_code.in_(viewer.types)] if viewer.types is not None else []


def _with_licences(rows: Any) -> Any:
    joined = and_(Licence.holder_id == LicenceTurn.holder_id, Licence.id == LicenceTurn.licence_id)
    return rows.select_from(LicenceTurn).join(Licence, joined)


def _happened(turn: LicenceTurn, licence: Licence) -> Moment:
    seen = as_turn(turn)
    return _moment(licence, seen.on, seen.name, is_good=seen.is_good)


def _moment(licence: Licence, on: date, what: Text, *, is_good: bool) -> Moment:
    licence_type = type_of(licence)
    return Moment(on, what, licence.id, licence_type.name, issuer_name(licence.issuer_code), licence_type.colour, is_good)
