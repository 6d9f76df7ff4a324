"""A supervising department's webhook, and the server that it posts to."""

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import Any
from uuid import UUID

from flask import Flask
from flask.testing import FlaskClient

from idp.signals import pushing
from idp.signals.streams import SignalStream
from runtime.database import transaction
from tests.wallet.issuing.desks import Desk
from tests.wallet.issuing.outbox import wait_until_readable
from wallet.issuing.licence_signals import tell_of_licences

KINDS = ["licence.issued", "licence.revoked"]


class Hook(HTTPServer):
    """What a webhook's address is: it keeps what it is sent, and answers as it is told."""

    heard: list[tuple[dict[str, str], bytes]]
    status = 204

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/hook"

    def kinds(self) -> list[str]:
        return [json.loads(body)["type"] for _, body in self.heard]


@contextmanager
def hook() -> Iterator[Hook]:
    """Serve a webhook's address."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            server.heard.append(({name.lower(): value for name, value in self.headers.items()}, body))
            self.send_response(server.status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    server = Hook(("127.0.0.1", 0), Handler)
    server.heard = []
    thread = Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join(timeout=5)


class Watcher(Desk):
    """A department that supervises driving licences and has webhooks."""

    def __init__(self, app: Flask, client: FlaskClient) -> None:
        super().__init__(app, client, scopes=("events",), issue=(), supervise=["driving-licence"])
        self.app = app

    def make(self, url: str, **changes: Any) -> dict[str, Any]:
        """Make a webhook that hears of nothing that was done before."""
        wait_until_readable(self.app)
        answer = self.post("/webhooks", {"url": url, "events": KINDS, **changes})
        assert answer.status_code == 201, answer.text
        made: dict[str, Any] = answer.json
        return made

    def deliver(self, made: dict[str, Any]) -> None:
        """Let a worker do its rounds: what is in the outbox is written for the webhook, and posted."""
        with self.app.app_context():
            tell_of_licences()
            with transaction() as session:
                session.get_one(SignalStream, UUID(made["id"])).due_at = None
            pushing.push_signals(made["id"])

    def deliver_until(self, made: dict[str, Any], holds: Callable[[], bool]) -> None:
        """Let the worker do its rounds until something holds: what any transaction of the whole cluster holds back comes after its end."""
        deadline = time.monotonic() + 60
        self.deliver(made)
        while not holds():
            assert time.monotonic() < deadline, "a minute of rounds was not enough"
            time.sleep(0.05)
            self.deliver(made)


def is_signed_by(secret: str, headers: dict[str, str], body: bytes) -> bool:
    """Whether one of the signatures is by a secret, as Standard Webhooks 1.0 tells a receiver to look."""
    content = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    wanted = base64.b64encode(hmac.new(base64.b64decode(secret[6:]), content, hashlib.sha256).digest()).decode()
    return f"v1,{wanted}" in headers["webhook-signature"].split()
