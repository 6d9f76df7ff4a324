"""A document that is posted as a form with files (`multipart/form-data`), as JSON would have it: `a.b` is the member b of a, a file its base64."""

import base64
from collections.abc import Iterator
from typing import Any

from flask import request
from marshmallow import ValidationError

MOST_PARTS, DEEPEST = 50, 4


def read() -> dict[str, Any]:
    """Return the document in the form of this request; raises ValidationError for a member that stands twice or within another."""
    document: dict[str, Any] = {}
    for count, (name, value) in enumerate(_parts(), 1):
        *path, last = name.split(".", DEEPEST)
        place: Any = document
        for step in path:
            place = place.setdefault(step, {}) if isinstance(place, dict) else None
        if count > MOST_PARTS or not isinstance(place, dict) or last in place:
            raise ValidationError({_shown(name): ["It stands more than once."]})
        place[last] = value
    return document


def _parts() -> Iterator[tuple[str, str]]:
    yield from request.form.items(multi=True)
    for name, file in request.files.items(multi=True):
        yield name, base64.b64encode(file.read()).decode()


def _shown(unverified: str) -> str:
    """Return a name as an error may say it: a stranger may have written anything there."""
    return unverified[:64] if unverified.isascii() and unverified.isprintable() else "-"
