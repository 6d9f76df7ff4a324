"""Sector identifier documents: fetched with guards, believed only where they name each address."""

import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from flask import Flask
from structlog.testing import capture_logs

from idp.oauth import sectors
from idp.oauth.sectors import NotOfTheSector
from runtime.database import transaction
from runtime.settings import Settings
from tests.world_clients import new_portal

ADDRESSES = ["https://one.example/callback", "https://two.example/callback"]
DOCUMENTS = {
    "/whole": (200, json.dumps(ADDRESSES).encode()),
    "/more": (200, json.dumps([*ADDRESSES, "https://three.example/"]).encode()),
    "/one": (200, json.dumps(ADDRESSES[:1]).encode()),
    "/object": (200, json.dumps({"redirect_uris": ADDRESSES}).encode()),
    "/numbers": (200, b"[1, 2]"),
    "/not-json": (200, b"<html>"),
    "/deep": (200, b"[" * 60_000),
    "/long": (200, json.dumps([*ADDRESSES, "x" * 70_000]).encode()),
    "/missing": (404, b"[]"),
    "/elsewhere": (302, b"[]"),
}


class _Documents(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        status, body = DOCUMENTS[self.path]
        self.send_response(status)
        self.send_header("Location", "/whole")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *_: object) -> None:  # noqa: A002 (the name in the standard library)
        """Say nothing."""


@pytest.fixture(scope="module")
def served() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Documents)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join(timeout=5)


@pytest.mark.parametrize("path", ["/whole", "/more"])
def test_a_document_that_names_each_address_gives_its_host(served: str, settings: Settings, path: str) -> None:
    assert sectors.check_document(served + path, ADDRESSES, replace(settings, development=True)) == "127.0.0.1"


@pytest.mark.parametrize("path", sorted(DOCUMENTS.keys() - {"/whole", "/more"}))
def test_any_other_document_gives_none(served: str, settings: Settings, path: str) -> None:
    with pytest.raises(NotOfTheSector):
        sectors.check_document(served + path, ADDRESSES, replace(settings, development=True))


def test_an_inner_address_is_not_asked(served: str, settings: Settings) -> None:
    for uri in (f"{served}/whole", "https://127.0.0.1/whole", "https://169.254.169.254/latest", "https://[::1]/whole"):
        with pytest.raises(NotOfTheSector):
            sectors.check_document(uri, ADDRESSES, replace(settings, development=False))


def test_who_is_not_of_a_sector_any_more_is_told_of(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    with app.app_context(), transaction() as session:
        portal = new_portal(session, metadata={"sector_identifier_uri": "https://sector.example/gone"})
    asked = []

    def check(uri: str, redirect_uris: list[str], settings: Settings) -> str:
        asked.append((uri, redirect_uris))
        raise NotOfTheSector("gone")

    monkeypatch.setattr(sectors, "check_document", check)
    with app.app_context(), capture_logs() as lines:
        sectors.look_at_sectors_again()
    assert ("https://sector.example/gone", [portal.redirect_uri]) in asked
    assert portal.client_id in {line.get("client") for line in lines}
