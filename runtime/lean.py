"""The lean way: what machines ask most, answered without what only pages and browsers need.

A view that `post` or `get` declares is one function with two ways to it. Flask's takes any request; the lean one stands in front of it, takes
only the plainest, and hands all others on untouched: so it refuses nothing, and holds no check of its own. Its view asks the same caller for
admission, a refusal is rendered by Flask's own handlers, and what an answer is dressed with is learned from Flask's own hooks, once for each kind
of answer. `current_app`, `g` and `request` are there as ever; the last is made only if somebody looks at it.
"""

import functools
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from io import BytesIO
from typing import Any, NamedTuple, Self
from urllib.parse import unquote

from flask import Blueprint, Flask, Request, Response, request
from flask.ctx import AppContext, RequestContext
from flask.globals import _cv_app, _cv_request
from webargs.flaskparser import is_json_request
from werkzeug.datastructures import EnvironHeaders
from werkzeug.routing import Rule

from runtime import hosts, telemetry, together
from runtime.guard import Caller
from runtime.pages import ONE_PACKET
from runtime.rough_input import reads_its_form, take_form
from runtime.settings import Settings

FORM, JSON, FILES = "application/x-www-form-urlencoded", "application/json", "multipart/form-data"
NOTHING, UNCHANGED = "", "identity"
NOT_PLAIN = frozenset({"HTTP_ORIGIN", "HTTP_COOKIE", "HTTP_TRANSFER_ENCODING", "HTTP_CONTENT_ENCODING"})
LONGEST = 64 * 1024
MOST_LEARNED = 64
URN, LONGEST_URN = "urn%3A", 100
Environ = dict[str, Any]
Wsgi = Callable[[Environ, Any], Iterable[bytes]]
Headers = tuple[tuple[str, str], ...]
Dress = tuple[str, list[tuple[str, str]]]


class Answer(NamedTuple):
    """What a view answers; `headers` are few and the same each time, what differs from answer to answer goes into `more`."""

    body: bytes
    status: int = 200
    headers: Headers = ()
    more: Headers = ()

    def as_response(self) -> Response:
        """Return the answer as Flask gives it."""
        return Response(self.body, self.status, headers=[*self.headers, *self.more])


class Posted(NamedTuple):
    """What was posted: the body, the pairs of a form in their order, the headers and the path; `is_json` is what the content type says."""

    body: bytes
    form: list[tuple[str, str]]
    headers: EnvironHeaders
    path: str
    is_json: bool = True


View = Callable[[Posted], Answer | together.Steps[Answer]]


@dataclass(frozen=True, slots=True, eq=False)
class Route:
    """A path, the view that answers it, and who may call it."""

    rule: Rule
    view: View
    takes: str
    caller: Caller

    @property
    def method(self) -> str:
        """The method by which the lean way is gone; any other that the path takes is Flask's alone."""
        return "POST" if self.takes else "GET"


class Context(RequestContext):
    """The context of one lean request, which `current_app`, `g` and `request` find. It matches no address and opens no session."""

    def __init__(self, app: Flask, environ: Environ, route: Route, body: bytes) -> None:
        self.app, self.environ, self.route, self.body = app, environ, route, body
        self.flashes, self.url_adapter = None, None
        self._after_request_functions: list[Any] = []
        self._request: Request | None = None
        self.inner = _InnerContext(app)

    @property
    def request(self) -> Request:  # type: ignore[override]
        """The request as Flask knows it."""
        if self._request is None:
            self._request = self.app.request_class({**self.environ, "wsgi.input": BytesIO(self.body)})
            self._request.url_rule, self._request.view_args = self.route.rule, {}
        return self._request

    @functools.cached_property
    def _session(self) -> Any:  # type: ignore[override]
        return self.app.session_interface.open_session(self.app, self.request)

    def __enter__(self) -> Self:
        """Be the present context."""
        self._tokens = _cv_app.set(self.inner), _cv_request.set(self)
        return self

    def __exit__(self, *_: Any) -> None:
        """Be so no more."""
        _cv_request.reset(self._tokens[1])
        _cv_app.reset(self._tokens[0])


