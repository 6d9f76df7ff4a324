"""The cards of a wallet in their order, a page at a time: by family, those in force first, then the newest.

However much a wallet holds, a page reads no more than it shows, by a number of statements that does not grow, and each page begins where the one
before it ended: what comes or goes meanwhile neither hides a card nor shows one twice.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, and_, case, func, not_, or_, select
from sqlalchemy.orm import Session

from idp.signin.sessions import SignedIn
from runtime.languages import Text
from wallet.holding.cards import Card, cards_from
from wallet.holding.favourites import kept_by
from wallet.holding.sifting import SHOWS, Sieve, of_family, standing
from wallet.register.catalogue import get_type
from wallet.register.definitions import FAMILIES
from wallet.register.licences import Licence, LicenceState, china_date, held_by, in_state

PAGE = 48  # in twos, threes and fours


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
    today = china_date(now)
    rank, over = _order(today)
    rows = select(Licence, rank, over).where(*_within(viewer), *sieve.conditions(viewer.subject_id, today=today))
    if without_favourites:
        rows = rows.where(Licence.id.not_in(kept_by(viewer.subject_id)))
    if after is not None:
        later = and_(over == after.over, Licence.id < after.licence_id)
        rows = rows.where(or_(rank > after.family, and_(rank == after.family, or_(over > after.over, later))))
    found = session.execute(rows.order_by(rank, over, Licence.id.desc()).limit(limit + 1)).all()
    shown, last = found[:limit], found[limit - 1] if len(found) > limit else None
    cards = cards_from(session, [row[0] for row in shown], viewer, now=now)
    return Shelf(cards, Place(last[1], last[2], last[0].id) if last else None)


def sums_of(session: Session, viewer: SignedIn, *, now: datetime) -> Sums:
    """Count the cards of a wallet that its viewer may see, by one statement."""
    ways = standing(viewer.subject_id, today=china_date(now))
    counts = [func.count().filter(ways[show]) for show in SHOWS]
    by_type = select(Licence.type_code, func.count(), *counts).where(*_within(viewer)).group_by(Licence.type_code)
    rows: Sequence[Any] = session.execute(by_type).all()
    found = {get_type(row[0]).family for row in rows}
    shows = {show: sum(row[place] for row in rows) for place, show in enumerate(SHOWS, 2)}
    return Sums(sum(row[1] for row in rows), shows, {family: name for family, name in FAMILIES.items() if family in found})


def _within(viewer: SignedIn) -> list[ColumnElement[bool]]:
    """Return the conditions of what a wallet's viewer may see."""
    return [held_by(viewer.holder_id), *([Licence.type_code.in_(viewer.types)] if viewer.types is not None else [])]


def _order(today: date) -> tuple[ColumnElement[Any], ColumnElement[Any]]:
    ranks = [(of_family(family), rank) for rank, family in enumerate(FAMILIES)]
    rank = case(*ranks, else_=len(FAMILIES)).label("family_rank")
    return rank, case((not_(and_(*in_state(LicenceState.VALID, today=today))), 1), else_=0).label("is_over")
