"""Lines of JSON (NDJSON) from a stream that may be anything: bounded, and numbered as an editor numbers them. One reader for every door that takes
many of something in one request. Pure.

No more than one piece of the stream and one line of it are held at a time. What is wrong with a line is a Refusal, and that line's alone.
"""

from collections.abc import Iterable, Iterator
from typing import Any

from marshmallow import ValidationError

from runtime.languages import Text
from runtime.problems import TYPE_PREFIX, InvalidBody, Refusal, faults
from runtime.rough_input import read_json
from runtime.strict_json import NotStrict

NDJSON = ("application/x-ndjson", "application/ndjson", "application/jsonl")
MOST_FAULTS = 5
BOM = b"\xef\xbb\xbf"
Raw = tuple[int, bytes | None]


class LineUnreadable(Refusal):
    """The line is not a JSON object."""

    code, status, title = "line-unreadable", 400, Text("该行不是JSON对象。", "The line is not a JSON object.")


class LineTooLong(Refusal):
    """The line is longer than any of its kind; `shown` says how long one may be."""

    code, status, title = "line-too-long", 413, Text("该行过长。", "The line is too long.")


class TooManyLines(Refusal):
    """There are more lines than a batch may have; those that follow were not looked at. `shown` says how many one may have."""

    code, status = "too-many-lines", 413
    title = Text("行数过多，其余各行未处理。", "There are too many lines; those that follow were not looked at.")


def split(pieces: Iterable[bytes], *, longest: int) -> Iterator[Raw]:
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


def renumbered(raws: Iterable[Raw], *, before: int, most: int) -> Iterator[Raw]:
    """Yield lines by their numbers in the whole, of which some came before; raises TooManyLines at the first past the most."""
    for place, raw in raws:
        if place + before > most:
            raise TooManyLines("too many", shown=Text("一个批次最多{0}行。", "A batch has at most {0} lines.").format(most))
        yield place + before, raw


def read_object(raw: bytes | None, *, longest: int) -> dict[str, Any]:
    """Return the object that a line is; raises LineTooLong, LineUnreadable."""
    if raw is None:
        raise LineTooLong("too long", shown=Text("每行最多{0}字节。", "A line has at most {0} bytes.").format(longest))
    try:
        document = read_json(raw)
    except NotStrict as error:
        shown = Text("第{0}列处不是规范的JSON。", "It is not proper JSON at column {0}.").format(error.place[1]) if error.place else None
        raise LineUnreadable("not JSON", shown=shown) from error
    except ValueError as error:
        raise LineUnreadable("not JSON") from error
    if not isinstance(document, dict):
        raise LineUnreadable("not an object")
    return document


def fault_of(error: ValidationError) -> InvalidBody:
    """Return what a schema found wrong with a line, the first few members of it."""
    errors = faults(error.messages, most=MOST_FAULTS)
    return InvalidBody("not a request", field=errors[0]["field"], errors=errors)


def problem_of(refusal: Refusal) -> dict[str, Any]:
    """Return a refusal as a result has it: the members of a problem (RFC 9457), in the caller's language."""
    said = {"status": refusal.status, "type": TYPE_PREFIX + refusal.code, "title": str(refusal.title), "field": refusal.field, **refusal.more}
    if refusal.shown is not None:
        said["detail"] = str(refusal.shown)
    return {name: value for name, value in said.items() if value is not None}


def _stripped(line: bytes, number: int) -> bytes:
    return (line.removeprefix(BOM) if number == 1 else line).strip()
