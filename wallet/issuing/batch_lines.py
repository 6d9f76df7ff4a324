"""The lines of a batch, read from a stream that may be anything: bounded, numbered as an editor numbers them, each a request or its own fault. Pure.

No more than one piece of the stream and one line of it are held at a time. Nothing that was sent comes back but the caller's own `ref`.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from marshmallow import Schema, ValidationError

from runtime.languages import Text
from runtime.problems import TYPE_PREFIX, InvalidBody, Refusal, flatten
from runtime.rough_input import read_json
from schemas.batches import REF_LENGTH, ActLineSchema, BatchLineSchema
from wallet.issuing import orders
from wallet.issuing.orders import Order
from wallet.issuing.requests import ActRequest, LicenceRequest, request_of
from wallet.register.acts import Act

MOST_LINES = 100_000
LONGEST_LINE = 64 * 1024
MOST_FAULTS = 5
BOM = b"\xef\xbb\xbf"
REF = re.compile(f"[^\x00-\x1f\x7f-\x9f\ud800-\udfff]{{1,{REF_LENGTH}}}")
SCHEMAS: dict[str, Schema] = {Act.ISSUE.value: BatchLineSchema()}
for _act, _schema in orders.SCHEMAS.items():
    if _act is not Act.ISSUE:
        SCHEMAS[_act.value] = type(f"{_act.name.title()}LineSchema", (ActLineSchema, _schema), {})()
OF_LINE = frozenset(ActLineSchema().fields)


class LineUnreadable(Refusal):
    """The line is not a JSON object."""

    code, status, title = "line-unreadable", 400, Text("该行不是JSON对象。", "The line is not a JSON object.")


class LineTooLong(Refusal):
    """The line is longer than any licence's."""

    code, status = "line-too-long", 413
    title = Text("该行超过{0}字节。", "The line is longer than {0} bytes.").format(LONGEST_LINE)


class UnknownAct(Refusal):
    """There is no act of this name that a department does."""

    code, status, title = "unknown-act", 422, Text("没有此项业务。", "There is no such act.")


class TooManyLines(Refusal):
    """There are more lines than a batch may have; those that follow were not looked at."""

    code, status = "too-many-lines", 413
    title = Text("一个批次最多{0}行，其余各行未处理。", "A batch has at most {0} lines; those that follow were not looked at.").format(MOST_LINES)


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


def split(pieces: Iterable[bytes], *, longest: int = LONGEST_LINE) -> Iterator[tuple[int, bytes | None]]:
    """Yield each line with its number, without its end (LF or CRLF); None for one that is too long. Blank lines are counted and left out."""
    rest, number, is_long = b"", 0, False
    for piece in pieces:
        *ended, rest = (rest + piece).split(b"\n")
        for line in ended:
            number += 1
            if is_long or len(line) > longest:
                yield number, None
            elif stripped := _stripped(line, number):
                yield number, stripped
            is_long = False
        if len(rest) > longest:
            rest, is_long = b"", True
    if is_long:
        yield number + 1, None
    elif stripped := _stripped(rest, number + 1):
        yield number + 1, stripped


def read_line(number: int, raw: bytes | None) -> Line:
    """Read a line; whatever is wrong with it is its fault and nobody else's."""
    if raw is None:
        return Line(number, fault=LineTooLong("too long"))
    try:
        document = read_json(raw)
    except (ValueError, RecursionError):
        return Line(number, fault=LineUnreadable("not JSON"))
    if not isinstance(document, dict):
        return Line(number, fault=LineUnreadable("not an object"))
    return read_document(number, document)


def read_document(number: int, document: dict[str, Any]) -> Line:
    """Read a line that is an object already."""
    ref, act = _ref(document), document.get("act", Act.ISSUE.value)
    if not isinstance(act, str) or act not in SCHEMAS:
        return Line(number, ref, fault=UnknownAct(field="act"))
    try:
        loaded = SCHEMAS[act].load(document)
    except ValidationError as error:
        errors = flatten(error.messages)[:MOST_FAULTS]
        return Line(number, ref, fault=InvalidBody("not a request", field=errors[0]["field"], errors=errors))
    if act == Act.ISSUE.value:
        return Line(number, ref, document, request_of(loaded))
    asked = {name: value for name, value in loaded.items() if name not in OF_LINE}
    return Line(number, ref, document, Order(Act(act), asked).request(), licence=loaded["licence"].strip(), type=loaded["type"])


def problem_of(refusal: Refusal) -> dict[str, Any]:
    """Return a refusal as a result has it: the members of a problem (RFC 9457), in the caller's language."""
    said = {"status": refusal.status, "type": TYPE_PREFIX + refusal.code, "title": str(refusal.title), "field": refusal.field, **refusal.more}
    if refusal.shown is not None:
        said["detail"] = str(refusal.shown)
    return {name: value for name, value in said.items() if value is not None}


def _stripped(line: bytes, number: int) -> bytes:
    return (line.removeprefix(BOM) if number == 1 else line).strip()


def _ref(document: dict[str, Any]) -> str | None:
    """Return the caller's own name for a line, if it is one that can be given back."""
    ref = document.get("ref")
    return ref if isinstance(ref, str) and REF.fullmatch(ref) else None
