"""Pages for people: one layout, one style sheet, strict security headers, a CSRF token on every form.

Blueprints of pages need nothing but `render_template`; `layout.html` is what they extend. The layout asks `person()`
who is signed in; until a part that knows gives an answer (`greet`), it is nobody.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from flask import Flask, Request, Response, current_app, request, url_for
from flask.sessions import SecureCookieSession, SecureCookieSessionInterface, SessionMixin
from flask_bootstrap import Bootstrap5
from flask_compress import Compress
from flask_wtf import CSRFProtect
from markupsafe import Markup

from runtime.guard import anyone, declare
from runtime.settings import Settings

csrf = CSRFProtect()
ONE_PACKET = 1400  # what fits in one gains nothing by being compressed
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; connect-src 'self'; "
    "manifest-src 'self'; form-action {form_action}; frame-ancestors 'none'; base-uri 'none'"
)
OWN_POLICY = POLICY.format(form_action="'self'")
OWN_DOCS_POLICY = OWN_POLICY.replace("style-src 'self'", "style-src 'self' 'unsafe-inline'")
HEADERS = tuple(
    (name, name.lower(), value)
    for name, value in {
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
        "X-Frame-Options": "DENY",
        "Permissions-Policy": "camera=(self), geolocation=(), microphone=()",
        "Cross-Origin-Opener-Policy": "same-origin",
    }.items()
)


class FormSessions(SecureCookieSessionInterface):
    """The cookie of forms, which most requests do not have, even of browsers with others: for them nothing is set up, and nothing read or written."""

    def open_session(self, app: Flask, request: Request) -> SecureCookieSession | None:
        """Return the session of a request."""
        is_there = self.get_cookie_name(app) in request.environ.get("HTTP_COOKIE", "")
        return super().open_session(app, request) if is_there else self.session_class()

    def save_session(self, app: Flask, session: SessionMixin, response: Response) -> None:
        """Write a session back that was looked at or changed."""
        if session or session.modified or session.accessed:
            super().save_session(app, session, response)


@dataclass(frozen=True, slots=True)
class Visitor:
    """Who is signed in, as the head of a page shows it: names masked, `organisation` only while acting for one.

    `mark` tells a browser whether what it kept is theirs; it says nothing of them.
    """

    name: str
    organisation: str | None = None
    is_officer: bool = False
    is_operator: bool = False
    mark: str = ""


def greet(app: Flask, find_visitor: Callable[[], Visitor | None]) -> None:
    """Let the head of every page show who is signed in."""
    app.jinja_env.globals["person"] = find_visitor


def name_desk(app: Flask, find_department: Callable[[], Any], mark_form: Callable[[], Markup]) -> None:
    """Let the head of every page of the desk show for which department it is, and each of its forms carry that."""
    app.jinja_env.globals.update(desk_department=find_department, as_department=mark_form)


def in_language(choice: str, going_to: str | None = None) -> str:
    """Return the address of the present page in another language, or the nearest above it where this one cannot be asked for again.

    What the address says is kept; `going_to` is the `next` of a form, so that a person on the way somewhere gets there.
    """
    rule = request.url_rule
    if rule is not None and "GET" not in (rule.methods or ()) and (above := _nearest_page(request.path)) != request.path:
        return f"{above}?{urlencode({'lang': choice})}"
    kept = request.args.to_dict(flat=False) | ({"next": [going_to]} if going_to else {})
    return f"?{urlencode({**kept, 'lang': choice}, doseq=True)}"


def _nearest_page(path: str) -> str:
    """Return the longest beginning of a path, in whole steps, that can be asked for by GET."""
    address = current_app.create_url_adapter(request)
    while path and not (address and address.test(path, method="GET")):
        path = path.rpartition("/")[0]
    return path or "/"


def page_of_form(goal: str = "") -> str | None:
    """Return the address of the page that a form which was sent stands on, or None: the form's own or one above it, with its query.

    Where the form itself carries whereto its person is going (`next`), that goes along as `goal`. What was sent is not read here.
    """
    page = _nearest_page(request.path)
    if page == "/" != request.path:
        return None
    query = request.full_path.removeprefix(request.path).strip("?")
    going = urlencode({"next": goal}) if goal.startswith("/") and "next" not in request.args else ""
    return "?".join(filter(None, (page, "&".join(filter(None, (query, going))))))


def form_may_lead_to(response: Response, *origins: str) -> Response:
    """Let this page's form be redirected to other origins as well (browsers check the whole chain of redirects)."""
    response.headers["Content-Security-Policy"] = POLICY.format(form_action=" ".join(["'self'", *origins]))
    return response


