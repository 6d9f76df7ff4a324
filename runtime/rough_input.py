"""What no request of ours may hold, refused at the door and in one place: NUL in any text, and JSON that only a parser could love.

PostgreSQL stores no NUL, UTF-8 carries no lone surrogate, and nothing of ours is nested deeply; so no view ever meets one.
"""

from collections.abc import Callable
from typing import Any, TypeVar

from flask import Flask, Request, current_app, g, request
from marshmallow import RAISE, Schema, ValidationError
from webargs import core
from webargs.flaskparser import FlaskParser, is_json_request
from webargs.multidictproxy import MultiDictProxy
from werkzeug.datastructures import MultiDict
from werkzeug.exceptions import BadRequest, UnsupportedMediaType

from runtime import strict_json
from runtime.languages import Text
from runtime.problems import HTTP_TITLES, Refusal

NUL = "\0"
LANGUAGE, ONCE = "lang", "Each may be given once."
MAX_DEPTH = 32
View = TypeVar("View", bound=Callable[..., Any])
ESCAPED_NUL = rb"\u0000"
LATE, WAITING = "reads_its_form", "checks_of_the_form"
FORMS = ("application/x-www-form-urlencoded", "multipart/form-data")


class NotReadable(ValueError):
    """The body is not JSON that we take. The message holds nothing of the content."""


class UnreadableBody(Refusal):
    """The body of a request is not JSON that we take; it says where, or why, and holds nothing of the content."""

    code, status, title = "bad-request", 400, HTTP_TITLES[400]


class JsonParser(FlaskParser):
    """Reads the bodies of the API: another content type is 415, whatever is not readable 400.

    A query is read as strictly as a body: a filter that is not known, or is given twice, would else be left out, and the answer be
    of more than was asked for.
    """

    DEFAULT_UNKNOWN_BY_LOCATION = {**FlaskParser.DEFAULT_UNKNOWN_BY_LOCATION, "query": RAISE}  # noqa: RUF012 - as the library declares it

    def load_querystring(self, req: Request, schema: Schema) -> Any:
        """Return the members of the query, each once; raises ValidationError. `lang` is every address's own (`runtime.languages`)."""
        given = {name: values for name, values in req.args.lists() if name != LANGUAGE}
        twice = {name: [ONCE] for name, values in given.items() if len(values) > 1}
        if twice:
            raise ValidationError(twice)
        return MultiDictProxy(MultiDict(given), schema)

    def _raw_load_json(self, req: Request) -> Any:
        """Return the body, or `missing` where there is none; raises UnreadableBody, UnsupportedMediaType."""
        return read_body(req.get_data(cache=True), is_json=is_json_request(req))


def read_body(body: bytes, *, is_json: bool) -> Any:
    """Return what a body says, or `missing` where there is none; raises UnreadableBody, UnsupportedMediaType."""
    if not body:
        return core.missing
    if not is_json:
        raise UnsupportedMediaType
    try:
        return read_json(body)
    except ValueError as error:
        raise UnreadableBody(str(error), shown=_words_of(error)) from error


def _words_of(error: ValueError) -> Text:
    if isinstance(error, strict_json.NotStrict) and error.place:
        return Text("第{0}行第{1}列处不是规范的JSON。", "It is not proper JSON at line {0}, column {1}.").format(*error.place)
    words = "JSON中有U+0000字符、超过{0}层的嵌套，或过大的数。", "The JSON holds U+0000, more than {0} levels, or a number beyond all measure."
    return Text(*words).format(MAX_DEPTH)


def read_json(body: bytes) -> Any:
    """Read a JSON text; raises NotReadable, or ValueError for what `strict_json` refuses.

    Refused beyond that: NUL in texts, and more than 32 levels.
    """
    content = strict_json.read(body)
    if ESCAPED_NUL in body or body.count(b"[") + body.count(b"{") >= MAX_DEPTH:  # only so could there be what is refused
        _check(content, 0)
    return content


def _check(value: Any, depth: int) -> None:
    if isinstance(value, str):
        if NUL in value:
            raise NotReadable("a text holds what no text holds")
    elif isinstance(value, dict | list):
        if depth == MAX_DEPTH:
            raise NotReadable("too deep")
        for inner in value:
            _check(inner, depth + 1)
        for inner in value.values() if isinstance(value, dict) else ():
            _check(inner, depth + 1)


def reads_its_form(view: View) -> View:
    """Mark a view that takes a longer form than others do: nothing reads it before whoever sends it is known, and the view calls `take_form`."""
    view.__dict__[LATE] = True
    return view


def take_form(longest: int) -> None:
    """Let the form of this request be as long as a view of `reads_its_form` takes one, and refuse NUL in it; raises BadRequest."""
    request.max_content_length = longest
    if _form_holds_nul():
        raise BadRequest
    for check in g.pop(WAITING, ()):
        check()


def once_read(check: Callable[[], None]) -> None:
    """Check the form of this request now, or, for a view of `reads_its_form`, as soon as that has taken it; for the guard."""
    if hasattr(current_app.view_functions.get(request.endpoint or ""), LATE):
        g.setdefault(WAITING, []).append(check)
    else:
        check()


def _refuse_nul() -> None:
    query = request.environ.get("QUERY_STRING", "")
    if NUL in request.path or NUL in query or "%00" in query:
        raise BadRequest
    if request.method != "GET" and not hasattr(current_app.view_functions.get(request.endpoint or ""), LATE) and _form_holds_nul():
        raise BadRequest


def _form_holds_nul() -> bool:
    """Look at forms alone: another body is not touched here, for a view may take a longer one than others do, and read it as it comes."""
    return request.mimetype in FORMS and any(NUL in text for pair in request.form.items(multi=True) for text in pair)


def init_app(app: Flask) -> None:
    """Refuse NUL in paths, queries and forms before any view, or even the guard, has looked at them."""
    app.before_request(_refuse_nul)
