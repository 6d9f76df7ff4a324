"""The kind of application that ours is."""

from collections.abc import Callable
from typing import Any

from flask import Flask


class Application(Flask):
    """A Flask whose views are all plain functions."""

    def ensure_sync(self, func: Callable[..., Any]) -> Callable[..., Any]:
        """Return the function: to look at each one, at each request, whether it is a coroutine takes longer than some of them do."""
        return func
