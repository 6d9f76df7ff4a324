"""A portal that listens, and someone who is known to it."""

import json
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import Any

import jwt
import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from idp.oauth import clients
from idp.signals import event_types, pushing
from keys import ring
from runtime.database import transaction
from tests.idp.oauth.journeys import signed_in_browser
from tests.world_clients import ISSUER, System, bearer, new_portal, token_of
from tests.world_people import Person, new_person, open_account

POLL = "urn:ietf:rfc:8936"
PUSH = "urn:ietf:rfc:8935"
GRANTS = [clients.AUTHORIZATION_CODE, clients.REFRESH_TOKEN, clients.CLIENT_CREDENTIALS]


class Receiver(HTTPServer):
    """A receiver's push endpoint, which keeps what it is sent and answers as it is told."""

    heard: list[tuple[dict[str, str], str]]
    status = 202
    body = b""


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            server.heard.append((dict(self.headers.items()), body))
            self.send_response(server.status)
            self.send_header("Content-Length", str(len(server.body)))
            self.end_headers()
            self.wfile.write(server.body)

        def log_message(self, *_: Any) -> None:
            pass

    server = Receiver(("127.0.0.1", 0), Handler)
    server.heard = []
    Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@dataclass
class Listener:
    """A client that manages streams, over HTTP."""

    app: Flask
    http: FlaskClient
    system: System
    scope: str = "ssf.manage ssf.read"

    def __post_init__(self) -> None:
        self.headers = bearer(token_of(self.http, self.system, self.scope))

    def call(self, method: str, path: str, body: Any = None, **query: str) -> TestResponse:
        """Call an endpoint of the transmitter."""
        return self.http.open(f"/signals/{path}", method=method, json=body, query_string=query, headers=self.headers)

    def make(self, **body: Any) -> dict[str, Any]:
        """Make a stream of what this client can hear, polled unless said otherwise."""
        answer = self.call("POST", "streams", {"events_requested": list(event_types.OF_PEOPLE), **body})
        assert answer.status_code == 201, answer.text
        return dict(answer.json or {})

    def poll(self, stream: dict[str, Any], **body: Any) -> dict[str, Any]:
        """Poll a stream and return the answer."""
        answer = self.call("POST", f"polls/{stream['stream_id']}", {"returnImmediately": True, **body})
        assert answer.status_code == 200, answer.text
        return dict(answer.json or {})

    def heard(self, stream: dict[str, Any]) -> list[dict[str, Any]]:
        """Return the claims of the events that wait in a stream, each one's signature verified."""
        with self.app.app_context():
            return [self.verified(token) for token in self.poll(stream)["sets"].values()]

    def verified(self, token: str) -> dict[str, Any]:
        """Return an event's claims once it is sure that it is one of ours, for this receiver."""
        with self.app.app_context():
            assert jwt.get_unverified_header(token)["typ"] == "secevent+jwt"
            return ring.verify(token, use=ring.OIDC, typ="secevent+jwt", audience=self.system.client_id, issuer=ISSUER)


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    browser = app.test_client()
    browser.environ_base["REMOTE_ADDR"] = f"10.{secrets.randbelow(256)}.{secrets.randbelow(256)}.{secrets.randbelow(256)}"
    return browser


@pytest.fixture
def listener(app: Flask) -> Listener:
    """A government portal that listens."""
    return new_listener(app)


def new_listener(app: Flask, **registration: Any) -> Listener:
    """Register a portal that may listen."""
    usual = {"scopes": ("openid", "profile", "offline_access", "ssf.manage", "ssf.read"), "grant_types": GRANTS, "first_party": True}
    with app.app_context(), transaction() as session:
        system = new_portal(session, **{**usual, **registration})
    return Listener(app, app.test_client(), system)


@pytest.fixture
def person(app: Flask) -> Person:
    with app.app_context(), transaction() as session:
        person = new_person(session)
        open_account(session, person)
    return person


@pytest.fixture
def browser(client: FlaskClient, person: Person) -> FlaskClient:
    return signed_in_browser(client, person)


def push(app: Flask, stream: dict[str, Any]) -> None:
    """Let a worker push a stream once."""
    with app.app_context():
        pushing.push_signals(stream["stream_id"])


def event_of(claims: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """Return the one event of a token: its type and its members."""
    ((event_type, event),) = claims["events"].items()
    return event_type, json.loads(json.dumps(event))
