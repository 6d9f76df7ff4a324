"""The kind of application that ours is."""

from collections.abc import Callable
from typing import Any

from flask import Flask
from werkzeug.routing import Rule

from runtime.compiled_templates import COMPILED


class LateRule(Rule):
    """A rule whose builders of addresses, which Werkzeug compiles as functions, two a rule, are compiled when one is first built."""

    def _compile_builder(self, append_unknown: bool = True) -> Callable[..., tuple[str, str]]:  # noqa: FBT001, FBT002 - Werkzeug's signature
        compiled: list[Callable[..., tuple[str, str]]] = []

        def build(rule: Rule, /, **values: Any) -> tuple[str, str]:
            if not compiled:
                compiled.append(Rule._compile_builder(self, append_unknown))
            return compiled[0](rule, **values)

        return build


class Application(Flask):
    """A Flask whose views are all plain functions."""

    url_rule_class = LateRule
    jinja_options = {"bytecode_cache": COMPILED}  # noqa: RUF012 - Flask declares it so, for a subclass to set

    def ensure_sync(self, func: Callable[..., Any]) -> Callable[..., Any]:
        """Return the function: to look at each one, at each request, whether it is a coroutine takes longer than some of them do."""
        return func
