"""The lines of a batch of verifications, read from a stream that may be anything: each a body of the single door, or its own fault.

A first line that holds a `cause` alone speaks for all that follow without one; it is not counted and gets no result.
"""

import hashlib
import hmac
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

import orjson
from marshmallow import ValidationError

from runtime import lines
from runtime.languages import Text
from runtime.problems import Refusal
from schemas.verification_batches import MOST_LINES, VerificationHeaderSchema, VerificationLineSchema
from schemas.verifications import read_plainly
from wallet.issuing.batch_lines import ref_of
from wallet.verifying.asked import request_of
from wallet.verifying.verification import VerificationRequest

LONGEST_LINE = 256 * 1024
MOST_FILES = 100
SCHEMA, HEADER = VerificationLineSchema(), VerificationHeaderSchema()


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
        raws = lines.split(self._pieces, longest=LONGEST_LINE)
        opening = next(raws, None)
        if opening is None:
            return
        before = self._first - 1
        if self._takes_cause(opening[1]):
            before -= opening[0]
        else:
            raws = chain([opening], raws)
        for number, raw in lines.renumbered(raws, before=before, most=MOST_LINES):
            yield self.read(number, raw)

    def _takes_cause(self, raw: bytes | None) -> bool:
        """Take the cause of all from a line that holds nothing else."""
        try:
            document = lines.read_object(raw, longest=LONGEST_LINE)
        except Refusal:
            return False
        if document.keys() != {"cause"}:
            return False
        try:
            self._cause = HEADER.load(document)["cause"]
        except ValidationError as error:
            raise lines.fault_of(error) from error
        return True

    def read(self, number: int, raw: bytes | None) -> Line:
        """Read a line; whatever is wrong with it is its fault and nobody else's."""
        try:
            document = lines.read_object(raw, longest=LONGEST_LINE)
        except Refusal as refusal:
            return Line(number, fault=refusal)
        if self._cause is not None and "cause" not in document:
            document["cause"] = self._cause
        ref = ref_of(document)
        try:
            return Line(number, ref, document, self._request(document), size=len(raw or b""))
        except ValidationError as error:
            return Line(number, ref, fault=lines.fault_of(error))
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
    """Return what the plainest kind of line asks for, just as its schema would read it; None for any other, good or bad."""
    if "ref" in document:
        if document["ref"] is not None and ref_of(document) is None:
            return None
        document = {name: value for name, value in document.items() if name != "ref"}
    body = read_plainly(document)
    return VerificationRequest(body["presented"], body["cause"], nonce=body.get("nonce")) if body is not None else None
