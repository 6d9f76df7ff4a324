"""Who may call: every route names its caller, and a route that names none is closed.

A caller is a small object with a name and `admit()`, which raises a Refusal or records who it is (in `flask.g`).
The kinds of caller live where their proof is understood (`idp`); this module only insists that there is one.
"""

from collections.abc import Callable
from typing import Any, Protocol, TypeVar

from flask import Flask, current_app, request

from runtime.problems import NotAllowed

View = TypeVar("View", bound=Callable[..., Any])


class Caller(Protocol):
    """Someone who may call a route."""

    name: str

    def admit(self) -> None:
        """Return if the present request comes from such a caller, else raise a Refusal."""


class Anyone:
    """No proof is asked for."""

    name = "anyone"

    def admit(self) -> None:
        """Return, always."""


anyone = Anyone()


def allow(caller: Caller) -> Callable[[View], View]:
    """Declare who may call the view."""

    def declare(view: View) -> View:
        view.allowed_caller = caller  # type: ignore[attr-defined]
        return view

    return declare


def caller_of(app: Flask, endpoint: str) -> Caller | None:
    """Return who may call an endpoint, or None where nothing was declared."""
    return getattr(app.view_functions[endpoint], "allowed_caller", None)


def declare(app: Flask, endpoint: str, caller: Caller) -> None:
    """Declare who may call a route that a library registered."""
    view = app.view_functions[endpoint]

    def declared(*args: Any, **kwargs: Any) -> Any:
        return view(*args, **kwargs)

    app.view_functions[endpoint] = allow(caller)(declared)


def _admit() -> None:
    if request.endpoint is None:
        return
    caller = caller_of(current_app, request.endpoint)
    if caller is None:
        raise NotAllowed(f"no caller is declared for {request.endpoint}")
    caller.admit()


def init_app(app: Flask) -> None:
    """Check the declaration before every view."""
    app.before_request(_admit)
    declare(app, "static", anyone)
