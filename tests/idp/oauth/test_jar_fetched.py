"""Request objects that a client keeps at an address of its own (RFC 9101 section 5.2, OpenID Connect Core section 6.2)."""

import secrets
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import urlsplit

import pytest
from authlib.oauth2.rfc9101.errors import InvalidRequestUriError
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from idp.oauth import clients
from idp.oauth.requests import fetched_objects
from idp.signin.doors import DOORS, Bucket
from runtime.clock import now
from runtime.database import transaction
from runtime.outbound import NoAnswer
from runtime.settings import Settings
from tests.idp.oauth.conftest import SCOPES
from tests.idp.oauth.journeys import Journey, answer_of
from tests.idp.oauth.pushing import answered, request_object
from tests.world_clients import System, new_portal
from tests.world_people import BROWSER


class _Home(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.server.asked.append(self.path)  # type: ignore[attr-defined]
        status, body = self.server.answers.get(self.path, (404, b""))  # type: ignore[attr-defined]
        self.send_response(status)
        self.send_header("Location", "http://127.0.0.1/elsewhere")
        self.send_header("Content-Type", "application/oauth-authz-req+jwt")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *_: Any) -> None:  # noqa: A002 (the name in the standard library)
        """Say nothing."""


@pytest.fixture(scope="module")
def home() -> Iterator[Any]:
    """A portal's own server, with what it answers and what it was asked."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Home)
    server.answers, server.asked = {}, []  # type: ignore[attr-defined]
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join(timeout=5)


@pytest.fixture
def address(home: Any) -> str:
    return f"http://127.0.0.1:{home.server_port}/{secrets.token_hex(6)}"


@pytest.fixture
def fetched(app: Flask, address: str) -> System:
    """A portal that keeps request objects at an address of its own."""
    with app.app_context(), transaction() as session:
        return new_portal(session, scopes=SCOPES, metadata={"request_uris": [address]})


def bring_address(browser: FlaskClient, portal: System, uri: str, **more: Any) -> TestResponse:
    """Go there with the address of a request object."""
    response = browser.get("/authorize", query_string={"client_id": portal.client_id, "request_uri": uri, **more}, headers=BROWSER)
    return browser.get(response.location, headers=BROWSER) if response.status_code == 303 and response.location.startswith("/authorize") else response


def _path(address: str) -> str:
    return urlsplit(address).path


def test_a_request_object_is_fetched_from_a_registered_address(browser: FlaskClient, fetched: System, home: Any, address: str) -> None:
    """Section 5.2: by reference; fetched once, though the browser goes round."""
    journey = Journey(fetched)
    home.answers[_path(address)] = (200, request_object(journey).encode())
    answer = answered(browser, bring_address(browser, fetched, address))
    assert answer["state"] == journey.state
    assert home.asked.count(_path(address)) == 1


def test_whatever_the_fragment_says_the_contents_are_fetched_anew(browser: FlaskClient, fetched: System, home: Any, address: str) -> None:
    """OpenID Connect Core section 6.2: it tells servers that keep them that they changed; it should be their hash, and need not."""
    for fragment in ("A" * 43, "2026-11"):
        home.answers[_path(address)] = (200, request_object(Journey(fetched)).encode())
        assert "code" in answered(browser, bring_address(browser, fetched, f"{address}#{fragment}"))
    assert home.asked.count(_path(address)) == 2


def test_no_other_address_is_asked(browser: FlaskClient, fetched: System, portal: System, home: Any, address: str) -> None:
    """Sections 10.4.1 and 10.4.2: nobody sends us anywhere by a link."""
    home.answers[_path(address)] = (200, request_object(Journey(fetched)).encode())
    others = (
        f"{address}?x=1",
        f"{address}/",
        address + "x",
        address.replace("127.0.0.1", "localhost"),
        address.upper(),
        f"{address}/../x",
        address + "#",
    )
    for uri in others[:-1]:
        assert bring_address(browser, fetched, uri).status_code == 400
    assert bring_address(browser, portal, address).status_code == 400
    assert _path(address) not in home.asked


ANSWERS = {
    "not found": (404, b""),
    "a redirect": (302, b""),
    "an error": (500, b"x"),
    "not a request object": (200, b"<html>"),
    "empty": (200, b""),
    "not ASCII": (200, "证".encode()),
    "endless": (200, b"x" * 100_000),
}


@pytest.mark.parametrize("answer", ANSWERS.values(), ids=ANSWERS)
def test_an_address_that_gives_no_request_object_is_refused(
    browser: FlaskClient, fetched: System, home: Any, address: str, answer: tuple[int, bytes]
) -> None:
    """Sections 5.2.3 and 7: invalid_request_uri, or invalid_request_object for what is found there."""
    home.answers[_path(address)] = answer
    assert bring_address(browser, fetched, address).status_code == 400
    told = answer_of(bring_address(browser, fetched, address, redirect_uri=fetched.redirect_uri))
    assert told["error"] == ("invalid_request_object" if answer in (ANSWERS["not a request object"], ANSWERS["empty"]) else "invalid_request_uri")


def test_nobody_waits_long_for_it_nor_reads_much(browser: FlaskClient, fetched: System, address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Section 10.4.1: a time, and a size; what they do is the outbound door's to hold to."""
    bounds: list[dict[str, Any]] = []

    def fetch(*_: Any, **given: Any) -> Any:
        bounds.append(given)
        raise NoAnswer("too slow")

    monkeypatch.setattr(fetched_objects.outbound, "fetch", fetch)
    answer = answer_of(bring_address(browser, fetched, address, redirect_uri=fetched.redirect_uri))
    assert answer["error"] == "invalid_request_uri"
    assert [(given["timeout"], given["limit"]) for given in bounds] == [(3.0, 32 * 1024)]


def test_an_inner_address_is_not_asked_outside_of_development(app: Flask, settings: Settings, fetched: System, home: Any, address: str) -> None:
    """Section 10.4.1: server-side request forgery."""
    home.answers[_path(address)] = (200, request_object(Journey(fetched)).encode())
    with app.test_request_context("/authorize"):
        client = clients.find_client(fetched.client_id)
        assert client is not None
        assert fetched_objects.fetch(client, address, settings=settings, now=now())
        with pytest.raises(InvalidRequestUriError):
            fetched_objects.fetch(client, address, settings=replace(settings, development=False), now=now())
    assert home.asked.count(_path(address)) == 1


def test_who_leads_many_browsers_here_does_not_have_us_ask_without_end(
    monkeypatch: pytest.MonkeyPatch, client: FlaskClient, fetched: System, home: Any, address: str
) -> None:
    few = Bucket(3, timedelta(minutes=1))
    monkeypatch.setitem(DOORS, fetched_objects.DOOR, replace(DOORS[fetched_objects.DOOR], address=few))
    asked = {"client_id": fetched.client_id, "request_uri": address}
    codes = [client.get("/authorize", query_string=asked, headers=BROWSER).status_code for _ in range(5)]
    assert codes[3:] == [429, 429]
    assert home.asked.count(_path(address)) == 3
