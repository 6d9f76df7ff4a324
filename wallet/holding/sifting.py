"""Finding a card among many: by family, by how it stands, by words of its type and issuer. Pure.

Words never look into what a licence says, and come by POST: whatever somebody types, a number too, is in no address.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from uuid import UUID

from runtime.languages import Text
from wallet.holding.cards import Card
from wallet.register.definitions import FAMILIES

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

    def lets(self, card: Card, favourites: Collection[UUID]) -> bool:
        """Whether a card is what is looked for. What a successor took the place of is shown where it is asked for, alone."""
        stands = {
            None: not card.licence.is_succeeded or bool(self.words),
            FAVOURITE: card.id in favourites,
            VALID: card.is_valid,
            ENDING: card.is_ending,
            OVER: not card.is_valid,
        }
        of_family = self.family is None or card.type.family == self.family
        return of_family and stands[self.show] and all(word in _said(card) for word in self.words.casefold().split())


def counts(cards: Sequence[Card], favourites: Collection[UUID]) -> dict[str, int]:
    """Return how many cards stand each way."""
    return {show: sum(Sieve(show=show).lets(card, favourites) for card in cards) for show in SHOWS}


def _said(card: Card) -> str:
    texts = (card.name, card.issuer, card.type.family_name, card.description, card.state_name)
    return " ".join(form for text in texts for form in (text.zh, text.en)).casefold()