class _InnerContext(AppContext):
    def __init__(self, app: Flask) -> None:
        self.app, self.url_adapter = app, None
        self.g = app.app_ctx_globals_class()


class Sent(EnvironHeaders):
    """The headers of a request, in which to miss one costs no exception: most of those that are asked for are not there."""

    def __init__(self, environ: Environ) -> None:
        self.environ = environ

    def get(self, key: str, default: Any = None, type: Any = None) -> Any:  # type: ignore[override]  # noqa: A002 (werkzeug's own name)
        """Return a header, read as its name is written in the code."""
        return self.environ.get(_variable(key), default) if type is None else super().get(key, default, type)

    def __contains__(self, key: object) -> bool:
        return _variable(str(key)) in self.environ


@functools.cache
def _variable(header: str) -> str:
    """Return what WSGI calls a header; names come from the code alone."""
    name = header.upper().replace("-", "_")
    return name if name in ("CONTENT_TYPE", "CONTENT_LENGTH") else f"HTTP_{name}"


class Pending:
    """A lean request that waits for a trip, and is answered when there is none left."""

    def __init__(self, lean: "Lean", context: Context, held: together.Held, steps: together.Steps[Answer], trip: together.Trip) -> None:
        self.context, self.trip = context, trip
        self._lean, self._held, self._steps = lean, held, steps
        self._written: list[bytes] = []

    def go_on(self, found: Any) -> bool:
        """Tell the view what the trip found; returns whether another trip follows."""
        context, lean = self.context, self._lean
        with context:
            try:
                self.trip = together.told(self._steps, found)
            except StopIteration as end:
                self._keep(lean._answer(end.value, context, self._start))
            except Exception as error:  # noqa: BLE001 - Flask's own handlers look at it
                self._keep(lean._refuse(error)(context.environ, self._start))
            else:
                return True
        return False

    def leave(self) -> None:
        """Send the answer."""
        self._held.answer(self._status, self._headers, b"".join(self._written))

    def break_off(self) -> None:
        """Send that something went wrong."""
        self._held.answer(500, [], b"")

    def _keep(self, pieces: Iterable[bytes]) -> None:
        try:
            self._written += pieces
        finally:
            if hasattr(pieces, "close"):
                pieces.close()

    def _start(self, line: str, headers: list[tuple[str, str]], *_: Any) -> Callable[[bytes], object]:
        self._status, self._headers = int(line[:3]), headers
        return self._written.append


