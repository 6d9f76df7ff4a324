"""What a request looks at: a header that nobody asks for while it is missing is not asked for when it is there; the answer is the same."""

from typing import Any

from werkzeug.datastructures import EnvironHeaders

EVERY = "every name"


def _noting(ask: Any) -> Any:
    def asked(environ: "Watched", *name: Any) -> Any:
        environ.seen.add(name[0] if name else EVERY)
        return ask(environ, *name)

    return asked


class Watched(dict[str, Any]):
    """The environment of a request, which notes the names that are looked for in it, there or not; whoever goes through all of it sees `EVERY`."""

    def __init__(self, environ: dict[str, Any], seen: set[str]) -> None:
        super().__init__(environ)
        self.seen = seen

    __getitem__, __contains__ = _noting(dict.__getitem__), _noting(dict.__contains__)
    get, pop, setdefault = _noting(dict.get), _noting(dict.pop), _noting(dict.setdefault)
    keys, values, items = _noting(dict.keys), _noting(dict.values), _noting(dict.items)
    __iter__, copy = _noting(dict.__iter__), _noting(dict.copy)


def is_looked_at(headers: dict[str, str], seen: set[str]) -> bool:
    """Whether one of the headers was asked for, or all of them."""
    return EVERY in seen or not seen.isdisjoint("HTTP_" + name.upper().replace("-", "_") for name in headers)


def all_of(headers: EnvironHeaders, name: str) -> list[str]:
    """Return what werkzeug's `getlist` does, which goes through every header to find the one that is there of a name."""
    return [headers[name]] if name in headers else []
