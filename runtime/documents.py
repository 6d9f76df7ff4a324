"""Documents posted to the API on hot paths: read by their schema, and answered as they are, by both ways that `runtime.lean` knows.

The description of the API is that of any other view. What is answered goes through no schema: tests hold it to the one that describes it.
"""

import functools
from collections.abc import Callable, Generator, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from flask import request
from marshmallow import Schema
from webargs import core

from runtime import compact_json, form_files, lean, rough_input
from runtime.compact_json import Fragment
from runtime.lean import FILES, JSON, Answer, Headers, Posted
from runtime.openapi import ApiBlueprint
from runtime.together import Steps

AS_JSON = (("Content-Type", JSON),)


class Document(NamedTuple):
    """What a view answers, be it as it was written before; `more` are headers of this answer alone, `status` is another than the usual."""

    content: Mapping[str, Any] | Fragment
    more: Headers = ()
    status: int | None = None


View = Callable[[dict[str, Any], Posted], Document | Steps[Document]]


def post(
    blueprint: ApiBlueprint,
    path: str,
    *,
    takes: Schema,
    gives: Schema,
    headers: Schema,
    scope: str,
    status: int = 201,
    longest_form: int = 0,
    form: Mapping[str, Any] | None = None,
    otherwise: Mapping[int, tuple[type[Schema], str]] = MappingProxyType({}),
    short: Callable[[Any], dict[str, Any] | None] = lambda _: None,
) -> Callable[[View], View]:
    """Declare a view of documents posted to a path, with what describes it; who may call it is declared beneath (`guard.allow`).

    `headers` are described only: the view looks at them itself. The view may raise what any may, ValidationError included. With `longest_form`
    the same document may come as a form with files (`form_files`), which `form` describes. `short` reads what is plain as `takes` would, sooner.
    `otherwise` describes answers of other statuses.
    """

    def declare(view: View) -> View:
        @functools.wraps(view)
        def answer(posted: Posted) -> Answer | Steps[Answer]:
            body = _read(posted, longest_form)
            found = view(short(body) or takes.load(body), posted)
            return _after(found, status) if isinstance(found, Generator) else _written(found, status)

        described: Any = blueprint.response(status, gives)(view)
        for other, (schema, meaning) in otherwise.items():
            described = blueprint.alt_response(other, schema=schema, description=meaning)(described)
        for each, location in ((headers, "headers"), (takes, "json")):
            described = blueprint.arguments(each, location=location)(described)
        described = blueprint.doc(security=[{"department": [scope]}])(described)
        if form is not None:
            described = blueprint.doc(requestBody={"content": {FILES: {"schema": dict(form)}}})(described)
        called: Any = lean.by_flask(answer, takes=JSON, longest_form=longest_form)
        called._apidoc = described._apidoc
        blueprint.route(path, methods=["POST"])(called)
        return view

    return declare


def _after(steps: Steps[Document], status: int) -> Steps[Answer]:
    return _written((yield from steps), status)


def _written(document: Document, status: int) -> Answer:
    return Answer(compact_json.write(document.content), document.status or status, AS_JSON, document.more)


def _read(posted: Posted, longest_form: int) -> Any:
    if longest_form and not posted.is_json and request.mimetype == FILES:
        return form_files.read()
    document = rough_input.read_body(posted.body, is_json=posted.is_json)
    return {} if document is core.missing else document