class Lean:
    """The layer in front of Flask."""

    def __init__(self, app: Flask, inner: Wsgi, settings: Settings) -> None:
        self.app, self.inner, self.settings = app, inner, settings
        self.longest = min(LONGEST, settings.max_body_bytes)
        self.routes = {route.rule.rule: route for route in _routes_of(app)}
        self.own_names: set[str] = set()
        self.dresses: dict[tuple[Route, int, Headers, bool], Dress] = {}

    def __call__(self, environ: Environ, start_response: Any) -> Iterable[bytes]:
        """Answer a request that is plain, and hand on any other."""
        route = self.routes.get(environ["PATH_INFO"])
        if route is None or not self._is_plain(environ, route):
            return self.inner(environ, start_response)
        body = _read(environ, route)
        if body is None:
            return self.inner(environ, start_response)
        began = time.perf_counter()
        correlation_id = telemetry.correlation_id(environ.get("HTTP_X_REQUEST_ID", ""))
        context = Context(self.app, environ, route, body)
        vars(context.inner.g).update(correlation_id=correlation_id, began=began)
        with context:
            try:
                route.caller.admit()
                answer = route.view(Posted(body, _pairs(body) if route.takes == FORM else [], Sent(environ), route.rule.rule))
                if not isinstance(answer, Answer):
                    held: together.Held | None = environ.get(together.HELD)
                    if held is None or not held.hall.has_company:
                        answer = together.alone(answer)
                    else:
                        try:
                            held.wait(Pending(self, context, held, answer, next(answer)))
                        except StopIteration as end:
                            answer = end.value
                        else:
                            return []
            except Exception as error:  # noqa: BLE001 - Flask's own handlers look at it
                return self._refuse(error)(environ, start_response)
            return self._answer(answer, context, start_response)

    def _answer(self, answer: Answer, context: Context, start_response: Any) -> Iterable[bytes]:
        """Give an answer, dressed as Flask would, in the request's own context."""
        route, environ = context.route, context.environ
        is_long = len(answer.body) >= ONE_PACKET
        if context._after_request_functions or (is_long and environ.get("HTTP_ACCEPT_ENCODING", UNCHANGED) != UNCHANGED):
            return self.app.process_response(answer.as_response())(environ, start_response)
        line, headers = self.dresses.get((route, answer.status, answer.headers, is_long)) or self._dress(route, answer, is_long=is_long)
        known = context.inner.g
        telemetry.answered(route.rule.rule, route.method, answer.status, correlation_id=known.correlation_id, began=known.began)
        start_response(line, [*headers, *answer.more, ("Content-Length", str(len(answer.body))), ("X-Request-ID", known.correlation_id)])
        return [answer.body]

    def _is_plain(self, environ: Environ, route: Route) -> bool:
        """Whether nothing but body and headers can matter: sent to us by our own name, short, of the usual kind, by no browser."""
        length = environ.get("CONTENT_LENGTH") or ""
        return (
            environ["REQUEST_METHOD"] == route.method
            and (environ.get("CONTENT_TYPE") or NOTHING) == route.takes
            and not environ.get("QUERY_STRING")
            and not environ.get("SCRIPT_NAME")
            and (self._is_short(length) if route.takes else not length)
            and environ.keys().isdisjoint(NOT_PLAIN)
            and self._is_ours(environ.get("HTTP_HOST", ""))
        )

    def _is_short(self, length: str) -> bool:
        return len(length) < 8 and length.isdecimal() and length.isascii() and 0 < int(length) <= self.longest

    def _is_ours(self, unverified_host: str) -> bool:
        if unverified_host in self.own_names:
            return True
        if not hosts.is_ours(unverified_host, self.settings):
            return False
        if len(self.own_names) < MOST_LEARNED:
            self.own_names.add(unverified_host)
        return True

    def _refuse(self, error: Exception) -> Response:
        """Let Flask answer for what a view raised."""
        try:
            return self.app.finalize_request(self.app.handle_user_exception(error))
        except Exception as worse:  # noqa: BLE001 - as Flask's own way does
            return self.app.handle_exception(worse)

    def _dress(self, route: Route, answer: Answer, *, is_long: bool) -> Dress:
        """Return the status line and all headers of an answer, as Flask's hooks have them where nothing but the route is known; and remember them."""
        environ = {"REQUEST_METHOD": route.method, "PATH_INFO": route.rule.rule, "SERVER_NAME": "", "SERVER_PORT": "80", "wsgi.url_scheme": "http"}
        with Context(self.app, environ, route, b""):
            response = self.app.process_response(Response(b" " * ONE_PACKET * is_long, answer.status, headers=answer.headers))
        headers = [(name, value) for name, value in response.headers if name.lower() != "content-length"]
        dress = response.status, headers
        if len(self.dresses) < MOST_LEARNED:
            self.dresses[route, answer.status, answer.headers, is_long] = dress
        return dress


def headers() -> EnvironHeaders:
    """Return the headers of the present request, by whichever way it goes; by the lean one no other request need be made for them."""
    context: Any = _cv_request.get()
    return Sent(context.environ) if isinstance(context, Context) else context.request.headers


