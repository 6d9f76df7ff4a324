"""How many cards a wallet has of each type and standing: its piles. From them its counts are told, and which few cards a page must read.

Counting goes over an index alone. Of each pile that a page can reach the newest are taken, so that no page reads more than it might show.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from itertools import groupby
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    ColumnElement,
    Integer,
    Select,
    String,
    Uuid,
    and_,
    any_,
    bindparam,
    case,
    column,
    func,
    not_,
    select,
    true,
    union_all,
)
from sqlalchemy.orm import Session

from idp.signin.sessions import SignedIn
from runtime.languages import Text
from wallet.holding.sifting import ENDING, FAVOURITE, OVER, TODAY, VALID, Sieve, standing, values_for
from wallet.register.catalogue import get_type
from wallet.register.definitions import FAMILIES
from wallet.register.licences import Licence, LicenceState, china_date, in_state, shared_with

LAST = UUID(int=2**128 - 1)
HOLDER, TYPES, MOST = bindparam("holder", type_=Uuid()), bindparam("types", type_=ARRAY(String)), bindparam("most", type_=Integer())
CODES, OVERS = bindparam("pile_codes", type_=ARRAY(String)), bindparam("pile_overs", type_=ARRAY(Integer))
BELOW = bindparam("pile_below", type_=ARRAY(Uuid()))


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
class Pile:
    """The cards of one type that are in force, or (`over`) are not: how many, and how many of them no other took the place of."""

    type_code: str
    family: int
    over: int
    count: int
    lasting: int

    @property
    def place(self) -> tuple[int, int]:
        """Where it stands among the others."""
        return self.family, self.over


@dataclass(frozen=True, slots=True)
class Sums:
    """How many cards a wallet has, how many stand each way, which families they are of, and its piles in the order of its pages."""

    count: int
    shows: dict[str, int]
    families: dict[str, Text]
    piles: tuple[Pile, ...]


def sums_of(session: Session, viewer: SignedIn, *, now: datetime) -> Sums:
    """Count the cards of a wallet that its viewer may see, by one statement."""
    rows: Sequence[Any] = session.execute(_counts(is_all=viewer.types is None), values_of(viewer, now=now)).all()
    ranks = list(FAMILIES)
    piles = sorted((Pile(row[0], ranks.index(get_type(row[0]).family), *row[1:4]) for row in rows), key=lambda pile: pile.place)
    shows = {
        FAVOURITE: sum(row[4] for row in rows),
        VALID: sum(pile.count for pile in piles if not pile.over),
        ENDING: sum(row[5] for row in rows),
        OVER: sum(pile.count for pile in piles if pile.over),
    }
    families = {name: text for rank, (name, text) in enumerate(FAMILIES.items()) if any(pile.family == rank for pile in piles)}
    return Sums(sum(pile.count for pile in piles), shows, families, tuple(piles))


def values_of(viewer: SignedIn, *, now: datetime) -> dict[str, Any]:
    """Return the values of the statements about a wallet, which are made once: making them costs more than running them."""
    types = {} if viewer.types is None else {"types": sorted(viewer.types)}
    return {**values_for(viewer.subject_id, today=china_date(now)), "holder": viewer.holder_id, **types}


@cache
def _counts(*, is_all: bool) -> Select[*tuple[Any, ...]]:
    ways = standing()
    seen = (is_over().label("over"), Licence.successor_id.is_(None).label("lasting"), *(ways[one].label(one) for one in (FAVOURITE, ENDING)))
    arms = [select(Licence.type_code, *seen).where(mine, *of_types(is_all=is_all)) for mine in arms_of(HOLDER)]
    each = union_all(*arms).subquery("each_one")
    how_many = [func.count(), *(func.count().filter(each.c[one]) for one in ("lasting", FAVOURITE, ENDING))]
    return select(each.c.type_code, each.c.over, *how_many).group_by(each.c.type_code, each.c.over)


def within_reach(sums: Sums, sieve: Sieve, after: Place | None, *, most: int) -> list[Pile]:
    """Return the piles that a page after a place may have cards of, if it has no more than `most`, those at hand that it leaves out among them."""
    found: list[Pile] = []
    known = 0
    for place, several in groupby((pile for pile in sums.piles if _lets_through(sieve, pile)), key=lambda pile: pile.place):
        if after is not None and place < (after.family, after.over):
            continue
        if known >= most:
            break
        found += (group := list(several))
        if not sieve.words and sieve.show in (None, VALID, OVER) and (after is None or place > (after.family, after.over)):
            known += sum(pile.lasting if sieve.show is None else pile.count for pile in group)
    return found


def newest_of(let_through: Sequence[ColumnElement[bool]]) -> Select[UUID]:
    """Return the question for the newest of each pile that some conditions let through, and for those shared with others."""
    pile = func.unnest(CODES, OVERS, BELOW).table_valued(column("code", String), column("over", Integer), column("below", Uuid), name="pile")
    named = pile.render_derived()
    own, shared = arms_of(HOLDER)
    of_pile = (Licence.type_code == named.c.code, is_over() == named.c.over, Licence.id < named.c.below)
    top = select(Licence.id).where(own, *of_pile, *let_through).order_by(Licence.id.desc()).limit(MOST).lateral("top")
    found = union_all(select(top.c.id).select_from(named.join(top, true())), select(Licence.id).where(shared, *let_through)).subquery("found")
    return select(found.c.id)


def values_of_piles(piles: Sequence[Pile], after: Place | None) -> dict[str, Any]:
    """Return the values by which `newest_of` asks for some piles, after a place."""
    below = [after.licence_id if after and pile.place == (after.family, after.over) else LAST for pile in piles]
    return {"pile_codes": [pile.type_code for pile in piles], "pile_overs": [pile.over for pile in piles], "pile_below": below}


def is_over() -> ColumnElement[int]:
    """Return 1 of what is not in force, else 0."""
    return case((not_(and_(*in_state(LicenceState.VALID, today=TODAY))), 1), else_=0).label("is_over")


def of_types(*, is_all: bool) -> list[ColumnElement[bool]]:
    """Return the condition of the types of which a wallet's viewer may see licences, unless of all."""
    return [] if is_all else [Licence.type_code == any_(TYPES)]


def arms_of(holder_id: UUID | ColumnElement[UUID]) -> Iterator[ColumnElement[bool]]:
    """Return the condition of what a holder has as the first of its holders, and that of what they have after others."""
    yield Licence.holder_id == holder_id
    yield Licence.id.in_(shared_with(holder_id))


def _lets_through(sieve: Sieve, pile: Pile) -> bool:
    if sieve.family is not None and list(FAMILIES)[pile.family] != sieve.family:
        return False
    return pile.over == 1 if sieve.show == OVER else pile.over == 0 if sieve.show in (VALID, ENDING) else True
