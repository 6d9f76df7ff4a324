"""The lines of a batch, read from a stream that may be anything (`runtime.lines`): each a request or its own fault. Pure.

Nothing that was sent comes back but the caller's own `ref`.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from marshmallow import Schema, ValidationError

from runtime import lines
from runtime.languages import Text
from runtime.problems import Refusal
from schemas.batches import REF_LENGTH, ActLineSchema, BatchLineSchema
from wallet.issuing import orders
from wallet.issuing.orders import Order
from wallet.issuing.requests import ActRequest, LicenceRequest, request_of
from wallet.register.acts import Act

MOST_LINES = 100_000
LONGEST_LINE = 64 * 1024
REF = re.compile(f"[^\x00-\x1f\x7f-\x9f\ud800-\udfff]{{1,{REF_LENGTH}}}")
SCHEMAS: dict[str, Schema] = {Act.ISSUE.value: BatchLineSchema()}
for _act, _schema in orders.SCHEMAS.items():
    if _act is not Act.ISSUE:
        SCHEMAS[_act.value] = type(f"{_act.name.title()}LineSchema", (ActLineSchema, _schema), {})()
OF_LINE = frozenset(ActLineSchema().fields)


class UnknownAct(Refusal):
    """There is no act of this name that a department does."""

    code, status, title = "unknown-act", 422, Text("没有此项业务。", "There is no such act.")


@dataclass(frozen=True, slots=True)
class Line:
    """A line: what it asks for, or why it cannot be read. `document` is what a digest is taken of.

    One that acts names its `licence`, by id or identifier, and may say of which `type` that must be.
    """

    number: int
    ref: str | None = field(default=None, repr=False)
    document: Any = field(default=None, repr=False)
    request: LicenceRequest | ActRequest | None = field(default=None, repr=False)
    fault: Refusal | None = None
    licence: str | None = field(default=None, repr=False)
    type: str | None = None


def read_lines(pieces: Iterable[bytes], *, first: int) -> Iterator[Line]:
    """Read the lines of a body, from a number on; raises TooManyLines."""
    for number, raw in lines.renumbered(lines.split(pieces, longest=LONGEST_LINE), before=first - 1, most=MOST_LINES):
        yield read_line(number, raw)


def read_line(number: int, raw: bytes | None) -> Line:
    """Read a line; whatever is wrong with it is its fault and nobody else's."""
    try:
        document = lines.read_object(raw, longest=LONGEST_LINE)
    except Refusal as refusal:
        return Line(number, fault=refusal)
    return read_document(number, document)


def read_document(number: int, document: dict[str, Any]) -> Line:
    """Read a line that is an object already."""
    ref, act = ref_of(document), document.get("act", Act.ISSUE.value)
    if not isinstance(act, str) or act not in SCHEMAS:
        return Line(number, ref, fault=UnknownAct(field="act"))
    try:
        loaded = SCHEMAS[act].load(document)
    except ValidationError as error:
        return Line(number, ref, fault=lines.fault_of(error))
    if act == Act.ISSUE.value:
        return Line(number, ref, document, request_of(loaded))
    asked = {name: value for name, value in loaded.items() if name not in OF_LINE}
    return Line(number, ref, document, Order(Act(act), asked).request(), licence=loaded["licence"].strip(), type=loaded["type"])


def ref_of(document: dict[str, Any]) -> str | None:
    """Return the caller's own name for a line, if it is one that can be given back."""
    ref = document.get("ref")
    return ref if isinstance(ref, str) and REF.fullmatch(ref) else None