def form_may_lead_only_to(response: Response, origin: str) -> Response:
    """Let this page's form lead to one other origin, and nowhere else."""
    response.headers["Content-Security-Policy"] = POLICY.format(form_action=origin)
    return response


def page_may_frame(response: Response, *origins: str) -> Response:
    """Let this page hold frames of these origins, and of no other."""
    framed = f"; frame-src {' '.join(origins)}" if origins else ""
    response.headers["Content-Security-Policy"] = POLICY.format(form_action="'self'") + framed
    return response


def _headers(response: Response) -> Response:
    """Add what every answer says to a browser, unless the view has said something else."""
    said = {name.lower() for name, _ in response.headers}
    for name, key, value in HEADERS:
        if key not in said:
            response.headers.add(name, value)
    if "content-security-policy" not in said:
        response.headers.add("Content-Security-Policy", OWN_DOCS_POLICY if request.path == "/api/docs" else OWN_POLICY)
    if "cache-control" not in said and request.endpoint not in ("static", "bootstrap.static"):
        response.headers.add("Cache-Control", "no-store")
    return response


def _is_short(response: Response) -> bool:
    length = response.calculate_content_length() if response.is_sequence else None
    return length is not None and length < ONE_PACKET


def _https_only(response: Response) -> Response:
    """Let browsers come by HTTPS alone for the next year (RFC 6797)."""
    response.headers.setdefault("Strict-Transport-Security", "max-age=31536000")
    return response


def init_app(app: Flask, settings: Settings) -> None:
    """Give the application its layout, style and headers."""
    app.config.update(
        SECRET_KEY=settings.derived_key("forms"),
        SESSION_COOKIE_NAME="__Host-kabao_form" if settings.is_https else "kabao_form",
        SESSION_COOKIE_SECURE=settings.is_https,
        SESSION_COOKIE_SAMESITE="Lax",
        WTF_CSRF_TIME_LIMIT=None,
        WTF_CSRF_SSL_STRICT=False,
        BOOTSTRAP_SERVE_LOCAL=True,
        COMPRESS_MIMETYPES=["text/html", "text/css", "application/javascript", "text/javascript", "image/svg+xml", "application/json"],
        COMPRESS_ALGORITHM=["br", "gzip"],
        COMPRESS_MIN_SIZE=ONE_PACKET,
        COMPRESS_REGISTER=False,  # for a short answer there is nothing to think about
        SEND_FILE_MAX_AGE_DEFAULT=86400,
    )
    app.session_interface = FormSessions()
    Bootstrap5(app)
    declare(app, "bootstrap.static", anyone)
    csrf.init_app(app)
    compress = Compress(app)
    app.after_request(lambda response: response if _is_short(response) else compress.after_request(response))
    app.after_request(_headers)
    if settings.is_https:
        app.after_request(_https_only)
    app.jinja_env.globals.update(
        asset=lambda name: url_for("static", filename=name, v=_version(app, name)),
        in_language=in_language,
        page_of_form=page_of_form,
        person=lambda: None,
        desk_department=lambda: None,
    )


def _version(app: Flask, name: str) -> int:
    return int((Path(str(app.static_folder)) / name).stat().st_mtime)
