"""The colours of licence types outside our pages: in the metadata that wallets elsewhere draw cards by, and in documents.

The same as the style sheet's; white text stands on each of them.
"""

from dataclasses import dataclass

TEXT = "#ffffff"


@dataclass(frozen=True, slots=True)
class Colour:
    """A colour, and a darker one that it runs into."""

    light: str
    dark: str


COLOURS = {
    "red": Colour("#a8243c", "#701326"),
    "rose": Colour("#a9306a", "#721c47"),
    "amber": Colour("#8d5a0c", "#633c05"),
    "green": Colour("#37692a", "#23461b"),
    "teal": Colour("#0f6c76", "#09464d"),
    "blue": Colour("#1c63ab", "#123f72"),
    "indigo": Colour("#3247a0", "#1e2b69"),
    "purple": Colour("#6a3f9f", "#43256b"),
    "brown": Colour("#934a1c", "#632e0d"),
    "slate": Colour("#4b5870", "#2e384a"),
}
