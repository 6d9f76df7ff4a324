"""Which scripts of other origins may read what."""

import secrets

import pytest
from flask import Flask
from flask.testing import FlaskClient

from idp.oauth import clients
from runtime.clock import now
from runtime.database import transaction
from runtime.languages import Text
from tests.world_clients import new_portal

RESOURCES = ["/.well-known/oauth-protected-resource", "/.well-known/oauth-protected-resource/api"]
PUBLIC = ["/.well-known/openid-configuration", "/.well-known/oauth-authorization-server", *RESOURCES, "/jwks"]
GUARDED = ["/token", "/userinfo", "/revoke", "/par"]
ALLOW = "Access-Control-Allow-Origin"


@pytest.fixture
def origin(app: Flask) -> str:
    """The origin of a client that runs in a browser."""
    home = f"https://{secrets.token_hex(4)}.example.gov.cn"
    with app.app_context(), transaction() as session:
        clients.register_client(
            session,
            client_id=f"spa-{secrets.token_hex(4)}",
            name=Text("网页应用", "Web application"),
            owner="x",
            auth_method="none",
            redirect_uris=[f"{home}/callback"],
            grant_types=["authorization_code"],
            scopes=["openid"],
            now=now(),
        )
    return home


def preflight(client: FlaskClient, path: str, origin: str) -> dict[str, str]:
    asked = {"Origin": origin, "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization, dpop"}
    response = client.options(path, headers=asked)
    assert response.status_code == 204
    return dict(response.headers)


@pytest.mark.parametrize("path", PUBLIC)
def test_what_is_public_is_for_every_script(client: FlaskClient, path: str) -> None:
    response = client.get(path, headers={"Origin": "https://anyone.example"})
    assert response.headers[ALLOW] == "*"
    assert preflight(client, path, "https://anyone.example")[ALLOW] == "*"
    assert "Access-Control-Allow-Credentials" not in response.headers


@pytest.mark.parametrize("path", GUARDED)
def test_a_browser_client_may_ask_and_read_the_refusal(client: FlaskClient, origin: str, path: str) -> None:
    allowed = preflight(client, path, origin)
    assert allowed[ALLOW] == origin
    assert {"authorization", "content-type", "dpop"} <= set(allowed["Access-Control-Allow-Headers"].lower().split(", "))
    response = client.post(path, headers={"Origin": origin})
    assert response.status_code in (400, 401)
    assert response.headers[ALLOW] == origin
    assert {"DPoP-Nonce", "WWW-Authenticate"} <= set(response.headers["Access-Control-Expose-Headers"].split(", "))
    assert "Origin" in response.headers.getlist("Vary")
    assert "Access-Control-Allow-Credentials" not in response.headers


@pytest.mark.parametrize("path", GUARDED)
@pytest.mark.parametrize("change", ["https://evil.example", "null", "", "https://x.example.gov.cn.evil.example", "{}:8443", "{}/", "{}.evil.example"])
def test_another_origin_may_not(client: FlaskClient, origin: str, path: str, change: str) -> None:
    stranger = change.format(origin)
    assert ALLOW not in preflight(client, path, stranger)
    response = client.post(path, headers={"Origin": stranger})
    assert ALLOW not in response.headers
    assert "Origin" in response.headers.getlist("Vary")


def test_the_origin_of_a_client_with_a_proof_of_its_own_may_not(app: Flask, client: FlaskClient) -> None:
    with app.app_context(), transaction() as session:
        portal = new_portal(session)
    assert ALLOW not in preflight(client, "/token", portal.redirect_uri.removesuffix("/callback"))


def test_a_client_that_is_closed_may_not_any_more(app: Flask, client: FlaskClient, origin: str) -> None:
    with app.app_context(), transaction() as session:
        row = next(row for row in clients.listed(session) if row.redirect_uris == [f"{origin}/callback"])
        clients.disable_client(session, row.client_id, now=now())
    assert ALLOW not in preflight(client, "/token", origin)


@pytest.mark.parametrize("path", ["/authorize", "/logout", "/signin", "/account", "/api/v1/licences"])
def test_pages_and_departments_doors_are_for_no_script(client: FlaskClient, origin: str, path: str) -> None:
    assert ALLOW not in client.options(path, headers={"Origin": origin, "Access-Control-Request-Method": "GET"}).headers
    assert ALLOW not in client.get(path, headers={"Origin": origin}).headers
