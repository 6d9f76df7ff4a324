"""Choosing what to show: the form, its presets, and the fields that each of them means.

The least is the first: that a licence is valid can be shown with no field at all.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from wtforms import RadioField, SelectMultipleField
from wtforms.fields.choices import SelectChoice
from wtforms.validators import InputRequired
from wtforms.widgets import CheckboxInput

from runtime.forms import PostedForm
from runtime.languages import Text
from wallet.holding.cards import HOLDER_NAME, Card, Fact

VALIDITY, USUAL, ALL, OWN = "validity", "usual", "all", "own"
PRESETS = (
    (VALIDITY, Text("只证明有效", "Only that it is valid")),
    (USUAL, Text("常用内容", "The usual fields")),
    (ALL, Text("全部内容", "Everything")),
    (OWN, Text("自选字段", "Fields of my choice")),
)


@dataclass(frozen=True, slots=True)
class Choice:
    """A field that may be shown; `usual` if most matters need it."""

    name: str
    label: Text
    usual: bool


def choices_of(card: Card, facts: Sequence[Fact]) -> list[Choice]:
    """Return what of a card may be shown, in the order of its page."""
    return [Choice(fact.name, fact.label, _is_usual(card, fact.name)) for fact in facts]


def _is_usual(card: Card, name: str) -> bool:
    field = card.type.find_field(name)
    return name == HOLDER_NAME if field is None else not field.hidden_by_default


class ChooseForm(PostedForm):
    """Which preset, and which fields if the preset is one's own choice."""

    preset = RadioField(choices=[SelectChoice(value, label) for value, label in PRESETS], default=USUAL, validators=[InputRequired()])
    chosen = SelectMultipleField(option_widget=CheckboxInput())

    def offer(self, choices: Sequence[Choice]) -> None:
        """Set the fields that may be chosen."""
        self.chosen.choices = [SelectChoice(choice.name, choice.label) for choice in choices]
        self._choices = choices

    def validate(self, extra_validators: Any = None) -> bool:
        """Check the form; one's own choice must name a field."""
        if not super().validate(extra_validators):
            self.form_errors.append(Text("请选择要出示的内容。", "Choose what to show."))
            return False
        if self.preset.data == OWN and not self.chosen.data:
            self.form_errors.append(Text("请至少勾选一项，或选择“只证明有效”。", "Tick at least one field, or choose 'only that it is valid'."))
            return False
        return True

    def wanted(self) -> list[str]:
        """Return the names of the fields to show."""
        if self.preset.data == OWN:
            return [choice.name for choice in self._choices if choice.name in self.chosen.data]
        return [choice.name for choice in self._choices if self.preset.data == ALL or (self.preset.data == USUAL and choice.usual)]
