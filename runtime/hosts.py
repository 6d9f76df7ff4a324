"""The name by which we were asked for: another than our own is refused, so that no link, mail or redirect can be built from it.

Probes of health may come by any name. In development this machine's own names do as well.
"""

from typing import ClassVar

from flask import Flask, current_app, request

from runtime.languages import Text
from runtime.problems import Refusal
from runtime.settings import Settings

OWN_NAMES = frozenset({"localhost", "127.0.0.1", "[::1]"})
PROBED = frozenset({"/healthz", "/readyz", "/metrics"})
DEFAULT_PORTS = {"https": ":443", "http": ":80"}


class UnknownHost(Refusal):
    """The request names a host that we are not (RFC 9110 section 7.4)."""

    code: ClassVar[str] = "unknown-host"
    status: ClassVar[int] = 421
    title: ClassVar[Text] = Text("本服务不在此域名下，请使用官方网址。", "This service is not at this name; use its official address.")


def is_ours(unverified_host: str, settings: Settings) -> bool:
    """Whether a name, with its port if it has one, is this service's."""
    host = unverified_host.lower()
    for url in (settings.public_url, settings.mtls_url or settings.public_url):
        scheme, _, own = url.lower().partition("://")
        if own in (host, host.removesuffix(DEFAULT_PORTS[scheme])):
            return True
    name = host if host.endswith("]") else host.rpartition(":")[0] or host
    return settings.development and name in OWN_NAMES


def _check() -> None:
    settings: Settings = current_app.extensions["kabao_settings"]
    if request.path not in PROBED and not is_ours(request.environ.get("HTTP_HOST", ""), settings):
        raise UnknownHost("another host")


def init_app(app: Flask) -> None:
    """Check the name before anything else is done with a request."""
    app.before_request(_check)
