"""The cards of a wallet in their order, a page at a time: by family, those in force first, then the newest.

However much a wallet holds, a page reads no more than it shows, by a number of statements that does not grow, and each page begins where the one
before it ended: what comes or goes meanwhile neither hides a card nor shows one twice.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, ColumnElement, Integer, Select, String, Uuid, and_, any_, bindparam, case, func, not_, or_, select
from sqlalchemy.orm import Session

from idp.signin.sessions import SignedIn
from runtime.languages import Text
from wallet.holding.cards import Card, cards_from
from wallet.holding.favourites import kept_by
from wallet.holding.sifting import PERSON, SHOWS, TODAY, Sieve, of_family, standing, values_for
from wallet.register.catalogue import get_type
from wallet.register.definitions import FAMILIES
from wallet.register.licences import Licence, LicenceState, china_date, held_by, in_state

PAGE = 48  # in twos, threes and fours
HOLDER, TYPES = bindparam("holder", type_=Uuid()), bindparam("types", type_=ARRAY(String))
FAMILY, WAS_OVER, LAST = bindparam("after_family", type_=Integer()), bindparam("after_over", type_=Integer()), bindparam("after_id", type_=Uuid())


@dataclass(frozen=True, slots=True)
class Place:
    """Where a page ends: the family by its rank, whether what is in force is over there, and the licence."""

    family: int
    over: int
    licence_id: UUID

    def __str__(self) -> str:
        return f"{self.family}.{self.over}.{self.licence_id}"

    @classmethod
    def read(cls, unverified: str | None) -> "Place | None":
        """Return the place that an unverified text means, or None: then a page is the first."""
        family, _, rest = (unverified or "").partition(".")
        over, _, licence_id = rest.partition(".")
        try:
            return cls("0123456789".index(family), "01".index(over), UUID(licence_id)) if family and over else None
        except ValueError:
            return None


@dataclass(frozen=True, slots=True)
class Shelf:
    """A page of cards, and the place after which the next one begins, if there is more."""

    cards: list[Card]
    after: Place | None


@dataclass(frozen=True, slots=True)
class Sums:
    """How many cards a wallet has, how many stand each way, and which families they are of."""

    count: int
    shows: dict[str, int]
    families: dict[str, Text]


def shelf_of(
    session: Session,
    viewer: SignedIn,
    sieve: Sieve,
    *,
    now: datetime,
    after: Place | None = None,
    limit: int = PAGE,
    without_favourites: bool = False,
) -> Shelf:
    """Return a page of the cards of a wallet that its viewer may see and that a sieve lets through, without those at hand if so wanted."""
    made = _rows.__wrapped__ if sieve.words else _rows  # what is typed is kept nowhere
    rows = made(sieve, is_all=viewer.types is None, is_later=after is not None, without_favourites=without_favourites)
    found = session.execute(rows, {**_values(viewer, now, after), "most": limit + 1}).all()
    shown, last = found[:limit], found[limit - 1] if len(found) > limit else None
    cards = cards_from(session, [row[0] for row in shown], viewer, now=now)
    return Shelf(cards, Place(last[1], last[2], last[0].id) if last else None)


def sums_of(session: Session, viewer: SignedIn, *, now: datetime) -> Sums:
    """Count the cards of a wallet that its viewer may see, by one statement."""
    rows: Sequence[Any] = session.execute(_counts(is_all=viewer.types is None), _values(viewer, now)).all()
    found = {get_type(row[0]).family for row in rows}
    shows = {show: sum(row[place] for row in rows) for place, show in enumerate(SHOWS, 2)}
    return Sums(sum(row[1] for row in rows), shows, {family: name for family, name in FAMILIES.items() if family in found})


@cache
def _counts(*, is_all: bool) -> Select[*tuple[Any, ...]]:
    """Return the statement that counts; made once, as the next: making it costs more than running it."""
    ways = standing()
    counts = [func.count().filter(ways[show]) for show in SHOWS]
    return select(Licence.type_code, func.count(), *counts).where(*_within(is_all=is_all)).group_by(Licence.type_code)


@cache
def _rows(sieve: Sieve, *, is_all: bool, is_later: bool, without_favourites: bool) -> Select[Any]:
    """Return the statement that reads a page, the first or a later one."""
    rank, over = _order()
    rows = select(Licence, rank, over).where(*_within(is_all=is_all), *sieve.conditions())
    if without_favourites:
        rows = rows.where(Licence.id.not_in(kept_by(PERSON)))
    if is_later:
        later = and_(over == WAS_OVER, Licence.id < LAST)
        rows = rows.where(or_(rank > FAMILY, and_(rank == FAMILY, or_(over > WAS_OVER, later))))
    return rows.order_by(rank, over, Licence.id.desc()).limit(bindparam("most", type_=Integer()))


def _within(*, is_all: bool) -> list[ColumnElement[bool]]:
    """Return the conditions of what a wallet's viewer may see."""
    return [held_by(HOLDER), *([] if is_all else [Licence.type_code == any_(TYPES)])]


def _values(viewer: SignedIn, now: datetime, after: Place | None = None) -> dict[str, Any]:
    place = {"after_family": after.family, "after_over": after.over, "after_id": after.licence_id} if after is not None else {}
    mine = {"holder": viewer.holder_id, **({} if viewer.types is None else {"types": sorted(viewer.types)})}
    return {**values_for(viewer.subject_id, today=china_date(now)), **mine, **place}


def _order() -> tuple[ColumnElement[Any], ColumnElement[Any]]:
    ranks = [(of_family(family), rank) for rank, family in enumerate(FAMILIES)]
    rank = case(*ranks, else_=len(FAMILIES)).label("family_rank")
    return rank, case((not_(and_(*in_state(LicenceState.VALID, today=TODAY))), 1), else_=0).label("is_over")
