"""Finding a card among many: by family, by how it stands, by words of its type and issuer, or by its whole number (`wallet.holding.shelf`).

Words never look into what a licence says, and come by POST: whatever somebody types, a number too, is in no address.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, ColumnElement, Date, String, Uuid, and_, any_, bindparam, not_, or_, select

from runtime.languages import Text
from wallet.holding import favourites
from wallet.holding.cards import ENDING_DAYS
from wallet.register.catalogue import all_types
from wallet.register.definitions import FAMILIES, LicenceType
from wallet.register.departments import Department
from wallet.register.licences import Licence, LicenceState, in_state

FAVOURITE, VALID, ENDING, OVER = "favourite", "valid", "ending", "over"
SHOWS = {
    FAVOURITE: Text("常用", "At hand"),
    VALID: Text("有效", "Valid"),
    ENDING: Text("即将到期", "Ending soon"),
    OVER: Text("不在效力中", "Not in force"),
}
LONGEST = 64  # no licence number is longer
PERSON, TODAY, SOON = bindparam("person", type_=Uuid()), bindparam("today", type_=Date()), bindparam("soon", type_=Date())


@dataclass(frozen=True, slots=True)
class Sieve:
    """What to look for: a family, a way to stand, words; all of them where several are given. What is not known is not asked."""

    family: str | None = None
    show: str | None = None
    words: str = ""

    @classmethod
    def of(cls, *, family: str | None = None, show: str | None = None, words: str = "") -> "Sieve":
        """Return the sieve that an unverified request means."""
        return cls(family if family in FAMILIES else None, show if show in SHOWS else None, " ".join(words[:LONGEST].split()))

    @property
    def is_open(self) -> bool:
        """Whether everything falls through."""
        return self == Sieve()

    def conditions(self) -> list[ColumnElement[bool]]:
        """Return the conditions of what is looked for; what a successor took the place of is shown where it is asked for, alone."""
        found = [_said(word) for word in self.words.split()]
        if self.family is not None:
            found.append(of_family(self.family))
        if self.show is not None:
            found.append(standing()[self.show])
        elif not self.words:
            found.append(Licence.successor_id.is_(None))
        return found


def standing() -> dict[str, ColumnElement[bool]]:
    """Return the condition of each way to stand, for a person who keeps some at hand; the values are those of `values_for`."""
    valid = and_(*in_state(LicenceState.VALID, today=TODAY))
    return {
        FAVOURITE: Licence.id.in_(favourites.kept_by(PERSON)),
        VALID: valid,
        ENDING: and_(valid, Licence.valid_until <= SOON),
        OVER: not_(valid),
    }


def of_family(family: str) -> ColumnElement[bool]:
    """Return the condition that a licence is of a family; its types go as one value, so that the statement stays the same as they grow."""
    return Licence.type_code == any_(bindparam(f"family_{family}", type_=ARRAY(String)))


def values_for(person_id: UUID, *, today: date) -> dict[str, Any]:
    """Return the values of the conditions here, which are made once: making them costs more than what they ask."""
    families: dict[str, list[str]] = {f"family_{family}": [] for family in FAMILIES}
    for one in all_types():
        families[f"family_{one.family}"].append(one.code)
    return {"person": person_id, "today": today, "soon": today + timedelta(days=ENDING_DAYS), **families}


def _said(word: str) -> ColumnElement[bool]:
    """Return the condition that a word is said of a card: of its type, its issuer or its state."""
    types = [one.code for one in all_types() if _has(word, _texts_of(one))]
    issuers = select(Department.code).where(
        or_(Department.name_zh.icontains(word, autoescape=True), Department.name_en.icontains(word, autoescape=True))
    )
    states = [and_(*in_state(state, today=TODAY)) for state in LicenceState if _has(word, [state.text])]
    return or_(Licence.type_code.in_(types), Licence.issuer_code.in_(issuers), *states)


def _texts_of(licence_type: LicenceType) -> Iterable[Text]:
    return licence_type.name, licence_type.family_name, licence_type.description


def _has(word: str, texts: Iterable[Text]) -> bool:
    return any(word.casefold() in form.casefold() for text in texts for form in (text.zh, text.en))
