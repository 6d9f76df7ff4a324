"""What the OAuth endpoints say when the database is away: RFC 6749 errors, never a bare 500."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from idp.oauth import assertions
from runtime.database import transaction
from runtime.quick import Statement
from runtime.settings import Settings
from tests.idp.oauth.journeys import Journey
from tests.world_clients import System, new_system
from tests.world_people import BROWSER
from wsgi import create_app


@pytest.fixture(scope="module")
def dark(settings: Settings) -> Iterator[Flask]:
    """The application with no database behind it."""
    app = create_app(replace(settings, database_url="postgresql://nobody@127.0.0.1:9/none"))
    yield app
    app.extensions["kabao_cache"].stop()


GRANTS: dict[str, dict[str, str]] = {
    "client_credentials": {},
    "authorization_code": {"code": "x", "redirect_uri": "https://portal.example/"},
    "refresh_token": {"refresh_token": "x"},
}


@pytest.mark.parametrize(("grant", "rest"), GRANTS.items(), ids=GRANTS)
def test_the_token_endpoint_says_so(dark: Flask, portal: System, grant: str, rest: dict[str, str]) -> None:
    response = dark.test_client().post("/token", data={"grant_type": grant, **portal.proof(), **rest})
    assert (response.status_code, response.json["error"]) == (503, "temporarily_unavailable")
    assert response.headers["Cache-Control"] == "no-store"
    assert response.headers["Retry-After"]


def test_the_revocation_endpoint_says_so(dark: Flask, portal: System) -> None:
    response = dark.test_client().post("/revoke", data={"token": "x", **portal.proof()})
    assert (response.status_code, response.json["error"]) == (503, "temporarily_unavailable")


def test_userinfo_says_so(dark: Flask, browser: FlaskClient, portal: System) -> None:
    token = Journey(portal).tokens(browser)["access_token"]
    response = dark.test_client().get("/userinfo", headers={"Authorization": f"Bearer {token}"})
    assert (response.status_code, response.json["error"]) == (503, "temporarily_unavailable")


@pytest.mark.parametrize("path", ["/authorize", "/logout"])
def test_pages_say_so_to_people(dark: Flask, portal: System, path: str) -> None:
    response = dark.test_client().get(path, query_string=Journey(portal).parameters(), headers=BROWSER)
    assert response.status_code == 503
    assert "服务暂时不可用" in response.text


@pytest.mark.parametrize(
    ("form", "usual"),
    [({"grant_type": "refresh_token", "refresh_token": "x"}, 400), ({"grant_type": "client_credentials"}, 200)],
    ids=["before anything else", "while the token is signed"],
)
def test_an_assertion_whose_use_cannot_be_written_is_not_honoured(
    app: Flask, client: FlaskClient, monkeypatch: Any, form: dict[str, str], usual: int
) -> None:
    with app.app_context(), transaction() as session:
        system = new_system(session, scopes=["draws"])
    assert client.post("/token", data={**form, **system.proof()}).status_code == usual
    monkeypatch.setattr(assertions, "USE", Statement(b"fails", b"SELECT 1 / (cardinality($1::bytea[]) - cardinality($1)), $2::timestamptz[]"))
    assert client.post("/token", data={**form, **system.proof()}).status_code == 500
    monkeypatch.undo()
    assert client.post("/token", data={**form, **system.proof()}).status_code == usual
