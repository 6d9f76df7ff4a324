"""Scripts of other origins: public clients that run in a browser ask for tokens, for claims and for keys (the Fetch standard's CORS protocol).

What is public is for every origin. What takes a code, a token or a proof is for the origins of the registered addresses of clients that have no
secret, and for no other page. Nothing is ever answered with credentials: a cookie of ours opens no door here.
"""

from collections.abc import Iterable

from flask import Flask, Response, request
from sqlalchemy import select

from idp.oauth import redirects, resources
from idp.oauth.client_kinds import NONE
from idp.oauth.clients import TOPIC, RegisteredClient
from runtime import cache
from runtime.database import transaction

RESOURCES = (resources.WELL_KNOWN, f"{resources.WELL_KNOWN}/api")
FOR_ALL = frozenset({"/.well-known/openid-configuration", "/.well-known/oauth-authorization-server", *RESOURCES, "/jwks", "/nonce"})
FOR_BROWSER_CLIENTS = frozenset({"/token", "/userinfo", "/revoke", "/par", "/credential", "/deferred", "/notification"})
KEPT = ("origins of browser clients",)
METHODS, HEADERS, EXPOSED = "GET, POST", "Authorization, Content-Type, DPoP", "DPoP-Nonce, WWW-Authenticate, Retry-After"
SECONDS = 600


def init_app(app: Flask) -> None:
    """Answer preflights before anybody is asked who they are, and mark the answers that a script may read."""
    app.before_request(_preflight)
    app.after_request(_mark)


def is_browser_client(origin: str) -> bool:
    """Whether some client without a secret is registered at an origin; asks this process's cache."""
    return origin in (cache.get(TOPIC, KEPT, _load) or frozenset())


def _preflight() -> Response | None:
    """Answer what a browser asks before it lets a script ask; to an origin that may not, without the words that it waits for."""
    if request.method != "OPTIONS" or request.path not in FOR_ALL | FOR_BROWSER_CLIENTS or "Access-Control-Request-Method" not in request.headers:
        return None
    response = Response(status=204)
    if _allowed() is not None:
        response.headers["Access-Control-Allow-Methods"] = METHODS
        response.headers["Access-Control-Allow-Headers"] = HEADERS
        response.headers["Access-Control-Max-Age"] = str(SECONDS)
    return response


def _mark(response: Response) -> Response:
    if request.path in FOR_ALL | FOR_BROWSER_CLIENTS:
        if request.path in FOR_BROWSER_CLIENTS:
            response.headers.add("Vary", "Origin")
        allowed = _allowed()
        if allowed is not None:
            response.headers["Access-Control-Allow-Origin"] = allowed
            response.headers["Access-Control-Expose-Headers"] = EXPOSED
    return response


def _allowed() -> str | None:
    if request.path in FOR_ALL:
        return "*"
    origin = request.headers.get("Origin", "")
    return origin if origin and is_browser_client(origin) else None


def _load() -> frozenset[str]:
    open_ones = select(RegisteredClient.redirect_uris).where(RegisteredClient.auth_method == NONE, RegisteredClient.disabled_at.is_(None))
    with transaction() as session:
        return _origins(session.scalars(open_ones))


def _origins(registered: Iterable[list[str]]) -> frozenset[str]:
    return frozenset(redirects.origin_of(uri) for uris in registered for uri in uris)
