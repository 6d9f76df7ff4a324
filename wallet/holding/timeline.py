"""A life on record (记录一生): all that happened to a holder's licences, year by year, and what is to come.

A licence that took another's place stands there once, as a renewal, not as an end and a beginning. Nothing that a licence says is in it.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from itertools import groupby
from uuid import UUID

from sqlalchemy.orm import Session

from idp.signin.sessions import SignedIn
from runtime.languages import Text
from wallet.holding.cards import issuer_name
from wallet.holding.lives import Turn, as_turn, turns_of_all
from wallet.register.acts import TURNS, Act
from wallet.register.licences import Licence, LicenceState, licences_of, type_of
from wallet.register.turns import LicenceTurn

ENDS = Text("到期", "Ends")


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
    """The moments of a year."""

    year: int
    moments: tuple[Moment, ...]


@dataclass(frozen=True, slots=True)
class Timeline:
    """The years in which something happened, the first one first, and the ends that lie ahead, the next one first."""

    years: tuple[Year, ...]
    ahead: tuple[Moment, ...]
    licences: int


def timeline_of(session: Session, viewer: SignedIn, *, now: datetime) -> Timeline:
    """Return the timeline of a wallet, as far as its viewer may see."""
    licences = [one for one in licences_of(session, holder_id=viewer.holder_id) if viewer.allows_type(one.type_code)]
    turns = turns_of_all(session, licences)
    past = [moment for one in reversed(licences) for moment in _past(one, turns.get(one.id, []))]
    ahead = [_moment(one, one.valid_until, ENDS, is_good=False) for one in licences if one.valid_until and _will_end(one, now)]
    by_day = sorted(past, key=lambda moment: moment.on)
    years = tuple(Year(year, tuple(moments)) for year, moments in groupby(by_day, key=lambda moment: moment.on.year))
    return Timeline(years, tuple(sorted(ahead, key=lambda moment: moment.on)), len(licences))


def _past(licence: Licence, turns: list[LicenceTurn]) -> Iterator[Moment]:
    for turn in turns:
        is_handed_over = turn.turn > 1 and TURNS[Act(turn.act)].succeeds  # its successor tells of it
        if not is_handed_over:
            seen: Turn = as_turn(turn)
            yield _moment(licence, seen.on, seen.name, is_good=seen.is_good)


def _will_end(licence: Licence, now: datetime) -> bool:
    return licence.state_at(now) in (LicenceState.VALID, LicenceState.NOT_YET_VALID, LicenceState.SUSPENDED) and not licence.is_succeeded


def _moment(licence: Licence, on: date, what: Text, *, is_good: bool) -> Moment:
    licence_type = type_of(licence)
    return Moment(on, what, licence.id, licence_type.name, issuer_name(licence.issuer_code), licence_type.colour, is_good)
