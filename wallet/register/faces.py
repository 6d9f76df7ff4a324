"""The face of a licence type: which of the designed layouts it has, and what stands where on it. Pure, and only data.

Whoever draws licences, on pages or in documents, reads the same face. It names fields and what every licence has; it holds no
markup, so that no type can bring any of its own.
"""

from dataclasses import dataclass, field
from string import Formatter
from typing import Literal

from runtime.languages import Text

Layout = Literal["card", "certificate", "diploma", "booklet"]
CLAIMS_OF_EVERY_LICENCE = ("holder_name", "holder_number", "licence_number", "licence_identifier")
SHOWN_OF_EVERY_LICENCE = CLAIMS_OF_EVERY_LICENCE[:3]  # its identifier is shown, whatever is chosen
ON_EVERY_FACE = {
    "holder_name": Text("持证人", "Holder"),
    "holder_number": Text("持证人号码", "Holder's number"),
    "licence_number": Text("证照编号", "Licence number"),
    "licence_identifier": Text("证照标识", "Licence identifier"),
    "issuer": Text("发证机关", "Issued by"),
    "issued_on": Text("发证日期", "Issued on"),
    "valid_from": Text("有效期起", "Valid from"),
    "valid_until": Text("有效期止", "Valid until"),
    "validity": Text("有效期限", "Validity"),
}


@dataclass(frozen=True, slots=True)
class Face:
    """What a licence looks like.

    `layout`: a `card` of two sides, a `certificate` (A4 upright), a `diploma` (across, with a border) or a `booklet` of two pages.
    `accent`: a second colour; the type's own unless said. `title`: as on paper; the type's name unless said. `statement`: a sentence
    that a certificate says, with names of fields in braces. `front` and `back` (of a booklet: the left and the right page): names
    of fields and of what stands on every face, in order; no `front`: the holder, then all fields. `labels`: other words for some of them.
    """

    layout: Layout = "card"
    accent: str | None = None
    title: Text | None = None
    statement: Text | None = None
    front: tuple[str, ...] = ()
    back: tuple[str, ...] = ()
    labels: dict[str, Text] = field(default_factory=dict)
    portrait: bool = False
    seal: bool = True


def names_in(statement: Text) -> set[str]:
    """Return the names in a statement's braces; raises ValueError if it is malformed, or does more than name."""
    found = set()
    for form in (statement.zh, statement.en):
        for _, name, how, conversion in Formatter().parse(form):
            if how or conversion or name == "":
                raise ValueError("only names stand in braces")
            if name is not None:
                found.add(name)
    return found
