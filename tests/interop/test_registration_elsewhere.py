"""Portals register themselves at ours with openid-client (npm), sign people in, and manage what they registered with requests."""

from datetime import timedelta

import pytest
import requests

from demo.browser import Browser
from idp.oauth.registration import initial_tokens, policies
from runtime.clock import now
from tests.at_address import AddressedKabao
from tests.interop.conftest import Program
from tests.interop.test_openid_client import visit
from tests.world_clients import DEPARTMENT
from tests.world_people import new_person, open_account

pytestmark = pytest.mark.interop
POLICY = {
    "name": "interop",
    "owner": DEPARTMENT,
    "grant_types": ["authorization_code", "refresh_token"],
    "scopes": ["openid", "profile"],
    "auth_methods": ["client_secret_basic"],
    "redirect_hosts": ["portal.example.gov.cn"],
    "native": True,
}


@pytest.fixture
def token(kabao: AddressedKabao) -> str:
    with kabao.world() as session:
        policies.apply(session, POLICY, now=now())
        return initial_tokens.issue(session, policy="interop", uses=1, expires_at=now() + timedelta(hours=1), now=now())[1]


def test_a_portal_registers_itself_signs_someone_in_and_takes_itself_back(node: Program, kabao: AddressedKabao, portal_url: str, token: str) -> None:
    with kabao.world() as session:
        person = new_person(session)
        open_account(session, person)
    metadata = {
        "client_name": "Newcomer",
        "application_type": "native",
        "redirect_uris": [f"{portal_url}/callback"],
        "grant_types": ["authorization_code", "refresh_token"],
        "token_endpoint_auth_method": "client_secret_basic",
    }
    begun = node("newcomer", step="begin", issuer=kabao.url, token=token, metadata=metadata)
    registered = begun["registered"]
    callback = visit(Browser(language="en"), person, begun["url"])
    told = {name: begun[name] for name in ("verifier", "state", "nonce")}
    finished = node("newcomer", step="finish", issuer=kabao.url, registered=registered, callback=callback, **told)
    assert finished["claims"]["aud"] == registered["client_id"]
    assert finished["userinfo"]["name"] == person.name
    address, headers = registered["registration_client_uri"], {"Authorization": f"Bearer {registered['registration_access_token']}"}
    read = requests.get(address, headers=headers, timeout=10).json()
    assert read["client_id"] == registered["client_id"]
    answered = ("registration_access_token", "registration_client_uri", "client_secret_expires_at", "client_id_issued_at")
    said = {name: value for name, value in read.items() if name not in answered} | {"client_name": "Changed"}
    changed = requests.put(address, json=said, headers=headers, timeout=10).json()
    assert changed["client_name"] == "Changed"
    headers = {"Authorization": f"Bearer {changed['registration_access_token']}"}
    assert requests.delete(address, headers=headers, timeout=10).status_code == 204
    assert requests.get(address, headers=headers, timeout=10).status_code == 401
