"""The lines of a batch of verifications, read from a stream that may be anything: each a body of the single door, or its own fault.

A first line that holds a `cause` alone speaks for all that follow without one; it is not counted and gets no result.
"""

import hashlib
import hmac
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import chain
from typing import Any

import orjson
from marshmallow import ValidationError

from runtime.languages import Text
from runtime.problems import InvalidBody, Refusal, flatten
from runtime.rough_input import read_json
from schemas.causes import CauseSchema
from schemas.verification_batches import MOST_LINES, VerificationHeaderSchema, VerificationLineSchema
from schemas.verifications import LONGEST
from wallet.issuing.batch_lines import MOST_FAULTS, REF, LineUnreadable, split
from wallet.verifying.asked import request_of
from wallet.verifying.verification import VerificationRequest

LONGEST_LINE = 256 * 1024
MOST_FILES = 100
SCHEMA, HEADER, CAUSE = VerificationLineSchema(), VerificationHeaderSchema(), CauseSchema()
PLAIN = frozenset({"presented", "nonce", "cause", "ref"})


class LineTooLong(Refusal):
    """The line is longer than anything that can be shown."""

    code, status = "line-too-long", 413
    title = Text("该行超过{0}字节。", "The line is longer than {0} bytes.").format(LONGEST_LINE)


class TooManyLines(Refusal):
    """There are more lines than a batch may have; those that follow were not looked at."""

    code, status = "too-many-lines", 413
    title = Text("一个批次最多{0}行，其余各行未处理。", "A batch has at most {0} lines; those that follow were not looked at.").format(MOST_LINES)


class TooManyFiles(Refusal):
    """A file takes a process and a third of a second; a batch of them would keep all others from theirs."""

    code, status = "too-many-files", 422
    title = Text("一个批次最多{0}个文件，请逐个核验。", "A batch has at most {0} files; verify the others one by one.").format(MOST_FILES)


@dataclass(frozen=True, slots=True)
class Line:
    """A line: what is to be verified, or why it cannot be read. `document` is what a digest is taken of."""

    number: int
    ref: str | None = field(default=None, repr=False)
    document: Any = field(default=None, repr=False)
    request: VerificationRequest | None = field(default=None, repr=False)
    fault: Refusal | None = None
    size: int = 0

    def digest(self, pepper: bytes) -> bytes:
        """Return the keyed digest by which the line is known again: of all that it says, in any order."""
        return hmac.digest(pepper, orjson.dumps(self.document, option=orjson.OPT_SORT_KEYS), hashlib.sha256)


class Lines:
    """The lines of a body, from a number on. Reading them raises TooManyLines, and InvalidBody for a cause that will not do for all."""

    def __init__(self, pieces: Iterable[bytes], *, first: int = 1) -> None:
        self._pieces, self._first = pieces, first
        self._cause: dict[str, str] | None = None
        self._files = 0

    def __iter__(self) -> Iterator[Line]:
        raws = split(self._pieces, longest=LONGEST_LINE)
        opening = next(raws, None)
        if opening is None:
            return
        before = self._first - 1
        if self._takes_cause(opening[1]):
            before -= opening[0]
        else:
            raws = chain([opening], raws)
        for place, raw in raws:
            number = place + before
            if number > MOST_LINES:
                raise TooManyLines("too many")
            yield self.read(number, raw)

    def _takes_cause(self, raw: bytes | None) -> bool:
        """Take the cause of all from a line that holds nothing else."""
        document = _document(raw)
        if not isinstance(document, dict) or document.keys() != {"cause"}:
            return False
        try:
            self._cause = HEADER.load(document)["cause"]
        except ValidationError as error:
            raise _invalid(error) from error
        return True

    def read(self, number: int, raw: bytes | None) -> Line:
        """Read a line; whatever is wrong with it is its fault and nobody else's."""
        if raw is None:
            return Line(number, fault=LineTooLong("too long"))
        document = _document(raw)
        if not isinstance(document, dict):
            return Line(number, fault=LineUnreadable("not an object"))
        if self._cause is not None and "cause" not in document:
            document["cause"] = self._cause
        ref = document.get("ref")
        ref = ref if isinstance(ref, str) and REF.fullmatch(ref) else None
        try:
            return Line(number, ref, document, self._request(document), size=len(raw))
        except ValidationError as error:
            return Line(number, ref, fault=_invalid(error))
        except Refusal as refusal:
            return Line(number, ref, fault=refusal)

    def _request(self, document: dict[str, Any]) -> VerificationRequest:
        plain = plain_request(document)
        if plain is not None:
            return plain
        loaded = SCHEMA.load(document)
        if "file" in loaded:
            self._files += 1
            if self._files > MOST_FILES:
                raise TooManyFiles("too many", field="file")
        return request_of(loaded)


def plain_request(document: dict[str, Any]) -> VerificationRequest | None:
    """Return what the plainest kind of body asks for, just as its schema would read it; None for any other, good or bad."""
    presented, nonce, cause = document.get("presented"), document.get("nonce"), document.get("cause")
    if not document.keys() <= PLAIN or not isinstance(presented, str) or not isinstance(nonce, str) or not isinstance(cause, dict):
        return None
    ref = document.get("ref")
    is_usual = 0 < len(presented) <= LONGEST and _is_usual(presented) and 8 <= len(nonce) <= 256 and _is_usual(nonce)
    if not is_usual or (ref is not None and not (isinstance(ref, str) and REF.fullmatch(ref))):
        return None
    try:
        read = _cause_of(tuple(cause.items()))
    except (TypeError, ValidationError):
        return None
    return VerificationRequest(presented, dict(read), binding=True, nonce=nonce)


def _is_usual(text: str) -> bool:
    return text.isascii() and text.isprintable()


@lru_cache(maxsize=256)
def _cause_of(members: tuple[tuple[str, Any], ...]) -> tuple[tuple[str, str], ...]:
    return tuple(CAUSE.load(dict(members)).items())


def _document(raw: bytes | None) -> Any:
    try:
        return read_json(raw) if raw is not None else None
    except (ValueError, RecursionError):
        return None


def _invalid(error: ValidationError) -> InvalidBody:
    errors = flatten(error.messages)[:MOST_FAULTS]
    return InvalidBody("not a request", field=errors[0]["field"], errors=errors)
