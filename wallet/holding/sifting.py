"""Finding a card among many: by family, by how it stands, by words of its type and issuer.

Words never look into what a licence says, and come by POST: whatever somebody types, a number too, is in no address.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from uuid import UUID

from sqlalchemy import ARRAY, ColumnElement, String, and_, any_, bindparam, not_, or_, select

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
LONGEST = 60


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

    def conditions(self, person_id: UUID, *, today: date) -> list[ColumnElement[bool]]:
        """Return the conditions of what is looked for; what a successor took the place of is shown where it is asked for, alone."""
        found = [_said(word, today=today) for word in self.words.split()]
        if self.family is not None:
            found.append(of_family(self.family))
        if self.show is not None:
            found.append(standing(person_id, today=today)[self.show])
        elif not self.words:
            found.append(Licence.successor_id.is_(None))
        return found


def standing(person_id: UUID, *, today: date) -> dict[str, ColumnElement[bool]]:
    """Return the condition of each way to stand, for a person who keeps some at hand."""
    valid = and_(*in_state(LicenceState.VALID, today=today))
    return {
        FAVOURITE: Licence.id.in_(favourites.kept_by(person_id)),
        VALID: valid,
        ENDING: and_(valid, Licence.valid_until <= today + timedelta(days=ENDING_DAYS)),
        OVER: not_(valid),
    }


def of_family(family: str) -> ColumnElement[bool]:
    """Return the condition that a licence is of a family; its types go as one value, so that the statement stays short as they grow."""
    codes = [one.code for one in all_types() if one.family == family]
    return Licence.type_code == any_(bindparam(None, codes, type_=ARRAY(String), unique=True))


def _said(word: str, *, today: date) -> ColumnElement[bool]:
    """Return the condition that a word is said of a card: of its type, its issuer or its state."""
    types = [one.code for one in all_types() if _has(word, _texts_of(one))]
    issuers = select(Department.code).where(
        or_(Department.name_zh.icontains(word, autoescape=True), Department.name_en.icontains(word, autoescape=True))
    )
    states = [and_(*in_state(state, today=today)) for state in LicenceState if _has(word, [state.text])]
    return or_(Licence.type_code.in_(types), Licence.issuer_code.in_(issuers), *states)


def _texts_of(licence_type: LicenceType) -> Iterable[Text]:
    return licence_type.name, licence_type.family_name, licence_type.description


def _has(word: str, texts: Iterable[Text]) -> bool:
    return any(word.casefold() in form.casefold() for text in texts for form in (text.zh, text.en))