def post(blueprint: Blueprint, path: str, *, takes: str = FORM) -> Callable[[View], View]:
    """Declare a view of what is posted to a path, which both ways lead to; who may call it is declared beneath (`guard.allow`)."""

    return _declaring(blueprint, path, takes=takes, methods=["POST"])


def get(blueprint: Blueprint, path: str, *, and_by: Iterable[str] = ()) -> Callable[[View], View]:
    """Declare a view of what is asked for at a path without a query; by other methods Flask's way alone leads to it."""
    return _declaring(blueprint, path, takes=NOTHING, methods=["GET", *and_by])


def _declaring(blueprint: Blueprint, path: str, *, takes: str, methods: list[str]) -> Callable[[View], View]:
    def declare(view: View) -> View:
        blueprint.add_url_rule(path, view.__name__, by_flask(view, takes=takes), methods=methods)
        return view

    return declare


def by_flask(view: View, *, takes: str, longest_form: int = 0) -> Callable[[], Response]:
    """Return a view as Flask calls it, marked as one that may be called by the lean way as well.

    Where a form with files is taken, too, it may be so long; it is left in `request` for the view, which finds no body.
    """

    @functools.wraps(view)
    def called() -> Response:
        form = list(request.form.items(multi=True)) if takes == FORM else []
        body = b"" if not takes or (longest_form and is_form_of_files(longest_form)) else request.get_data()
        answer: Any = view(Posted(body, form, request.headers, request.path, is_json_request(request)))  # type: ignore[arg-type]
        return (answer if isinstance(answer, Answer) else together.alone(answer)).as_response()

    called.lean = (view, takes)  # type: ignore[attr-defined]
    return reads_its_form(called) if longest_form else called


def is_form_of_files(longest: int) -> bool:
    """Whether the request is a form with files, which may from now on be so long; raises BadRequest for NUL in it."""
    if request.mimetype != FILES:
        return False
    take_form(longest)
    return True


def _routes_of(app: Flask) -> Iterable[Route]:
    for rule in app.url_map.iter_rules():
        declared = getattr(app.view_functions[rule.endpoint], "lean", None)
        if declared is not None:
            view, takes = declared
            yield Route(rule, view, takes, view.allowed_caller)


def _pairs(body: bytes) -> list[tuple[str, str]]:
    """Read a form as Flask does (`urllib.parse.parse_qsl`, which keeps blank values)."""
    split = (pair.partition("=") for pair in body.decode("ascii").split("&") if pair)
    return [(_decoded(name), _decoded(value)) for name, _, value in split]


def _decoded(text: str) -> str:
    if "%" not in text and "+" not in text:
        return text
    return _decoded_urn(text) if text.startswith(URN) and len(text) < LONGEST_URN else _unquoted(text)


def _unquoted(text: str) -> str:
    return unquote(text.replace("+", " "), errors="werkzeug.url_quote")


@functools.lru_cache(maxsize=64)
def _decoded_urn(text: str) -> str:
    """Return the name of a kind of token or proof, of which there are few and each comes with every request."""
    return _unquoted(text)


def _read(environ: Environ, route: Route) -> bytes | None:
    """Return the body; None, and the body left to be read again, if it is not whole or holds what Flask's way is to look at."""
    if not route.takes:
        return b""
    length, stream = int(environ["CONTENT_LENGTH"]), environ["wsgi.input"]
    body: bytes = stream.read(length)
    while len(body) < length and (more := stream.read(length - len(body))):
        body += more
    if len(body) == length and (route.takes != FORM or (body.isascii() and b"%00" not in body and b"\0" not in body)):
        return bytes(body)
    environ["wsgi.input"] = BytesIO(body)
    return None


def init_app(app: Flask, settings: Settings) -> None:
    """Put the lean way in front of Flask's; after all views were registered, and before whatever must see each request first."""
    app.wsgi_app = Lean(app, app.wsgi_app, settings)  # type: ignore[method-assign]
