"""What operators see: structured logs with a correlation id, and metrics. No personal data in either.

A log line names the route's rule, never its path or query; a last filter masks whatever still looks like a
number or a token.
"""

import logging
import re
import sys
import time
from datetime import UTC, datetime
from functools import cache
from typing import Any

import orjson
import structlog
from flask import Flask, Response, g, has_app_context, request
from prometheus_client import Counter, Histogram

from runtime import request_lines, shared_counters  # noqa: F401 (how counts are kept is said before there is one)
from runtime.ids import new_text
from runtime.settings import Settings

REQUEST_LOG = logging.getLogger("kabao.request")
REQUESTS = Counter("kabao_requests_total", "Requests answered", ["route", "method", "status"])
SECONDS = Histogram("kabao_request_seconds", "Time to answer", ["route"], buckets=(0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10))
LOST = Counter("kabao_log_lines_lost_total", "Lines of requests that the log did not take")
CORRELATION_ID = re.compile(r"[A-Za-z0-9._-]{8,64}")
SENSITIVE = re.compile(r"eyJ[\w-]{10,}\.[\w.~-]*|(?<![0-9A-Za-z-])(?:\d{17}[\dXx]|[0-9A-HJ-NP-RT-UW-Y]{18})(?![0-9A-Za-z-])")
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
LINE = orjson.OPT_UTC_Z | orjson.OPT_APPEND_NEWLINE
NOT_ASCII = re.compile(r"[^\x00-\x7f]+")
QUIET = ("alembic", "authlib", "werkzeug", "procrastinate", "urllib3", "sqlalchemy", "_granian")


request_lines.count_lost = LOST.inc


def mask_sensitive(_: Any, __: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """Mask whatever in a log line looks like a citizen number, a credit code or a signed token.

    In the text of an exception, which may quote what someone wrote, names are masked too: all that is not ASCII.
    """
    masked: structlog.typing.EventDict = _masked(event)
    if "exception" in masked:
        masked["exception"] = NOT_ASCII.sub("[masked]", str(masked["exception"]))
    return masked


def _masked(value: Any) -> Any:
    if isinstance(value, str):
        return SENSITIVE.sub("[masked]", value)
    if isinstance(value, dict):
        return {name: _masked(inner) for name, inner in value.items()}
    return [_masked(inner) for inner in value] if isinstance(value, (list, tuple)) else value


def _add_correlation_id(_: Any, __: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """Say in each line which request it is of, if of any."""
    if has_app_context() and (known := g.get("correlation_id")):
        event["correlation_id"] = known
    return event


SHARED: list[structlog.typing.Processor] = [
    _add_correlation_id,
    structlog.stdlib.add_log_level,
    structlog.stdlib.add_logger_name,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
]
CHAIN: list[structlog.typing.Processor] = [*SHARED, structlog.stdlib.ProcessorFormatter.wrap_for_formatter]
"""One list for as long as the process lives: loggers keep the one that they were first used with."""


def configure_logging(level: str) -> None:
    """Send every log line, ours and the libraries', to standard error as one JSON object."""
    structlog.configure(
        processors=CHAIN,
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    rendered: list[structlog.typing.Processor] = [
        structlog.stdlib.ProcessorFormatter.remove_processors_meta,
        structlog.processors.format_exc_info,
        mask_sensitive,
        structlog.processors.JSONRenderer(ensure_ascii=sys.stderr.encoding.lower() != "utf-8"),  # a line is whole wherever it goes
    ]
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(processors=rendered, foreign_pre_chain=SHARED))
    handler.set_name("kabao")
    root = logging.getLogger()
    root.handlers = [kept for kept in root.handlers if kept.get_name() != "kabao"] + [handler]
    root.setLevel(level)
    for name in QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)


def correlation_id(unverified: str) -> str:
    """Return what a request is known by: what its caller named it, if that is a name, else a fresh one."""
    return unverified if unverified and CORRELATION_ID.fullmatch(unverified) else new_text()


def answered(route: str, method: str, status: int, *, correlation_id: str, began: float) -> None:
    """Count a request that was answered, and write its line; `began` is of the clock that only goes forward."""
    seconds = time.perf_counter() - began
    count, times = _counters(route, method, status)
    count.inc()
    times.observe(seconds)
    if REQUEST_LOG.isEnabledFor(logging.INFO):
        _write_answered(route, method, status, round(seconds * 1000, 2), correlation_id)


def _begin() -> None:
    g.correlation_id = correlation_id(request.headers.get("X-Request-ID", ""))
    g.began = time.perf_counter()


def _end(response: Response) -> Response:
    if "began" not in g:
        return response  # nobody asked: the lean way looks at what hooks add to an answer
    route = request.url_rule.rule if request.url_rule else "-"
    method = request.method if request.method in METHODS else "-"  # callers make methods up, and a counter is kept for each
    answered(route, method, response.status_code, correlation_id=g.correlation_id, began=g.began)
    response.headers["X-Request-ID"] = g.correlation_id
    return response


@cache
def _counters(route: str, method: str, status: int) -> tuple[Any, Any]:
    return REQUESTS.labels(route, method, status), SECONDS.labels(route)


def _write_answered(route: str, method: str, status: int, ms: float, correlation_id: str) -> None:
    """Write the line that every request leaves, by itself: the general chain would cost a tenth of a short request."""
    line = {"route": route, "method": method, "status": status, "ms": ms, "event": "answered", "correlation_id": _masked(correlation_id)}
    line |= {"level": "info", "logger": REQUEST_LOG.name, "timestamp": datetime.now(UTC)}
    request_lines.write(orjson.dumps(line, option=LINE).decode())


def init_app(app: Flask, settings: Settings) -> None:
    """Log and count every request."""
    configure_logging(settings.log_level)
    app.before_request(_begin)
    app.after_request(_end)
