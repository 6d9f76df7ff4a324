"""JSON as it is written where time counts: UTF-8, without spaces. For documents of our own; what others send is read elsewhere."""

import json
from typing import Any

import orjson

Fragment = orjson.Fragment


def write(document: Any) -> bytes:
    """Return a document as JSON; a text that UTF-8 cannot carry (half of a surrogate pair) is escaped, as the standard library does."""
    try:
        return orjson.dumps(document)
    except TypeError:
        return json.dumps(document, separators=(",", ":")).encode()


def written(document: bytes | str) -> Fragment:
    """Return JSON of our own that was written before, to stand as it is within another document."""
    return Fragment(document)
