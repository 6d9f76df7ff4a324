"""Errors, declared low and rendered once.

A feature raises a `Refusal` of its own kind: understood, but not honoured. Only this module turns one into a
response: problem+json (RFC 9457) for an API, a page for a browser. `reason` is for the log; `title`, `field` and
`shown` are for anyone. Whatever is not a Refusal is a bare 500 with the correlation id.
"""

import errno
import json
import re
from collections.abc import Sequence
from typing import Any, ClassVar

import structlog
from flask import Flask, Response, current_app, g, make_response, render_template, request
from flask_wtf.csrf import CSRFError
from marshmallow import ValidationError
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from werkzeug.exceptions import HTTPException, MethodNotAllowed, UnprocessableEntity

from runtime.clashes import is_away, is_clash, what_failed
from runtime.fault_words import find_words
from runtime.languages import Text

log = structlog.get_logger(__name__)
TYPE_PREFIX = "urn:kabao:problem:"
MEMBER = re.compile(r"[A-Za-z][A-Za-z_-]{0,40}(\.([A-Za-z][A-Za-z_-]{0,40}|\d{1,4})){0,4}")


class Refusal(Exception):
    """A request understood and not honoured.

    `reason` is for the log and must hold no personal data; `field` names the offending member of the request;
    `shown` is a further sentence that anyone may read; `more` are members that the problem document carries.
    """

    code: ClassVar[str] = "refused"
    status: ClassVar[int] = 400
    title: ClassVar[Text] = Text("请求未被接受。", "The request was refused.")
    headers: dict[str, str]
    faults: Sequence[tuple[str, Text]] = ()  # each member at fault, in both languages, for who writes neither to a page nor to an API

    def __init__(
        self, reason: str = "", *, field: str | None = None, shown: Text | None = None, headers: dict[str, str] | None = None, **more: Any
    ) -> None:
        super().__init__(reason or self.code)
        self.reason = reason
        self.field = field
        self.shown = shown
        self.headers = headers or {}
        self.more = more


class NotSignedIn(Refusal):
    """The caller has shown no proof, or a spent one, of who they are."""

    code, status, title = "not-signed-in", 401, Text("请先登录。", "Sign in first.")


class NotAllowed(Refusal):
    """The caller is known and may not do this."""

    code, status, title = "not-allowed", 403, Text("您没有权限进行此操作。", "You may not do this.")


class TooManyRequests(Refusal):
    """The caller must slow down; `Retry-After` says for how long."""

    code, status, title = "too-many-requests", 429, Text("请求过于频繁，请稍后再试。", "Too many requests; try again later.")

    def __init__(self, reason: str = "", *, retry_after: int, **rest: Any) -> None:
        super().__init__(reason, headers={"Retry-After": str(max(1, retry_after))}, **rest)


class InvalidBody(Refusal):
    """Members of the request are wrong; `errors` lists each with its path."""

    code, status, title = "invalid-request", 422, Text("请求内容有误。", "The request has errors.")


HTTP_TITLES = {
    400: Text("请求格式有误。", "The request is malformed."),
    404: Text("找不到该页面或资源。", "There is nothing at this address."),
    405: Text("不支持该请求方法。", "This method is not supported here."),
    413: Text("提交的内容或文件过大。", "What was sent is too large."),
    415: Text("请求内容类型不受支持，请使用 JSON。", "This content type is not supported; send JSON."),
}
FORM_EXPIRED = Text("页面已过期，请返回并刷新页面后重试。", "This page has expired; go back, reload it, and try again.")
INTERNAL = Text("系统出现意外错误，请凭编号联系我们。", "Something went wrong on our side; quote the number to us.")
NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EMFILE, errno.ENFILE)  # on the disk, or for one more open file
UNAVAILABLE = Text("服务暂时不可用，请稍后再试。", "The service is briefly unavailable; try again.")


def wants_page() -> bool:
    """Whether the caller is a browser asking for a page, rather than a program."""
    return not request.path.startswith("/api/") and request.accept_mimetypes.best_match(["application/json", "text/html"]) == "text/html"


