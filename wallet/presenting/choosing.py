"""Choosing what to show: the form, its presets, and the fields that each of them means.

The least is the first: that a licence is valid can be shown with no field at all. Then come the matters that licences of its type are shown for,
each with what it needs; of a type that a matter does not know, only that the licence is valid.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy.orm import Session
from wtforms import RadioField, SelectMultipleField
from wtforms.fields.choices import SelectChoice
from wtforms.validators import InputRequired
from wtforms.widgets import CheckboxInput

from runtime.forms import PostedForm
from runtime.languages import Text
from wallet.holding.cards import HOLDER_NAME, Card, Fact
from wallet.presenting import statements
from wallet.presenting.qr_codes import MOST_LICENCES, TooManyLicences
from wallet.register import matter_fields
from wallet.register.catalogue import get_type
from wallet.register.definitions import Matter

VALIDITY, USUAL, ALL, OWN = "validity", "usual", "all", "own"
MATTER = "matter:"
LEAST = ((VALIDITY, Text("只证明有效", "Only that it is valid")),)
MORE = (
    (USUAL, Text("常用内容", "The usual fields")),
    (ALL, Text("全部内容", "Everything")),
    (OWN, Text("自选字段", "Fields of my choice")),
)
STATEMENTS = tuple((kind, Text(f"只答：{text.zh}", f"Only an answer: {text.en[0].lower()}{text.en[1:]}")) for kind, text in statements.KINDS.items())


@dataclass(frozen=True, slots=True)
class Choice:
    """A field that may be shown; `usual` if most matters need it, `matters` are the presets of those that do."""

    name: str
    label: Text
    usual: bool
    matters: tuple[str, ...] = ()

    def is_in(self, preset: str) -> bool:
        """Whether a preset other than one's own choice means it."""
        return preset == ALL or (preset == USUAL and self.usual) or preset in self.matters


def matters_for(session: Session, card: Card) -> list[Matter]:
    """Return the matters that a card may be shown for, as its type has them now: those that have a name."""
    return [one for one in matter_fields.matters_of(session, get_type(card.type.code)) if one.name.zh != one.code]


def choices_of(card: Card, facts: Sequence[Fact], matters: Sequence[Matter] = ()) -> list[Choice]:
    """Return what of a card may be shown, in the order of its page."""
    return [
        Choice(fact.name, fact.label, _is_usual(card, fact.name), tuple(MATTER + one.code for one in matters if fact.name in (one.needs or ())))
        for fact in facts
    ]


def _is_usual(card: Card, name: str) -> bool:
    field = card.type.find_field(name)
    return name == HOLDER_NAME if field is None else not field.hidden_by_default


class ChooseForm(PostedForm):
    """Which preset, and which fields if the preset is one's own choice."""

    preset = RadioField(default=USUAL, validators=[InputRequired()])
    chosen = SelectMultipleField(option_widget=CheckboxInput())
    also = SelectMultipleField(option_widget=CheckboxInput())

    def offer(self, choices: Sequence[Choice], matters: Sequence[Matter] = (), others: Sequence[Card] = ()) -> None:
        """Set the presets and the fields that may be chosen, and the other licences that may be shown with it."""
        presets = (*LEAST, *((MATTER + one.code, one.name) for one in matters), *MORE, *STATEMENTS)
        self.preset.choices = [SelectChoice(value, label) for value, label in presets]
        self.also.choices = [SelectChoice(str(card.id), Text(f"{card.name.zh} {card.number}", f"{card.name.en} {card.number}")) for card in others]
        self.chosen.choices = [SelectChoice(choice.name, choice.label) for choice in choices]
        self._choices = choices

    @property
    def presets(self) -> list[str]:
        """The presets that mean fields of their own."""
        return [one.value for one in self.preset.choices if one.value != OWN and one.value not in statements.KINDS]

    def leave_out(self, *presets: str) -> None:
        """Offer no preset of these."""
        self.preset.choices = [choice for choice in self.preset.choices if choice.value not in presets]

    @property
    def statement(self) -> str | None:
        """The yes or no that is to be shown instead of the licence, if that was chosen."""
        return self.preset.data if self.preset.data in statements.KINDS else None

    def validate(self, extra_validators: Any = None) -> bool:
        """Check the form; one's own choice must name a field, and one code stands for so many licences."""
        if not super().validate(extra_validators):
            self.form_errors.append(Text("请选择要出示的内容。", "Choose what to show."))
            return False
        if not self.statement and len(self.also.data or ()) >= MOST_LICENCES:
            self.form_errors.append(TooManyLicences.title)
            return False
        if self.preset.data == OWN and not self.chosen.data:
            self.form_errors.append(Text("请至少勾选一项，或选择“只证明有效”。", "Tick at least one field, or choose 'only that it is valid'."))
            return False
        return True

    def wanted(self) -> list[str]:
        """Return the names of the fields to show."""
        if self.preset.data == OWN:
            return [choice.name for choice in self._choices if choice.name in self.chosen.data]
        return [choice.name for choice in self._choices if choice.is_in(self.preset.data)]

    def wanted_of(self, choices: Sequence[Choice]) -> list[str]:
        """Return what is shown of another licence under the same code: as the preset has it, with one's own choice only that it is valid."""
        return [choice.name for choice in choices if choice.is_in(self.preset.data)]
