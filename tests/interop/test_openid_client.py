"""openid-client (npm) signs people in at ours, and gets tokens for a department's system."""

from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests

from demo.browser import Browser
from tests.at_address import AddressedKabao
from tests.interop.conftest import Program, private_jwk
from tests.world_clients import System, new_portal, new_system
from tests.world_people import PASSWORD, Person, new_person, open_account

pytestmark = pytest.mark.interop
SCOPE = "openid profile number offline_access"


@pytest.fixture(scope="module")
def person(kabao: AddressedKabao) -> Person:
    with kabao.world() as session:
        person = new_person(session)
        open_account(session, person)
    return person


@pytest.fixture
def portal(kabao: AddressedKabao, portal_url: str) -> System:
    with kabao.world() as session:
        return new_portal(
            session,
            scopes=SCOPE.split(),
            redirect_uris=[f"{portal_url}/callback"],
            post_logout_redirect_uris=[f"{portal_url}/goodbye"],
            sector="interop.example",
        )


def visit(browser: Browser, person: Person, url: str) -> str:
    """Do what the browser's owner does at the authorization endpoint; returns the address that they come back to."""
    browser.open(url)
    if browser.has_button("signin"):
        browser.submit("signin", number=person.number, password=PASSWORD)
    if browser.has_button("approve"):
        browser.submit("approve")
    return browser.page.url


def sign_in_at(node: Program, kabao: AddressedKabao, portal: System, portal_url: str, person: Person, browser: Browser) -> dict[str, Any]:
    """Go through the whole sign-in of a portal and return what the portal has at its end."""
    asked = {
        "issuer": kabao.url,
        "client_id": portal.client_id,
        "jwk": private_jwk(portal.private_key),
        "redirect_uri": f"{portal_url}/callback",
        "post_logout_redirect_uri": f"{portal_url}/goodbye",
        "scope": SCOPE,
    }
    begun = node("portal", step="begin", **asked, more={"prompt": "consent"})
    callback = visit(browser, person, begun["url"])
    assert callback.startswith(f"{portal_url}/callback?"), callback.split("?")[0]
    finished = node("portal", step="finish", **asked, callback=callback, **{name: begun[name] for name in ("verifier", "state", "nonce")})
    return {**finished, "asked_nonce": begun["nonce"], "callback": callback, "state": begun["state"]}


def test_a_person_signs_in_at_a_portal_made_with_openid_client(
    node: Program, kabao: AddressedKabao, portal: System, portal_url: str, person: Person
) -> None:
    browser = Browser(language="zh")
    signed_in = sign_in_at(node, kabao, portal, portal_url, person, browser)
    claims = signed_in["claims"]
    assert (claims["iss"], claims["aud"], claims["nonce"]) == (kabao.url, portal.client_id, signed_in["asked_nonce"])
    assert claims["sub_type"] == "person"
    assert not {"name", "number"} & set(claims), "an ID token travels in addresses"
    assert claims["auth_time"] <= claims["iat"] < claims["exp"]
    assert signed_in["at_hash_is_right"]
    assert parse_qs(urlsplit(signed_in["callback"]).query)["iss"] == [kabao.url]
    assert signed_in["userinfo"]["sub"] == claims["sub"]
    assert signed_in["userinfo"]["name"] == person.name
    assert person.number in signed_in["userinfo"].values()
    assert signed_in["refreshed"] == {"sub": claims["sub"], "is_another": True}

    browser.open(signed_in["logout_url"])
    if browser.has_button("signout"):
        browser.submit("signout")
    assert browser.page.url == f"{portal_url}/goodbye?state={signed_in['state']}"
    browser.open(f"{kabao.url}/wallet")
    assert browser.has_button("signin"), "the session at the identity provider has ended"


def test_another_sector_sees_another_subject(node: Program, kabao: AddressedKabao, portal: System, portal_url: str, person: Person) -> None:
    with kabao.world() as session:
        elsewhere = new_portal(
            session,
            scopes=SCOPE.split(),
            redirect_uris=[f"{portal_url}/callback"],
            post_logout_redirect_uris=[f"{portal_url}/goodbye"],
            sector="another.example",
        )
    browser = Browser(language="en")
    one, other = (sign_in_at(node, kabao, client, portal_url, person, browser) for client in (portal, elsewhere))
    assert one["claims"]["sub"] != other["claims"]["sub"]


def test_every_endpoint_that_discovery_names_is_there(node: Program, kabao: AddressedKabao) -> None:
    metadata = requests.get(f"{kabao.url}/.well-known/openid-configuration", timeout=10).json()
    assert metadata == {**metadata, **requests.get(f"{kabao.url}/.well-known/oauth-authorization-server", timeout=10).json()}
    for name in [name for name in metadata if name.endswith(("_endpoint", "_uri"))]:
        assert metadata[name].startswith(kabao.url), name
        assert requests.get(metadata[name], timeout=10, allow_redirects=False).status_code not in (404, 500), name


def test_a_system_gets_a_token_by_its_signed_proof(node: Program, kabao: AddressedKabao) -> None:
    with kabao.world() as session:
        system = new_system(session, scopes=["draws", "verifications"])
    asked = {"issuer": kabao.url, "client_id": system.client_id, "jwk": private_jwk(system.private_key)}
    token = node("system", **asked, scope="draws")
    assert (token["token_type"], token["scope"], token["expires_in"]) == ("bearer", "draws", 600)
    refused = requests.get(f"{kabao.url}/api/v1/events", headers={"Authorization": f"Bearer {token['access_token']}"}, timeout=10)
    assert refused.status_code == 403
    assert 'error="insufficient_scope"' in refused.headers["WWW-Authenticate"]


def test_a_system_with_another_s_key_is_refused(node: Program, kabao: AddressedKabao) -> None:
    with kabao.world() as session:
        system, other = (new_system(session, scopes=["draws"]) for _ in range(2))
    asked = {"issuer": kabao.url, "client_id": system.client_id, "jwk": private_jwk(other.private_key)}
    assert node("system", **asked, scope="draws")["status"] == 401