def respond(code: str, status: int, title: Text, *, headers: dict[str, str] | None = None, shown: Text | None = None, **more: Any) -> Response:
    """Build the response for a problem, in the form and language that the caller asked for."""
    correlation_id = g.get("correlation_id", "")
    document = {"type": TYPE_PREFIX + code, "title": str(title), "status": status, "code": code, "correlation_id": correlation_id}
    if shown is not None:
        document["detail"] = str(shown)
    document.update({name: value for name, value in more.items() if value is not None})
    if wants_page():
        response = make_response(render_template("problem.html", problem=document), status)
    else:
        response = Response(json.dumps(document, ensure_ascii=False), status, mimetype="application/problem+json")
    response.headers["Cache-Control"] = "no-store"
    response.headers.update(headers or {})
    return response


def form_expired() -> Response:
    """Answer a form without the token that our page gave it; the page says where the form is to be had anew."""
    return respond("form-expired", 400, FORM_EXPIRED)


def flatten(messages: Any, path: str = "") -> list[dict[str, str]]:
    """Turn marshmallow's nested messages into a list of `{"field", "detail"}`, with dotted paths."""
    if isinstance(messages, dict):
        return [row for name, inner in messages.items() for row in flatten(inner, _joined(path, str(name)))]
    if isinstance(messages, list):
        return [row for inner in messages for row in flatten(inner, path)]
    return [{"field": path, "detail": str(messages)}]


def faults(messages: Any, *, most: int) -> list[dict[str, str]]:
    """Return the first of marshmallow's messages, flat, in the reader's language."""
    return [{**row, "detail": str(find_words(row["detail"]) or row["detail"])} for row in flatten(messages)[:most]]


def _joined(path: str, name: str) -> str:
    """marshmallow's `_schema` stands for the very object that the path leads to."""
    return ".".join(part for part in (path, name) if part and part != "_schema")


def loggable(field: str | None) -> str | None:
    """Return a member's name as a log may hold it: callers make names up, and write anything into them."""
    return field if field is None or MEMBER.fullmatch(field) else "-"


def _refusal(error: Refusal) -> Response:
    log.info("refused", code=error.code, reason=error.reason, field=loggable(error.field))
    return respond(error.code, error.status, error.title, headers=error.headers, shown=error.shown, field=error.field, **error.more)


def _validation(error: ValidationError) -> Response:
    return _invalid(error.messages)


def _invalid(messages: Any) -> Response:
    if isinstance(messages, dict) and set(messages) <= {"json", "query", "form", "headers", "path"}:
        messages = list(messages.values())
    errors = faults(messages, most=20)
    log.info("refused", code=InvalidBody.code, fields=[loggable(row["field"]) for row in errors])
    return respond(InvalidBody.code, InvalidBody.status, InvalidBody.title, field=errors[0]["field"] if errors else None, errors=errors)


def _http(error: HTTPException) -> Response:
    if isinstance(error, UnprocessableEntity) and hasattr(error, "data"):
        return _invalid(error.data["messages"])
    if isinstance(error, CSRFError):
        return form_expired()
    status = error.code or 500
    if status < 400:
        return make_response(error.get_response())
    title = HTTP_TITLES.get(status, Text("请求未被接受。", "The request was refused."))
    headers = {"Allow": ", ".join(error.valid_methods or [])} if isinstance(error, MethodNotAllowed) else None
    return respond((error.name or "error").lower().replace(" ", "-"), status, title, headers=headers)


def _database(error: DBAPIError | PoolTimeout) -> Response:
    if isinstance(error, DBAPIError) and not is_away(error) and not is_clash(error):
        return unexpected(error)
    log.error("database unavailable", error=what_failed(error))
    return respond("unavailable", 503, UNAVAILABLE, headers={"Retry-After": "2"})


def _system(error: OSError) -> Response:
    if error.errno not in NO_ROOM:
        return unexpected(error)
    log.error("no room", error=errno.errorcode[error.errno])
    return respond("unavailable", 503, UNAVAILABLE, headers={"Retry-After": "2"})


def unexpected(error: Exception) -> Response:
    """Answer a fault of ours, which the log has whole."""
    if current_app.config.get("RAISE_UNEXPECTED"):
        raise error
    log.error("unexpected", error=type(error).__name__, exc_info=error)
    return respond("internal", 500, INTERNAL)


def init_app(app: Flask) -> None:
    """Make this module the only writer of error responses."""
    app.register_error_handler(Refusal, _refusal)
    app.register_error_handler(ValidationError, _validation)
    app.register_error_handler(HTTPException, _http)
    app.register_error_handler(DBAPIError, _database)
    app.register_error_handler(PoolTimeout, _database)
    app.register_error_handler(OSError, _system)
    app.register_error_handler(Exception, unexpected)
