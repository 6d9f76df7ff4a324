"""openid-client (npm) pushes requests, signs them, and goes the whole way of FAPI 2.0 Message Signing."""

from urllib.parse import parse_qs, urlsplit

import pytest

from demo.browser import Browser
from idp.oauth.client_metadata import FAPI2_MESSAGE_SIGNING
from tests.at_address import AddressedKabao
from tests.interop.conftest import Program, private_jwk
from tests.interop.test_openid_client import visit
from tests.world_clients import new_portal
from tests.world_people import new_person, open_account

pytestmark = pytest.mark.interop
WAYS = {
    "par": {"require_pushed_authorization_requests": True},
    "jar": {"require_signed_request_object": True},
    "par+jar": {"require_pushed_authorization_requests": True, "require_signed_request_object": True},
    "fapi": {
        "security_profile": FAPI2_MESSAGE_SIGNING,
        "dpop_bound_access_tokens": True,
        "authorization_signed_response_alg": "ES256",
        "application_type": "native",  # it listens on a loopback address
    },
}


@pytest.mark.parametrize("way", WAYS)
def test_a_portal_made_with_openid_client_signs_a_person_in(node: Program, kabao: AddressedKabao, portal_url: str, way: str) -> None:
    with kabao.world() as session:
        person = new_person(session)
        open_account(session, person)
        portal = new_portal(session, scopes=["openid", "profile"], redirect_uris=[f"{portal_url}/callback"], metadata=WAYS[way])
    asked = {
        "issuer": kabao.url,
        "client_id": portal.client_id,
        "jwk": private_jwk(portal.private_key),
        "redirect_uri": f"{portal_url}/callback",
        "scope": "openid profile",
        "way": way,
    }
    begun = node("pushed", step="begin", **asked)
    named = set(parse_qs(urlsplit(begun["url"]).query))
    assert named == ({"client_id", "request"} if way == "jar" else {"client_id", "request_uri"})
    callback = visit(Browser(language="zh"), person, begun["url"])
    assert callback.startswith(f"{portal_url}/callback?"), callback.split("?")[0]
    assert ("response" in parse_qs(urlsplit(callback).query)) == (way == "fapi")
    finished = node("pushed", step="finish", **asked, callback=callback, **{name: begun[name] for name in ("verifier", "state", "nonce", "dpop")})
    assert finished["claims"]["nonce"] == begun["nonce"]
    assert finished["token_type"] == ("dpop" if way == "fapi" else "bearer")
    assert finished["userinfo"]["name"] == person.name
