"""Two more secrets that a browser may hold: of a sign-in that waits for another proof, and of someone's trust in it. No script reads them."""

from datetime import timedelta

from flask import Response, current_app, request

WAITING, TRUSTED = "kabao_waiting", "kabao_trusted"


def held(name: str) -> str:
    """Return what the browser holds, not checked; nothing if it holds none."""
    return request.cookies.get(_bound_to_host(name), "")


def give(response: Response, name: str, secret: str, *, lifetime: timedelta) -> None:
    """Give the browser a secret for a time."""
    age = int(lifetime.total_seconds())
    response.set_cookie(_bound_to_host(name), secret, max_age=age, path="/", secure=_is_https(), httponly=True, samesite="Lax")


def take_away(response: Response, name: str) -> None:
    """Take a secret away, if the browser holds it."""
    if held(name):
        response.delete_cookie(_bound_to_host(name), path="/", secure=_is_https(), httponly=True, samesite="Lax")


def _bound_to_host(name: str) -> str:
    return f"__Host-{name}" if _is_https() else name


def _is_https() -> bool:
    is_https: bool = current_app.extensions["kabao_settings"].is_https
    return is_https
