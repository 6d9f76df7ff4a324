"""The cards of a wallet in their order, a page at a time: by family, those in force first, then the newest.

However much a wallet holds, a page reads no more than it shows, by a number of statements that does not grow, and each page begins where the one
before it ended: what comes or goes meanwhile neither hides a card nor shows one twice.
"""

from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import ARRAY, ColumnElement, Integer, Select, Uuid, and_, any_, bindparam, case, or_, select
from sqlalchemy.orm import Session

from idp.signin.sessions import SignedIn
from wallet.holding import piles
from wallet.holding.cards import Card, cards_from
from wallet.holding.favourites import kept_by
from wallet.holding.piles import HOLDER, MOST, Place, Sums, sums_of
from wallet.holding.sifting import FAVOURITE, PERSON, Sieve, of_family
from wallet.register.definitions import FAMILIES
from wallet.register.licences import Licence, find_numbered, is_held_by

PAGE = 48  # in twos, threes and fours
MOST_NUMBERED = 20
FAMILY, WAS_OVER, LAST = bindparam("after_family", type_=Integer()), bindparam("after_over", type_=Integer()), bindparam("after_id", type_=Uuid())
NAMED = bindparam("named", type_=ARRAY(Uuid()))


@dataclass(frozen=True, slots=True)
class Shelf:
    """A page of cards, and the place after which the next one begins, if there is more."""

    cards: list[Card]
    after: Place | None


NOTHING = Shelf([], None)


def shelf_of(
    session: Session,
    viewer: SignedIn,
    sieve: Sieve,
    *,
    now: datetime,
    sums: Sums | None = None,
    after: Place | None = None,
    limit: int = PAGE,
    without_favourites: bool = False,
) -> Shelf:
    """Return a page of the cards of a wallet that its viewer may see and that a sieve lets through, without those at hand if so wanted.

    `sums` are the wallet's, where they are known already.
    """
    sums = sums or sums_of(session, viewer, now=now)
    reached = piles.within_reach(sums, sieve, after, most=limit + 1 + sums.shows[FAVOURITE])
    if not reached or (sieve.show == FAVOURITE and not sums.shows[FAVOURITE]):
        return NOTHING
    made = _rows.__wrapped__ if sieve.words else _rows  # what is typed is kept nowhere
    rows = made(sieve, is_all=viewer.types is None, is_later=after is not None, without_favourites=without_favourites)
    return _page(session, viewer, rows, piles.values_of_piles(reached, after), after=after, now=now, limit=limit)


def numbered_shelf(session: Session, viewer: SignedIn, licence_number: str, *, now: datetime) -> Shelf:
    """Return the cards of a wallet that its viewer may see and whose licence number is just this one."""
    found = [one.id for one in find_numbered(session, [licence_number], holder_id=viewer.holder_id, limit=MOST_NUMBERED)]
    rows = _rows(None, is_all=viewer.types is None, is_later=False, without_favourites=False)
    return _page(session, viewer, rows, {"named": found}, after=None, now=now, limit=MOST_NUMBERED) if found else NOTHING


def _page(session: Session, viewer: SignedIn, rows: Select[Any], values: dict[str, Any], *, after: Place | None, now: datetime, limit: int) -> Shelf:
    place = {"after_family": after.family, "after_over": after.over, "after_id": after.licence_id} if after is not None else {}
    found = session.execute(rows, {**piles.values_of(viewer, now=now), **values, **place, "most": limit + 1}).all()
    shown, last = found[:limit], found[limit - 1] if len(found) > limit else None
    cards = cards_from(session, [row[0] for row in shown], viewer, now=now)
    return Shelf(cards, Place(last[1], last[2], last[0].id) if last else None)


@cache
def _rows(sieve: Sieve | None, *, is_all: bool, is_later: bool, without_favourites: bool) -> Select[Any]:
    """Return the statement that reads a page, the first or a later one; made once: making it costs more than running it."""
    rank = case(*((of_family(family), rank) for rank, family in enumerate(FAMILIES)), else_=len(FAMILIES)).label("family_rank")
    over, let_through = piles.is_over(), sieve.conditions() if sieve is not None else []
    if without_favourites:
        let_through.append(Licence.id.not_in(kept_by(PERSON)))
    rows = select(Licence, rank, over).where(_few(sieve, let_through), is_held_by(HOLDER), *piles.of_types(is_all=is_all), *let_through)
    if is_later:
        later = and_(over == WAS_OVER, Licence.id < LAST)
        rows = rows.where(or_(rank > FAMILY, and_(rank == FAMILY, or_(over > WAS_OVER, later))))
    return rows.order_by(rank, over, Licence.id.desc()).limit(MOST)


def _few(sieve: Sieve | None, let_through: list[ColumnElement[bool]]) -> ColumnElement[bool]:
    """Return the condition that a licence is one of the few among which a page's are: those that are named, those at hand, or the newest."""
    if sieve is None:
        return Licence.id == any_(NAMED)
    return Licence.id.in_(kept_by(PERSON) if sieve.show == FAVOURITE else piles.newest_of(let_through))
