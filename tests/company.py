"""A server for tests that lets answers come later as Granian does, so that requests wait for each other until the test lets them go."""

import json
import threading
from typing import Any
from urllib.parse import urlencode

import pytest
from flask import Flask
from granian.wsgi import _callback_wrapper
from werkzeug.test import EnvironBuilder

from runtime import lean, seats, together


class Front:
    """Granian's side of an application: it calls it as Granian does, each time on another thread. Nobody waits but in company, and then for `go`."""

    def __init__(self, app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(together, "PATIENCE", 3600)
        monkeypatch.setattr(together, "QUEUED", 0)
        monkeypatch.setattr(together, "FEWEST", together.MOST)
        self.seats = seats.Seats(_callback_wrapper(app, {}), wanted=64, at_once=4)
        self.answers: dict[str, Any] = {}

    def send(self, name: str, form: dict[str, str]) -> None:
        """Ask for a token; `name` is the request's."""
        self.bring(name, "/token", urlencode(form).encode(), lean.FORM)

    def post(self, name: str, path: str, document: Any, *, token: str, **headers: str) -> None:
        """Send a document to the API."""
        self.bring(name, path, json.dumps(document).encode(), lean.JSON, Authorization=f"Bearer {token}", **headers)

    def bring(self, name: str, path: str, body: bytes, kind: str, **headers: str) -> None:
        """Bring a request, and wait until its thread has done with it."""
        told = {"X-Request-ID": name, **{header.replace("_", "-"): value for header, value in headers.items()}}
        sent = EnvironBuilder(path, method="POST", data=body, content_type=kind, headers=told).get_environ()
        thread = threading.Thread(target=self.seats, args=(Protocol(self.answers, name), sent), name="server's")
        thread.start()
        thread.join(30)

    def go(self) -> None:
        """Let those go who wait."""
        self.seats.hall._go()


class Protocol:
    """What Granian gives a request to answer by."""

    def __init__(self, answers: dict[str, Any], name: str) -> None:
        self.answers, self.name = answers, name

    def response_bytes(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
        """Note an answer, which may come once."""
        assert self.name not in self.answers
        self.answers[self.name] = (status, dict(headers), body, threading.current_thread().name)

    def response_iter(self, status: int, headers: list[tuple[str, str]], pieces: Any) -> None:
        """Note an answer that comes in pieces."""
        self.response_bytes(status, headers, b"".join(pieces.inner))
