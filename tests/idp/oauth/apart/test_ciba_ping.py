"""Ping mode (CIBA Core section 10.2): a client is told that there is an answer, by its own token, and nothing of what it is."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select, text

from idp.oauth.apart import pinging, waiting
from idp.oauth.apart.waiting import ApartRequest
from idp.oauth.clients import CIBA
from runtime.database import transaction
from tests.idp.oauth.apart.steps import SCOPES, Counter, answer_request, error_of, good
from tests.world_clients import new_portal
from tests.world_people import Person

TOKEN = "8d67dc78-7faa-4d41-aabd-67707b374255"


class Heard(ThreadingHTTPServer):
    """A client's notification endpoint: what it was sent, and what it answers."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Endpoint)
        self.requests: list[tuple[str, dict[str, str], bytes]] = []
        self.status, self.location = 204, ""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/ping"


class _Endpoint(BaseHTTPRequestHandler):
    server: Heard

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.requests.append((self.path, dict(self.headers), body))
        self.send_response(self.server.status)
        if self.server.location:
            self.send_header("Location", self.server.location)
        self.end_headers()

    def log_message(self, format: str, *_: Any) -> None:  # noqa: A002 (the name in the standard library)
        """Say nothing."""


@pytest.fixture
def heard() -> Iterator[Heard]:
    server = Heard()
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join(timeout=5)


@pytest.fixture
def pinged(app: Flask, heard: Heard) -> Counter:
    """A counter that wants to be told."""
    metadata = {"backchannel_token_delivery_mode": "ping", "backchannel_client_notification_endpoint": heard.url}
    with app.app_context(), transaction() as session:
        return Counter(app.test_client(), new_portal(session, scopes=SCOPES, redirect_uris=[], grant_types=[CIBA], metadata=metadata))


def ping(app: Flask, auth_req_id: str) -> None:
    with app.app_context():
        with transaction() as session:
            row = session.scalars(select(ApartRequest).where(ApartRequest.code_hash == waiting.hash_of(auth_req_id))).one()
        pinging.ping_client(request_id=str(row.id))


def jobs(app: Flask) -> int:
    with app.app_context(), transaction() as session:
        return int(session.scalar(text("SELECT count(*) FROM procrastinate_jobs WHERE task_name = 'kabao:ping_client'")) or 0)


@pytest.mark.parametrize("answer", ["approve", "refuse"])
def test_the_client_is_told_that_there_is_an_answer_and_fetches_it(
    app: Flask, pinged: Counter, heard: Heard, browser: FlaskClient, person: Person, answer: str
) -> None:
    asked, before = pinged.asked(login_hint=person.number, client_notification_token=TOKEN), jobs(app)
    assert asked["interval"] == 5, "a pinged client may poll as well"
    answer_request(browser, answer)
    assert jobs(app) == before + 1
    ping(app, asked["auth_req_id"])
    ((path, headers, body),) = heard.requests
    assert (path, headers["Authorization"], headers["Content-Type"]) == ("/ping", f"Bearer {TOKEN}", "application/json")
    assert json.loads(body) == {"auth_req_id": asked["auth_req_id"]}
    answered = pinged.poll(asked["auth_req_id"])
    assert "id_token" in good(answered) if answer == "approve" else error_of(answered) == "access_denied"
    ping(app, asked["auth_req_id"])
    assert len(heard.requests) == 1, "what was fetched needs no ping"


@pytest.mark.parametrize("status", [200, 204])
def test_200_and_204_are_both_fine(app: Flask, pinged: Counter, heard: Heard, browser: FlaskClient, person: Person, status: int) -> None:
    heard.status = status
    asked = pinged.asked(login_hint=person.number, client_notification_token=TOKEN)
    answer_request(browser)
    ping(app, asked["auth_req_id"])


@pytest.mark.parametrize("status", [400, 401, 403])
def test_who_turns_the_ping_away_is_not_told_again_and_fetches_the_tokens_all_the_same(
    app: Flask, pinged: Counter, heard: Heard, browser: FlaskClient, person: Person, status: int
) -> None:
    asked = pinged.asked(login_hint=person.number, client_notification_token=TOKEN)
    answer_request(browser)
    heard.status = status
    ping(app, asked["auth_req_id"])
    assert len(heard.requests) == 1
    assert "id_token" in good(pinged.poll(asked["auth_req_id"]))


@pytest.mark.parametrize("status", [429, 500, 503])
def test_what_was_not_heard_is_told_again(app: Flask, pinged: Counter, heard: Heard, browser: FlaskClient, person: Person, status: int) -> None:
    asked = pinged.asked(login_hint=person.number, client_notification_token=TOKEN)
    answer_request(browser)
    heard.status = status
    with pytest.raises(pinging.PingNotDelivered):
        ping(app, asked["auth_req_id"])
    heard.status = 204
    ping(app, asked["auth_req_id"])
    assert len(heard.requests) == 2


def test_a_redirect_is_not_followed(app: Flask, pinged: Counter, heard: Heard, browser: FlaskClient, person: Person) -> None:
    asked = pinged.asked(login_hint=person.number, client_notification_token=TOKEN)
    answer_request(browser)
    heard.status, heard.location = 307, f"{heard.url}/elsewhere"
    ping(app, asked["auth_req_id"])
    assert [path for path, _, _ in heard.requests] == ["/ping"]


def test_nobody_there_is_told_again(app: Flask, pinged: Counter, heard: Heard, browser: FlaskClient, person: Person) -> None:
    asked = pinged.asked(login_hint=person.number, client_notification_token=TOKEN)
    answer_request(browser)
    heard.shutdown()
    heard.server_close()
    with pytest.raises(pinging.PingNotDelivered):
        ping(app, asked["auth_req_id"])


@pytest.mark.parametrize("token", [None, "with space", "é", "x" * 1025], ids=["none", "a space", "no ASCII", "too long"])
def test_the_token_is_required_and_is_a_bearer_s(pinged: Counter, person: Person, token: str | None) -> None:
    assert error_of(pinged.ask(login_hint=person.number, client_notification_token=token)) == "invalid_request"


def test_token_and_id_are_sealed_at_rest(app: Flask, pinged: Counter, person: Person) -> None:
    asked = pinged.asked(login_hint=person.number, client_notification_token=TOKEN)
    with app.app_context(), transaction() as session:
        row = session.scalars(select(ApartRequest).where(ApartRequest.code_hash == waiting.hash_of(asked["auth_req_id"]))).one()
    assert row.ping_sealed is not None
    assert TOKEN.encode() not in row.ping_sealed
    assert asked["auth_req_id"].encode() not in row.ping_sealed


def test_a_client_that_polls_is_never_pinged(app: Flask, counter: Counter, browser: FlaskClient, person: Person) -> None:
    before = jobs(app)
    counter.asked(login_hint=person.number, client_notification_token=TOKEN)
    answer_request(browser)
    assert jobs(app) == before
