"""What the lean way learns has a bound, whatever is sent, and a body is taken whole however it comes."""

from io import BytesIO
from typing import Any

import pytest
from flask import Flask
from werkzeug.test import EnvironBuilder, run_wsgi_app

from runtime import lean
from runtime.lean import Answer, Lean
from tests.runtime.test_lean import layer

__all__ = ["layer"]
FORM = "application/x-www-form-urlencoded"


class Trickling(BytesIO):
    """A body that comes byte by byte, whatever is asked for."""

    def read(self, size: int | None = -1, /) -> bytes:
        return super().read(1 if size else 0)


def send(layer: Lean, body: bytes, **more: Any) -> tuple[int, bytes]:
    """Send a form to /token, and return the status and what was answered."""
    environ = EnvironBuilder("/token", base_url="http://127.0.0.1:8000", method="POST", data=body, content_type=FORM).get_environ()
    pieces, status, _ = run_wsgi_app(layer, {**environ, **more})
    return int(status.split()[0]), b"".join(pieces)


def echoing(layer: Lean, monkeypatch: pytest.MonkeyPatch, **how: Any) -> None:
    """Let the view say what was posted."""
    route = layer.routes["/token"]
    said = [0]

    def view(posted: lean.Posted) -> Answer:
        said[0] += 1
        return Answer(posted.body, **({"headers": (("X-Kind", str(said[0])),)} if how.get("differs") else {}))

    monkeypatch.setitem(layer.routes, "/token", lean.Route(route.rule, view, route.takes, route.caller))


def test_a_body_that_comes_byte_by_byte_is_taken_whole(layer: Lean, monkeypatch: pytest.MonkeyPatch) -> None:
    echoing(layer, monkeypatch)
    body = b"grant_type=client_credentials&scope=draws"
    assert send(layer, b"", **{"CONTENT_LENGTH": str(len(body)), "wsgi.input": Trickling(body + b"&and=more")}) == (200, body)


def test_as_many_names_of_ours_are_remembered_as_there_are_places(layer: Lean, monkeypatch: pytest.MonkeyPatch) -> None:
    echoing(layer, monkeypatch)
    monkeypatch.setattr(layer, "own_names", set())
    for port in range(1, 2 * lean.MOST_LEARNED):
        assert send(layer, b"a=b", HTTP_HOST=f"localhost:{port}") == (200, b"a=b"), "in development any port is ours"
    assert len(layer.own_names) == lean.MOST_LEARNED


def test_as_many_kinds_of_answers_are_remembered_as_there_are_places(layer: Lean, monkeypatch: pytest.MonkeyPatch) -> None:
    echoing(layer, monkeypatch, differs=True)
    monkeypatch.setattr(layer, "dresses", {})
    for _ in range(2 * lean.MOST_LEARNED):
        assert send(layer, b"a=b") == (200, b"a=b")
    assert len(layer.dresses) == lean.MOST_LEARNED


def test_no_long_name_is_remembered_as_one_of_a_kind_of_token(app: Flask) -> None:
    lean._decoded_urn.cache_clear()
    short, long = "urn%3Aa", "urn%3A" + "a" * lean.LONGEST_URN
    assert [lean._decoded(one) for one in (short, long)] == ["urn:a", "urn:" + "a" * lean.LONGEST_URN]
    assert lean._decoded_urn.cache_info().currsize == 1
