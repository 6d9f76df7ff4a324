"""What waits for an answer, for the wallet's first page: counted for the person and for all whom they may act for, by one statement.

Whoever keeps requests adds an arm; it counts only what its own page would show. A request that was answered, or is over, is not counted, nor
is what an organisation is asked that nobody has claimed: no page shows it before (docs/decisions/0016-mandates-as-a-chain.md).
"""

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any
from uuid import UUID

from sqlalchemy import CTE, Select, Uuid, bindparam, cast, func, null, select, union_all
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Session

from idp.oauth.apart import inbox
from idp.oauth.clients import find_client
from idp.signin.sessions import SignedIn
from idp.subjects import mandates
from idp.subjects.directory import Subject
from wallet.holding.cards import shown_name

MOST_OTHERS = 5
PERSON = bindparam("person", type_=Uuid())

ANY_TYPES = cast(null(), JSONB).label("types")

# Each returns a select of `holder_id`, `client_id`, None for a request to show, and the `types` of licence that it asks for, None where they do not
# matter, a row a request; `whose` has a `holder_id` for each who matters.
arms: list[Callable[[CTE], Select[*tuple[Any, ...]]]] = [
    lambda whose: inbox.waiting_of(select(whose.c.holder_id), PERSON).add_columns(ANY_TYPES),
]


@dataclass(frozen=True, slots=True)
class Other:
    """Requests to show that wait in another wallet; `holder_id` None if it is the person's own, while they act for another."""

    holder_id: UUID | None
    name: str
    count: int


@dataclass(frozen=True, slots=True)
class Awaiting:
    """How many requests to show wait in this wallet, how many sign-ins wait for this person, and what waits in their other wallets."""

    shown: int
    signins: int
    others: tuple[Other, ...]

    @property
    def others_left(self) -> int:
        """How many wallets with something in them are not named."""
        return max(len(self.others) - MOST_OTHERS, 0)


def awaiting(session: Session, viewer: SignedIn, *, now: datetime) -> Awaiting:
    """Return what waits for whoever looks at a wallet."""
    rows = session.execute(_counts(), {"person": viewer.subject_id, "now": now}).all()
    shown: Counter[Subject] = Counter()
    for holder, client_id, types, _, reach, count in rows:
        if client_id is None and (types is None or all(may_be_asked(types, each) for each in reach or ())):
            shown[holder] += count
    signins = sum(count for _, client_id, _, portals, _, count in rows if client_id is not None and _may_answer(client_id, portals))
    here = sum(count for holder, count in shown.items() if holder.id == viewer.holder_id)
    return Awaiting(here, signins, _others({holder: count for holder, count in shown.items() if holder.id != viewer.holder_id}, viewer))


def may_be_asked(types: Collection[str], reach: Collection[str] | None) -> bool:
    """Whether someone is asked for licences of some types who may show those of their reach alone (None: all).

    Whoever cannot show all of it is not asked at all: they could only refuse, in the name of who could.
    """
    return reach is None or (bool(types) and set(types) <= set(reach))


def _others(counts: Mapping[Subject, int], viewer: SignedIn) -> tuple[Other, ...]:
    found = (Other(None if holder.id == viewer.subject_id else holder.id, shown_name(holder), count) for holder, count in counts.items())
    return tuple(sorted(found, key=lambda one: (one.holder_id is not None, one.name)))


def _may_answer(client_id: str, portals: Sequence[list[str] | None] | None) -> bool:
    return find_client(client_id) is not None and all(each is None or client_id in each for each in portals or ())


@cache
def _counts() -> Select[*tuple[Any, ...]]:
    """Return the statement; made once, when every part has added its arm."""
    oneself = select(PERSON.label("holder_id"), *(cast(null(), JSONB).label(name) for name in ("portals", "types")))
    whose = union_all(oneself, mandates.reach(PERSON)).cte("whose")
    each = union_all(*(arm(whose) for arm in arms)).subquery("each_one")
    what = (each.c.holder_id, each.c.client_id, each.c.types)
    counted = select(*what, func.count().label("count")).group_by(*what).subquery("counted")
    joined = select(Subject, counted.c.client_id, counted.c.types, whose.c.portals, whose.c.types, counted.c.count)
    return joined.join(counted, counted.c.holder_id == Subject.id).join(whose, whose.c.holder_id == Subject.id)
