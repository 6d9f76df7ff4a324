"""What became of a licence, for its holder: the turns of its life, what came before and after it, and what was gathered into it.

Why an act was done is its issuer's to say: the reasons that rest with the turns are not shown here.
"""

from dataclasses import dataclass
from datetime import date
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from runtime.languages import Text
from wallet.register.acts import Act
from wallet.register.licences import Licence, LicenceState, china_date, find_held, held_by, type_of
from wallet.register.turns import LicenceTurn, timeline_of, turns_of

MOST_RELATIVES = 20
HAPPENED = {
    Act.ISSUE: "Issued",
    Act.RENEW: "Renewed",
    Act.CHANGE: "Changed",
    Act.REPLACE: "Replaced",
    Act.SUSPEND: "Suspended",
    Act.RESUME: "Good again",
    Act.ANNUL: "Annulled",
    Act.REVOKE: "Revoked",
    Act.CANCEL: "Cancelled",
    Act.LAPSE: "Declared lapsed",
    Act.EXPIRE: "Expired",
    Act.TRANSFER_OUT: "Transferred away",
    Act.TRANSFER_IN: "Taken over",
}


@dataclass(frozen=True, slots=True)
class Turn:
    """A turn of a life: on which day, what was done, and whether the licence was good afterwards."""

    on: date
    act: Act
    is_good: bool

    @property
    def name(self) -> Text:
        """What was done, in words, as something that happened."""
        return Text(self.act.text.zh, HAPPENED[self.act])


@dataclass(frozen=True, slots=True)
class Relative:
    """Another licence that this one has to do with."""

    id: UUID
    name: Text
    valid_from: date
    valid_until: date | None


@dataclass(frozen=True, slots=True)
class Life:
    """All that became of a licence; those before and after it, each nearest first."""

    turns: tuple[Turn, ...]
    before: tuple[Relative, ...]
    after: tuple[Relative, ...]
    gathered: tuple[Relative, ...]


def life_of(session: Session, licence: Licence, *, holder_id: UUID) -> Life:
    """Return the life of a licence that a holder has."""
    gathered = Licence.gathered_by == licence.id
    parts = select(Licence).where(held_by(holder_id, gathered), gathered).order_by(Licence.id)
    return Life(
        turns=tuple(as_turn(one) for one in timeline_of(turns_of(session, licence))),
        before=_line(session, licence, "predecessor_id", holder_id),
        after=_line(session, licence, "successor_id", holder_id),
        gathered=tuple(_relative(one) for one in session.scalars(parts)),
    )


def as_turn(turn: LicenceTurn) -> Turn:
    """Return a turn as its holder sees it."""
    act = Act(turn.act)
    return Turn(china_date(turn.effective_at), act, turn.state == LicenceState.VALID.value)


def _line(session: Session, licence: Licence, towards: str, holder_id: UUID) -> tuple[Relative, ...]:
    line: list[Relative] = []
    following = getattr(licence, towards)
    while following is not None and len(line) < MOST_RELATIVES:
        found = find_held(session, following, holder_id=holder_id)
        if found is None:
            break
        line.append(_relative(found))
        following = getattr(found, towards)
    return tuple(line)


def _relative(licence: Licence) -> Relative:
    return Relative(licence.id, type_of(licence).name, licence.valid_from, licence.valid_until)
